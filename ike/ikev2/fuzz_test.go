package ikev2

import (
	"encoding/binary"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// FuzzGate feeds sequences of messages to a pair of gates that are connected:
// raw ones as a stranger sends them, and authentic ones with any content, as a
// broken or hostile peer that holds the key sends them. Whatever comes, the gate
// must not panic, must keep its books, and must stay within its bounds; a
// stranger must not change anything that stands.
//
// The input is a list of [ kind 1 | length 2 | octets ].
func FuzzGate(f *testing.F) {
	add := func(steps ...[]byte) {
		var all []byte
		for _, s := range steps {
			all = append(all, s[0])
			all = binary.BigEndian.AppendUint16(all, uint16(len(s)-1))
			all = append(all, s[1:]...)
		}
		f.Add(all)
	}
	seed := newWorld(f, 1, simnet.Conditions{}, nil)
	inner := func(exchange wire.ExchangeType, payloads ...wire.Payload) []byte {
		return wire.AppendPayloads([]byte{fuzzAuthentic, byte(exchange), byte(wire.FirstPayload(payloads))}, payloads)
	}
	create := func(extra ...wire.Payload) []wire.Payload {
		p := &seed.left.peer
		return append(extra, offerESP(p.ESPProposals, true, 0x1234567), &wire.Nonce{Data: make([]byte, 32)},
			&wire.KE{Group: ike.Group19, Data: seed.left.gate.newDH(ike.Group19).Public()},
			offerSelectors(wire.PayloadTSi, p.LocalSelectors), offerSelectors(wire.PayloadTSr, p.RemoteSelectors))
	}
	add(append([]byte{fuzzRaw}, initRequest(seed, 5)...))
	add(inner(wire.Informational))
	add(inner(wire.Informational, &wire.Delete{Protocol: wire.ProtocolIKE}), inner(wire.Informational))
	add(inner(wire.Informational, &wire.Delete{Protocol: wire.ProtocolESP, SPIs: []ike.SPI{1}}), inner(wire.CreateChildSA, create()...))
	add(inner(wire.CreateChildSA, create(&wire.Notify{Type: wire.RekeySA, Protocol: wire.ProtocolESP, SPI: []byte{0, 0, 0, 1}})...), []byte{fuzzWait, 30})
	add(inner(wire.CreateChildSA, offerIKE(seed.left.peer.IKEProposals, []byte("spi_spi_")), &wire.Nonce{Data: make([]byte, 32)},
		&wire.KE{Group: ike.Group19, Data: seed.left.gate.newDH(ike.Group19).Public()}), []byte{fuzzCommand, 0}, []byte{fuzzWait, 200})
	add([]byte{fuzzCommand, 1}, inner(wire.CreateChildSA), []byte{fuzzWait, 9})

	f.Fuzz(func(t *testing.T, input []byte) {
		w := newWorld(t, 1, simnet.Conditions{}, nil)
		w.connect()
		s := w.left.gate.standing("left", nil)
		// A second handle on the keys: what the attacker with the key seals.
		sa := s.current
		seal := keys.NewProtector(sa.proposal, sa.keys.Ei, sa.keys.Ai)
		id, authentic := sa.nextID, false
		for steps := 0; len(input) >= 3 && steps < 40; steps++ {
			kind, length := input[0], int(binary.BigEndian.Uint16(input[1:]))
			input = input[3:]
			body := input[:min(length, len(input))]
			input = input[len(body):]
			switch {
			case kind%4 == fuzzRaw:
				w.right.Receive(w.net.Now(), at(rightAddr, 500), at(leftAddr, 500), append([]byte(nil), body...))
			case kind%4 == fuzzAuthentic && len(body) >= 2:
				authentic = true
				message := sealRaw(seal, sa.header(wire.ExchangeType(body[0]), id, false), wire.PayloadType(body[1]), body[2:])
				before := w.right.drops[ike.Accepted]
				w.right.Receive(w.net.Now(), at(rightAddr, 500), at(leftAddr, 500), message)
				if w.right.drops[ike.Accepted] != before {
					id++
				}
			case kind%4 == fuzzWait && len(body) >= 1:
				w.net.RunFor(time.Duration(body[0]) * time.Second)
			case kind%4 == fuzzCommand && len(body) >= 1:
				w.right.command([]ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}, ike.Initiate{}, ike.Terminate{}}[body[0]%4])
				authentic = authentic || body[0]%4 == 3
			}
		}
		w.net.RunFor(time.Minute)
		if !authentic {
			w.checkSettled()
		}
		w.right.checkBooks()
		w.left.checkBooks()
	})
}

// Kinds of steps.
const (
	fuzzRaw = iota
	fuzzAuthentic
	fuzzWait
	fuzzCommand
)

// sealRaw protects a chain of payloads, or, where the octets are none, one payload
// with these octets and the type of the first.
func sealRaw(p *keys.Protector, h wire.Header, first wire.PayloadType, body []byte) []byte {
	payloads, err := wire.ParsePayloads(first, body)
	if err != nil {
		payloads = []wire.Payload{&wire.Raw{Type: first, Body: body}}
	}
	return p.Seal(nil, h, payloads)
}

// checkBooks: what a gate counts is what there is.
func (s *side) checkBooks() {
	s.w.t.Helper()
	g := s.gate
	halfOpen, spis := 0, 0
	for _, session := range g.schedule.All() {
		if session.phase == connecting && !session.initiator {
			halfOpen++
		}
		for _, sa := range session.sas {
			if g.bySPI[sa.local] != session {
				s.fatalf("IKE SA %016x is not routed to its session", sa.local)
			}
		}
		spis += len(session.children)
	}
	if halfOpen != g.admission.halfOpen || spis != len(s.children) || g.schedule.Len() > 64 {
		s.fatalf("%d half-open sessions, counted %d; %d child SAs, owner has %d; %d sessions", halfOpen, g.admission.halfOpen, spis, len(s.children), g.schedule.Len())
	}
	for spi, session := range g.bySPI {
		if session.phase == ended {
			s.fatalf("SPI %016x leads to a session that has ended", spi)
		}
	}
}
