package acceptance

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

var failures = flag.Int("failures", 1, "how often TestDynamicRoutingOutlives… let tunnels and sessions fail, and restart the daemon; 1 takes a minute")

const (
	// peerKnowsMax bounds how many of a hundred requests a second are lost where the peer says
	// what it does.
	peerKnowsMax = 30

	// afterSilence bounds, beside the hold time, how long there are no answers where a tunnel
	// just ends.
	afterSilence = 8 * time.Second

	// routesMax is how many a VPN gateway takes of a customer gateway's session.
	routesMax = 100

	// idleMax is how long a session that told too many stays down, and what comes after it.
	idleMax = 60*time.Second + 20*time.Second
)

// addresses are some in networks of their own, /32.
func addresses(count int) (all []string) {
	for n := range count {
		all = append(all, fmt.Sprintf("172.22.%d.%d/32", n/200, 1+n%200))
	}
	return all
}

// A pair is a steady ping in each direction between a site and an instance.
type pair struct {
	t             *testing.T
	lab           *netlab.Lab
	toVPC, toSite steadyPing
}

func (c *dynamicScene) pings(t *testing.T, s *dynamicSite) pair {
	t.Helper()
	p := pair{t, c.lab, startSteadyPing(s.host, addressA), startSteadyPing(c.instance(), s.at)}
	time.Sleep(300 * time.Millisecond) // both have begun
	return p
}

// end ends both, logs what was lost, and returns the longest time between two answers and how
// many requests were lost, of the worse one.
func (p pair) end(what string) (longest time.Duration, lost int) {
	p.t.Helper()
	forth, lostForth := p.toVPC.outage(p.t, p.lab)
	back, lostBack := p.toSite.outage(p.t, p.lab)
	p.t.Logf("%s: the site's pings are without an answer for %v (%d lost of 100 a second), the instance's for %v (%d lost)", what, forth, lostForth, back, lostBack)
	return max(forth, back), max(lostForth, lostBack)
}

// lostAtMost ends both and checks that no more were lost.
func (p pair) lostAtMost(most int, what string) {
	p.t.Helper()
	if _, lost := p.end(what); lost > most {
		p.t.Errorf("%s: %d requests were lost, at most %d are allowed", what, lost, most)
	}
}

// One tunnel's end, and one site's mistake, are nobody else's.
//
//	FRR, AS 65001      192.168.2.0/24 ═══╗
//	                                     ╠═ VPN gateway ── VPC, instance 10.0.1.10
//	BIRD, AS 65002     192.168.3.0/24 ═══╝
func TestDynamicRoutingOutlivesFailures(t *testing.T) {
	t.Parallel()
	c := newDynamicScene(t)
	a := c.addDynamicSite(t, c.internet, 2, "65001", c.gateway)
	b := c.addDynamicSite(t, c.internet, 3, "65002", c.gateway)
	c.waitForInstance(c.inside, "running")
	a.connect("FRR")
	b.connect("BIRD")
	for _, s := range []*dynamicSite{a, b} {
		c.waitForRoutes(s.connection, 1, time.Minute)
		reaches(t, c.lab, s.host, addressA, toldWithin)
		reaches(t, c.lab, c.instance(), s.at, toldWithin)
	}

	// All at once, since this takes a minute and is not to be noticed by the other site.
	full := addresses(routesMax - 1) // beside the network behind the site
	b.own(full...)
	c.waitForRoutes(b.connection, routesMax, toldWithin)
	reaches(t, c.lab, c.instance(), "172.22.0.50", 5*time.Second)
	undisturbed := startSteadyPing(a.host, addressA)
	const surplus = "172.22.9.9/32"
	begin := time.Now()
	b.own(surplus)
	t.Run("one route too many", func(t *testing.T) {
		c.waitForBoth(b.connection, 10*time.Second, "why it is down", func(s telemetry) bool {
			return s.status == "DOWN" && s.accepted == 0 && strings.Contains(s.message, "more than 100 routes")
		})
		t.Log("telemetry: " + c.telemetryOf(b.connection)[0].message)
		c.waitForPropagated(c.table, c.gateway, 5*time.Second, a.network)
		silent(t, c.instance(), "the session has ended", b.at)
		c.lab.Eventually(5*time.Second, "BIRD is told", func() error {
			if said := b.bird.Control("show", "protocols", "all", "tunnel1"); !strings.Contains(strings.ToLower(said), "maximum number of prefixes reached") {
				return fmt.Errorf("it says %s", said)
			}
			return nil
		})
		undisturbed.lostNone(t, c.lab, 100)
	})
	b.disown(surplus)

	t.Run("a device shuts a session down", func(t *testing.T) {
		for range *failures {
			c.sessionShutDown(t, a)
		}
	})
	t.Run("a device takes a tunnel down", func(t *testing.T) {
		for range *failures {
			pings := c.pings(t, a)
			a.customer.Run("bash", a.script, "down", "1")
			a.uses(addressA, 2, 2, 5*time.Second)
			a.customer.Run("bash", a.script, "up", "1")
			a.uses(addressA, 1, 1, 30*time.Second)
			pings.lostAtMost(peerKnowsMax, "tunnel 1 taken down and back")
		}
	})

	t.Run("a tunnel dies", func(t *testing.T) {
		for range *failures {
			c.tunnelDies(t, a, 30*time.Second+afterSilence)
		}
	})

	t.Run("fewer routes", func(t *testing.T) {
		c.waitForRoutes(b.connection, routesMax, idleMax)
		t.Logf("the site that told too many is back %v after that", time.Since(begin).Round(time.Second))
		reaches(t, c.lab, c.instance(), b.at, 5*time.Second)
		reaches(t, c.lab, b.host, a.at, 5*time.Second)
	})
}

// sessionShutDown: while a device holds a session down, its tunnel stands and carries nothing.
func (c *dynamicScene) sessionShutDown(t *testing.T, s *dynamicSite) {
	t.Helper()
	s.uses(addressA, 1, 1, 10*time.Second)
	pings := c.pings(t, s)
	s.session(1, false)
	s.uses(addressA, 2, 2, 5*time.Second)
	said := c.telemetryOf(s.connection)
	if said[0].status != "DOWN" || said[0].accepted != 0 || !strings.HasPrefix(said[0].message, "IPsec is up, BGP is not: ") || said[1].status != "UP" || said[1].accepted != 1 {
		t.Errorf("the telemetry says %+v", said)
	}
	t.Log("its message: " + said[0].message)
	s.session(1, true)
	s.uses(addressA, 1, 1, 30*time.Second)
	pings.lostAtMost(peerKnowsMax, s.customer.Name+": session of tunnel 1 shut down and back")
	c.waitForRoutes(s.connection, 1, 5*time.Second)
}

// tunnelDies: from one moment on nothing of tunnel 1 arrives at the other side.
func (c *dynamicScene) tunnelDies(t *testing.T, a *dynamicSite, most time.Duration) {
	t.Helper()
	pings := c.pings(t, a)
	restore := a.cut(1)
	cut := time.Now()
	a.uses(addressA, 2, 2, most)
	t.Logf("all is on tunnel 2 %v after the cut", time.Since(cut).Round(100*time.Millisecond))
	if said := c.telemetryOf(a.connection); said[0].status != "DOWN" || said[1].status != "UP" {
		t.Errorf("the telemetry says %+v", said)
	}
	restore()
	restored := time.Now()
	if longest, _ := pings.end("tunnel 1 cut"); longest > most {
		t.Errorf("there was no answer for %v, at most %v is allowed", longest, most)
	}
	pings = c.pings(t, a)
	a.uses(addressA, 1, 1, time.Minute)
	t.Logf("all is back on tunnel 1 %v after its restoration", time.Since(restored).Round(100*time.Millisecond))
	pings.lostAtMost(peerKnowsMax, "tunnel 1 back")
}

// A monitor listens to a host's routes.
type monitor struct {
	host *netlab.Host
	p    *netlab.Process
}

func monitorRoutes(host *netlab.Host) monitor {
	m := monitor{host, host.Start("routes", "ip", "-4", "monitor", "route")}
	time.Sleep(200 * time.Millisecond) // let it begin to listen
	return m
}

// deletedNone checks that none of the destinations' routes was taken away meanwhile, and that it
// would have been noticed.
func (m monitor) deletedNone(t *testing.T, lab *netlab.Lab, destinations ...string) {
	t.Helper()
	m.host.Run("ip", "route", "add", "blackhole", "192.0.2.255/32", "table", "77")
	m.host.Run("ip", "route", "del", "blackhole", "192.0.2.255/32", "table", "77")
	lab.Eventually(5*time.Second, "the end of a route is seen", func() error {
		if !strings.Contains(m.p.Log(), "Deleted blackhole 192.0.2.255") {
			return errors.New(m.p.Log())
		}
		return nil
	})
	m.p.Stop()
	for line := range strings.Lines(m.p.Log()) {
		for _, d := range destinations {
			if strings.HasPrefix(line, "Deleted "+d+" ") {
				t.Errorf("%s: %s", m.host.Name, strings.TrimSpace(line))
			}
		}
	}
}

// While the daemon is replaced, packets over dynamic tunnels go on and both sides keep their
// routes; after a crash all comes back by itself.
func TestDynamicRoutingOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	c := newDynamicScene(t, "hand_over: 60s")
	a := c.addDynamicSite(t, c.internet, 2, "65001", c.gateway)
	b := c.addDynamicSite(t, c.internet, 3, "4200000002", c.gateway) // of four bytes
	c.waitForInstance(c.inside, "running")
	sites := []*dynamicSite{a, b}
	a.connect("FRR")
	b.connect("BIRD")
	for _, s := range sites {
		c.waitForRoutes(s.connection, 1, time.Minute)
		reaches(t, c.lab, s.host, addressA, toldWithin)
	}
	a.waitForPath(b.network, "64512 4200000002", toldWithin)
	reaches(t, c.lab, a.host, b.at, toldWithin)
	answerAs(t, b.customer, "B")
	time.Sleep(time.Second) // until the routes have settled

	t.Run("a device shuts a session down", func(t *testing.T) { c.sessionShutDown(t, b) })
	t.Run("restart", func(t *testing.T) {
		for range *failures {
			c.restart(t, a, b)
		}
	})
	t.Run("crash", func(t *testing.T) {
		for range *failures {
			c.crash(t, a, b)
		}
	})
	t.Run("a tunnel dies, with a short hold time", func(t *testing.T) {
		short := strings.NewReplacer("hold time 30;", "hold time 3;", "keepalive time 10;", "keepalive time 1;").Replace(b.downloaded)
		if short == b.downloaded {
			t.Fatalf("BIRD's configuration has no hold time:\n%s", short)
		}
		begin := time.Now()
		b.bird.Configure(short)
		b.waitForSessionsSince(begin, 30*time.Second)
		b.uses(addressA, 1, 1, 10*time.Second)
		c.tunnelDies(t, b, 3*time.Second+afterSilence)
	})
}

// restart: sessions are made anew, and neither side takes a route away meanwhile.
func (c *dynamicScene) restart(t *testing.T, a, b *dynamicSite) {
	t.Helper()
	sites := []*dynamicSite{a, b}
	const goes, comes = "172.24.0.1/24", "172.25.0.1/24" // while nobody is there
	b.own(goes)
	c.waitForRoutes(b.connection, 2, toldWithin)
	wantAnswer(t, c.lab, a.host, "172.24.0.1", "B", toldWithin)
	changes := [][]string{c.changes(a.connection), c.changes(b.connection)}
	between := startSteadyPing(a.host, b.at)
	transfer := startTransfer(t, a.host, c.instance(), addressA)
	pings := []pair{c.pings(t, a), c.pings(t, b)}
	vpc, gateway := monitorRoutes(c.host(c.vpc)), monitorRoutes(c.host(c.gateway))
	devices := []monitor{monitorRoutes(a.customer), monitorRoutes(b.customer)}
	begin := time.Now()
	c.stop()
	stopped := time.Since(begin)
	c.assertKept(t)
	b.disown(goes)
	b.own(comes)
	c.start()
	served := time.Since(begin)
	// Sessions are new ones, and everything is told again.
	for _, s := range sites {
		s.waitForSessionsSince(begin, 30*time.Second)
	}
	t.Logf("stopped after %v, served after %v, all sessions are back after %v", stopped.Round(time.Millisecond), served.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	wantAnswer(t, c.lab, a.host, "172.25.0.1", "B", toldWithin)
	wantAnswer(t, c.lab, a.host, "172.24.0.1", nobody, toldWithin)
	c.waitForPropagated(c.table, c.gateway, toldWithin, a.network, b.network, "172.25.0.0/24")
	c.waitForRoutes(a.connection, 1, toldWithin)
	c.waitForRoutes(b.connection, 2, toldWithin)
	b.disown(comes)
	if most := 6 * time.Second; time.Since(begin) < most { // what is taken for lost after 5 s would show by then
		time.Sleep(most - time.Since(begin))
	}
	for n, s := range sites {
		pings[n].lostAtMost(lostMax, s.customer.Name+": restart")
		if got := c.changes(s.connection); fmt.Sprint(got) != fmt.Sprint(changes[n]) {
			t.Errorf("the API tells of changes: %v, was %v", got, changes[n])
		}
		devices[n].deletedNone(t, c.lab, "10.0.0.0/16")
	}
	t.Logf("TCP carried %d MiB, with a pause of %v at most", transfer.end(t)>>20, transfer.pause.Round(time.Millisecond))
	if lost, of := between.lost(t, c.lab); lost > lostMax {
		t.Errorf("between the sites %d of %d requests were lost, at most %d are allowed", lost, of, lostMax)
	}
	vpc.deletedNone(t, c.lab, a.network, b.network)
	gateway.deletedNone(t, c.lab, a.network, b.network)
}

// crash: the device's dead peer detection finds it, and makes the tunnels anew.
func (c *dynamicScene) crash(t *testing.T, a, b *dynamicSite) {
	t.Helper()
	sites := []*dynamicSite{a, b}
	c.kill()
	begin := time.Now()
	c.start()
	for _, s := range sites {
		reaches(t, c.lab, s.host, addressA, backWithin)
		t.Logf("%s: packets pass %v after the crash", s.customer.Name, time.Since(begin).Round(100*time.Millisecond))
		c.waitForRoutes(s.connection, 1, time.Minute)
	}
	t.Logf("both sessions of both sites are back %v after the crash", time.Since(begin).Round(100*time.Millisecond))
	reaches(t, c.lab, a.host, b.at, toldWithin)
	reaches(t, c.lab, c.instance(), a.at, toldWithin)
}
