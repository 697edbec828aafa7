package tunnellog

import (
	"encoding/json"
	"fmt"
	"strings"

	"causeway.dev/nodespec"
)

// A line has AWS's fields, from its page "Site-to-Site VPN logs". The states are
// established, rekeying, negotiating and down.
type line struct {
	EventTimestamp int64  `json:"event_timestamp"` // seconds since 1970
	Timestamp      string `json:"timestamp"`
	DPDEnabled     bool   `json:"dpd_enabled"`
	NATTDetected   bool   `json:"nat_t_detected"`
	Phase1State    string `json:"ike_phase1_state"`
	Phase2State    string `json:"ike_phase2_state"`
	Details        string `json:"details"`
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// format writes an entry: as JSON, or as text with the same fields in the same
// order and spaces between, of which only the last can have spaces itself.
func (d destination) format(e nodespec.TunnelLogEntry) string {
	l := line{
		EventTimestamp: e.At.Unix(),
		Timestamp:      e.At.UTC().Format(timeLayout),
		DPDEnabled:     d.dpd,
		NATTDetected:   e.UDP,
		Phase1State:    string(e.IKE),
		Phase2State:    string(e.Child),
		Details:        d.details(e),
	}
	if d.text {
		return fmt.Sprintf("%d %s %t %t %s %s %s", l.EventTimestamp, l.Timestamp, l.DPDEnabled, l.NATTDetected, l.Phase1State, l.Phase2State, l.Details)
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(l); err != nil { // a struct of texts and numbers
		panic(fmt.Sprintf("encode a line of a tunnel's log: %v", err))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// details puts AWS's words before ours, where AWS has words that people's filters
// look for.
func (d destination) details(e nodespec.TunnelLogEntry) string {
	switch e.Event {
	case nodespec.LogExchange:
		return "AWS tunnel " + e.Details
	case nodespec.LogKeyMismatch:
		return fmt.Sprintf("AWS tunnel detected a pre-shared key mismatch with cgw: %s: %s", d.cgw, e.Details)
	case nodespec.LogNoProposal:
		return "No Proposal Match Found by AWS: " + e.Details
	case nodespec.LogPeerDead:
		return "AWS tunnel DPD timed out: " + e.Details
	case nodespec.LogDeletedIKE:
		return "AWS tunnel received DELETE for IKE_SA from CGW: " + e.Details
	case nodespec.LogDeletedChild:
		return "AWS tunnel received DELETE for Phase 2 SA: " + e.Details
	}
	return "AWS tunnel: " + e.Details
}
