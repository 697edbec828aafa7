package plan

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"
)

// An Underlay is the network that outside addresses belong to: a namespace that
// is not ours, with an interface by which the world is reached.
type Underlay struct {
	Namespace string // its name; "" is the namespace of the process
	Interface string // "lo": the world comes in by any

	// Elastic are the ranges that elastic addresses are from. On Interface we
	// answer questions for those of them that are in use, and for no others.
	Elastic []netip.Prefix
}

// An Outside joins a network to the Underlay. What the network sends there
// leaves under the addresses that stand for its senders, one for one, and what
// comes to these addresses is sent on to those that they stand for. Nothing else
// passes, except what is from and to Ranges.
type Outside struct {
	Table     string // where what comes from the underlay is routed
	Addresses []Elastic
	Ranges    []netip.Prefix // IPv6: their addresses are known outside as they are
}

// An Elastic is an address of the underlay that stands for one inside.
type Elastic struct {
	Outside, Inside netip.Addr
}

// What a gateway's network drops; counted in the kernel under these names.
const (
	droppedUnassociated = "dropped-unassociated" // no outside address stands for the sender, or for nobody the receiver
	droppedUnsolicited  = "dropped-unsolicited"  // begun by others, or no protocol that is translated
)

func (n Network) checkGateway() error {
	if n.Outside != nil {
		if len(n.Interfaces) > 0 || n.Translator != nil {
			return errors.New("a network that leads outside has neither interfaces nor a translator")
		}
		outside, inside := map[netip.Addr]bool{}, map[netip.Addr]bool{}
		for _, e := range n.Outside.Addresses {
			if !e.Outside.Is4() || !e.Inside.Is4() || outside[e.Outside] || inside[e.Inside] {
				return fmt.Errorf("outside address %v for %v is no IPv4 address, or one of them is not unique", e.Outside, e.Inside)
			}
			outside[e.Outside], inside[e.Inside] = true, true
		}
		for _, p := range n.Outside.Ranges {
			if !isIPv6(p) || p.Addr().Is4In6() || p != p.Masked() {
				return fmt.Errorf("outside range %v is no IPv6 prefix", p)
			}
		}
	}
	if t := n.Translator; t != nil {
		if len(n.Interfaces) > 0 {
			return errors.New("a translator has no interfaces")
		}
		if err := t.check(); err != nil {
			return err
		}
	}
	return nil
}

// outside joins a router to the underlay:
//
//	router  cwo3f…  ---------------  cwo3f…  underlay
//	                                  a route to each outside address
func (k *compiler) outside(r *router) {
	o, u := r.network.Outside, k.underlay
	if o == nil {
		return
	}
	if _, ok := r.table[o.Table]; !ok || u == nil {
		k.fail("network %s: there is no table %q, or no underlay", r.network.ID, o.Table)
		return
	}
	name := OutsideName(k.prefix, r.network.ID)
	here, there := deviceMAC(k.prefix+r.network.ID+" 0"), deviceMAC(k.prefix+r.network.ID+" 1")
	alias := k.prefix + " " + r.network.ID
	r.add(Device{
		Name: name, Kind: Veth, Alias: alias, MAC: here, MTU: defaultMTU, Creator: true,
		Peer: Peer{Namespace: u.Namespace, Name: name, MAC: there, Foreign: true},
	})
	r.Neighbours = append(r.Neighbours, Neighbour{Device: name, Address: linkNextHop, MAC: there})
	target := Target{ToOutside, r.network.ID}
	r.device[target], r.via[target] = name, linkNextHop
	r.attach = append(r.attach, attachment{device: name, table: r.table[o.Table], isOutside: true})

	k.joint.Devices = append(k.joint.Devices, Device{
		Name: name, Kind: Veth, Alias: alias, MAC: there, MTU: defaultMTU,
		Peer: Peer{Namespace: r.Name, Name: name, MAC: here},
	})
	k.joint.Neighbours = append(k.joint.Neighbours, Neighbour{Device: name, Address: linkNextHop, MAC: here})
	for _, p := range o.Ranges {
		k.joint.Routes = append(k.joint.Routes, Route{Table: MainTable, Destination: p, Kind: Unicast, Device: name, Gateway: linkNextHop6})
	}
	if len(o.Ranges) > 0 {
		r.Neighbours = append(r.Neighbours, Neighbour{Device: name, Address: linkNextHop6, MAC: there})
		r.via6[target] = linkNextHop6
		k.joint.Neighbours = append(k.joint.Neighbours, Neighbour{Device: name, Address: linkNextHop6, MAC: here})
	}
	for _, e := range o.Addresses {
		k.joint.Routes = append(k.joint.Routes, Route{
			Table: MainTable, Destination: netip.PrefixFrom(e.Outside, e.Outside.BitLen()), Kind: Unicast, Device: name, Gateway: linkNextHop,
		})
	}
}

// A Joint is what the underlay holds of ours. All else in it is left alone.
type Joint struct {
	Underlay
	Prefix string // of the device aliases and of the filter's name

	Devices    []Device // by name
	Neighbours []Neighbour
	Routes     []Route // by destination; all by our devices
}

// IPv6 reports whether some of it is IPv6's.
func (j *Joint) IPv6() bool {
	return slices.ContainsFunc(j.Routes, func(r Route) bool { return isIPv6(r.Destination) })
}

func (j *Joint) sort() {
	slices.SortFunc(j.Devices, func(a, b Device) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(j.Neighbours, func(a, b Neighbour) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), a.Address.Compare(b.Address))
	})
	slices.SortFunc(j.Routes, func(a, b Route) int { return a.Destination.Addr().Compare(b.Destination.Addr()) })
	j.Routes = uniqueRoutes(j.Routes)
}

// elasticFilter translates one to one. A packet's way through it:
//
//	prerouting  does an address stand for the sender, or does the receiver's for
//	            somebody? -> the zone of that pair, in which its flows are known
//	inward      the address that the receiver's stands for
//	outward     the address that stands for the sender
//
// Flows of a pair that is gone are not found again, since a new pair has a new
// zone: they end when the pair does.
//
// All maps have names. One within a rule is made anew with every change, and a packet
// that meets the rule as it was at that moment finds nothing in it: its flow would be
// known in no zone of its own.
func (w *filterWriter) elasticFilter() {
	var inward, outward, zonesInward, zonesOutward, outside []string
	for _, e := range w.network.Outside.Addresses {
		zone := zoneOf(e)
		inward = append(inward, fmt.Sprintf("%v : %v", e.Outside, e.Inside))
		outward = append(outward, fmt.Sprintf("%v : %v", e.Inside, e.Outside))
		zonesInward = append(zonesInward, fmt.Sprintf("%v : %d", e.Outside, zone))
		zonesOutward = append(zonesOutward, fmt.Sprintf("%v : %d", e.Inside, zone))
		outside = append(outside, e.Outside.String())
	}
	var devices []string
	for _, a := range w.attach {
		if a.isOutside {
			devices = append(devices, fmt.Sprintf("%q", a.device))
		}
	}
	w.set("set", "outside", "ifname", devices)
	w.set("map", "inward", "ipv4_addr : ipv4_addr", inward)
	w.set("map", "outward", "ipv4_addr : ipv4_addr", outward)
	w.set("map", "zones-inward", "typeof ip daddr : ct zone", zonesInward)
	w.set("map", "zones-outward", "typeof ip saddr : ct zone", zonesOutward)
	w.set("set", "elastic", "ipv4_addr", outside)
	w.rangeChains()
	w.line("chain prerouting {")
	w.line("\ttype filter hook prerouting priority raw; policy accept;")
	w.line("\tmeta mark set iifname map @tables")
	if w.network.ipv6() {
		w.line("\tmeta nfproto ipv6 goto ranges")
	}
	w.line("\tiifname @outside jump zone-inward")
	w.line("\tiifname != @outside jump zone-outward")
	w.line("}")
	for _, direction := range []struct{ name, side string }{{"inward", "daddr"}, {"outward", "saddr"}} {
		w.chain("zone-"+direction.name, []string{
			fmt.Sprintf("ct zone set ip %s map @zones-%s return", direction.side, direction.name), // for whom there is one
			w.drop(droppedUnassociated),
		})
	}
	w.invalid()
	w.line("chain inward {")
	w.line("\ttype nat hook prerouting priority dstnat; policy accept;")
	w.line("\tiifname @outside dnat ip to ip daddr map @inward")
	w.line("}")
	w.line("chain outward {")
	w.line("\ttype nat hook postrouting priority srcnat; policy accept;")
	w.line("\toifname @outside snat ip to ip saddr map @outward")
	w.line("}")
	// What the kernel could not translate shows no inside address to the outside.
	w.line("chain untranslated {")
	w.line("\ttype filter hook postrouting priority srcnat + 10; policy accept;")
	w.line("\toifname @outside ip saddr != @elastic %s", w.drop(droppedInvalid))
	w.line("}")
}

// invalid drops what belongs to no connection and begins none: it would pass
// untranslated.
func (w *filterWriter) invalid() {
	w.line("chain invalid {")
	w.line("\ttype filter hook prerouting priority mangle; policy accept;")
	w.line("\tct state invalid %s", w.drop(droppedInvalid))
	w.line("}")
}

// zoneOf numbers the zone of a pair. Two pairs with one number share a zone, and
// nothing comes of it but that a flow may be remembered for too long.
func zoneOf(e Elastic) uint16 {
	sum := crc32.ChecksumIEEE([]byte(e.Outside.String() + " " + e.Inside.String()))
	return uint16(max(sum%65535, 1))
}
