// Package ipsec runs a set of IPsec tunnels: it ties the IKE daemon, the ESP of
// the hot path and the devices together and says of each tunnel whether it is
// up, and why not. A node runs its gateways' tunnels with it, and the appliance
// its own.
//
//	          events                    SAs
//	ike/daemon ────────────▶ Host ───────────▶ tunnel ◀──▶ TUN
//	    ▲  │                                     ▲ │
//	    │  │ IKE datagrams                   ESP │ │
//	    │  ▼                                     │ ▼
//	┌───────────────────────────────────────────────────┐
//	│ tunnel.Endpoint: UDP 500, UDP 4500, IP protocol 50 │ one for each local address
//	└───────────────────────────────────────────────────┘
package ipsec
