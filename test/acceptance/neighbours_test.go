package acceptance

import (
	"testing"
	"time"
)

// Two installations on one machine and one underlay, with the same VPC ranges
// and the same addresses everywhere but outside, do not notice each other: not
// while both work, not when one is killed and comes back, not when it is
// cleaned away.
func TestTwoInstallationsSideBySide(t *testing.T) {
	t.Parallel()
	north := newSite(t)
	south := addSite(north.lab, north.internet, 3)
	type half struct {
		*installation
		s    *site
		a, b string
		join join
	}
	build := func(s *site, addresses string) half {
		h := half{installation: install(t, s.lab, s.internet, addresses), s: s}
		vpc := h.createVPC("10.0.0.0/16")
		subnet, group := h.createSubnet(vpc, "10.0.1.0/24"), h.createOpenGroup(vpc)
		h.a, h.b = h.runInstance(subnet, group, addressA), h.runInstance(subnet, group, addressB)
		h.join = h.joinSite(vpc, s, "start")
		s.connect(h.download(h.join.connection))
		h.waitForInstance(h.a, "running")
		h.waitForInstance(h.b, "running")
		reaches(t, s.lab, s.host, addressA, time.Minute)
		return h
	}
	one, other := build(north, "203.0.113.0/24"), build(south, "198.51.100.0/25")
	if one.prefix == other.prefix {
		t.Fatal("both have the same prefix")
	}
	one.waitForTunnels(one.join.connection, 2, time.Minute)
	stands := one.settled(10 * time.Second)
	inside, across := startSteadyPing(one.host(one.a), addressB), startSteadyPing(north.host, addressA)

	other.kill()
	other.start()
	reaches(t, south.lab, south.host, addressA, backWithin)
	other.stop()
	other.clean(true)
	other.assertNothingLeft(north.internet)
	time.Sleep(500 * time.Millisecond) // what the other's end would have disturbed shows by now

	inside.lostNone(t, north.lab, 100)
	across.lostNone(t, north.lab, 100)
	sameNetwork(t, "what stands after the other's end", stands, one.fingerprint())
	one.waitForTunnels(one.join.connection, 2, time.Second)
}
