package vpnlog

import (
	"fmt"
	"net/netip"

	"causeway.dev/nodespec"
)

// bgpFields are AWS's, from its page "Site-to-Site VPN logs", as are the words of
// messages but for some of ours. AWS's localPref and weight are missing: routes have
// neither here.
type bgpFields struct {
	ResourceID     string     `json:"resource_id"`
	EventTimestamp int64      `json:"event_timestamp"` // milliseconds since 1970
	Timestamp      string     `json:"timestamp"`
	Type           string     `json:"type"`
	Status         string     `json:"status"`
	Message        bgpMessage `json:"message"`
}

// A bgpMessage has the members of a route, or Details only.
type bgpMessage struct {
	Prefix  *netip.Prefix `json:"prefix,omitempty"`
	ASPath  string        `json:"asPath,omitempty"`
	MED     *uint32       `json:"med,omitempty"`
	NextHop *netip.Addr   `json:"nextHopIp,omitempty"`
	Details string        `json:"details,omitempty"`
}

const bgpTimeLayout = "2006-01-02 15:04:05.000Z"

// bgpLine writes what a session does: as JSON, or as text with the same fields in the
// same order, those of a route with their names.
func (s Style) bgpLine(e nodespec.TunnelLogEntry) string {
	l := bgpFields{
		ResourceID: s.Resource, EventTimestamp: e.At.UnixMilli(), Timestamp: e.At.UTC().Format(bgpTimeLayout),
		Type: "BGPStatus", Status: "DOWN", Message: bgpMessage{Details: "AWS-side peer " + e.Details},
	}
	if e.BGP.Established {
		l.Status = "UP"
	}
	if r := e.BGP.Route; r != nil {
		l.Type, l.Status, l.Message = "RouteStatus", routeStatus[r.Change], bgpMessage{Prefix: &r.Destination, ASPath: r.Path, MED: r.MED}
		if r.NextHop.IsValid() {
			l.Message.NextHop = &r.NextHop
		}
		if e.Details != "" {
			l.Message.Details = "DENIED due to: " + e.Details
		}
	}
	if !s.Text {
		return encoded(l)
	}
	return fmt.Sprintf("%s %d %s %s %s %s", l.ResourceID, l.EventTimestamp, l.Timestamp, l.Type, l.Status, l.Message)
}

var routeStatus = map[nodespec.RouteChange]string{nodespec.RouteAdvertised: "ADVERTISED", nodespec.RouteUpdated: "UPDATED", nodespec.RouteWithdrawn: "WITHDRAWN"}

// String is the message as text.
func (m bgpMessage) String() string {
	if m.Prefix == nil {
		return oneLine(m.Details)
	}
	text := "prefix=" + m.Prefix.String()
	if m.ASPath != "" {
		text += fmt.Sprintf(" asPath=%q", m.ASPath)
	}
	if m.MED != nil {
		text += fmt.Sprintf(" med=%d", *m.MED)
	}
	if m.NextHop != nil {
		text += " nextHopIp=" + m.NextHop.String()
	}
	if m.Details != "" {
		text += " details=" + oneLine(m.Details)
	}
	return text
}
