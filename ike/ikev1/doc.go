// Package ikev1 is the IKEv1 engine, RFC 2409 over ISAKMP of RFC 2408 with the
// IPsec domain of interpretation of RFC 2407: main mode and quick mode in both
// roles, NAT traversal of RFC 3947, dead peer detection of RFC 3706. It is a value
// without goroutines, sockets or a clock: time, datagrams and randomness come in
// as arguments, and what is to be sent or told goes out as an ordered list.
//
// A [Gate] is used as ikev2's is:
//
//	gate := ikev1.NewGate(ikev1.Config{Rand: rand.Reader})
//	err := gate.SetPeer(peer)
//	err = gate.Command(now, peer.ID, ike.Initiate{})
//	for _, o := range gate.TakeOutput() { … }
//
// Inside, a negotiation is one main mode, at whose end stands an ISAKMP SA, and a
// session is all that stands with one peer: its ISAKMP SAs, of which the newest
// counts, and its one pair of ESP SAs with the successors that quick modes give
// it. Pairs belong to the peer and not to an ISAKMP SA, so that they stay when
// that is replaced. Each duty has a file: main_mode.go, proof.go, quick_mode.go,
// child.go, informational.go, liveness.go, natt.go, renewal.go; admission.go bounds
// what strangers can cost, handover.go and thaw.go let a gate in another process go
// on.
package ikev1
