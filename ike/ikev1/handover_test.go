package ikev1

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/enginetest"
	"causeway.dev/internal/golden"
)

var line = enginetest.Line

func TestHandOver(t *testing.T) {
	enginetest.HandOvers[*Gate]{
		Engines: engines, CheckNone: checkNone, Messages: 7,
		Kinds: map[string]func(left, right *ike.Peer){
			"AES-CBC": func(left, right *ike.Peer) {
				for _, p := range []*ike.Peer{left, right} {
					p.ESPProposals = enginetest.ESP(t, "aes256-sha512-group20")
				}
			},
			"AES-GCM and NAT": func(left, _ *ike.Peer) { left.Encapsulation = ike.EncapsulationAlways },
		},
	}.Run(t)
}

// The keeper's farewell ends everything at the peer.
func TestFarewell(t *testing.T) {
	for _, c := range []ike.Command{nil, ike.RekeyChild{}} {
		w := newWorld(t, 6, line, nil)
		w.Connect()
		if c != nil {
			w.Left.Command(c)
		}
		kept := w.Left.Engine.Freeze(w.Net.Now())
		if len(kept) != 1 || len(kept[0].Farewell) == 0 {
			t.Fatalf("kept: %v", kept)
		}
		for _, d := range kept[0].Farewell {
			w.Right.Receive(w.Net.Now(), d.Remote, d.Local, d.Payload)
		}
		if st := w.Right.Engine.Status("right"); st.Established || len(w.Right.Children) > 0 {
			t.Errorf("after %T stands %+v", c, st)
		}
	}
}

// Pause begins nothing, but completes what is under way.
func TestPause(t *testing.T) {
	w := newWorld(t, 4, line, nil)
	w.Connect()
	w.Left.Command(ike.RekeyChild{})
	if !w.Left.Engine.Busy() {
		t.Fatal("a rekey is under way")
	}
	w.Left.Engine.Pause()
	w.Left.Command(ike.RekeyIKE{})
	w.Net.RunFor(time.Second)
	if w.Left.Engine.Busy() || len(w.Left.Children) != 2 {
		t.Fatalf("busy %t, %d pairs", w.Left.Engine.Busy(), len(w.Left.Children))
	}
	if _, n := enginetest.Last[ike.Established](w.Left); n != 1 {
		t.Fatal("a main mode was begun in the pause")
	}
	w.Left.HandOver(7)
	w.Net.RunFor(30 * time.Second)
	w.CheckSettled()
	if e, _ := enginetest.Last[ike.Established](w.Left); !e.Rekeyed {
		t.Error("the rekey that was asked for in the pause has been forgotten")
	}
}

// The shape of the document is what a process of another version reads: who changes
// it changes frozenFormat.
func TestFrozenShape(t *testing.T) {
	golden.Text(t, "testdata/frozen-shape.txt", fmt.Sprintf("format %d\n%s", frozenFormat, enginetest.Shape(reflect.TypeFor[frozen]())))
}

// keptOf returns what a gate hands over in the midst of quick modes, with a question
// and a farewell.
func keptOf(t testing.TB) (ike.Kept, *world) {
	w := newWorld(t, 12, line, func(left, right *ike.Peer) { left.Encapsulation = ike.EncapsulationAlways })
	w.Connect()
	w.Right.Command(ike.RekeyChild{})
	w.Net.RunFor(15 * time.Millisecond)
	s := w.Left.Engine.sessions["left"]
	s.ask(w.Net.Now())
	s.bid(w.Net.Now(), s.current().inform())
	w.Left.Command(ike.RekeyChild{})
	w.Left.Engine.TakeOutput()
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
		"format":                    func(f *frozen) { f.Format++ },
		"nothing stands":            func(f *frozen) { f.SAs, f.Children, f.Farewells = nil, nil, nil },
		"an SA twice":               func(f *frozen) { f.SAs = slices.Repeat(f.SAs, 2) },
		"too many SAs":              func(f *frozen) { f.SAs = slices.Repeat(f.SAs, sasMax+1) },
		"path":                      func(f *frozen) { f.Path = engine.FrozenPath{} },
		"cookie":                    func(f *frozen) { f.SAs[0].SPIr = 0 },
		"proposal":                  func(f *frozen) { f.SAs[0].Proposal = "aes128-md5-group1" },
		"an AEAD":                   func(f *frozen) { f.SAs[0].Proposal = "aes128gcm16-prfsha256-group19" },
		"short key":                 func(f *frozen) { f.SAs[0].Key = f.SAs[0].Key[1:] },
		"no key":                    func(f *frozen) { f.SAs[0].D = nil },
		"last block":                func(f *frozen) { f.SAs[0].LastBlock = nil },
		"no end":                    func(f *frozen) { f.SAs[0].ExpiresAt = time.Time{} },
		"NAT traversal":             func(f *frozen) { f.SAs[0].NATT = []byte("mine") },
		"answer to nothing":         func(f *frozen) { f.SAs[0].Answer, f.SAs[0].Received = make([]byte, 28), nil },
		"ids that are over":         func(f *frozen) { f.SAs[0].Over = make([]uint32, quickModesMax+2) },
		"quick mode twice":          func(f *frozen) { f.SAs[0].Exchanges = slices.Repeat(f.SAs[0].Exchanges, 2) },
		"quick mode that is over":   func(f *frozen) { f.SAs[0].Over = append(f.SAs[0].Over, f.SAs[0].Exchanges[0].ID) },
		"message that is not":       func(f *frozen) { f.SAs[0].Exchanges[0].Awaits = 7 },
		"nonce":                     func(f *frozen) { f.SAs[0].Exchanges[0].Ni = nil },
		"IV":                        func(f *frozen) { f.SAs[0].Exchanges[0].IV = []byte{1} },
		"nothing sent":              func(f *frozen) { f.SAs[0].Exchanges[0].Sent = nil },
		"groups":                    func(f *frozen) { f.SAs[0].Exchanges[0].Groups = make([]ike.Group, 100) },
		"group":                     func(f *frozen) { f.SAs[0].Exchanges[0].Groups = []ike.Group{999} },
		"pair":                      func(f *frozen) { f.Children[0].In = 255 },
		"pair's state":              func(f *frozen) { f.Children[0].State = "" },
		"pair twice":                func(f *frozen) { f.Children = slices.Repeat(f.Children, 2) },
		"pair without end":          func(f *frozen) { f.Children[0].ExpiresAt = time.Time{} },
		"selector":                  func(f *frozen) { f.Children[0].Local = []string{"10.0.0.0/99"} },
		"no selector":               func(f *frozen) { f.Children[0].Remote = nil },
		"active":                    func(f *frozen) { f.Active++ },
		"question on another SA":    func(f *frozen) { f.Probe.SA++ },
		"farewell without a number": func(f *frozen) { f.Farewells[0].Left = 0 },
		"empty farewell":            func(f *frozen) { f.Farewells[0].Message = nil },
		"farewell to nowhere":       func(f *frozen) { f.Farewells[0].Path = engine.FrozenPath{} },
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
		if g.Sessions() != 0 || len(g.sas) != 0 || len(g.spis.(engine.OwnSPIs)) != 0 {
			t.Errorf("%s: something is left", name)
		}
	}
	for name, state := range map[string]string{
		"nothing":  "",
		"no JSON":  "keys",
		"unknown":  strings.Replace(string(kept.State), `"format":`, `"more":2,"format":`, 1),
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
		"another version": func(k *ike.Kept) { k.Version = ike.IKEv2 },
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

// Whatever is thawed can be used without a fault, and frozen and thawed again.
func FuzzThaw(f *testing.F) {
	kept, w := keptOf(f)
	f.Add([]byte(kept.State), []byte("x"))
	peer, began := w.Left.Peer, w.Net.Now()
	f.Fuzz(func(t *testing.T, state, datagram []byte) {
		now := began.Add(3 * time.Second)
		g := gateFor(t, peer)
		if g.Thaw(now, ike.Kept{Peer: peer.ID, Version: ike.IKEv1, State: state}) != nil {
			return
		}
		for range 5 {
			for _, sa := range g.sas {
				message := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, sa.spii), sa.spir)
				g.Receive(now, ike.Datagram{Local: at(peer.Local, portIKE), Remote: at(peer.Remote, portIKE), Payload: append(message, datagram...)})
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

// Each field of what makes up a session is handed over, or there is a reason why not.
func TestEveryFieldIsHandedOver(t *testing.T) {
	const (
		owner = "the owner's, or of SetPeer"
		due   = "due anew: leaveAttempt"
		again = "the peer asks again, or we do"
	)
	for _, c := range []struct {
		of   reflect.Type
		kept string
		left map[string]string
	}{
		{reflect.TypeFor[Gate](), "sessions sas spis", map[string]string{
			"rand": owner, "listed": owner, "negotiations": due, "schedule": "follows from the sessions", "admission": "of main modes only",
			"paused": "until Freeze", "costly": owner, "computing": again, "computingInitial": again, "out": "carried out before", "spare": "carried out before",
		}},
		{reflect.TypeFor[session](), "sas children active rotation announced path nat remoteID orphaned lastHeard probe outdated graceEnd farewells", map[string]string{
			"Entry": "follows from the rest", "gate": owner, "peer": owner, "attempt": due, "wanted": due, "making": due, "held": again, "allowance": "of one second",
		}},
		{reflect.TypeFor[isakmpSA](), "session initiator spii spir proposal keys lastBlock extensions provedBy created established rekeyAt expiresAt " +
			"received answer exchanges over sequence heard anyHeard", nil},
		{reflect.TypeFor[extensions](), "natt dpd", nil},
		{reflect.TypeFor[quickMode](), "sa id initiator awaits yielded endAt old groups ni nr dh in child iv sent received Retransmission", map[string]string{
			"ids": "follows from the configuration", "held": again,
		}},
		{reflect.TypeFor[child](), "in out state initiator local remote extended installed activateAt rekeyAt deleteAt expiresAt", nil},
		{reflect.TypeFor[probe](), "sa sequence Retransmission", nil},
		{reflect.TypeFor[farewell](), "path message at left", nil},
	} {
		enginetest.CheckFields(t, c.of, c.kept, c.left)
	}
}

// Who goes on may have a configuration with less to choose from than the quick modes
// that it takes over.
func TestHandOverToFewerProposals(t *testing.T) {
	w := newWorld(t, 4, line, func(left, right *ike.Peer) {
		for _, p := range []*ike.Peer{left, right} {
			p.ESPProposals = enginetest.ESP(t, "aes128-sha256-group19", "aes128-sha256-group20", "aes128-sha256-group14", "aes128-sha256-group15")
		}
	})
	w.Connect()
	w.Left.Peer.ESPProposals = enginetest.ESP(t, "aes128-sha256-group19")
	w.Left.HandOver(7)
	w.Net.RunFor(time.Minute)
	w.CheckSettled()
}

// All that a gate may come to keep can be handed over: what bounds the peer's exchanges
// leaves room for some of ours.
func TestHandOverOfMuch(t *testing.T) {
	kept, w := keptOf(t)
	var f frozen
	if err := engine.DecodeFrozen(kept.State, frozenFormat, &f); err != nil {
		t.Fatal(err)
	}
	for i := range quickModesMax {
		f.SAs[0].Over = append(f.SAs[0].Over, uint32(i+1))
	}
	for i := len(f.Children); i < childrenMax+3; i++ {
		c := f.Children[0]
		c.In, c.Out = ike.SPI(0x1000+i), ike.SPI(0x1000+i)
		f.Children = append(f.Children, c)
	}
	kept.State = engine.EncodeFrozen(f)
	if err := gateFor(t, w.Left.Peer).Thaw(w.Net.Now(), kept); err != nil {
		t.Error(err)
	}
}
