package resource

import "net/netip"

// Address families of prefix lists.
const (
	PrefixListIPv4 = "IPv4"
	PrefixListIPv6 = "IPv6"
)

// A PrefixList is a list of ranges that routes and rules name as one. Each change
// of its entries makes a version.
type PrefixList struct {
	Meta
	Name          string            `json:"name"`
	AddressFamily string            `json:"addressFamily"` // one of the above
	MaxEntries    int32             `json:"maxEntries"`    // what it counts for, wherever it is named
	Version       int64             `json:"version"`       // 1 is the first
	State         string            `json:"state"`         // create-complete, modify-complete, restore-complete
	Entries       []PrefixListEntry `json:"entries,omitempty"`
}

// A PrefixListEntry is one range of a list. Entries are sorted by it.
type PrefixListEntry struct {
	CIDR        netip.Prefix `json:"cidr"`
	Description string       `json:"description,omitempty"`
}

// A PrefixListVersion is what a list was. Its ID is the list's with the number:
// "pl-0123456789abcdef0/3".
type PrefixListVersion struct {
	Meta
	Entries []PrefixListEntry `json:"entries,omitempty"`
}

// Bounds of a prefix list.
const (
	prefixListNameLengthMax        = 255
	prefixListDescriptionLengthMax = 255
)

// ValidatePrefixListName checks a name that a caller chose. Those that begin with
// "com.amazonaws" are AWS's own lists'.
func ValidatePrefixListName(name string) error {
	const reserved = "com.amazonaws"
	if name == "" || len(name) > prefixListNameLengthMax || len(name) >= len(reserved) && name[:len(reserved)] == reserved {
		return InvalidValue("PrefixListName", name, "Give a name of up to 255 characters that does not begin with com.amazonaws.")
	}
	return nil
}

// ParsePrefixListEntry reads an entry of a list of an address family.
func ParsePrefixListEntry(cidr, description, family string) (PrefixListEntry, error) {
	p, err := netip.ParsePrefix(cidr)
	switch {
	case err != nil || p.Addr().Is4In6() || p.Addr().Is4() != (family == PrefixListIPv4):
		return PrefixListEntry{}, InvalidValue("Cidr", cidr, "It is not a range of the list's address family, "+family+".")
	case p != p.Masked():
		return PrefixListEntry{}, InvalidValue("Cidr", cidr, "Bits behind the prefix must be 0: "+p.Masked().String()+".")
	case len(description) > prefixListDescriptionLengthMax:
		return PrefixListEntry{}, InvalidValue("Description", description, "A description has at most 255 characters.")
	}
	return PrefixListEntry{CIDR: p, Description: description}, nil
}
