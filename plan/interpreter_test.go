package plan_test

import (
	"net/netip"
	"slices"

	"causeway.dev/nodespec"
)

// interpreter carries packets as nodespec says what a Desired means.
type interpreter struct {
	nodespec.Desired
	up []string
}

func (d interpreter) send(p packet) string {
	if p.tunnel != "" {
		for _, tunnel := range d.Tunnels {
			if tunnel.ID == p.tunnel {
				return d.route(p, tunnel.Network, tunnel.Table)
			}
		}
		return "nowhere"
	}
	if p.outside {
		for _, network := range d.Networks {
			if network.Outside == nil {
				continue
			}
			for _, ours := range network.Outside.Ranges {
				if ours.Contains(p.dst) {
					return d.route(p, network.ID, network.Outside.Table)
				}
			}
			for _, e := range network.Outside.Addresses {
				if e.Outside == p.dst {
					p.dst = e.Inside
					return d.route(p, network.ID, network.Outside.Table)
				}
			}
		}
		return "dropped: no outside address"
	}
	for _, network := range d.Networks {
		for _, i := range network.Interfaces {
			if i.ID == p.nic {
				if !i.AnySource && !addressed(i, p.src) {
					return "dropped: source/destination check"
				}
				if !d.passes(network, i, p, true, p.dst) {
					return "dropped: egress"
				}
				p.subnet = subnetOf(network, i.Addresses()[0])
				return d.route(p, network.ID, i.Table)
			}
		}
	}
	return "nowhere"
}

// route looks a packet up in a table of a network; without a table only the
// network's own interfaces are known.
func (d interpreter) route(p packet, id, table string) string {
	network := d.Networks[slices.IndexFunc(d.Networks, func(n nodespec.Network) bool { return n.ID == id })]
	if t := network.Translator; t != nil {
		switch {
		case slices.Contains(t.Addresses, p.dst):
			return "dropped: unsolicited"
		case slices.Contains(t.Addresses, p.src):
			return "dropped: loop"
		case !slices.Contains([]string{"tcp", "udp", "icmp"}, p.protocol):
			return "dropped: protocol"
		}
		p.src = t.Addresses[0]
	}
	var tables nodespec.RouteTable
	if at := slices.IndexFunc(network.Tables, func(t nodespec.RouteTable) bool { return t.ID == table }); at >= 0 {
		tables = network.Tables[at]
	}
	if fate, found := d.lookUp(p, network, tables.Overrides); found {
		return fate
	}
	for _, i := range network.Interfaces {
		if addressed(i, p.dst) {
			return d.arrive(network, i, p)
		}
	}
	for _, link := range d.Links {
		for side, end := range link.Ends {
			if end.Network == id && slices.Contains(end.Addresses, p.dst) {
				return d.over(p, network, link, side)
			}
		}
	}
	local := slices.ContainsFunc(network.Local, func(prefix netip.Prefix) bool { return prefix.Contains(p.dst) })
	if local || table == "" {
		return "dropped: route"
	}
	fate, _ := d.lookUp(p, network, tables.Routes)
	return fate
}

// lookUp follows the most specific of the routes that is usable.
func (d interpreter) lookUp(p packet, network nodespec.Network, all []nodespec.Route) (fate string, found bool) {
	routes := slices.DeleteFunc(slices.Clone(all), func(r nodespec.Route) bool { return !r.Destination.Contains(p.dst) })
	slices.SortFunc(routes, func(a, b nodespec.Route) int { return b.Destination.Bits() - a.Destination.Bits() })
	for _, route := range routes {
		if len(route.Targets) == 0 {
			return "dropped: route", true
		}
		for _, target := range route.Targets {
			switch target.Kind {
			case nodespec.ToTunnel:
				if slices.Contains(d.up, target.ID) {
					return "tunnelled to " + target.ID, true
				}
			case nodespec.ToInterface:
				i := network.Interfaces[slices.IndexFunc(network.Interfaces, func(i nodespec.Interface) bool { return i.ID == target.ID })]
				if p.dst.Is4() && !i.Address.IsValid() {
					return "dropped: route", true
				}
				return d.arrive(network, i, p), true
			case nodespec.ToLink:
				link := d.Links[slices.IndexFunc(d.Links, func(l nodespec.Link) bool { return l.ID == target.ID })]
				side := slices.IndexFunc(link.Ends[:], func(end nodespec.LinkEnd) bool { return end.Network == network.ID })
				return d.over(p, network, link, side), true
			case nodespec.ToOutside:
				if slices.ContainsFunc(network.Outside.Ranges, func(ours netip.Prefix) bool { return ours.Contains(p.src) && !ours.Contains(p.dst) }) {
					return "leaves as " + p.src.String(), true
				}
				for _, e := range network.Outside.Addresses {
					if e.Inside == p.src {
						return "leaves as " + e.Outside.String(), true
					}
				}
				return "dropped: no outside address", true
			}
		}
	}
	return "dropped: route", false
}

func (d interpreter) arrive(network nodespec.Network, i nodespec.Interface, p packet) string {
	switch {
	case !crosses(network, p, i.Addresses()[0]):
		return "dropped: acl"
	case !d.passes(network, i, p, false, p.src):
		return "dropped: ingress"
	case !addressed(i, p.dst) && !i.AnySource:
		return "dropped: source/destination check"
	}
	return "goes to " + i.ID
}

// addressed reports whether an address is an interface's.
func addressed(i nodespec.Interface, a netip.Addr) bool {
	return i.Address == a || slices.Contains(i.Others, a)
}

func (interpreter) passes(network nodespec.Network, i nodespec.Interface, p packet, egress bool, peer netip.Addr) bool {
	members := map[string][]netip.Addr{}
	for _, g := range network.Groups {
		members[g.ID] = g.Members
	}
	for _, g := range network.Groups {
		for _, rule := range g.Rules {
			switch {
			case !slices.Contains(i.Groups, g.ID) || rule.Egress != egress || !isOf(rule, p):
			case rule.PeerGroup != "" && slices.Contains(members[rule.PeerGroup], peer), rule.PeerGroup == "" && rule.Peer.Contains(peer):
				return true
			}
		}
	}
	return false
}

// isOf tells whether a rule is for the protocol and port of a packet.
func isOf(rule nodespec.Rule, p packet) bool {
	numbers := map[string]int{"icmp": 1, "tcp": 6, "udp": 17, "50": 50, "icmpv6": 58}
	port := rule.FromPort <= int(p.port) && int(p.port) <= rule.ToPort
	if p.protocol == "icmp" || p.protocol == "icmpv6" {
		port = rule.FromPort == int(p.port) && (rule.ToPort == -1 || rule.ToPort == 0)
	}
	return (rule.Protocol == -1 || rule.Protocol == numbers[p.protocol]) && (rule.FromPort == -1 || port)
}

// subnetOf names the subnet with a border that an address is in, or "".
func subnetOf(network nodespec.Network, address netip.Addr) string {
	for _, b := range network.Borders {
		if b.Subnet.Contains(address) {
			return b.Subnet.String()
		}
	}
	return ""
}

// ownAddress is one of those behind the end of a link, all of which are of one subnet;
// invalid if there is none.
func ownAddress(end nodespec.LinkEnd) netip.Addr {
	if len(end.Addresses) == 0 {
		return netip.Addr{}
	}
	return end.Addresses[0]
}

// over carries a packet over a link, from one of its ends.
func (d interpreter) over(p packet, network nodespec.Network, link nodespec.Link, side int) string {
	if !crosses(network, p, ownAddress(link.Ends[side])) {
		return "dropped: acl"
	}
	end := link.Ends[1-side]
	next := d.Networks[slices.IndexFunc(d.Networks, func(n nodespec.Network) bool { return n.ID == end.Network })]
	p.subnet = subnetOf(next, ownAddress(end))
	return d.route(p, end.Network, end.Table)
}

// crosses tells whether a packet gets to what has an address in a network; to what
// has none, a gateway, if the address is invalid.
func crosses(network nodespec.Network, p packet, to netip.Addr) bool {
	entered := subnetOf(network, to)
	return p.subnet == entered || byBorder(network, p, p.subnet, true, p.dst) && byBorder(network, p, entered, false, p.src)
}

func byBorder(network nodespec.Network, p packet, subnet string, egress bool, peer netip.Addr) bool {
	for _, b := range network.Borders {
		if b.Subnet.String() != subnet {
			continue
		}
		acl := network.ACLs[slices.IndexFunc(network.ACLs, func(a nodespec.ACL) bool { return a.ID == b.ACL })]
		at := slices.IndexFunc(acl.Rules, func(r nodespec.ACLRule) bool { return r.Egress == egress && isOf(r.Rule, p) && r.Peer.Contains(peer) })
		return at >= 0 && !acl.Rules[at].Deny
	}
	return true
}
