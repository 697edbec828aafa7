package ikev1

import (
	"math/rand/v2"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
	"causeway.dev/internal/simnet"
)

type (
	world = enginetest.World[*Gate]
	side  = enginetest.Side[*Gate]
)

func init() { panicOnFault = true }

var engines = enginetest.Engines[*Gate]{
	Make:        func(random *rand.ChaCha8) *Gate { return NewGate(Config{Rand: random}) },
	Describe:    describe,
	IKE:         "aes128-sha256-group19",
	HandOut:     func(g *Gate) { g.costly = func(ike.Group) bool { return true } },
	AttemptsEnd: true,
}

func newWorld(t testing.TB, seed uint64, c simnet.Conditions, configure func(left, right *ike.Peer)) *world {
	t.Helper()
	return enginetest.New(t, seed, c, engines, configure)
}

func describe(b []byte) string {
	h, err := wire.ParseHeader(b)
	if err != nil {
		return err.Error()
	}
	if m, err := isakmp.Parse(b); err == nil {
		return m.String()
	}
	return isakmp.Describe(h)
}

// checkNone: nothing is left on the books of either side.
func checkNone(w *world) {
	w.T.Helper()
	for _, s := range []*side{w.Left, w.Right} {
		g := s.Engine
		if len(s.Children) != 0 || g.Sessions() != 0 || len(g.negotiations) != 0 || len(g.sas) != 0 || g.admission.halfOpen+len(g.admission.unheard.byCookie) != 0 ||
			len(g.admission.sources) != 0 || len(g.admission.negotiations) != 0 || len(g.spis.(engine.OwnSPIs)) != 0 {
			s.Fatalf("state is left: %d child SAs, %d sessions, %d main modes, %d ISAKMP SAs, %d ESP SPIs",
				len(s.Children), g.Sessions(), len(g.negotiations), len(g.sas), len(g.spis.(engine.OwnSPIs)))
		}
	}
}
