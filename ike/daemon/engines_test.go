package daemon

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
)

// Given peers that allow some versions, when one begins, then both speak the
// highest that both allow to begin with, and a version that is not allowed is told
// of.
func TestVersions(t *testing.T) {
	v1, v2, both := ike.VersionsOf(ike.IKEv1), ike.VersionsOf(ike.IKEv2), ike.Versions(0)
	for _, c := range []struct {
		begins, answers ike.Versions
		speaks          ike.Version // 0: none
	}{
		{both, both, ike.IKEv2}, {v1, both, ike.IKEv1}, {v1, v1, ike.IKEv1}, {both, v2, ike.IKEv2}, {v1, v2, 0}, {both, v1, 0},
	} {
		t.Run(c.begins.String()+" to "+c.answers.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				a, b := n.start(west), n.start(east)
				answering, beginning := b.peer("a", west), starting(a.peer("b", east))
				answering.Versions, beginning.Versions = c.answers, c.begins
				set(t, b, answering)
				set(t, a, beginning)
				time.Sleep(2 * time.Second)
				if c.speaks != 0 {
					requireUp(t, a, "b", b, "a")
					if got := b.Status("a").Version; got != c.speaks {
						t.Errorf("they speak %v, want %v", got, c.speaks)
					}
					return
				}
				begun := c.begins.Preferred()
				if lines := b.told("a"); !slices.ContainsFunc(lines, func(line string) bool {
					return strings.Contains(line, "the peer begins with "+begun.String()+", this tunnel accepts "+c.answers.String()+" only")
				}) {
					t.Errorf("told: %q", lines)
				}
			})
		})
	}
}

// Given a tunnel by IKEv2, when the peer comes back with IKEv1, then that carries
// the packets, and nothing is left of the other.
func TestPeerChangesItsVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.start(west), n.start(east)
		set(t, b, b.peer("a", west))
		beginning := starting(a.peer("b", east))
		set(t, a, beginning)
		time.Sleep(2 * time.Second)
		requireUp(t, a, "b", b, "a")
		n.losing(func(from, _ netip.Addr) bool { return from == west }) // the DELETE does not arrive
		if err := a.RemovePeer("b"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Second)
		n.losing(nil)
		beginning.Versions = ike.VersionsOf(ike.IKEv1)
		set(t, a, beginning)
		time.Sleep(5 * time.Second)
		requireUp(t, a, "b", b, "a")
		if got := b.Status("a").Version; got != ike.IKEv1 {
			t.Errorf("they speak %v", got)
		}
	})
}

// A scripted engine has produced what a test says, and stands with some peers until
// it is told to end.
type scripted struct {
	ikev2Engine
	out    []ike.Output
	stands map[ike.PeerID]bool
}

func (s *scripted) TakeOutput() []ike.Output {
	out := s.out
	s.out = nil
	return out
}

func (s *scripted) Status(id ike.PeerID) ike.Status { return ike.Status{Established: s.stands[id]} }

func (s *scripted) Command(_ time.Time, id ike.PeerID, c ike.Command) error {
	delete(s.stands, id)
	s.out = append(s.out, ike.Output{Peer: id, Event: ike.Closed{Reason: c.(ike.Terminate).Reason}})
	return nil
}

// Given a peer that changes its version, when another peer's tunnel of the old
// version ends at the same time, then the owner hears of that end, and of no end of
// the first.
func TestChangeOfVersionHidesNoOthersEnd(t *testing.T) {
	v1 := &scripted{stands: map[ike.PeerID]bool{"a": true}, out: []ike.Output{{Peer: "b", Event: ike.Closed{Reason: "lifetime"}}}}
	v2 := &scripted{stands: map[ike.PeerID]bool{"a": true}, out: []ike.Output{{Peer: "a", Event: ike.ChildActivated{}}}}
	e := &engines{v1: v1, v2: v2}
	var closed []ike.PeerID
	for _, o := range e.TakeOutput(time.Time{}) {
		if _, is := o.Event.(ike.Closed); is {
			closed = append(closed, o.Peer)
		}
	}
	if !slices.Equal(closed, []ike.PeerID{"b"}) || v1.stands["a"] || !v2.stands["a"] {
		t.Errorf("ends of %v are told; IKEv1 stands %v, IKEv2 %v", closed, v1.stands, v2.stands)
	}
}
