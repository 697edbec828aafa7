package ikev2

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

// FuzzGate feeds sequences of messages to a pair of gates that are connected:
// raw ones as a stranger sends them, and authentic ones with any content, as a
// broken or hostile peer that holds the key sends them. Whatever comes, the gate
// must not panic, must keep its books, and must stay within its bounds; a
// stranger must not change anything that stands. Half-open SAs, which anybody can
// have, get authentic messages of any content, too: identities, certificates,
// proofs. Where the first octet is odd both sides use certificates.
//
// The input is a list of [ kind 1 | length 2 | octets ].
func FuzzGate(f *testing.F) {
	add := func(steps ...[]byte) {
		var all []byte
		for _, s := range steps {
			all = append(all, s[0]*2)
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
		p := &seed.Left.Peer
		return append(extra, offerESP(p.ESPProposals, true, 0x1234567), &wire.Nonce{Data: make([]byte, 32)},
			&wire.KE{Group: ike.Group19, Data: seed.Left.Engine.newDH(ike.Group19).Public()},
			offerSelectors(wire.PayloadTSi, p.LocalSelectors), offerSelectors(wire.PayloadTSr, p.RemoteSelectors))
	}
	add(append([]byte{fuzzRaw}, initRequest(seed, 5)...))
	add(inner(wire.Informational))
	add(inner(wire.Informational, &wire.Delete{Protocol: wire.ProtocolIKE}), inner(wire.Informational))
	add(inner(wire.Informational, &wire.Delete{Protocol: wire.ProtocolESP, SPIs: []ike.SPI{1}}), inner(wire.CreateChildSA, create()...))
	add(inner(wire.CreateChildSA, create(&wire.Notify{Type: wire.RekeySA, Protocol: wire.ProtocolESP, SPI: []byte{0, 0, 0, 1}})...), []byte{fuzzWait, 30})
	add(inner(wire.CreateChildSA, offerIKE(seed.Left.Peer.IKEProposals, []byte("spi_spi_")), &wire.Nonce{Data: make([]byte, 32)},
		&wire.KE{Group: ike.Group19, Data: seed.Left.Engine.newDH(ike.Group19).Public()}), []byte{fuzzCommand, 0}, []byte{fuzzWait, 200})
	add([]byte{fuzzCommand, 1}, inner(wire.CreateChildSA), []byte{fuzzWait, 9})
	add(append([]byte{fuzzFragments, byte(wire.Informational), byte(wire.PayloadVendorID), 0xff}, make([]byte, 700)...),
		append([]byte{fuzzFragments, byte(wire.Informational), byte(wire.PayloadVendorID), 0x05}, make([]byte, 900)...), []byte{fuzzWait, 40})
	add(inner(wire.Informational, &wire.Notify{Type: wire.UpdateSAAddresses}, &wire.Notify{Type: wire.Cookie2, Data: make([]byte, 16)}, &wire.Notify{Type: wire.NATDetectionSourceIP, Data: make([]byte, 20)}))
	add(inner(wire.Informational, &wire.Notify{Type: wire.NoNATsAllowed, Data: make([]byte, 12)}, &wire.Notify{Type: wire.InvalidSPI, Data: make([]byte, 4)}))
	left, right := seed.Left.Peer, seed.Right.Peer
	certify(&left, &right)
	proved := []wire.Payload{
		&wire.ID{Role: wire.PayloadIDi, Identity: ike.AddressIdentity(enginetest.LeftAddr)},
		&wire.Cert{Encoding: wire.CertificateX509Signature, Data: left.Certificate.Chain[0]}, &wire.Cert{Encoding: wire.CertificateHashURL, Data: []byte("http://x")},
		&wire.CertReq{Encoding: wire.CertificateX509Signature, Data: make([]byte, 20)}, &wire.Auth{Method: wire.AuthDigitalSignature, Data: []byte{3, 1, 2, 3, 4}},
		&wire.Notify{Type: wire.MOBIKESupported},
	}
	half := wire.AppendPayloads([]byte{fuzzHalfOpen, byte(wire.IKEAuth), byte(wire.FirstPayload(proved))}, proved)
	add(half)
	f.Add(append([]byte{2*fuzzHalfOpen + 1}, append(binary.BigEndian.AppendUint16(nil, uint16(len(half)-1)), half[1:]...)...))

	f.Fuzz(func(t *testing.T, input []byte) {
		w := newWorld(t, 1, simnet.Conditions{}, func(left, right *ike.Peer) {
			if len(input) > 0 && input[0]%2 == 1 {
				certify(left, right)
			}
		})
		w.Connect()
		s := w.Left.Engine.standing("left", nil)
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
			case kind/2%6 == fuzzRaw:
				w.Right.Receive(w.Net.Now(), at(enginetest.RightAddr, 500), at(enginetest.LeftAddr, 500), append([]byte(nil), body...))
			case kind/2%6 == fuzzAuthentic && len(body) >= 2:
				authentic = true
				message := sealRaw(seal, sa.header(wire.ExchangeType(body[0]), id, false), wire.PayloadType(body[1]), body[2:])
				before := w.Right.Drops[ike.Accepted]
				w.Right.Receive(w.Net.Now(), at(enginetest.RightAddr, 500), at(enginetest.LeftAddr, 500), message)
				if w.Right.Drops[ike.Accepted] != before {
					id++
				}
			case kind/2%6 == fuzzWait && len(body) >= 1:
				w.Net.RunFor(time.Duration(body[0]) * time.Second)
			case kind/2%6 == fuzzFragments && len(body) >= 3:
				authentic = true
				fragments(w, seal, sa.header(wire.ExchangeType(body[0]), id, false), wire.PayloadType(body[1]), body[2], body[3:])
				if expected := w.Right.Engine.standing("right", nil); expected != nil && expected.current.expectID > id {
					id = expected.current.expectID
				}
			case kind/2%6 == fuzzHalfOpen && len(body) >= 2:
				halfOpen(w, uint64(steps)+1, wire.ExchangeType(body[0]), wire.PayloadType(body[1]), body[2:])
			case kind/2%6 == fuzzCommand && len(body) >= 1:
				w.Right.Command([]ike.Command{ike.RekeyIKE{}, ike.RekeyChild{}, ike.Initiate{}, ike.Terminate{}}[body[0]%4])
				authentic = authentic || body[0]%4 == 3
			}
		}
		w.Net.RunFor(time.Minute)
		if !authentic {
			w.CheckSettled()
		}
		checkBooks(w.Right)
		checkBooks(w.Left)
	})
}

// Kinds of steps.
const (
	fuzzRaw = iota
	fuzzAuthentic
	fuzzWait
	fuzzCommand
	fuzzFragments
	fuzzHalfOpen
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
func checkBooks(s *side) {
	s.W.T.Helper()
	g := s.Engine
	halfOpen, spis := 0, 0
	for _, session := range g.schedule.All() {
		if session.phase == connecting && !session.initiator {
			halfOpen++
		}
		for _, sa := range session.sas {
			if g.bySPI[sa.local] != session {
				s.Fatalf("IKE SA %016x is not routed to its session", sa.local)
			}
		}
		spis += len(session.children)
	}
	if halfOpen != g.admission.halfOpen || spis != len(s.Children) || g.schedule.Len() > 64 {
		s.Fatalf("%d half-open sessions, counted %d; %d child SAs, owner has %d; %d sessions", halfOpen, g.admission.halfOpen, spis, len(s.Children), g.schedule.Len())
	}
	for spi, session := range g.bySPI {
		if session.phase == ended {
			s.Fatalf("SPI %016x leads to a session that has ended", spi)
		}
	}
}

// certify gives two peers certificates of one authority, which are made once.
func certify(left, right *ike.Peer) {
	made := fuzzCertificates()
	left.Certificate, left.Verifier = made.left, made.ca
	right.Certificate, right.Verifier = made.right, made.ca
}

var fuzzCertificates = sync.OnceValue(func() (made struct {
	ca          *authority
	left, right *ike.Certificate
}) {
	var t testing.T // what is wrong here is wrong in every test
	made.ca = newAuthority(&t, "ca", nil)
	made.left, made.right = made.ca.issue(&t, "left.example", "P-256", nil), made.ca.issue(&t, "right.example", "P-256", nil)
	return made
})

// fragments sends a message in the smallest fragments, of which mask says which
// come, in which order.
func fragments(w *world, seal *keys.Protector, h wire.Header, first wire.PayloadType, mask byte, body []byte) {
	packets := seal.SealWithin(h, []wire.Payload{&wire.Raw{Type: first, Body: body}}, keys.FragmentLengthMin)
	if mask&1 != 0 {
		slices.Reverse(packets)
	}
	for i, packet := range packets {
		if mask>>(1+i%7)&1 != 0 {
			w.Right.Receive(w.Net.Now(), at(enginetest.RightAddr, 500), at(enginetest.LeftAddr, 500), packet)
		}
	}
}

// halfOpen begins an IKE SA with the right side, as a stranger can, and sends one
// authentic message of any content on it, whole and in fragments.
func halfOpen(w *world, spi uint64, exchange wire.ExchangeType, first wire.PayloadType, body []byte) {
	dh, nonce := w.Left.Engine.newDH(ike.Group19), make([]byte, 32)
	request := wire.Message{
		Header: wire.Header{SPIi: spi, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator},
		Payloads: []wire.Payload{offerIKE(w.Left.Peer.IKEProposals, nil), &wire.KE{Group: ike.Group19, Data: dh.Public()}, &wire.Nonce{Data: nonce},
			announceFragmentation(), hashAlgorithms()},
	}.Append(nil)
	var answer []byte
	w.Hold = func(_ *side, d ike.Datagram) { answer = append([]byte(nil), d.Payload...) }
	defer func() { w.Hold = nil }()
	from := at(enginetest.LeftAddr, uint16(2000+spi))
	w.Right.Receive(w.Net.Now(), at(enginetest.RightAddr, 500), from, request)
	message, err := wire.Parse(answer)
	m := sortPayloads(message.Payloads)
	if err != nil || m.ke == nil || m.sa == nil || m.nonce == nil {
		return // a cookie, or too many
	}
	shared, err := dh.Shared(m.ke.Data)
	if err != nil {
		w.T.Fatal(err)
	}
	proposal, _, _ := chooseIKE(m.sa.Proposals, w.Left.Peer.IKEProposals)
	sa := newSA(true, spi, message.Header.SPIr, proposal, keys.DeriveIKE(proposal, nonce, m.nonce.Data, shared, spi, message.Header.SPIr))
	h := sa.header(exchange, 1, false)
	packets := append(sa.seal.SealWithin(h, []wire.Payload{&wire.Raw{Type: first, Body: body}}, keys.FragmentLengthMin)[1:], sealRaw(sa.seal, h, first, body))
	for _, packet := range packets {
		w.Right.Receive(w.Net.Now(), at(enginetest.RightAddr, 500), from, packet)
	}
}

// FuzzSchemeOf: what a peer names as the algorithm of its signature is one of ours or
// none; what follows it is the signature.
func FuzzSchemeOf(f *testing.F) {
	for _, s := range schemes {
		f.Add(append([]byte{byte(len(s.algorithm))}, s.algorithm...))
	}
	f.Add([]byte{200, 0x30, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		algorithm, signature, ok := cutAlgorithm(data)
		if !ok {
			return
		}
		if 1+len(algorithm)+len(signature) != len(data) {
			t.Errorf("%x becomes %x and %x", data, algorithm, signature)
		}
		if s, ok := schemeOf(algorithm); ok && (s.kind == keyUnknown || s.kind != keyEd25519 && !s.hash.Available()) {
			t.Errorf("%x is %+v", algorithm, s)
		}
	})
}
