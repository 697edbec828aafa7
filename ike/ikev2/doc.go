// Package ikev2 is the IKEv2 engine, RFC 7296, with pre-shared keys, in both
// roles. It is a value without goroutines, sockets or a clock: time, datagrams
// and randomness come in as arguments, and what is to be sent or told goes out
// as an ordered list.
//
// A [Gate] holds all IKE SAs of a set of peers. Its owner calls Receive, Command
// and Advance, after each of them carries out TakeOutput in order, and calls
// Advance again at Deadline:
//
//	gate := ikev2.NewGate(ikev2.Config{Rand: rand.Reader})
//	err := gate.SetPeer(peer)
//	err = gate.Command(now, peer.ID, ike.Initiate{})
//	for _, o := range gate.TakeOutput() { … }
//
// Inside, one session is the lineage of one IKE SA: the SA, the successors that
// rekeys give it, and the child SA with its successors. Each duty of RFC 7296
// has a file: sa_init.go, auth.go, child_create.go, ike_rekey.go, informational.go,
// natt.go, liveness.go, over the scheduler in exchange.go that owns message ids,
// the window and retransmission. What concerns several sessions is in admission.go
// (cookies, limits), duplicate.go (one session a peer) and renewal.go (make before
// break). handover.go and thaw.go let a gate in another process go on.
package ikev2
