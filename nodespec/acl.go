package nodespec

import "net/netip"

// A Border is where a subnet's packets, of either family, meet an ACL: those that
// leave the subnet and those that enter it, whether another subnet is on the other
// side, a gateway or a tunnel. What stays inside the subnet meets none. In the
// subnet is what has its primary address there: Interfaces, and the LinkEnds with
// an Address.
type Border struct {
	Subnet netip.Prefix // IPv4; or IPv6, of Interfaces that speak nothing else
	ACL    string       // id of an ACL of the same network
}

// An ACL is a stateless filter. For each packet, answers included, the first rule
// of its direction that matches decides; what none matches is dropped.
type ACL struct {
	ID    string // "acl-…"
	Rules []ACLRule
}

// An ACLRule allows or denies one kind of traffic. The Peer of its Rule is a
// prefix; Egress means out of the subnet.
type ACLRule struct {
	Rule
	Deny bool
}
