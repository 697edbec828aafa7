package ikev2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/golden"
	"causeway.dev/internal/simnet"
)

func TestHandOver(t *testing.T) {
	enginetest.HandOvers[*Gate]{
		Engines: engines, CheckNone: checkNone, Messages: 3,
		Kinds: map[string]func(left, right *ike.Peer){
			"AES-GCM": nil,
			"AES-CBC": func(left, right *ike.Peer) {
				for _, p := range []*ike.Peer{left, right} {
					p.IKEProposals, p.ESPProposals = enginetest.IKE(t, "aes256-sha384-group20"), enginetest.ESP(t, "aes256-sha512-group31")
				}
			},
			"NAT": func(left, _ *ike.Peer) { left.Encapsulation = ike.EncapsulationAlways },
		},
	}.Run(t)
}

// An attempt beside what stands is waited for.
func TestOutdatedIsBusy(t *testing.T) {
	w := newWorld(t, 4, lan, nil)
	w.Connect()
	w.Left.Engine.Outdate(w.Net.Now(), "left")
	w.Left.Flush()
	if !w.Left.Engine.Busy() {
		t.Error("an attempt beside what stands is not waited for")
	}
}

// A rekey with additional key exchanges is handed over after each of its messages.
func TestHandOverBetweenFollowups(t *testing.T) {
	for _, c := range []ike.Command{ike.RekeyChild{}, ike.RekeyIKE{}} {
		for messages := range 6 {
			w := newWorld(t, 5, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 10 * time.Millisecond}, func(left, right *ike.Peer) {
				for _, p := range []*ike.Peer{left, right} {
					p.IKEProposals, p.ESPProposals = enginetest.IKE(t, fastIKE+"+mlkem768+mlkem1024"), enginetest.ESP(t, fastESP+"+mlkem768+mlkem1024")
				}
			})
			w.Connect()
			pair, sa := w.Left.Active, w.Left.Engine.standing("left", nil).current.local
			w.Left.Command(c)
			w.Net.RunFor(time.Duration(messages)*10*time.Millisecond + 5*time.Millisecond)
			w.Left.HandOver(9)
			w.Net.RunFor(10 * time.Second)
			w.CheckSettled()
			if w.Left.Active == pair && w.Left.Engine.standing("left", nil).current.local == sa {
				t.Errorf("%T handed over after %d messages has come to nothing", c, messages)
			}
		}
	}
}

// Whatever is sealed, the keeper's farewell ends everything at the peer, also where
// a request was under way.
func TestFarewell(t *testing.T) {
	for _, c := range []ike.Command{nil, ike.RekeyChild{}, ike.RekeyIKE{}} {
		for _, reached := range []bool{false, true} {
			w := newWorld(t, 6, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 10 * time.Millisecond}, nil)
			w.Connect()
			if c != nil {
				w.Left.Command(c)
			}
			if reached {
				w.Net.RunFor(15 * time.Millisecond)
			}
			kept := w.Left.Engine.Freeze(w.Net.Now())
			if len(kept) != 1 || len(kept[0].Farewell) == 0 {
				t.Fatalf("kept: %v", kept)
			}
			for _, d := range kept[0].Farewell {
				checkIV(w.Left, d.Payload)
				w.Right.Receive(w.Net.Now(), d.Remote, d.Local, d.Payload)
			}
			if _, rekey := c.(ike.RekeyIKE); rekey && reached {
				continue // the new one's keys are the peer's alone
			}
			if st := w.Right.Engine.Status("right"); st.Established || len(w.Right.Children) > 0 {
				t.Errorf("after %T, which has reached the peer: %t, stands %+v", c, reached, st)
			}
		}
	}
}

// A farewell is counted among the messages, so that who resumes does not take its IV.
func TestFarewellTakesNoIVTwice(t *testing.T) {
	w := newWorld(t, 6, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 10 * time.Millisecond}, nil)
	w.Connect()
	before := w.Left.Engine.standing("left", nil).current.seal.Sealed()
	kept := w.Left.HandOver(8)
	for _, d := range kept[0].Farewell {
		checkIV(w.Left, d.Payload)
	}
	w.Left.Command(ike.RekeyChild{})
	w.Net.RunFor(time.Second)
	if after := w.Left.Engine.standing("left", nil).current.seal.Sealed(); after < before+2 {
		t.Errorf("%d messages sealed, %d before", after, before)
	}
}

// Two gates that take the same document, the second since the first came to grief,
// take different IVs.
func TestThawTwice(t *testing.T) {
	w := newWorld(t, 6, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 10 * time.Millisecond}, nil)
	w.Connect()
	kept := w.Left.Engine.Freeze(w.Net.Now())
	for seed := range uint64(3) {
		children, active := w.Left.Children, w.Left.Active
		w.Left.Restart(seed)
		w.Left.Children, w.Left.Active = children, active
		if err := w.Left.Engine.Thaw(w.Net.Now(), kept[0]); err != nil {
			t.Fatal(err)
		}
		w.Left.Command(ike.RekeyChild{}) // checkIV sees to it
		if w.Left.Engine.Thaw(w.Net.Now(), kept[0]) == nil {
			t.Error("a gate has taken a document twice")
		}
	}
}

// Pause begins nothing, but completes what is under way.
func TestPause(t *testing.T) {
	w := newWorld(t, 4, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 10 * time.Millisecond}, nil)
	w.Connect()
	w.Left.Command(ike.RekeyChild{})
	if !w.Left.Engine.Busy() {
		t.Fatal("a rekey is under way")
	}
	w.Left.Engine.Pause()
	w.Left.Command(ike.RekeyIKE{})
	w.Net.RunFor(5 * time.Second)
	if w.Left.Engine.Busy() || len(w.Left.Children) != 2 {
		t.Fatalf("busy %t, %d pairs", w.Left.Engine.Busy(), len(w.Left.Children))
	}
	w.Left.HandOver(7)
	w.Net.RunFor(20 * time.Second)
	w.CheckSettled()
	if e, _ := enginetest.Last[ike.Established](w.Left); !e.Rekeyed {
		t.Error("the rekey of the IKE SA that was asked for in the pause has been forgotten")
	}
}

// The shape of the document is what a process of another version reads: who changes
// it changes frozenFormat.
func TestFrozenShape(t *testing.T) {
	golden.Text(t, "testdata/frozen-shape.txt", fmt.Sprintf("format %d\n%s", frozenFormat, enginetest.Shape(reflect.TypeFor[frozen]())))
}

// keptOf returns what a gate hands over in the midst of rekeys on both sides.
func keptOf(t testing.TB) (ike.Kept, *world) {
	w := newWorld(t, 12, simnet.Conditions{DelayMin: 10 * time.Millisecond, DelayMax: 10 * time.Millisecond}, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.IKEProposals, p.ESPProposals = enginetest.IKE(t, fastIKE+"+mlkem768"), enginetest.ESP(t, "aes256-sha256-group19+mlkem768")
		}
	})
	w.Connect()
	w.Left.Command(ike.RekeyChild{})
	w.Left.Command(ike.RekeyIKE{})
	w.Right.Command(ike.RekeyChild{})
	w.Net.RunFor(35 * time.Millisecond)
	kept := w.Left.Engine.Freeze(w.Net.Now())
	if len(kept) != 1 {
		t.Fatalf("%d peers kept", len(kept))
	}
	return kept[0], w
}

// Whatever a document says that does not hang together is refused, and nothing is
// left of it.
func TestHostileDocuments(t *testing.T) {
	kept, w := keptOf(t)
	for name, change := range map[string]func(f *frozen){
		"format":            func(f *frozen) { f.Format++ },
		"no session":        func(f *frozen) { f.Sessions = nil },
		"too many sessions": func(f *frozen) { f.Sessions = slices.Repeat(f.Sessions, frozenSessionsMax+1) },
		"a session twice":   func(f *frozen) { f.Sessions = slices.Repeat(f.Sessions, 2) },
		"phase":             func(f *frozen) { f.Sessions[0].Phase = "connecting" },
		"path": func(f *frozen) {
			f.Sessions[0].Path.Remote = f.Sessions[0].Path.Local
			f.Sessions[0].Path.Local = netip.MustParseAddrPort("[2001:db8::1]:500")
		},
		"no IKE SA":            func(f *frozen) { f.Sessions[0].SAs = nil },
		"current":              func(f *frozen) { f.Sessions[0].Current++ },
		"SPI":                  func(f *frozen) { f.Sessions[0].SAs[0].Local = 0 },
		"the peer's SPI":       func(f *frozen) { f.Sessions[0].SAs[0].Remote = 0 },
		"proposal":             func(f *frozen) { f.Sessions[0].SAs[0].Proposal = "aes128-md5-group1" },
		"another proposal":     func(f *frozen) { f.Sessions[0].SAs[0].Proposal = "aes256gcm16-prfsha256-group19" },
		"short key":            func(f *frozen) { f.Sessions[0].SAs[0].Ei = f.Sessions[0].SAs[0].Ei[1:] },
		"no key":               func(f *frozen) { f.Sessions[0].SAs[0].D = nil },
		"IVs used up":          func(f *frozen) { f.Sessions[0].SAs[0].Sealed = 1<<63 + 1 },
		"request id":           func(f *frozen) { f.Sessions[0].SAs[0].Pending.ID++ },
		"empty request":        func(f *frozen) { f.Sessions[0].SAs[0].Pending.Packets = nil },
		"short request":        func(f *frozen) { f.Sessions[0].SAs[0].Pending.Packets[0] = []byte{1} },
		"long reply":           func(f *frozen) { f.Sessions[0].SAs[0].Reply = [][]byte{make([]byte, sealedOctetsMax+1)} },
		"task":                 func(f *frozen) { f.Sessions[0].SAs[0].Pending.Task.Kind = "frob" },
		"task without a nonce": func(f *frozen) { f.Sessions[0].SAs[0].Pending.Task.Nonce = nil },
		"private value":        func(f *frozen) { f.Sessions[0].SAs[0].Pending.Task.Private = make([]byte, 32) },
		"group":                func(f *frozen) { f.Sessions[0].SAs[0].Pending.Task.Group = 999 },
		"followed by nothing":  func(f *frozen) { f.Sessions[0].SAs[0].Pending.Task.Follows.Left = nil },
		"followed by a group":  func(f *frozen) { f.Sessions[0].SAs[0].Pending.Task.Follows.Left[0] = ike.Group14 },
		"seed":                 func(f *frozen) { f.Sessions[0].SAs[0].Pending.Task.Follows.Private = []byte{1} },
		"answer":               func(f *frozen) { f.Sessions[0].SAs[0].Pending.Task.Follows.Answer = []byte{1} },
		"then":                 func(f *frozen) { f.Sessions[0].SAs[0].Then = &frozenTask{Kind: kindCreateChild} },
		"closed with duties":   func(f *frozen) { f.Sessions[0].SAs[0].State = "closed" },
		"queued request":       func(f *frozen) { f.Sessions[0].Queue[0].Nonce = []byte{1} },
		"pair":                 func(f *frozen) { f.Sessions[0].Children[0].In = 255 },
		"pair twice":           func(f *frozen) { f.Sessions[0].Children = slices.Repeat(f.Sessions[0].Children, 2) },
		"pair's proposal":      func(f *frozen) { f.Sessions[0].Children[0].Proposal = "des" },
		"pair's state":         func(f *frozen) { f.Sessions[0].Children[0].State = "" },
		"pair without end":     func(f *frozen) { f.Sessions[0].Children[0].ExpiresAt = time.Time{} },
		"active":               func(f *frozen) { f.Sessions[0].Active++ },
		"own successor":        func(f *frozen) { f.Sessions[0].Children[0].Successor = f.Sessions[0].Children[0].In },
		"ending with pairs":    func(f *frozen) { f.Sessions[0].Phase, f.Sessions[0].EndAt = "ending", enginetest.Epoch },
	} {
		var f frozen
		if err := engine.DecodeFrozen(kept.State, frozenFormat, &f); err != nil {
			t.Fatal(err)
		}
		change(&f)
		bad := kept
		bad.State = engine.EncodeFrozen(f)
		g := gateFor(t, w.Left.Peer)
		if err := g.Thaw(w.Net.Now(), bad); err == nil {
			t.Errorf("%s: taken", name)
		}
		if g.Sessions() != 0 || len(g.bySPI) != 0 || len(g.spis.(engine.OwnSPIs)) != 0 {
			t.Errorf("%s: something is left", name)
		}
	}
	for name, state := range map[string]string{
		"nothing":  "",
		"no JSON":  "keys",
		"unknown":  strings.Replace(string(kept.State), `"format":1`, `"format":1,"more":2`, 1),
		"followed": string(kept.State) + "{}",
	} {
		bad := kept
		bad.State = []byte(state)
		if gateFor(t, w.Left.Peer).Thaw(w.Net.Now(), bad) == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, change := range map[string]func(*ike.Kept){
		"another's":       func(k *ike.Kept) { k.Peer = "right" },
		"another version": func(k *ike.Kept) { k.Version = ike.IKEv1 },
	} {
		bad := kept
		change(&bad)
		if gateFor(t, w.Left.Peer).Thaw(w.Net.Now(), bad) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func gateFor(t testing.TB, p ike.Peer) *Gate {
	g := NewGate(Config{Rand: rand.NewChaCha8([32]byte{1})})
	if err := g.SetPeer(p); err != nil {
		t.Fatal(err)
	}
	return g
}

// What is kept of keys is not shown.
func TestKeptIsNotShown(t *testing.T) {
	kept, _ := keptOf(t)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("kept", "what", kept)
	for _, shown := range []string{log.String(), fmt.Sprint(kept), fmt.Sprintf("%v %+v %#v %s %x %d", kept, kept, kept, &kept, kept, []ike.Kept{kept})} {
		if strings.Contains(shown, "sessions") || strings.Contains(shown, "format") || len(shown) > 1000 {
			t.Errorf("shown: %.300s", shown)
		}
	}
	kept.Wipe()
	if kept.State != nil {
		t.Error("a state is left")
	}
}

// Whatever is thawed can be used without a fault, and frozen and thawed again.
func FuzzThaw(f *testing.F) {
	kept, w := keptOf(f)
	f.Add([]byte(kept.State), []byte("x"))
	peer := w.Left.Peer
	f.Fuzz(func(t *testing.T, state, datagram []byte) {
		now := enginetest.Epoch.Add(10 * time.Second)
		g := gateFor(t, peer)
		if g.Thaw(now, ike.Kept{Peer: peer.ID, Version: ike.IKEv2, State: state}) != nil {
			return
		}
		for range 5 {
			g.Receive(now, Datagram{Local: at(peer.Local, portIKE), Remote: at(peer.Remote, portIKE), Payload: datagram})
			for id := range g.bySPI {
				request := binary.BigEndian.AppendUint64(nil, id)
				g.Receive(now, Datagram{Local: at(peer.Local, portIKE), Remote: at(peer.Remote, portIKE), Payload: append(request, datagram...)})
			}
			g.Advance(now)
			g.TakeOutput()
			now = now.Add(7 * time.Second)
		}
		for _, k := range g.Freeze(now) {
			if err := gateFor(t, peer).Thaw(now, k); err != nil {
				t.Fatalf("thawed, frozen and not thawed: %v", err)
			}
		}
	})
}

// Of what a gate has handed over, nothing secret can be read in it any more.
func TestFreezeWipes(t *testing.T) {
	w := newWorld(t, 12, lan, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.IKEProposals = enginetest.IKE(t, "aes128-sha256-group14")
			p.FormerKey, p.FormerKeyUntil = ike.Secret("a former key"), enginetest.Epoch.Add(time.Hour)
		}
	})
	w.Connect()
	w.Left.Command(ike.RekeyIKE{})
	secrets := map[string][]byte{}
	for octets, name := range enginetest.SecretsOf(w.Left.Engine) {
		secrets[fmt.Sprintf("%s %p", name, octets)] = octets
	}
	if len(secrets) < 10 {
		t.Fatalf("%d secrets were found, too few to prove anything", len(secrets))
	}
	w.Left.Engine.Freeze(w.Net.Now())
	for name, octets := range secrets {
		if !bytes.Equal(octets, make([]byte, len(octets))) {
			t.Errorf("a secret of %d octets called %s can still be read", len(octets), name)
		}
	}
}

// Each field of what makes up a session is handed over, or there is a reason why not.
func TestEveryFieldIsHandedOver(t *testing.T) {
	const (
		connecting = "of half-open IKE SAs only"
		peerAgain  = "what the peer sends again brings it"
		owner      = "the owner's, or of SetPeer"
		pace       = "bounds how often something is said: nothing is lost by once more"
		journal    = "told of before the hand-over"
	)
	for _, c := range []struct {
		of   reflect.Type
		kept string
		left map[string]string
	}{
		{reflect.TypeFor[Gate](), "peers bySPI spis", map[string]string{
			"rand": owner, "listed": owner, "costly": owner, "computing": "is begun again when what waits for it is", "computingInitial": connecting,
			"schedule": "follows from the sessions", "admission": connecting, "strays": pace, "fragmentOctets": connecting,
			"terminating": "within one call", "paused": "until Freeze", "out": "carried out before", "spare": "carried out before",
		}},
		{reflect.TypeFor[peerState](), "rotation sessions", map[string]string{"config": owner, "strayAt": pace}},
		{reflect.TypeFor[session](), "phase peer initiator provedBy outdated graceEnd created establishedAt nonceLow sas current children active queue " +
			"path nat mobike remoteID hintedAt askedAt confirmed lastHeard endAt", map[string]string{
			"Entry": "follows from the rest", "gate": owner, "candidates": connecting, "agreed": "within one call", "wanted": "within one call", "following": peerAgain,
			"init": connecting, "acceptance": connecting, "origin": "an IKE_SA_INIT that comes again so late makes a half-open IKE SA", "pairToldAt": pace, "chain": connecting, "superseded": connecting,
		}},
		{reflect.TypeFor[ikeSA](), "state initiator local remote proposal keys seal open fragmentation nextID pending then expectID reply rekeyAt expiresAt", map[string]string{
			"mixed": connecting, "chainI": connecting, "chainR": connecting, "former": connecting,
			"held": peerAgain, "requestParts": peerAgain, "responseParts": peerAgain, "narrow": "learned by the next fragment",
		}},
		{reflect.TypeFor[exchange](), "id exchange message task Retransmission", map[string]string{"plain": journal, "held": peerAgain}},
		{reflect.TypeFor[sealed](), "packets", map[string]string{
			"by": "for smaller fragments, which a message that is handed over is not sent in", "header": "as by", "content": "as by", "sends": "as by",
		}},
		{reflect.TypeFor[childSA](), "in out state proposal successor rekeyAt expiresAt", nil},
		{reflect.TypeFor[liveness](), "cookie", nil},
		{reflect.TypeFor[deleteChild](), "child in reserve", nil},
		{reflect.TypeFor[deleteIKE](), "notify", nil},
		{reflect.TypeFor[createChild](), "keyPair followup old in nonce rival", nil},
		{reflect.TypeFor[rivalChild](), "nonceLow child", nil},
		{reflect.TypeFor[rekeyIKE](), "keyPair followup spi nonce rival", nil},
		{reflect.TypeFor[rivalIKE](), "nonceLow sa", nil},
		{reflect.TypeFor[keyPair](), "group dh", map[string]string{"making": "is made again"}},
		{reflect.TypeFor[followup](), "answer left link kem secret secrets", nil},
	} {
		enginetest.CheckFields(t, c.of, c.kept, c.left)
	}
}
