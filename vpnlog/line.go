// Package vpnlog says how the log of a Site-to-Site VPN tunnel is written: lines
// with AWS's fields, and a queue between IKE and BGP, which never wait, and who writes them.
package vpnlog

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"causeway.dev/nodespec"
)

// A Style is how the lines of one tunnel's log are written.
type Style struct {
	Text bool // as text; else as JSON
	DPD  bool // dead peer detection does something

	// Device says that it is the customer gateway's own log; else it is our side's.
	Device bool
	Peer   string // the other side, as it is called

	// Resource says which tunnel it is in the lines of its BGP session.
	Resource string

	// Tunnel comes first in each line, where several tunnels share a log; "" leaves it
	// out, as AWS does.
	Tunnel string
}

// fields are AWS's, from its page "Site-to-Site VPN logs". The states are
// established, rekeying, negotiating and down.
type fields struct {
	Tunnel         string `json:"tunnel,omitempty"`
	EventTimestamp int64  `json:"event_timestamp"` // seconds since 1970
	Timestamp      string `json:"timestamp"`
	DPDEnabled     bool   `json:"dpd_enabled"`
	NATTDetected   bool   `json:"nat_t_detected"`
	Phase1State    string `json:"ike_phase1_state"`
	Phase2State    string `json:"ike_phase2_state"`
	Details        string `json:"details"`
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// Line writes an entry: as JSON, or as text with the same fields in the same
// order and spaces between, of which only the last can have spaces itself.
func (s Style) Line(e nodespec.TunnelLogEntry) string {
	if e.BGP != nil {
		return s.bgpLine(e)
	}
	l := fields{
		Tunnel:         s.Tunnel,
		EventTimestamp: e.At.Unix(),
		Timestamp:      e.At.UTC().Format(timeLayout),
		DPDEnabled:     s.DPD,
		NATTDetected:   e.UDP,
		Phase1State:    string(e.IKE),
		Phase2State:    string(e.Child),
		Details:        s.details(e),
	}
	if s.Text {
		line := fmt.Sprintf("%d %s %t %t %s %s %s", l.EventTimestamp, l.Timestamp, l.DPDEnabled, l.NATTDetected, l.Phase1State, l.Phase2State, oneLine(l.Details))
		return strings.TrimLeft(l.Tunnel+" "+line, " ")
	}
	return encoded(l)
}

// encoded is fields as JSON, in one line.
func encoded(fields any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(fields); err != nil { // structs of texts and numbers
		panic(fmt.Sprintf("encode a line of a tunnel's log: %v", err))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// oneLine keeps what a peer has sent, its identity for example, from beginning a line
// that looks like ours.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// details puts AWS's words before ours, where AWS has words that people's filters
// look for. A customer gateway has none of AWS's tunnels: there they lack that name.
func (s Style) details(e nodespec.TunnelLogEntry) string {
	tunnel, by, device := "AWS tunnel", " by AWS", "cgw: "+s.Peer
	from := "CGW"
	if s.Device {
		tunnel, by, device, from = "Tunnel", "", "gateway: "+s.Peer, "gateway"
	}
	switch e.Event {
	case nodespec.LogExchange:
		return tunnel + " " + e.Details
	case nodespec.LogKeyMismatch:
		return fmt.Sprintf("%s detected a pre-shared key mismatch with %s: %s", tunnel, device, e.Details)
	case nodespec.LogNoProposal:
		return fmt.Sprintf("No Proposal Match Found%s: %s", by, e.Details)
	case nodespec.LogPeerDead:
		return fmt.Sprintf("%s DPD timed out: %s", tunnel, e.Details)
	case nodespec.LogDeletedIKE:
		return fmt.Sprintf("%s received DELETE for IKE_SA from %s: %s", tunnel, from, e.Details)
	case nodespec.LogDeletedChild:
		return fmt.Sprintf("%s received DELETE for Phase 2 SA: %s", tunnel, e.Details)
	}
	return tunnel + ": " + e.Details
}
