// Package resolver answers the DNS questions of a network's hosts. Of their own
// names it knows the addresses; what is to be asked of others it says. It is pure:
// messages come and go as bytes, and package listen carries them.
package resolver

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Config is what the resolver of one network knows.
type Config struct {
	// Local are the network's own ranges: of their addresses nobody else knows
	// names.
	Local []netip.Prefix

	Interfaces []Interface // those who may ask

	// Prefix is where DNS64 embeds IPv4 addresses; no Interface has that where it is
	// zero.
	Prefix netip.Prefix

	Names []Name

	Pointers []Pointer
}

// An Interface is one by which a host asks.
type Interface struct {
	Addresses []netip.Addr // at least one

	// DNS64 says that a name that has only IPv4 addresses has those IPv6 addresses
	// that embed them (RFC 6147).
	DNS64 bool
}

// A Name is one that a host of the network has. With addresses of both families it
// stands there once for each.
type Name struct {
	Name    string // in lower case and without a dot at its end
	Address netip.Addr
	Reverse bool // it is what the address is called
}

// A Pointer is what an address that is not the network's own is called. The name means
// nothing the other way round.
type Pointer struct {
	Address netip.Addr
	Name    string // in lower case and without a dot at its end
}

// A Table is a Config that is made for being asked. It does not change.
type Table struct {
	local     []netip.Prefix
	callers   map[netip.Addr]netip.Addr // the first address of the interface, by address
	addresses map[string][]netip.Addr   // by name
	names     map[netip.Addr]string
	dns64     map[netip.Addr]bool // by the first address of the interface
	prefix    netip.Prefix
}

// NewTable returns the table of a configuration.
func NewTable(c Config) *Table {
	t := &Table{
		local:     slices.Clone(c.Local),
		callers:   make(map[netip.Addr]netip.Addr, len(c.Interfaces)),
		addresses: make(map[string][]netip.Addr, len(c.Names)),
		names:     make(map[netip.Addr]string, len(c.Names)),
		dns64:     map[netip.Addr]bool{},
		prefix:    c.Prefix,
	}
	for _, i := range c.Interfaces {
		for _, a := range i.Addresses {
			t.callers[a] = i.Addresses[0]
		}
		if i.DNS64 {
			t.dns64[i.Addresses[0]] = true
		}
	}
	for _, n := range c.Names {
		t.addresses[n.Name] = append(t.addresses[n.Name], n.Address)
		if n.Reverse {
			t.names[n.Address] = n.Name
		}
	}
	for _, p := range c.Pointers {
		t.names[p.Address] = p.Name
	}
	return t
}

// Caller returns the interface that an address belongs to, known by its first
// address, or false: it is nobody's who may ask.
func (t *Table) Caller(a netip.Addr) (netip.Addr, bool) {
	first, ok := t.callers[a.Unmap()]
	return first, ok
}

// isPrivate reports whether a name is in a domain that only networks like ours
// have: nobody outside is asked for it.
func isPrivate(name string) bool {
	for _, domain := range []string{"ec2.internal", "compute.internal"} {
		if name == domain || strings.HasSuffix(name, "."+domain) {
			return true
		}
	}
	return false
}

// publicName is how AWS names hosts after their outside addresses, whoever's they
// are: "ec2-198-51-100-1.compute-1.amazonaws.com".
var publicName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^ec2-(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})\.(?:compute-1|[a-z0-9-]{1,32}\.compute)\.amazonaws\.com$`)
})

// publicAddress returns the address that a host of another network is named after.
func publicAddress(name string) (netip.Addr, bool) {
	parts := publicName().FindStringSubmatch(name)
	if parts == nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(strings.Join(parts[1:], "."))
	return a, err == nil
}

// What ends the names of addresses: RFC 1035 section 3.5, RFC 3596 section 2.5.
const (
	reverseSuffix  = ".in-addr.arpa"
	reverseSuffix6 = ".ip6.arpa"
)

// reversed returns the address that a reverse name stands for.
func reversed(name string) (netip.Addr, bool) {
	if nibbles, ok := strings.CutSuffix(name, reverseSuffix6); ok {
		return reversed6(nibbles)
	}
	octetText, ok := strings.CutSuffix(name, reverseSuffix)
	labels := strings.Split(octetText, ".")
	if !ok || len(labels) != 4 {
		return netip.Addr{}, false
	}
	var octets [4]byte
	for i, label := range labels {
		n, err := strconv.ParseUint(label, 10, 8)
		if err != nil || label != strconv.FormatUint(n, 10) {
			return netip.Addr{}, false
		}
		octets[3-i] = byte(n)
	}
	return netip.AddrFrom4(octets), true
}

// reversed6 returns the address whose 32 hexadecimal digits stand there in reverse
// order with dots between them, in lower case.
func reversed6(nibbles string) (netip.Addr, bool) {
	var raw [16]byte
	const digits = 2 * len(raw)
	if len(nibbles) != 2*digits-1 {
		return netip.Addr{}, false
	}
	for i := range digits {
		if i > 0 && nibbles[2*i-1] != '.' {
			return netip.Addr{}, false
		}
		digit := strings.IndexByte("0123456789abcdef", nibbles[2*i])
		if digit < 0 {
			return netip.Addr{}, false
		}
		raw[len(raw)-1-i/2] |= byte(digit) << (4 * (i % 2))
	}
	return netip.AddrFrom16(raw), true
}

// isLocal reports whether names of an address are the network's own affair.
func (t *Table) isLocal(a netip.Addr) bool {
	return a.IsLinkLocalUnicast() || slices.ContainsFunc(t.local, func(p netip.Prefix) bool { return p.Contains(a) })
}
