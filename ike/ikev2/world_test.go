package ikev2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/internal/simnet"
)

type (
	world = enginetest.World[*Gate]
	side  = enginetest.Side[*Gate]
)

const (
	fastIKE = "aes128gcm16-prfsha256-group19"
	fastESP = enginetest.FastESP
)

var engines = enginetest.Engines[*Gate]{
	Make:     func(random *rand.ChaCha8) *Gate { return NewGate(Config{Rand: random}) },
	Describe: describe,
	IKE:      fastIKE,
	HandOut:  func(g *Gate) { g.costly = func(ike.Group) bool { return true } },
	StrayESP: func(g *Gate, now time.Time, local, remote netip.AddrPort, spi ike.SPI) {
		g.StrayESP(now, local, remote, spi)
	},
	Sent: checkIV,
}

// newWorld returns two sides that are configured for each other; configure, if
// not nil, changes their configurations.
func newWorld(t testing.TB, seed uint64, c simnet.Conditions, configure func(left, right *ike.Peer)) *world {
	t.Helper()
	return enginetest.New(t, seed, c, engines, configure)
}

func describe(b []byte) string {
	h, err := wire.ParseHeader(b)
	if err != nil {
		return err.Error()
	}
	s := h.String()
	if m, err := wire.Parse(b); err == nil {
		s += ": " + m.String()[len(h.String())+2:]
	}
	return s
}

// checkIV: with an AEAD no IV may ever come twice with another content.
func checkIV(s *side, message []byte) {
	h, err := wire.ParseHeader(message)
	at := wire.HeaderLength + 4
	switch {
	case err != nil || !s.Peer.IKEProposals[0].Encryption.AEAD():
		return
	case h.Exchange == wire.IKEAuth || h.Exchange == wire.IKEIntermediate: // each may have keys of its own
		return
	case h.NextPayload == wire.PayloadSKF:
		at += 4
	case h.NextPayload != wire.PayloadSK:
		return
	}
	key := fmt.Sprintf("%x %x %t %x", h.SPIi, h.SPIr, h.Flags.Initiator(), message[at:at+8])
	if before, ok := s.W.Seen[key]; ok && !bytes.Equal(before, message) {
		s.Fatalf("IV %x comes twice", message[at:at+8])
	}
	s.W.Seen[key] = bytes.Clone(message)
}

func checkNone(w *world) {
	w.T.Helper()
	for _, s := range []*side{w.Left, w.Right} {
		if len(s.Children) != 0 || s.Engine.Status(s.Peer.ID).Established || s.Engine.Sessions() != 0 || len(s.Engine.bySPI) != 0 || s.Engine.admission.halfOpen != 0 || len(s.Engine.admission.sources) != 0 || len(s.Engine.admission.sessions) != 0 || len(s.Engine.spis.(engine.OwnSPIs)) != 0 {
			s.Fatalf("state is left: %d child SAs, %d sessions, %d IKE SPIs, %d ESP SPIs", len(s.Children), s.Engine.Sessions(), len(s.Engine.bySPI), len(s.Engine.spis.(engine.OwnSPIs)))
		}
	}
}
