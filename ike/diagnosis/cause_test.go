package diagnosis

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"causeway.dev/ike"
)

// Every sentence has a cause, and one of its kind says what to change, or its
// cause does.
func TestCauses(t *testing.T) {
	remote := netip.MustParseAddrPort("192.0.2.1:500")
	id := ike.ParseIdentity("a.example")
	for reason, want := range map[string]Cause{
		"":                                     CauseNone,
		KeyMismatch:                            CauseKey,
		KeyNotCertificate:                      CauseMethod,
		PeerDeleted:                            CauseDeleted,
		PeerDeletedChild:                       CauseDeleted,
		Replaced:                               CauseEnded,
		ChildReplaced:                          CauseEnded,
		NoChild:                                CauseDeleted,
		Lifetime:                               CauseLifetime,
		ChildLifetime:                          CauseLifetime,
		Certificate(errors.New("it expired")):  CauseCertificate,
		Identity(id, id):                       CauseIdentity,
		UnknownIdentity(id, ike.Identity{}):    CauseIdentity,
		UnknownIdentity(id, id):                CauseIdentity,
		Silent(remote, "IKE_SA_INIT", 7, 0):    CauseSilence,
		Dead(30 * time.Second):                 CauseDead,
		IKEMismatch("a", "b"):                  CauseIKEProposals,
		IKERefused("a"):                        CauseIKEProposals,
		ESPMismatch("a", "b"):                  CauseESPProposals,
		ESPRefused("a"):                        CauseESPProposals,
		Selectors("a", "b", "c", "d"):          CauseSelectors,
		SelectorsRefused("a", "b", "c"):        CauseSelectors,
		Answered("IKE_AUTH", "NO_IDEA"):        CauseRefused,
		Incomplete("IKE_AUTH", "AUTH payload"): CauseMalformed,
		"the peer begins with IKEv1, this tunnel accepts IKEv2 only": CauseVersion,
	} {
		if got := CauseOf(reason); got != want {
			t.Errorf("the cause of %q is %q, want %q", reason, got, want)
		}
	}
}
