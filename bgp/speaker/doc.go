// Package speaker keeps BGP sessions with the peers of tunnels: it listens and dials
// inside the namespaces that the tunnels are in, by their devices, and drives a machine
// of bgp/session for each peer and the tables of bgp/rib that it fills.
//
// A session lives as long as its path. One that stands has two goroutines, its loop and
// the reader of its connection, and none of them waits for the peer to take what it is
// sent.
package speaker
