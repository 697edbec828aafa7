package nat64

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Hosts says which address of IPv4 stands for which host of IPv6, so that whoever is
// behind the translator knows them apart. It does not change.
type Hosts struct {
	ipv4 map[[16]byte][4]byte
	ipv6 map[[4]byte][16]byte
}

// NewHosts gives each host an address of a range of IPv4, whose first address is
// nobody's. Whoever has one before keeps it. The others' follow from their own
// addresses, so that they are nearly always the same however often they are given
// anew: connections outlive the translator. Hosts for whom there is no room have none.
func NewHosts(before *Hosts, within netip.Prefix, hosts []netip.Addr) *Hosts {
	h := &Hosts{ipv4: make(map[[16]byte][4]byte, len(hosts)), ipv6: make(map[[4]byte][16]byte, len(hosts))}
	add := func(host [16]byte, address [4]byte) { h.ipv4[host], h.ipv6[address] = address, host }
	var newcomers [][16]byte
	for _, a := range hosts {
		host := a.As16()
		if before != nil {
			if address, ok := before.ipv4[host]; ok {
				add(host, address)
				continue
			}
		}
		newcomers = append(newcomers, host)
	}
	slices.SortFunc(newcomers, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	first, size := within.Masked().Addr().As4(), uint64(1)<<(32-within.Bits())
	for _, host := range newcomers {
		if uint64(len(h.ipv4)) >= size-1 {
			break
		}
		sum := sha256.Sum256(host[:])
		for at := binary.BigEndian.Uint64(sum[:]); ; at++ {
			var address [4]byte
			binary.BigEndian.PutUint32(address[:], binary.BigEndian.Uint32(first[:])+1+uint32(at%(size-1)))
			if _, taken := h.ipv6[address]; !taken {
				add(host, address)
				break
			}
		}
	}
	return h
}
