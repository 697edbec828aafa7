package ikev2

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
)

// TestCompared: both sides of what does not fit, in full, for who refuses.
func TestCompared(t *testing.T) {
	for _, c := range []struct {
		name      string
		configure func(left, right *ike.Peer)
		want      ike.Compared
		cause     diagnosis.Cause
	}{
		{"IKE proposals", func(left, right *ike.Peer) {
			left.IKEProposals = enginetest.IKE(t, "aes256-sha384-group15", "aes128-sha384-group15")
			right.IKEProposals = enginetest.IKE(t, "aes128-sha1-group2")
		}, ike.Compared{Subject: ike.SubjectIKEProposals, ByPeer: true, Peer: []string{"AES-256 or AES-128/SHA-384/group 15"}, Own: []string{"AES-128/SHA-1/group 2"}}, diagnosis.CauseIKEProposals},
		{"ESP proposals", func(_, right *ike.Peer) { right.ESPProposals = enginetest.ESP(t, "aes256-sha256-group14") },
			ike.Compared{Subject: ike.SubjectESPProposals, ByPeer: true, Peer: []string{"AES-128-GCM-16"}, Own: []string{"AES-256/SHA-256"}}, diagnosis.CauseESPProposals},
		{"selectors", func(_, right *ike.Peer) {
			right.RemoteSelectors = []netip.Prefix{netip.MustParsePrefix("172.16.0.0/12")}
		}, ike.Compared{Subject: ike.SubjectSelectors, ByPeer: true, Peer: []string{"remote 192.168.0.0/16", "local 10.0.0.0/16"}, Own: []string{"remote 172.16.0.0/12", "local 10.0.0.0/16"}}, diagnosis.CauseSelectors},
		{"identity", func(_, right *ike.Peer) { right.RemoteID = ike.ParseIdentity("site.example") },
			ike.Compared{Subject: ike.SubjectIdentity, ByPeer: true, Peer: []string{`"192.0.2.1"`}, Own: []string{`"site.example"`}}, diagnosis.CauseIdentity},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, lan, c.configure)
			w.Connect()
			w.Net.RunFor(time.Minute)
			got, _ := enginetest.Last[ike.Compared](w.Right)
			failed, _ := enginetest.Last[ike.NegotiationFailed](w.Right)
			if got.Subject != c.want.Subject || got.ByPeer != c.want.ByPeer || strings.Join(got.Peer, "|") != strings.Join(c.want.Peer, "|") || strings.Join(got.Own, "|") != strings.Join(c.want.Own, "|") {
				t.Errorf("compared\n %+v, want\n %+v", got, c.want)
			}
			if cause := diagnosis.CauseOf(failed.Reason); cause != c.cause {
				t.Errorf("the cause of %q is %q", failed.Reason, cause)
			}
		})
	}
}

// TestCauses: each sentence of this engine has a cause that says what it is about.
func TestCauses(t *testing.T) {
	remote := netip.MustParseAddrPort("192.0.2.1:4500")
	peer := &ike.Peer{Local: remote.Addr()}
	for reason, want := range map[string]diagnosis.Cause{
		reasonKeyMismatch:                    diagnosis.CauseKey,
		reasonKeyRefused:                     diagnosis.CauseAuthentication,
		reasonKeyRetired:                     diagnosis.CauseKey,
		reasonPeerDeleted:                    diagnosis.CauseDeleted,
		reasonReplaced:                       diagnosis.CauseEnded,
		reasonNoChild:                        diagnosis.CauseDeleted,
		reasonNATForbidden:                   diagnosis.CauseNAT,
		reasonRedirect:                       diagnosis.CauseRedirect,
		reasonCookie2:                        diagnosis.CauseDead,
		reasonLifetime:                       diagnosis.CauseLifetime,
		reasonKeyNotCertificate:              diagnosis.CauseMethod,
		reasonNotKey(wire.AuthRSASignature):  diagnosis.CauseMethod,
		reasonCertificateRefused(peer):       diagnosis.CauseAuthentication,
		reasonSilent(remote, 7, time.Minute): diagnosis.CauseSilence,
		reasonAuthSilent(remote, 7):          diagnosis.CausePort,
		reasonUnfinished(remote):             diagnosis.CausePort,
		reasonDeleted(&wire.Notify{Type: wire.AuthenticationFailed}): diagnosis.CauseDeleted,
		reasonNotify(wire.IKEAuth, wire.InternalAddressFailure):      diagnosis.CauseRefused,
		reasonIncomplete(wire.IKEAuth, "AUTH payload"):               diagnosis.CauseMalformed,
		reasonSecondPair(parts{}):                                    diagnosis.CauseSecondPair,
		reasonSelectorsRefused(peer):                                 diagnosis.CauseSelectors,
		reasonIKERefused(nil):                                        diagnosis.CauseIKEProposals,
		reasonESPRefused(nil, true):                                  diagnosis.CauseESPProposals,
	} {
		if got := diagnosis.CauseOf(reason); got != want {
			t.Errorf("the cause of %q is %q, want %q", reason, got, want)
		}
	}
}
