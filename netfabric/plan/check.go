package plan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"sync"
)

// Ids and prefixes end up in names of files and in texts that nft parses:
// nothing else may pass.
var (
	validPrefix = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`) })
	validID     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`) })
	validPathID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,159}$`) })
)

// Limits of what one device can be.
const (
	interfaceIndexMax = 31
	mtuBytesMin       = 576 // RFC 791: what every host must take
	mtuBytesMax       = 65535
)

// check says what makes no sense within a network, as far as the network alone
// can tell.
func (n Network) check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, p := range n.Local {
		if !p.IsValid() || p.Addr().Is4In6() {
			fail("local range %v is no prefix", p)
		}
	}
	tables, groups := map[string]bool{}, map[string]bool{}
	for _, t := range n.Tables {
		if !validID().MatchString(t.ID) || tables[t.ID] {
			fail("table id %q is malformed or not unique", t.ID)
		}
		tables[t.ID] = true
		for _, r := range append(t.Routes[:len(t.Routes):len(t.Routes)], t.Overrides...) {
			if !r.Destination.IsValid() || r.Destination.Addr().Is4In6() {
				fail("table %s: destination %v is no prefix", t.ID, r.Destination)
			}
		}
	}
	for _, g := range n.Groups {
		if !validID().MatchString(g.ID) || groups[g.ID] {
			fail("group id %q is malformed or not unique", g.ID)
		}
		groups[g.ID] = true
		for _, r := range g.Rules {
			if err := r.check(); err != nil {
				fail("group %s: %w", g.ID, err)
			}
		}
	}
	if err := n.checkBorders(); err != nil {
		errs = append(errs, err)
	}
	if err := n.checkGateway(); err != nil {
		errs = append(errs, err)
	}
	if err := n.checkServices(); err != nil {
		errs = append(errs, err)
	}
	ids, addresses := map[string]bool{}, map[netip.Addr]bool{}
	for _, i := range n.Interfaces {
		if ids[i.ID] {
			fail("interface %q: its id is not unique", i.ID)
		}
		ids[i.ID] = true
		for _, a := range i.addresses() {
			if addresses[a] {
				fail("interface %q: address %v is not unique", i.ID, a)
			}
			addresses[a] = true
		}
		if err := i.check(n.Local, tables, groups); err != nil {
			fail("interface %q: %w", i.ID, err)
		}
	}
	return errors.Join(errs...)
}

func (i Interface) check(local []netip.Prefix, tables, groups map[string]bool) error {
	if !validID().MatchString(i.ID) {
		return errors.New("id is malformed")
	}
	if mac, err := net.ParseMAC(i.MAC); err != nil || len(mac) != 6 || mac[0]&1 != 0 {
		return fmt.Errorf("%q is no MAC address of a host", i.MAC)
	}
	if err := i.checkPrimary(local); err != nil {
		return err
	}
	if err := i.checkOthers(local); err != nil {
		return err
	}
	if i.Table != "" && !tables[i.Table] {
		return fmt.Errorf("there is no table %q", i.Table)
	}
	for _, g := range i.Groups {
		if !groups[g] {
			return fmt.Errorf("there is no group %q", g)
		}
	}
	if i.Instance != "" && !validID().MatchString(i.Instance) {
		return fmt.Errorf("instance id %q is malformed", i.Instance)
	}
	if i.Place != nil {
		if i.Instance != "" {
			return errors.New("it is in an instance and at a place")
		}
		if err := i.Place.Check(); err != nil {
			return err
		}
	}
	if i.Index < 0 || i.Index > interfaceIndexMax {
		return fmt.Errorf("index %d is not in 0..%d", i.Index, interfaceIndexMax)
	}
	return checkMTU(i.MTU)
}

// checkPrimary checks the address of IPv4, or that there is one of IPv6 in its place.
func (i Interface) checkPrimary(local []netip.Prefix) error {
	switch {
	case !i.hasIPv4() && !i.Subnet.IsValid() && i.hasIPv6():
		return nil
	case !i.Address.Is4() || !i.Subnet.Contains(i.Address) || i.Subnet.Bits() > 30:
		return fmt.Errorf("address %v is not in subnet %v", i.Address, i.Subnet)
	case i.Address == gateway(i.Subnet) || i.Address == i.Subnet.Masked().Addr():
		return fmt.Errorf("address %v of subnet %v is reserved", i.Address, i.Subnet)
	case !containedIn(i.Address, local):
		return fmt.Errorf("address %v is not in the network's ranges", i.Address)
	}
	return nil
}

func (r FilterRule) check() error {
	if r.Protocol < -1 || r.Protocol > 255 {
		return fmt.Errorf("there is no IP protocol %d", r.Protocol)
	}
	limit := 65535
	switch r.Protocol {
	case protocolICMP, protocolICMPv6:
		limit = 255
	case protocolTCP, protocolUDP:
		if r.FromPort > r.ToPort {
			return fmt.Errorf("ports %d-%d are no range", r.FromPort, r.ToPort)
		}
	default:
		return r.checkPeer()
	}
	if min(r.FromPort, r.ToPort) < -1 || max(r.FromPort, r.ToPort) > limit {
		return fmt.Errorf("%d and %d are not in 0..%d", r.FromPort, r.ToPort, limit)
	}
	return r.checkPeer()
}

func (r FilterRule) checkPeer() error {
	if r.Peer.IsValid() == (r.PeerGroup != "") {
		return errors.New("a rule names a prefix or a group as its peer")
	}
	if r.PeerGroup != "" && !validID().MatchString(r.PeerGroup) {
		return fmt.Errorf("group id %q is malformed", r.PeerGroup)
	}
	return nil
}

func checkMTU(bytes int) error {
	if bytes != 0 && (bytes < mtuBytesMin || bytes > mtuBytesMax) {
		return fmt.Errorf("MTU of %d bytes is not in %d..%d", bytes, mtuBytesMin, mtuBytesMax)
	}
	return nil
}

func containedIn(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// gateway is the first host of a subnet, its router.
func gateway(subnet netip.Prefix) netip.Addr { return subnet.Masked().Addr().Next() }
