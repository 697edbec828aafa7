package ec2

import (
	"net/netip"
	"slices"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// firstFree returns the first addresses of the ranges that are free, at most as
// many as wanted. The first and last address of a range are its network's.
func firstFree(ranges []netip.Prefix, wanted int, free func(netip.Addr) bool) []netip.Addr {
	var found []netip.Addr
	for _, p := range ranges {
		p = p.Masked()
		for a := p.Addr(); p.Contains(a) && len(found) < wanted; a = a.Next() {
			if !isNetworks(p, a) && free(a) && !slices.Contains(found, a) {
				found = append(found, a)
			}
		}
	}
	return found
}

// isNetworks reports whether an address is the first or last of a range that is
// long enough to have such.
func isNetworks(p netip.Prefix, a netip.Addr) bool {
	const hostRoutes = 31 // from this length on, all addresses are hosts'
	return p.Bits() < hostRoutes && (a == p.Masked().Addr() || !p.Contains(a.Next()))
}

// usedAddresses returns the elastic addresses of all accounts, and those that
// customer gateways have: theirs may be in the same ranges.
func usedAddresses(r reader) map[netip.Addr]bool {
	used := make(map[netip.Addr]bool)
	for v := range store.CustomerGateways.All(r.Reader) {
		if isLive(&v) {
			used[v.Address] = true
		}
	}
	for v := range store.Addresses.All(r.Reader) {
		used[v.PublicIP] = true
	}
	return used
}

// takeElastic chooses as many elastic addresses as wanted.
func (s *Service) takeElastic(r reader, wanted int) ([]netip.Addr, error) {
	used := usedAddresses(r)
	found := firstFree(s.config.ElasticAddresses, wanted, func(a netip.Addr) bool { return !used[a] })
	if len(found) < wanted {
		return nil, resource.Errorf(codeInsufficientAddresses, "Too few elastic addresses are free. Release some, or let the operator of this installation add addresses to outside.elastic_addresses")
	}
	return found, nil
}

// giveAutoAddress gives an interface an address that goes with it.
func (s *Service) giveAutoAddress(w writer, nic *resource.NetworkInterface, public netip.Addr) {
	addresses.put(w, resource.Address{
		Meta: w.of(nic).newMeta(s.newID(autoAddressPrefix), nil), PublicIP: public, Auto: true,
		NetworkInterface: nic.ID, PrivateAddress: nic.Address,
	})
}

// autoAddressPrefix begins the ids of addresses that nobody has allocated. They
// are shown nowhere.
const autoAddressPrefix = "eipauto"

// freeAddressesOf takes an interface from its addresses; those that came with it
// go.
func freeAddressesOf(w writer, nic string) {
	freeAddresses(w, nic, func(*resource.Address) bool { return true })
}

// addressesOf returns the addresses that stand for an interface, whose ever they are.
func (r reader) addressesOf(nic string) []resource.Address {
	var found []resource.Address
	for v := range addresses.table.Find(r.Reader, store.Scope{}, store.ByInterface, nic) {
		found = append(found, *v)
	}
	return found
}

// freeAddresses lets some of an interface's addresses stand for nobody; those that
// came with it go.
func freeAddresses(w writer, nic string, which func(*resource.Address) bool) {
	for _, v := range w.addressesOf(nic) {
		if !which(&v) {
			continue
		}
		if v.Auto {
			addresses.table.Delete(w.tx, store.Scope{Account: v.Account, Region: v.Region}, v.ID)
			continue
		}
		v.Free()
		addresses.put(w, v)
	}
}

// freeAutoAddress takes from an interface the address that came with it.
func freeAutoAddress(w writer, nic string) {
	for _, v := range addresses.found(w.reader, store.ByInterface, nic) {
		if v.Auto {
			addresses.delete(w, v.ID)
		}
	}
}

// restoreAutoAddress gives an interface an outside address if it is one that comes
// with an address and has none.
func (s *Service) restoreAutoAddress(w writer, id string) error {
	nic, ok := networkInterfaces.table.Get(w.Reader, w.scope, id)
	if _, has := w.public(id, nic.Address); has || !ok || !nic.AutoPublicIP {
		return nil
	}
	found, err := s.takeElastic(w.reader, 1)
	if err != nil {
		return err
	}
	s.giveAutoAddress(w, &nic, found[0])
	return nil
}

// public returns the outside address of an interface's private address.
func (r reader) public(nic string, private netip.Addr) (resource.Address, bool) {
	for v := range addresses.table.Find(r.Reader, store.Scope{}, store.ByInterface, nic) {
		if v.PrivateAddress == private {
			return *v, true
		}
	}
	return resource.Address{}, false
}

// addressOwner is who an address belongs to in answers: one that came with an
// interface is the service's.
func addressOwner(v *resource.Address) string {
	if v.Auto {
		return "amazon"
	}
	return v.Account
}
