package resource

import "time"

// A ConnectionUsage is what is left of a VPN connection that is deleted, for the
// bills of the months in which it was there. Its ID is the connection's.
type ConnectionUsage struct {
	Meta
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}
