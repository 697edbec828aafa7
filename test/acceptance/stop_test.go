package acceptance

import (
	"os"
	"strings"
	"testing"
	"time"
)

// A stopped server leaves networks and instances working; `clean` removes them,
// unless a server runs; the next server makes what the records say.
func TestStopCleanAndStartAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i := install(t, s.lab, s.internet, testAddresses)
	vpc := i.createVPC("10.0.0.0/16")
	subnet, group := i.createSubnet(vpc, "10.0.1.0/24"), i.createOpenGroup(vpc)
	a, b := i.runInstance(subnet, group, addressA), i.runInstance(subnet, group, addressB)
	j := i.joinSite(vpc, s, "add")
	s.connect(i.download(j.connection))
	i.waitForInstance(a, "running")
	i.waitForInstance(b, "running")
	i.waitForTunnels(j.connection, 2, time.Minute)
	reaches(t, s.lab, i.host(a), addressB, 20*time.Second)
	made := i.settled(10 * time.Second)

	steady := startSteadyPing(i.host(a), addressB)
	if out, err := i.causeway("clean", "--data"); err == nil || !strings.Contains(out, "another causeway serves it") {
		t.Errorf("clean beside a server: %v: %s", err, out)
	}
	if i.call("DescribeVpcs", "Filter.1.Name=is-default", "Filter.1.Value.1=false").get("vpcSet/item/vpcId") != vpc {
		t.Error("clean beside a server has touched the records")
	}
	sameNetwork(t, "clean beside a server has touched the network", made, i.fingerprint())
	first, second := i.initOf(a), i.initOf(b)

	i.stop()
	if _, err := os.Stat(i.endpointFile()); err == nil {
		t.Error("a stopped server's address is still announced")
	}
	if got := i.namespaces(); len(got) != len(made) {
		t.Errorf("a stopped server leaves the namespaces %v, there were %d", got, len(made))
	}
	if out, err := i.causeway("exec", a, "--", "hostname"); err != nil || strings.TrimSpace(out) != "ip-10-0-1-10" {
		t.Errorf("an instance without a server: %q, %v", out, err)
	}
	i.start()
	i.waitForTunnels(j.connection, 2, time.Minute)
	sameNetwork(t, "the network after a restart", made, i.settled(time.Minute))
	if i.initOf(a) != first || i.initOf(b) != second {
		t.Error("an instance was started anew though it ran")
	}
	steady.lostNone(t, s.lab, 100)

	i.stop()
	i.clean(false)
	if left := i.namespaces(); len(left) > 0 {
		t.Errorf("clean has left %v", left)
	}
	if left := i.outsideAddresses(s.internet); len(left) > 0 {
		t.Errorf("clean has left %v", left)
	}
	i.start()
	i.waitForInstance(a, "running")
	i.waitForTunnels(j.connection, 2, 45*time.Second)
	reaches(t, s.lab, s.host, addressA, 20*time.Second)
	sameNetwork(t, "the network made anew", made, i.settled(time.Minute))
}
