package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Translator lets hosts begin connections under a few addresses, each with a port
// of its own: TCP, UDP and ICMP. What others begin it does not take. It has one
// link, by which packets come in and go out again.
type Translator struct {
	Addresses []netip.Addr // over which connections are spread; at least one
	Leaving   []netip.Addr // of connections that run, for which it goes on; none begins under them
	Ports     PortRange    // of each address, for each port of each host outside
	IPv6      *Embedding   // nil: it takes IPv4 only
}

// An Embedding has hosts of IPv6 begin connections like those of IPv4. What they send to
// Prefix goes to the network's one TUN, whose owner makes packets of IPv4 of it, from
// addresses of StandIns, and packets of IPv6 of what is for these. Outside of the
// namespace nobody has such an address.
type Embedding struct {
	Prefix   netip.Prefix // IPv6
	StandIns netip.Prefix // IPv4
}

// translatorAddressesMax bounds the Addresses of a Translator: each has chains of its
// own. AWS's NAT gateways have up to 8, private ones 32.
const translatorAddressesMax = 64

// all are the addresses under which connections may run.
func (t *Translator) all() []netip.Addr { return slices.Concat(t.Addresses, t.Leaving) }

func (t *Translator) check() error {
	if t.Ports.First == 0 || t.Ports.First > t.Ports.Last {
		return fmt.Errorf("translator with ports %d-%d makes no sense", t.Ports.First, t.Ports.Last)
	}
	all := t.all()
	if len(t.Addresses) == 0 || len(all) > translatorAddressesMax {
		return fmt.Errorf("translator to %d addresses, %d of them leaving: it has one at least and %d at most", len(all), len(t.Leaving), translatorAddressesMax)
	}
	for i, a := range all {
		if !a.Is4() || slices.Contains(all[:i], a) {
			return fmt.Errorf("translator to %v, which is no IPv4 address or not unique", a)
		}
	}
	if e := t.IPv6; e != nil && (!isIPv6(e.Prefix) || !e.StandIns.IsValid() || isIPv6(e.StandIns) || e.Prefix != e.Prefix.Masked() || e.StandIns != e.StandIns.Masked()) {
		return fmt.Errorf("translator from %v by %v makes no sense", e.Prefix, e.StandIns)
	}
	return nil
}

// A PortRange is bounded by its first and last port.
type PortRange struct{ First, Last uint16 }

// translatorIdle is how long a connection that nothing is said on keeps its port.
// AWS's NAT gateways keep it for 350 seconds.
const translatorIdle = "350"

var translatorSysctls = []Sysctl{
	{"netfilter.nf_conntrack_tcp_timeout_established", translatorIdle},
	{"netfilter.nf_conntrack_udp_timeout_stream", translatorIdle},
}

// translatorFilter lets what comes in go out again under one of the translator's
// addresses. What is for such an address itself answers nothing that went out, or it
// would have been translated back, and ends in "input".
func (w *filterWriter) translatorFilter() {
	t := w.network.Translator
	if len(t.Addresses) > 1 {
		w.attempts()
		w.spreadMaps()
	}
	w.line("chain prerouting {")
	w.line("\ttype filter hook prerouting priority raw; policy accept;")
	w.line("\tip saddr { %s } %s", texts(t.all()), w.drop(droppedSource)) // what went out has been led back here
	if e := t.IPv6; e != nil {
		w.line("\tiifname != @tunnels ip saddr %v %s", e.StandIns, w.drop(droppedSource))
		w.line("\tip daddr %v %s", e.StandIns, w.drop(droppedUnsolicited)) // connections lead there, not senders
		w.line("\tmeta nfproto ipv6 notrack")                              // they are tracked as IPv4's
	}
	w.line("\tmeta mark set iifname map @tables")
	w.line("}")
	w.invalid()
	w.line("chain outward {")
	w.line("\ttype nat hook postrouting priority srcnat; policy accept;")
	if len(t.Addresses) > 1 {
		w.spread()
	} else {
		w.line("\tmeta l4proto { tcp, udp } %s", t.under(0))
		w.line("\tmeta l4proto icmp snat ip to %v", t.Addresses[0])
	}
	w.line("}")
	w.line("chain forward {")
	w.line("\ttype filter hook forward priority filter; policy drop;")
	if e := t.IPv6; e != nil {
		w.line("\tip daddr %v oifname != @tunnels drop", e.StandIns) // nobody has the TUN open: they are sent again
		w.line("\tip6 daddr %v oifname @tunnels iifname != @tunnels accept", e.Prefix)
		w.line("\tip6 saddr %v iifname @tunnels oifname != @tunnels accept", e.Prefix)
	}
	w.line("\tct state established,related accept")
	w.line("\tmeta l4proto { tcp, udp, icmp } accept")
	w.line("\t%s", w.drop(droppedUnsolicited))
	w.line("}")
	w.line("chain input {")
	w.line("\ttype filter hook input priority filter; policy drop;")
	w.line("\t%s", w.drop(droppedUnsolicited))
	w.line("}")
}

// under begins a connection under one of the addresses.
func (t *Translator) under(index int) string {
	return fmt.Sprintf("snat ip to %v:%d-%d", t.Addresses[index], t.Ports.First, t.Ports.Last)
}

func texts(addresses []netip.Addr) string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = a.String()
	}
	return strings.Join(list, ", ")
}

// What tells connections and destinations apart where there are several addresses, and
// how long and of how many is known that a connection was begun, and that an address
// has had no port left for a destination. A sender of TCP tries again after 1 s and 3 s.
const (
	connectionKey   = "ip saddr . th sport . ip daddr . th dport . meta l4proto"
	destinationKey  = "ip daddr . th dport . meta l4proto"
	attemptSetsSpec = "\n\tsize 65535\n\tflags dynamic,timeout\n\ttimeout 10s"
)

// attempts writes a chain for each address, which begins connections under it. The
// kernel looks for the port only afterwards, and drops the packet where none is free.
// So the chain learns of it when the sender tries again: what begins a second time
// found no port. Then, and for a while, it leaves that destination to other addresses.
func (w *filterWriter) attempts() {
	t := w.network.Translator
	for i := range t.Addresses {
		w.set("set", fmt.Sprintf("begun-%d", i), "ipv4_addr . inet_service . ipv4_addr . inet_service . inet_proto"+attemptSetsSpec, nil)
		w.set("set", fmt.Sprintf("full-%d", i), "ipv4_addr . inet_service . inet_proto"+attemptSetsSpec, nil)
		w.chain(fmt.Sprintf("under-%d", i), []string{
			fmt.Sprintf("%s @full-%d return", destinationKey, i),
			fmt.Sprintf("%s @begun-%d add @full-%d { %s }", connectionKey, i, i, destinationKey),
			fmt.Sprintf("%s @begun-%d return", connectionKey, i),
			fmt.Sprintf("add @begun-%d { %s }", i, connectionKey), // no room: it begins all the same
			"meta l4proto { tcp, udp } " + t.under(i),
		})
	}
}

// spread begins each connection under the address that its hash says, then under the
// first that has a port for its destination. If all seem to have none, it is tried once more.
// The hash is the packet's mark, by which nothing goes any more; its maps have names
// for the reason that elasticFilter gives.
func (w *filterWriter) spread() {
	t := w.network.Translator
	w.line("\tmeta l4proto icmp meta mark set jhash ip saddr . ip daddr mod %d snat ip to meta mark map @spread-addresses", len(t.Addresses))
	w.line("\tmeta l4proto icmp snat ip to %v", t.Addresses[0]) // the address was taken away at this moment
	w.line("\tmeta l4proto != { tcp, udp } return")
	w.line("\tmeta mark set jhash ip saddr . th sport . ip daddr . th dport mod %d meta mark vmap @spread-chains", len(t.Addresses))
	for i := range t.Addresses {
		w.line("\tjump under-%d", i)
	}
	w.line("\tmeta l4proto { tcp, udp } %s", t.under(0))
}

// spreadMaps say which address, and the chain of which, a hash stands for.
func (w *filterWriter) spreadMaps() {
	var chains, addresses []string
	for i, a := range w.network.Translator.Addresses {
		chains = append(chains, fmt.Sprintf("%d : jump under-%d", i, i))
		addresses = append(addresses, fmt.Sprintf("%d : %v", i, a))
	}
	w.set("map", "spread-addresses", "mark : ipv4_addr", addresses)
	w.set("map", "spread-chains", "mark : verdict", chains)
}
