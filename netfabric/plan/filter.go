package plan

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// IP protocol numbers that filters know the inside of.
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMPv6 = 58
)

// What dropped a packet; counted in the kernel under these names.
const (
	droppedSource      = "dropped-source"      // forged
	droppedDestination = "dropped-destination" // not the interface's, though it was routed there
	droppedInvalid     = "dropped-invalid"     // belongs to no connection and begins none
	droppedEgress      = "dropped-egress"      // no group of the sender allows it
	droppedIngress     = "dropped-ingress"     // no group of the receiver allows it
	droppedLeaving     = "dropped-acl-egress"  // the ACL of the subnet that it leaves denies it
	droppedEntering    = "dropped-acl-ingress" // the ACL of the subnet that it enters denies it
	droppedUnknown     = "dropped-unknown"     // came or would go by a device that is not ours
	droppedInput       = "dropped-input"       // for the router itself
)

// filter writes the rules of a router. A packet's way through them:
//
//	prerouting  forged source? -> mark of its route table by the device it came in by
//	leave       part of a tracked connection? -> groups of the interface it comes from
//	border      does it leave a subnet? -> the subnet's ACL; does it enter one? -> that one's
//	enter       part of a tracked connection? -> groups of the interface it goes to
//
// Each step finds its chain by a lookup in a map, whatever the number of
// interfaces. "leave", "border" and "enter" are base chains of their own because
// all must accept. Interfaces with equal groups share a chain.
func (r *router) filter() Filter {
	w := &filterWriter{router: r, counts: len(r.counted()) > 0}
	w.sets()
	switch {
	case r.network.Outside != nil:
		w.elasticFilter()
		w.forward()
		w.input()
	case r.network.Translator != nil:
		w.translatorFilter()
	default:
		w.groups()
		w.borders()
		w.prerouting()
		w.forward()
		w.input()
	}
	f := Filter{Inet: w.b.String(), Counters: slices.Sorted(maps.Keys(w.counters)), Counted: r.counted(), Last: r.network.Translator != nil}
	if w.ports > 0 {
		f.ARP = w.arp()
	}
	return f
}

type filterWriter struct {
	*router
	b        strings.Builder
	counters map[string]bool
	ports    int
	counts   bool // flows of some interface
}

func (w *filterWriter) line(format string, args ...any) {
	fmt.Fprintf(&w.b, format+"\n", args...)
}

// drop is the end of a rule that counts and drops.
func (w *filterWriter) drop(counter string) string {
	if w.counters == nil {
		w.counters = map[string]bool{}
	}
	w.counters[counter] = true
	return fmt.Sprintf("counter name %q drop", counter)
}

// set writes a set or map; with no elements it is still there to be named. A spec is
// that of types, or begins with "typeof".
func (w *filterWriter) set(kind, name, spec string, elements []string) {
	w.b.WriteString(setText(kind, name, spec, elements))
}

func setText(kind, name, spec string, elements []string) string {
	if !strings.HasPrefix(spec, "typeof ") {
		spec = "type " + spec
	}
	text := fmt.Sprintf("%s %s {\n\t%s\n", kind, name, spec)
	if len(elements) > 0 {
		text += "\telements = { " + strings.Join(elements, ", ") + " }\n"
	}
	return text + "}\n"
}

func (w *filterWriter) sets() {
	var marks, leave, enter, checked, outside, tracked, tuns, local, local6 []string
	for _, a := range w.attach {
		device := fmt.Sprintf("%q", a.device)
		if a.table != 0 {
			marks = append(marks, fmt.Sprintf("%s : %#x", device, a.table))
		}
		if a.port == nil {
			outside = append(outside, device)
			leave = append(leave, device+" : accept")
			enter = append(enter, device+" : accept")
			if a.isTUN {
				tuns = append(tuns, device)
			}
			if a.tracked {
				tracked = append(tracked, device)
			}
			continue
		}
		w.ports++
		chain := chainOf(a.port.Groups)
		leave = append(leave, device+" : goto leave-"+chain)
		enter = append(enter, device+" : goto enter-"+chain)
		if !a.port.AnySource {
			checked = append(checked, device)
		}
	}
	for _, p := range w.network.Local {
		if isIPv6(p) {
			local6 = append(local6, p.Masked().String())
		} else {
			local = append(local, p.Masked().String())
		}
	}
	w.set("map", "tables", "ifname : mark", marks)
	w.set("map", "leave", "ifname : verdict", leave)
	w.set("set", "tunnels", "ifname", tuns)
	w.insideSets()
	if w.ports > 0 {
		w.set("map", "enter", "ifname : verdict", enter)
		w.set("set", "checked", "ifname", checked)
		w.set("set", "addresses", "ifname . ipv4_addr", w.portAddresses(false))
		w.set("set", "outside", "ifname", outside)
		w.set("set", "tracked", "ifname", tracked)
		w.set("set", "local", "ipv4_addr\n\tflags interval\n\tauto-merge", local)
		w.serviceSet()
		if w.network.ipv6() {
			w.set("set", "addresses6", "ifname . ipv6_addr", w.portAddresses(true))
			w.set("set", "local6", "ipv6_addr\n\tflags interval\n\tauto-merge", local6)
			w.set("set", "unchecked", "ifname", w.unchecked())
		}
	}
}

// portAddresses are the addresses of one protocol, each with the device that has it.
func (w *filterWriter) portAddresses(ipv6 bool) []string {
	var pairs []string
	for _, attached := range w.attach {
		addresses := attached.addresses
		if attached.port != nil {
			addresses = attached.port.addresses()
		}
		for _, a := range addresses {
			if a.Is6() == ipv6 {
				pairs = append(pairs, fmt.Sprintf("%q . %v", attached.device, a))
			}
		}
		if attached.port != nil && ipv6 {
			mac, _ := net.ParseMAC(attached.port.MAC) // checked
			pairs = append(pairs, fmt.Sprintf("%q . %v", attached.device, linkLocal(mac)))
		}
	}
	return pairs
}

// chainOf names the chain that interfaces with these groups share.
func chainOf(groups []string) string {
	if len(groups) == 0 {
		return "none"
	}
	groups = slices.Sorted(slices.Values(groups))
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(groups), " ")))
	return fmt.Sprintf("%x", sum[:6])
}

// groups writes a chain for each group and each combination of groups in use.
func (w *filterWriter) groups() {
	combinations, used := map[string][]string{}, map[string]bool{}
	for _, a := range w.attach {
		if a.port == nil {
			continue
		}
		combinations[chainOf(a.port.Groups)] = slices.Compact(slices.Sorted(slices.Values(a.port.Groups)))
		for _, g := range a.port.Groups {
			used[g] = true
		}
	}
	members, byID := map[string]bool{}, map[string]Group{}
	for _, g := range w.network.Groups {
		byID[g.ID] = g
		for _, rule := range g.Rules {
			if used[g.ID] && rule.PeerGroup != "" {
				members[rule.PeerGroup] = true
			}
		}
	}
	known := map[string]bool{}
	for _, g := range w.network.Groups {
		if members[g.ID] {
			known[g.ID] = true
			w.set("set", "members-"+g.ID, "ipv4_addr", memberAddresses(g, false))
			if w.network.ipv6() {
				w.set("set", "members6-"+g.ID, "ipv6_addr", memberAddresses(g, true))
			}
		}
	}
	for _, g := range w.network.Groups {
		if used[g.ID] {
			w.chain("leave-group-"+g.ID, w.ruleTexts(g, true, known))
			w.chain("enter-group-"+g.ID, w.ruleTexts(g, false, known))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(combinations)) {
		var groups []Group
		for _, g := range combinations[name] {
			groups = append(groups, byID[g])
		}
		leave, enter := w.untrackedTexts(groups, true), w.untrackedTexts(groups, false)
		for _, g := range combinations[name] {
			leave = append(leave, "jump leave-group-"+g)
			enter = append(enter, "jump enter-group-"+g)
		}
		w.chain("leave-"+name, append(leave, w.reject(droppedEgress, RejectedLeaving)))
		w.chain("enter-"+name, append(enter, w.reject(droppedIngress, RejectedEntering)))
	}
}

func (w *filterWriter) chain(name string, rules []string) {
	w.line("chain %s {", name)
	for _, r := range rules {
		w.line("\t%s", r)
	}
	w.line("}")
}

func memberAddresses(g Group, ipv6 bool) []string {
	var list []string
	for _, a := range g.Members {
		if a.Is6() == ipv6 {
			list = append(list, a.String())
		}
	}
	return list
}

// ruleTexts writes a group's rules of one direction. A rule for the members of
// a group that is not in the network matches nobody, so it is left out.
func (w *filterWriter) ruleTexts(g Group, egress bool, known map[string]bool) []string {
	var texts []string
	for _, r := range g.Rules {
		if r.Egress == egress && (r.PeerGroup == "" || known[r.PeerGroup]) {
			texts = append(texts, w.verdicts(r, "accept")...)
		}
	}
	return texts
}

// verdicts are a rule with what becomes of the packets that it matches: one line
// for each protocol that its peer speaks. A protocol with the other's ICMP says
// nothing about its types.
func (w *filterWriter) verdicts(r FilterRule, verdict string) []string {
	var texts []string
	for _, ipv6 := range []bool{false, true} {
		if ipv6 && !w.network.ipv6() || r.Peer.IsValid() && isIPv6(r.Peer) != ipv6 {
			continue
		}
		foreign := protocolICMPv6
		if ipv6 {
			foreign = protocolICMP
		}
		if r.Protocol == foreign && r.FromPort >= 0 {
			continue
		}
		parts := append([]string{r.peerText(ipv6)}, r.protocolTexts()...)
		texts = append(texts, strings.Join(append(parts, verdict), " "))
	}
	return texts
}

func (r FilterRule) peerText(ipv6 bool) string {
	protocol, suffix := "ip", ""
	if ipv6 {
		protocol, suffix = "ip6", "6"
	}
	side := "saddr"
	if r.Egress {
		side = "daddr"
	}
	switch {
	case r.PeerGroup != "":
		return fmt.Sprintf("%s %s @members%s-%s", protocol, side, suffix, r.PeerGroup)
	case r.Peer.Bits() == 0:
		return "meta nfproto ipv" + map[bool]string{false: "4", true: "6"}[ipv6]
	}
	return fmt.Sprintf("%s %s %v", protocol, side, prefixText(r.Peer))
}

func (r FilterRule) protocolTexts() []string {
	switch r.Protocol {
	case -1:
		return nil
	case protocolTCP:
		return []string{r.portText("tcp")}
	case protocolUDP:
		return []string{r.portText("udp")}
	case protocolICMP:
		return r.icmpTexts("icmp")
	case protocolICMPv6:
		return r.icmpTexts("icmpv6")
	}
	return []string{fmt.Sprintf("meta l4proto %d", r.Protocol)}
}

func (r FilterRule) portText(protocol string) string {
	switch {
	case r.everyPort():
		return "meta l4proto " + protocol
	case r.FromPort == r.ToPort:
		return fmt.Sprintf("%s dport %d", protocol, r.FromPort)
	}
	return fmt.Sprintf("%s dport %d-%d", protocol, r.FromPort, r.ToPort)
}

// everyPort reports whether a rule of TCP or UDP, or of any protocol, leaves the port
// open.
func (r FilterRule) everyPort() bool {
	return r.Protocol == -1 || r.FromPort < 0 || r.FromPort == 0 && r.ToPort == 65535
}

func (r FilterRule) icmpTexts(protocol string) []string {
	if r.FromPort < 0 {
		number := protocolICMP
		if protocol == "icmpv6" {
			number = protocolICMPv6
		}
		return []string{fmt.Sprintf("meta l4proto %d", number)}
	}
	texts := []string{fmt.Sprintf("%s type %d", protocol, r.FromPort)}
	if r.ToPort >= 0 {
		texts = append(texts, fmt.Sprintf("%s code %d", protocol, r.ToPort))
	}
	return texts
}

// prefixText writes single addresses without their length, as nft lists them.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.Masked().String()
}

// prerouting comes before connection tracking, so that forged packets neither
// pass as parts of a known connection nor fill its table.
func (w *filterWriter) prerouting() {
	w.line("chain prerouting {")
	w.line("\ttype filter hook prerouting priority raw; policy accept;")
	if w.ports > 0 {
		w.line("\tiifname @checked iifname . ip saddr != @addresses %s", w.drop(droppedSource))
		// From elsewhere nobody comes with an address that is in here: groups
		// that name groups go by it.
		w.line("\tiifname @outside ip saddr @local iifname . ip saddr != @addresses %s", w.drop(droppedSource))
		if w.network.ipv6() {
			w.prerouting6()
		}
	}
	w.servicePrerouting()
	w.line("\tmeta mark set iifname map @tables")
	w.line("}")
	w.serviceOutput()
}

// prerouting6 is the same for IPv6, after what hosts say to everybody on their link
// of themselves: of that, a router needs only the question for its address.
func (w *filterWriter) prerouting6() {
	w.line("\tip6 saddr :: drop")
	w.line("\tip6 daddr ff00::/8 ip6 daddr != %v drop", routerSolicited)
	w.line("\tiifname @checked iifname . ip6 saddr != @addresses6 %s", w.drop(droppedSource))
	w.line("\tiifname @outside ip6 saddr @local6 %s", w.drop(droppedSource))
}

func (w *filterWriter) forward() {
	if w.ports == 0 { // nothing to filter by, so connections need not be tracked
		w.line("chain leave {")
		w.line("\ttype filter hook forward priority filter; policy drop;")
		w.insideForward()
		w.line("\tiifname vmap @leave")
		w.line("\t%s", w.drop(droppedUnknown))
		w.line("}")
		return
	}
	w.chain("invalid", w.invalidTexts())
	w.trackedChains()
	w.line("chain leave {")
	w.line("\ttype filter hook forward priority filter; policy drop;")
	for _, rule := range w.knownFlows("leave") {
		w.line("\t%s", rule)
	}
	w.line("\tct state invalid goto invalid")
	w.line("\tiifname vmap @leave")
	w.line("\t%s", w.drop(droppedUnknown))
	w.line("}")
	w.line("chain enter {")
	w.line("\ttype filter hook forward priority filter + 10; policy drop;")
	for _, rule := range w.skipRejected() {
		w.line("\t%s", rule)
	}
	w.line("\toifname @checked oifname . ip daddr != @addresses %s", w.drop(droppedDestination))
	if w.network.ipv6() {
		w.line("\toifname @checked oifname . ip6 daddr != @addresses6 %s", w.drop(droppedDestination))
	}
	for _, rule := range w.knownFlows("enter") {
		w.line("\t%s", rule)
	}
	w.line("\toifname vmap @enter")
	w.line("\t%s", w.drop(droppedUnknown))
	w.line("}")
	w.rejected()
}

// input is for the router itself, which offers nothing but its services, and to the
// other end of a tunnel what insideInput says.
func (w *filterWriter) input() {
	w.line("chain input {")
	w.line("\ttype filter hook input priority filter; policy drop;")
	w.insideInput()
	w.serviceInput()
	if w.ports > 0 && w.network.ipv6() {
		w.neighbours()
	}
	w.line("\t%s", w.drop(droppedInput))
	w.line("}")
	if w.ports > 0 && w.network.ipv6() {
		w.withoutRedirects()
	}
}

// neighbours admits questions of hosts for their router, under their own addresses
// only for the reason that arp has.
func (w *filterWriter) neighbours() {
	w.line("\ticmpv6 type nd-neighbor-solicit iifname . ip6 saddr @addresses6 accept")
	w.line("\ticmpv6 type nd-neighbor-solicit iifname @unchecked accept")
}

// withoutRedirects keeps the kernel from telling a host whose packet is led back to it
// that the destination is its neighbour. For IPv6 no sysctl does.
func (w *filterWriter) withoutRedirects() {
	w.chain("redirects", []string{
		"type filter hook output priority filter; policy accept;",
		"icmpv6 type nd-redirect drop",
	})
}

// arp admits questions of hosts about others under their own address only, or
// else they could fill the neighbour table with addresses that they made up.
func (w *filterWriter) arp() string {
	return setText("set", "addresses", "ifname . ipv4_addr", w.portAddresses(false)) +
		setText("set", "unchecked", "ifname", w.unchecked()) +
		"chain input {\n" +
		"\ttype filter hook input priority filter; policy drop;\n" +
		"\tiifname . arp saddr ip @addresses accept\n" +
		"\tiifname @unchecked accept\n" +
		"}\n"
}

// unchecked are the devices of interfaces with AnySource. Behind a device of the
// host may be many others, to whom nothing is answered: it would be for everybody's
// addresses.
func (w *filterWriter) unchecked() []string {
	var free []string
	for _, a := range w.attach {
		if a.port != nil && a.port.AnySource && !a.port.behindDevice() {
			free = append(free, fmt.Sprintf("%q", a.device))
		}
	}
	return free
}
