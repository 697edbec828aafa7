package dhcp6

import (
	"net/netip"
	"slices"
	"time"
)

// A Lease is what one host is told.
type Lease struct {
	MAC    [6]byte // by which the host is known
	Router [6]byte // the MAC address of the router on its link, who answers

	Addresses        []netip.Addr  // none: it has no IPv6, and no router for it
	Subnet           netip.Prefix  // that they are in; nobody in it is a neighbour
	Preferred, Valid time.Duration // of its addresses; whole seconds below 2^32

	Resolvers   []netip.Addr // at most serversMax are told, those of IPv6
	TimeServers []netip.Addr // the same
	Domains     []string     // in which names are looked for
	MTU         int          // of the link, bytes; what IPv6 can't use is not told
}

// serversMax bounds the servers of a kind that a host is told.
const serversMax = 4

// servers are the first of IPv6.
func servers(all []netip.Addr) []netip.Addr {
	all = slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return !a.Is6() })
	return all[:min(len(all), serversMax)]
}

// domainsLengthMax bounds what is told of domains, so that all else finds room.
const domainsLengthMax = 512

// domains writes names as DNS does (RFC 1035 section 3.1), uncompressed. Those that are
// none, or that find no room, are left out.
func (l Lease) domains() (all []byte) {
	for _, name := range l.Domains {
		if encoded := domain(name); len(all)+len(encoded) <= domainsLengthMax {
			all = append(all, encoded...)
		}
	}
	return all
}

// domain writes one name; nil if it is none.
func domain(name string) (b []byte) {
	const labelMax, nameMax = 63, 255
	start := 0
	for at := 0; at <= len(name); at++ {
		if at < len(name) && name[at] != '.' {
			continue
		}
		label := name[start:at]
		if label == "" && at == len(name) && at > 0 {
			break // the name ends with a dot
		}
		if label == "" || len(label) > labelMax {
			return nil
		}
		b, start = append(append(b, byte(len(label))), label...), at+1
	}
	if b = append(b, 0); len(b) > nameMax {
		return nil
	}
	return b
}

func seconds(d time.Duration) uint32 { return uint32(d / time.Second) }
