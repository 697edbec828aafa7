package node

import (
	"testing"

	"causeway.dev/ipsec"
	"causeway.dev/nodespec"
)

// TestLogWords: node hands words of ipsec on as words of nodespec.
func TestLogWords(t *testing.T) {
	for below, above := range map[ipsec.SAState]nodespec.SAState{
		ipsec.SADown: nodespec.SADown, ipsec.SANegotiating: nodespec.SANegotiating, ipsec.SAEstablished: nodespec.SAEstablished, ipsec.SARekeying: nodespec.SARekeying,
	} {
		if string(below) != string(above) {
			t.Errorf("%s is called %s", below, above)
		}
	}
	for below, above := range map[ipsec.LogEvent]nodespec.TunnelLogEvent{
		ipsec.LogOther: nodespec.LogOther, ipsec.LogExchange: nodespec.LogExchange, ipsec.LogKeyMismatch: nodespec.LogKeyMismatch, ipsec.LogNoProposal: nodespec.LogNoProposal,
		ipsec.LogPeerDead: nodespec.LogPeerDead, ipsec.LogDeletedIKE: nodespec.LogDeletedIKE, ipsec.LogDeletedChild: nodespec.LogDeletedChild,
	} {
		if string(below) != string(above) {
			t.Errorf("%s is called %s", below, above)
		}
	}
}
