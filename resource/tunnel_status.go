package resource

import "time"

// A TunnelStatus is what a node has seen of a tunnel. Its ID is TunnelID's.
type TunnelStatus struct {
	Meta
	Up      bool      `json:"up"`
	Since   time.Time `json:"since"`             // of the last change between up and down
	Message string    `json:"message,omitempty"` // one sentence: why it is down, or what it runs with
}

// TunnelID names tunnel 1 or 2 of a connection: "vpn-0123456789abcdef0/1".
func TunnelID(connection string, number int) string {
	return connection + "/" + string(rune('0'+number))
}
