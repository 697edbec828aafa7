package acceptance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

const (
	// kills is how often the server is killed.
	kills = 20

	// killWithin bounds how long after its start the server is killed, and
	// killEarly every other time, so that many kills meet the start itself.
	killWithin = 1500 * time.Millisecond
	killEarly  = 200 * time.Millisecond

	// backWithin is how long a connection may need that our side starts itself.
	// The other way it is the peer's dead peer detection that decides.
	backWithin = 20 * time.Second
)

// The server is killed at any moment: while it starts, while calls make and
// delete things, while the kernel is being changed. What is right stays
// untouched throughout, and in the end there is the network that the records
// ask for: the same that a server makes from nothing.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i := install(t, s.lab, s.internet, testAddresses)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	vpc := i.createVPC("10.0.0.0/16")
	subnet, group := i.createSubnet(vpc, "10.0.1.0/24"), i.createOpenGroup(vpc)
	a, b := i.runInstance(subnet, group, addressA), i.runInstance(subnet, group, addressB)
	joined := i.createVPC("10.1.0.0/16")
	joinedSubnet := i.createSubnet(joined, "10.1.1.0/24")
	c := i.runInstance(joinedSubnet, i.createOpenGroup(joined), "10.1.1.10")
	j := i.joinSite(joined, s, "start")
	s.connect(i.download(j.connection))
	for _, id := range []string{a, b, c} {
		i.waitForInstance(id, "running")
	}
	reaches(t, s.lab, s.host, "10.1.1.10", time.Minute)
	reaches(t, s.lab, i.host(a), addressB, 20*time.Second)
	inits := []string{i.initOf(a), i.initOf(b), i.initOf(c)}
	steady := startSteadyPing(i.host(a), addressB)

	calls, early := 0, 0
	for n := range kills {
		within := []time.Duration{killWithin, killEarly}[n%2]
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.Int64N(int64(within))))
		calls += (&churn{i: i, random: random, subnet: subnet, group: group}).run(ctx)
		cancel()
		if _, err := os.Stat(i.endpointFile()); err != nil {
			early++
		}
		i.kill()
		for line := range strings.Lines(i.server.Log()) {
			if strings.Contains(line, "level=ERROR") {
				t.Errorf("a restarted server complains: %s", line)
			}
		}
		i.startWithoutWaiting()
	}
	t.Logf("%d kills, %d of them before the API was served; %d calls were answered between them", kills, early, calls)
	if calls < kills {
		t.Errorf("the test has hardly met anything at work")
	}
	i.waitForAPI()
	t.Logf("the tunnel was back %v after the API", reaches(t, s.lab, s.host, "10.1.1.10", backWithin).Round(time.Millisecond))
	i.waitUntilNothingIsPending()
	i.waitForTunnels(j.connection, 2, backWithin)
	if got := []string{i.initOf(a), i.initOf(b), i.initOf(c)}; strings.Join(got, "; ") != strings.Join(inits, "; ") {
		t.Errorf("init processes were %q and are %q", inits, got)
	}
	adopted := i.settled(20 * time.Second)
	t.Logf("there are %d namespaces", len(adopted))

	t.Run("a restart changes nothing", func(t *testing.T) {
		watched := []watch{watchNetwork(t, i.host(vpc)), watchNetwork(t, i.host(a)), watchNetwork(t, i.host(b))}
		i.kill()
		i.start()
		i.waitForTunnels(j.connection, 2, backWithin)
		for _, w := range watched {
			w.sawNothing(t)
		}
		sameNetwork(t, "the network after one more restart", adopted, i.settled(20*time.Second))
	})
	steady.lostNone(t, s.lab, 500)

	t.Run("the network made from nothing is the same", func(t *testing.T) {
		i.stop()
		i.clean(false)
		i.start()
		i.waitUntilNothingIsPending()
		i.waitForTunnels(j.connection, 2, backWithin)
		sameNetwork(t, "the network made from nothing", adopted, i.settled(20*time.Second))
	})
}

// Where our side waits for the peer to begin, a crash is found out by the peer's
// dead peer detection, which the downloaded configuration leaves at 30 s.
func TestThePeerFindsOutAboutACrash(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i := install(t, s.lab, s.internet, testAddresses)
	vpc := i.createVPC("10.0.0.0/16")
	i.runInstance(i.createSubnet(vpc, "10.0.1.0/24"), i.createOpenGroup(vpc), addressA)
	j := i.joinSite(vpc, s, "add")
	s.connect(i.download(j.connection))
	reaches(t, s.lab, s.host, addressA, time.Minute)
	i.kill()
	i.start()
	t.Logf("the tunnel was back %v after the API", reaches(t, s.lab, s.host, addressA, time.Minute).Round(time.Millisecond))
	i.waitForTunnels(j.connection, 2, time.Minute)
}

// waitUntilNothingIsPending waits until every instance, and every NAT gateway, is what it
// is to become.
func (i *installation) waitUntilNothingIsPending() {
	i.t.Helper()
	i.lab.Eventually(30*time.Second, "instances are running or terminated", func() error {
		answer, err := i.try("DescribeInstances", "Filter.1.Name=instance-state-name", "Filter.1.Value.1=pending", "Filter.1.Value.2=shutting-down")
		if err != nil {
			return err
		}
		if n := len(answer.all("reservationSet/item")); n > 0 {
			return fmt.Errorf("%d are on their way", n)
		}
		answer, err = i.try("DescribeNatGateways", "Filter.1.Name=state", "Filter.1.Value.1=pending", "Filter.1.Value.2=deleting")
		if err != nil {
			return err
		}
		if n := len(answer.all("natGatewaySet/item")); n > 0 {
			return fmt.Errorf("%d NAT gateways are on their way", n)
		}
		return nil
	})
}

// A watch listens to the kernel's notices of a namespace.
type watch struct {
	host     *netlab.Host
	routes   *netlab.Process
	nftables *netlab.Process
}

func watchNetwork(t *testing.T, host *netlab.Host) watch {
	t.Helper()
	// What they complain of does not matter: ip does of others' namespaces that go away.
	notices := func(command string) *netlab.Process {
		return host.Start("watch", "sh", "-c", "exec "+command+" 2>/dev/null")
	}
	w := watch{host, notices("ip -4 monitor link address route rule"), notices("nft monitor")}
	time.Sleep(200 * time.Millisecond) // let both begin to listen
	return w
}

// sawNothing checks that there was no notice, and that one would have been
// noticed.
func (w watch) sawNothing(t *testing.T) {
	t.Helper()
	if said := w.routes.Log() + w.nftables.Log(); strings.TrimSpace(said) != "" {
		t.Errorf("a restart has changed %s:\n%s", w.host.Name, said)
	}
	w.host.Run("nft", "add table inet watched; delete table inet watched")
	w.host.Run("ip", "route", "add", "blackhole", "192.0.2.255/32", "table", "77")
	w.host.Run("ip", "route", "del", "blackhole", "192.0.2.255/32", "table", "77")
	for _, p := range []*netlab.Process{w.routes, w.nftables} {
		for deadline := time.Now().Add(20 * time.Second); p.Log() == "" && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
		if p.Log() == "" {
			t.Errorf("the watch over %s does not see changes", w.host.Name)
		}
		p.Stop()
	}
}
