package plan

import (
	"fmt"
	"slices"
)

// droppedInside counts what would have gone to an inside range by way of the router.
const droppedInside = "dropped-inside"

// insideSets are of the tunnels' inside addresses: ours with its device, who may speak
// BGP with ours, and the ranges that both are from.
func (w *filterWriter) insideSets() {
	if !w.hasInside() {
		return
	}
	var ours, bgp, ranges []string
	for _, a := range w.attach {
		if !a.inside.IsValid() {
			continue
		}
		ours = append(ours, fmt.Sprintf("%q . %v", a.device, a.inside.Addr()))
		ranges = append(ranges, a.inside.Masked().String())
		if a.bgp.IsValid() {
			bgp = append(bgp, fmt.Sprintf("%q . %v . %v", a.device, a.bgp, a.inside.Addr()))
		}
	}
	w.set("set", "inside", "ifname . ipv4_addr", ours)
	w.set("set", "inside-ranges", "ipv4_addr\n\tflags interval\n\tauto-merge", ranges)
	if len(bgp) > 0 {
		w.set("set", "bgp", "ifname . ipv4_addr . ipv4_addr", bgp)
	}
}

func (w *filterWriter) hasInside() bool {
	return slices.ContainsFunc(w.attach, func(a attachment) bool { return a.inside.IsValid() })
}

// insideInput answers a ping of a tunnel's inside address, as AWS's gateways do:
// monitors of customers watch it. It comes from that tunnel; so does BGP, whichever
// side has opened its connection. What we send there ourselves nothing holds up.
func (w *filterWriter) insideInput() {
	if w.hasInside() {
		w.line("\tiifname . ip daddr @inside icmp type echo-request accept")
	}
	if slices.ContainsFunc(w.attach, func(a attachment) bool { return a.bgp.IsValid() }) {
		for _, side := range []string{"dport", "sport"} {
			w.line("\tiifname . ip saddr . ip daddr @bgp tcp %s %d accept", side, portBGP)
		}
	}
}

const portBGP = 179

// insideForward leaves what is within a tunnel's inside range to its two ends. Their
// addresses mean nothing elsewhere (RFC 3927 section 2.7), and the route to them is
// there for what we send: without this, one site could talk to the BGP of another.
func (w *filterWriter) insideForward() {
	if w.hasInside() {
		w.line("\tip daddr @inside-ranges %s", w.drop(droppedInside))
	}
}
