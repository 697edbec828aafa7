package ec2

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// codeInsufficientAddresses: the installation has no outside address left.
const codeInsufficientAddresses resource.Code = "InsufficientAddressCapacity"

// completeTunnels chooses what the caller left open of a new connection's
// tunnels: outside addresses, zones, inside ranges, keys.
func (s *Service) completeTunnels(w writer, v *resource.VPNConnection) error {
	outside, err := s.chooseOutsideAddresses(w)
	if err != nil {
		return err
	}
	used := insideCIDRsOf(w.reader, v.VPNGateway, v.ID)
	for i := range v.Tunnels {
		if inside := v.Tunnels[i].InsideCIDR; inside.IsValid() {
			if used[inside] {
				return insideCIDRInUse(inside, v.VPNGateway)
			}
			used[inside] = true
		}
	}
	zones := s.zones(w.scope.Region)
	for i := range v.Tunnels {
		t := &v.Tunnels[i]
		t.OutsideAddress, t.Zone = outside[i], zones[i%len(zones)]
		if !t.InsideCIDR.IsValid() {
			if t.InsideCIDR, err = s.chooseInsideCIDR(used); err != nil {
				return err
			}
			used[t.InsideCIDR] = true
		}
		if t.PreSharedKey == "" && !t.KeysInSecret() {
			t.PreSharedKey = s.newPreSharedKey()
		}
	}
	return nil
}

// chooseOutsideAddresses takes the two lowest addresses that no tunnel and no
// customer gateway of any account has. Clients sort tunnels by the text of their
// addresses ("198.51.100.11" before "198.51.100.9"), and so does this. Addresses
// of what is deleted but still shown are taken last, so that a device that goes
// on trying does not disturb a new tunnel.
func (s *Service) chooseOutsideAddresses(w writer) ([2]netip.Addr, error) {
	used, recent := make(map[netip.Addr]bool), make(map[netip.Addr]bool)
	for v := range store.CustomerGateways.All(w.Reader) {
		used[v.Address] = used[v.Address] || isLive(&v)
		recent[v.Address] = true
	}
	for v := range store.VPNConnections.All(w.Reader) {
		for _, t := range v.Tunnels {
			used[t.OutsideAddress] = used[t.OutsideAddress] || isLive(&v)
			recent[t.OutsideAddress] = true
		}
	}
	found := firstFree(s.config.OutsideAddresses, 2, func(a netip.Addr) bool { return !used[a] && !recent[a] })
	if len(found) < 2 {
		found = firstFree(s.config.OutsideAddresses, 2, func(a netip.Addr) bool { return !used[a] })
	}
	if len(found) < 2 {
		return [2]netip.Addr{}, resource.Errorf(codeInsufficientAddresses, "Fewer than two outside addresses are free for the tunnels. Delete VPN connections, or let the operator of this installation add addresses to outside.tunnel_addresses")
	}
	if found[0].String() > found[1].String() {
		found[0], found[1] = found[1], found[0]
	}
	return [2]netip.Addr(found), nil
}

// insideCIDRsOf are the inside ranges of a gateway's connections but one.
func insideCIDRsOf(r reader, gateway, except string) map[netip.Prefix]bool {
	used := make(map[netip.Prefix]bool)
	for other := range vpnConnections.table.Find(r.Reader, r.scope, store.ByGateway, gateway) {
		if other.ID != except && isLive(other) {
			for _, t := range other.Tunnels {
				used[t.InsideCIDR] = true
			}
		}
	}
	return used
}

func insideCIDRInUse(inside netip.Prefix, gateway string) error {
	return resource.InvalidValue("TunnelInsideCidr", inside.String(), "Another tunnel of "+gateway+" has it.")
}

// chooseInsideCIDR takes a free range at random, as AWS does: a device with
// connections to several gateways then hardly gets one twice.
func (s *Service) chooseInsideCIDR(used map[netip.Prefix]bool) (netip.Prefix, error) {
	const ranges = 1 << (resource.InsideCIDRBits - 16)
	base := binary.BigEndian.Uint32(resource.LinkLocal.Addr().AsSlice())
	var random [2]byte
	s.readRandom(random[:])
	start := uint32(binary.BigEndian.Uint16(random[:])) % ranges
	for i := range uint32(ranges) {
		var address [4]byte
		binary.BigEndian.PutUint32(address[:], base+(start+i)%ranges<<(32-resource.InsideCIDRBits))
		p := netip.PrefixFrom(netip.AddrFrom4(address), resource.InsideCIDRBits)
		if !used[p] && resource.ValidateInsideCIDR(p) == nil {
			return p, nil
		}
	}
	return netip.Prefix{}, resource.Errorf(codeInsufficientAddresses, "All inside ranges of the virtual private gateway are in use")
}

// generatedKeyLength is the number of characters of a generated pre-shared key:
// 32 of 62 are 190 bits.
const generatedKeyLength = 32

// newPreSharedKey makes up a key of letters and digits that does not begin with 0.
func (s *Service) newPreSharedKey() string {
	const alphabet = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0"
	key := make([]byte, 0, generatedKeyLength)
	for len(key) < generatedKeyLength {
		var random [1]byte
		s.readRandom(random[:])
		// Six bits choose among 64; the two that are too many are thrown
		// away, so that all characters are equally likely.
		n := int(random[0] & 63)
		if n >= len(alphabet) || len(key) == 0 && alphabet[n] == '0' {
			continue
		}
		key = append(key, alphabet[n])
	}
	return string(key)
}

func (s *Service) readRandom(b []byte) {
	if _, err := io.ReadFull(s.rand, b); err != nil {
		panic(fmt.Sprintf("read %d random bytes: %v", len(b), err)) // crypto/rand never fails
	}
}
