// Package netlab builds small networks of namespaces for tests and removes
// them again, whatever becomes of the test.
package netlab

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"causeway.dev/netfabric/netns"
)

// New makes a namespace with a random name and its loopback up. It skips the
// test where namespaces cannot be made.
func New(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	name := "lab" + strings.ToLower(rand.Text()[:10])
	if err := netns.Create(name); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(name); err != nil {
			t.Errorf("namespace is left behind: %v", err)
		}
	})
	Run(t, name, "ip", "link", "set", "lo", "up")
	return name
}

// Command returns a command that is to run in namespace ns.
func Command(ns string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...)
}

// Run runs a command in namespace ns and returns what it printed; if it ends
// otherwise than with 0 the test does.
func Run(t testing.TB, ns string, args ...string) string {
	t.Helper()
	out, err := Command(ns, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s in %s: %v\n%s", strings.Join(args, " "), ns, err, out)
	}
	return string(out)
}

// Join puts a veth pair between two namespaces, up, with an address each
// ("192.0.2.1/24"), and returns the names of its ends.
func Join(t testing.TB, nsA, addressA, nsB, addressB string) (endA, endB string) {
	t.Helper()
	suffix := strings.ToLower(rand.Text()[:8])
	endA, endB = "va"+suffix, "vb"+suffix
	Run(t, nsA, "ip", "link", "add", endA, "type", "veth", "peer", "name", endB, "netns", nsB)
	for _, end := range []struct{ ns, name, address string }{{nsA, endA, addressA}, {nsB, endB, addressB}} {
		Run(t, end.ns, "ip", "address", "add", end.address, "dev", end.name, "nodad")
		Run(t, end.ns, "ip", "link", "set", end.name, "up")
	}
	return endA, endB
}

// Do runs f in namespace ns, on a thread of its own.
func Do(t testing.TB, ns string, f func() error) {
	t.Helper()
	if err := netns.Do(ns, f); err != nil {
		t.Fatalf("in namespace %s: %v", ns, err)
	}
}

// Need skips the test unless all the programs are installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip(fmt.Sprintf("%s is not installed", p))
		}
	}
}
