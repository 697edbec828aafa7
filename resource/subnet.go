package resource

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
)

// A Subnet is a part of a VPC in one zone. The first four addresses and the last are the network's own.
type Subnet struct {
	Meta
	VPC                 string       `json:"vpc"`
	CIDR                netip.Prefix `json:"cidr,omitzero"` // of IPv4; zero: it is IPv6-only
	Zone                string       `json:"zone"`          // "us-east-1a"
	State               string       `json:"state"`
	MapPublicIPOnLaunch bool         `json:"mapPublicIpOnLaunch,omitempty"`
	DefaultForAZ        bool         `json:"defaultForAz,omitempty"`

	// IPv6 are the IPv6 ranges, at most one of which is associated; one that is
	// IPv6-only keeps its own.
	IPv6 []CIDRAssociation `json:"ipv6,omitempty"`

	AssignIPv6OnCreation bool `json:"assignIpv6AddressOnCreation,omitempty"` // new interfaces get an IPv6 address

	// DNS64 has interfaces get IPv6 addresses, under NAT64Prefix, for names that have
	// only IPv4 ones.
	DNS64 bool `json:"enableDns64,omitempty"`

	PrivateDNSNames PrivateDNSNameOptions `json:"privateDnsNames,omitzero"` // of instances launched from now on

	// Reservations are ranges, which do not overlap, whose addresses only those get
	// who ask for them.
	Reservations []SubnetCIDRReservation `json:"reservations,omitempty"`
}

// IPv6Only reports whether the subnet has no IPv4 range, and its interfaces no IPv4
// addresses: "IPv6 native", as AWS says.
func (s *Subnet) IPv6Only() bool { return !s.CIDR.IsValid() }

// Range is the subnet's range of IPv4, or of IPv6 if it is IPv6-only: no two subnets of a
// VPC share it.
func (s *Subnet) Range() netip.Prefix {
	if s.IPv6Only() {
		return AssociatedCIDR(s.IPv6)
	}
	return s.CIDR
}

// NAT64Prefix is where IPv4 addresses are embedded in those of IPv6 (the well-known
// prefix of RFC 6052 section 2.1): NAT gateways take what is for it.
var NAT64Prefix = netip.MustParsePrefix("64:ff9b::/96")

// A SubnetCIDRReservation keeps a range of a subnet from being given to interfaces
// that take any address. Interfaces that have addresses of it keep them.
type SubnetCIDRReservation struct {
	ID          string       `json:"id"` // "scr-…"
	CIDR        netip.Prefix `json:"cidr"`
	Type        string       `json:"type"` // prefix or explicit
	Description string       `json:"description,omitempty"`
	Tags        []Tag        `json:"tags,omitempty"`
}

// Reserve adds a reservation, whose range must be within the subnet's of its family
// and free of others ("Subnet CIDR reservations" in the VPC user guide).
func (s *Subnet) Reserve(v SubnetCIDRReservation) error {
	whole := s.CIDR
	if v.CIDR.Addr().Is6() {
		whole = AssociatedCIDR(s.IPv6)
	}
	if !whole.IsValid() || whole.Bits() > v.CIDR.Bits() || !whole.Contains(v.CIDR.Addr()) {
		return Errorf(CodeInvalidParameterValue, "The CIDR block %s is not within the range of the subnet %s", v.CIDR, s.ID)
	}
	for _, o := range s.Reservations {
		if o.CIDR.Overlaps(v.CIDR) {
			return Errorf(CodeInvalidParameterValue, "The CIDR block %s overlaps with %s, which %s reserves", v.CIDR, o.CIDR, o.ID)
		}
	}
	s.Reservations = append(slices.Clone(s.Reservations), v)
	return nil
}

// Reserved reports whether only those get an address who ask for it.
func (s *Subnet) Reserved(a netip.Addr) bool {
	return slices.ContainsFunc(s.Reservations, func(v SubnetCIDRReservation) bool { return v.CIDR.Contains(a) })
}

// The addresses at both ends of a subnet that no interface can have: the
// network's, the router's, the name server's, one kept for later, and the last.
const (
	subnetReservedFirst = 4
	subnetReservedLast  = 1
)

// Capacity is the number of IPv4 addresses that interfaces of the subnet can have.
func (s *Subnet) Capacity() int {
	if s.IPv6Only() {
		return 0
	}
	return 1<<(32-s.CIDR.Bits()) - subnetReservedFirst - subnetReservedLast
}

// ValidateAddress checks an IPv4 address that a caller chose for an interface: in
// the subnet and not one of the reserved.
func (s *Subnet) ValidateAddress(a netip.Addr) error {
	if s.IPv6Only() {
		return Errorf(CodeInvalidParameterValue, "Address %s is IPv4's, and the subnet %s is IPv6-only", a, s.ID)
	}
	if !s.CIDR.Contains(a) {
		return Errorf(CodeInvalidParameterValue, "Address %s does not fall within the subnet's address range %s", a, s.CIDR)
	}
	offset := addressNumber(a) - addressNumber(s.CIDR.Addr())
	if offset < subnetReservedFirst || offset >= uint32(subnetReservedFirst+s.Capacity()) {
		return Errorf(CodeInvalidParameterValue, "Address %s is in subnet's reserved address range: the first four addresses and the last are the network's own", a)
	}
	return nil
}

// FreeAddress returns the lowest address that any interface can have and that is
// not used, or false if the subnet is full.
func (s *Subnet) FreeAddress(used map[netip.Addr]bool) (netip.Addr, bool) {
	for a := range s.free(used) {
		return a, true
	}
	return netip.Addr{}, false
}

// Free is how many addresses any interfaces can have that are not used.
func (s *Subnet) Free(used map[netip.Addr]bool) int {
	if len(s.Reservations) == 0 {
		return s.Capacity() - len(used)
	}
	count := 0
	for range s.free(used) {
		count++
	}
	return count
}

// free are the addresses that any interface can have and that are not used, in order.
func (s *Subnet) free(used map[netip.Addr]bool) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		if s.IPv6Only() {
			return
		}
		first := addressNumber(s.CIDR.Addr()) + subnetReservedFirst
		for n := range uint32(s.Capacity()) {
			if a := numberedAddress(first + n); !used[a] && !s.Reserved(a) && !yield(a) {
				return
			}
		}
	}
}

func addressNumber(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func numberedAddress(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}
