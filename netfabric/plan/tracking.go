package plan

import (
	"fmt"
	"slices"
)

// A flow that a rule admits from everywhere, and whose answers a rule of the other
// direction admits to everywhere on every port, is not tracked ("Untracked connections"
// in the EC2 user guide): rules decide about each of its packets, so that it ends with
// the rule that admits it. All other flows are tracked, and go on when rules change.
// That is asked when a flow begins, at each of the interfaces that it passes, and kept
// as a bit of its connection's mark.
const (
	untrackedByFirst = 1 // at the interface of whoever began the connection
	untrackedByOther = 2 // at the interface of the other side
)

// knownFlows accept packets of connections that are tracked, and what belongs to them.
// Those of others go on to the groups.
func (w *filterWriter) knownFlows(chain string) []string {
	return []string{
		"ct state established,related ct mark 0x0 accept", // a map would be slower, and is made anew with each change
		"ct mark != 0x0 jump " + chain + "-tracked",
	}
}

// trackedChains accept packets of connections that are tracked at one interface and
// not at the other, where it is the first one's turn to decide.
func (w *filterWriter) trackedChains() {
	for _, c := range []struct {
		name            string
		original, reply int
	}{{"leave", untrackedByFirst, untrackedByOther}, {"enter", untrackedByOther, untrackedByFirst}} {
		w.chain(c.name+"-tracked", []string{
			"ct state related accept",
			fmt.Sprintf("ct state established ct direction original ct mark & %#x == 0x0 accept", c.original),
			fmt.Sprintf("ct state established ct direction reply ct mark & %#x == 0x0 accept", c.reply),
		})
	}
}

// untrackedTexts admit the flows that begin in one direction and need not be tracked.
// What passes a NAT gateway or an egress-only internet gateway always is.
func (w *filterWriter) untrackedTexts(groups []Group, egress bool) []string {
	bit, beyond := untrackedByOther, "iifname"
	if egress {
		bit, beyond = untrackedByFirst, "oifname"
	}
	var texts []string
	for _, k := range w.trackable() {
		if !slices.ContainsFunc(groups, func(g Group) bool { return g.opens(!egress, k) }) {
			continue
		}
		for _, g := range groups {
			for _, r := range g.Rules {
				if !r.fromEverywhere(egress, k) {
					continue
				}
				text := fmt.Sprintf("ct state new %s != @tracked %s %s ct mark set ct mark | %#x accept", beyond, r.peerText(k.ipv6), r.portText(protocolNames[k.protocol]), bit)
				if !slices.Contains(texts, text) {
					texts = append(texts, text)
				}
			}
		}
	}
	return texts
}

// A flowKind is what all of can be left untracked, or none.
type flowKind struct {
	ipv6     bool
	protocol int // TCP or UDP: all else is always tracked
}

var protocolNames = map[int]string{protocolTCP: "tcp", protocolUDP: "udp"}

func (w *filterWriter) trackable() []flowKind {
	kinds := []flowKind{{false, protocolTCP}, {false, protocolUDP}}
	if w.network.ipv6() {
		kinds = append(kinds, flowKind{true, protocolTCP}, flowKind{true, protocolUDP})
	}
	return kinds
}

// fromEverywhere reports whether a rule admits some flows of a kind whoever is on the
// other side.
func (r FilterRule) fromEverywhere(egress bool, k flowKind) bool {
	return r.Egress == egress && r.PeerGroup == "" && r.Peer.Bits() == 0 && isIPv6(r.Peer) == k.ipv6 && (r.Protocol == k.protocol || r.Protocol == -1)
}

// opens reports whether a group admits all flows of a kind.
func (g Group) opens(egress bool, k flowKind) bool {
	return slices.ContainsFunc(g.Rules, func(r FilterRule) bool { return r.fromEverywhere(egress, k) && r.everyPort() })
}
