package resource

import (
	"net/netip"
	"time"
)

// A TunnelStatus is what a node has seen of a tunnel. Its ID is TunnelID's.
type TunnelStatus struct {
	Meta
	Up      bool      `json:"up"`
	Since   time.Time `json:"since"`             // of the last change between up and down
	Message string    `json:"message,omitempty"` // one sentence: why it is down, or what it runs with

	Negotiated Negotiated `json:"negotiated,omitzero"` // zero while it is down

	// Routes are what the customer gateway has told by BGP, sorted by destination; none
	// while it is down, or where the connection is static.
	Routes []LearnedRoute `json:"routes,omitempty"`
}

// A LearnedRoute is a prefix that a customer gateway says it can reach.
type LearnedRoute struct {
	Destination netip.Prefix `json:"destination"`
	Path        []uint32     `json:"path,omitempty"` // ASNs, the customer gateway's first; those of an AS_SET count as one, 0
	Origin      uint8        `json:"origin,omitempty"`
	MED         uint32       `json:"med,omitempty"` // 0 where none was told
}

// Negotiated is what the SAs of a tunnel run with.
type Negotiated struct {
	IKEVersion string     `json:"ikeVersion"` // IKEv1 or IKEv2
	Phase1     Algorithms `json:"phase1"`
	Phase2     Algorithms `json:"phase2"`
}

// Algorithms are those of one phase, in AWS's names where it has one.
type Algorithms struct {
	Encryption string `json:"encryption"`
	Integrity  string `json:"integrity,omitempty"` // none with AES-GCM in phase 2
	DHGroup    int32  `json:"dhGroup,omitempty"`   // 0: none of its own, as a first phase 2 of IKEv2
}

// TunnelID names tunnel 1 or 2 of a connection: "vpn-0123456789abcdef0/1".
func TunnelID(connection string, number int) string {
	return connection + "/" + string(rune('0'+number))
}
