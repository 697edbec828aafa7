package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"causeway.dev/instance"
	"causeway.dev/ipsec"
	"causeway.dev/netfabric"
	"causeway.dev/netfabric/netns"
	"causeway.dev/nodespec"
)

// A fakeDriver has instances in name only.
type fakeDriver struct {
	mu        sync.Mutex
	instances map[string]instance.Config
	stopped   map[string]instance.Config // of the instances
	ever      map[string]bool

	// ensure and terminate, if set, come first, outside of mu.
	ensure    func(id string) error
	terminate func(ctx context.Context, id string) error
}

func (d *fakeDriver) Ensure(ctx context.Context, c instance.Config) error {
	if d.ensure != nil {
		if err := d.ensure(c.ID); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond): // a start takes some time
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.instances[c.ID], d.ever[c.ID] = c, true
	delete(d.stopped, c.ID)
	return nil
}

func (d *fakeDriver) Terminate(ctx context.Context, id string) error {
	if d.terminate != nil {
		if err := d.terminate(ctx, id); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.instances, id)
	return nil
}

func (d *fakeDriver) Stop(_ context.Context, id string, _ bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.instances[id]; ok {
		d.stopped[id] = c
	}
	return nil
}

func (d *fakeDriver) List() ([]instance.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []instance.Status
	for _, id := range slices.Sorted(maps.Keys(d.instances)) {
		_, stopped := d.stopped[id]
		list = append(list, instance.Status{ID: id, Running: !stopped, Boot: d.instances[id].Boot})
	}
	return list, nil
}

func (d *fakeDriver) Console(string) ([]byte, error) { return nil, nil }

func (d *fakeDriver) Exec(context.Context, string, []string, io.Reader, io.Writer, io.Writer, bool) (int, error) {
	return 0, nil
}

// A lab is a node that runs in namespaces of its own.
type lab struct {
	*Node
	t      *testing.T
	prefix string
	driver *fakeDriver

	underlay string            // its namespace
	end      func(cause error) // ends the node, once

	reports atomic.Int64

	mu    sync.Mutex
	seen  nodespec.Observed       // guarded by mu
	watch func(nodespec.Observed) // if set, takes each report; guarded by mu
	log   bytes.Buffer            // guarded by mu
}

// Write takes the node's log.
func (l *lab) Write(line []byte) (int, error) {
	l.t.Output().Write(line)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(line)
}

// logged reports whether something of the log matches.
func (l *lab) logged(pattern string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return regexp.MustCompile(pattern).Match(l.log.Bytes())
}

// newLab starts a node after it was prepared, in namespaces of its own.
func newLab(t *testing.T, driver *fakeDriver, prepare ...func(*Node)) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed")
	}
	random := make([]byte, 4)
	rand.Read(random)
	driver.instances, driver.stopped, driver.ever = map[string]instance.Config{}, map[string]instance.Config{}, map[string]bool{}
	l := &lab{t: t, prefix: "cwt" + hex.EncodeToString(random), driver: driver}
	l.underlay = l.prefix + "u" // not one of the fabric's
	if err := netns.Create(l.underlay); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(netfabric.Clean(context.Background(), l.prefix), netns.Delete(l.underlay)); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	l.begin(prepare...)
	return l
}

// begin starts a node after it was prepared.
func (l *lab) begin(prepare ...func(*Node)) {
	l.Node = New(Config{
		Name: "n", Prefix: l.prefix, Driver: l.driver, Logger: slog.New(slog.NewTextHandler(l, nil)),
		Underlay: netfabric.Underlay{Namespace: l.underlay, Interface: "lo", Label: l.prefix},
		Report: func(_ context.Context, o nodespec.Observed) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.seen = o
			l.reports.Add(1)
			if l.watch != nil {
				l.watch(o)
			}
			return nil
		},
	})
	for _, f := range prepare {
		f(l.Node)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	var once sync.Once
	l.end = func(cause error) {
		once.Do(func() {
			cancel(cause)
			if err := <-ended; err != nil && !errors.Is(err, cause) {
				l.t.Errorf("Run = %v", err)
			}
		})
	}
	l.t.Cleanup(func() { l.end(context.Canceled) })
}

func (l *lab) observed() nodespec.Observed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

func (l *lab) eventually(what string, done func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("not within 10 s: %s; observed %+v", what, l.observed())
		}
	}
}

// settled waits until a revision has been applied and reported.
func (l *lab) settled(revision int64) nodespec.Observed {
	l.t.Helper()
	l.eventually(fmt.Sprintf("revision %d is applied", revision), func() bool { return l.observed().Revision == revision })
	return l.observed()
}

// output runs a command in a namespace; what fails says nothing.
func (l *lab) output(namespace string, argv ...string) string {
	var output []byte
	_ = netns.Do(namespace, func() (err error) {
		output, err = exec.Command(argv[0], argv[1:]...).Output()
		return err
	})
	return string(output)
}

func (l *lab) namespace(id string) string { return netfabric.NamespaceName(l.prefix, id) }

// site is a VPC with instances, a gateway and a tunnel to a peer that is silent.
func site(revision int64, instances ...string) nodespec.Desired {
	d := nodespec.Desired{Revision: revision}
	vpc := nodespec.Network{
		ID: "vpc-1", Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		Tables: []nodespec.RouteTable{{ID: "rtb-1", Routes: []nodespec.Route{{
			Destination: netip.MustParsePrefix("192.168.0.0/16"), Targets: []nodespec.Target{{Kind: nodespec.ToLink, ID: "vgw-1:vpc-1"}},
		}}}},
		Groups: []nodespec.Group{{ID: "sg-1", Rules: []nodespec.Rule{{
			Egress: true, Protocol: -1, FromPort: -1, ToPort: -1, Peer: netip.MustParsePrefix("0.0.0.0/0"),
		}}}},
	}
	for i, id := range instances {
		address := netip.AddrFrom4([4]byte{10, 0, 1, byte(4 + i)})
		vpc.Interfaces = append(vpc.Interfaces, nodespec.Interface{
			ID: "eni-" + id, MAC: fmt.Sprintf("02:00:00:00:00:%02x", 4+i), Address: address,
			Subnet: netip.MustParsePrefix("10.0.1.0/24"), Table: "rtb-1", Groups: []string{"sg-1"}, Instance: id,
		})
		d.Instances = append(d.Instances, nodespec.Instance{ID: id, Hostname: "host-" + id})
	}
	d.Networks = []nodespec.Network{{ID: "vgw-1", Tables: []nodespec.RouteTable{{ID: "gateway", Routes: []nodespec.Route{
		{Destination: netip.MustParsePrefix("10.0.0.0/16"), Targets: []nodespec.Target{{Kind: nodespec.ToLink, ID: "vgw-1:vpc-1"}}},
		{Destination: netip.MustParsePrefix("192.168.0.0/16"), Targets: []nodespec.Target{{Kind: nodespec.ToTunnel, ID: "vpn-1/1"}}},
	}}}}, vpc}
	d.Links = []nodespec.Link{{ID: "vgw-1:vpc-1", Ends: [2]nodespec.LinkEnd{{Network: "vgw-1", Table: "gateway"}, {Network: "vpc-1"}}}}
	d.Tunnels = []nodespec.Tunnel{aTunnel()}
	return d
}

func aTunnel() nodespec.Tunnel {
	return nodespec.Tunnel{
		ID: "vpn-1/1", Network: "vgw-1", Table: "gateway",
		Local: netip.MustParseAddr("203.0.113.1"), Remote: netip.MustParseAddr("192.0.2.10"),
		Inside: netip.MustParsePrefix("169.254.10.1/30"), PreSharedKey: "a.key.of.this.test",
		IKEAccepts: []string{"aes128-sha256-group14"}, IKEOffers: []string{"aes128-sha256-group14"},
		ESPAccepts: []string{"aes128gcm16-group14"}, ESPOffers: []string{"aes128gcm16-group14"},
		LocalSelectors:  []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
		RemoteSelectors: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
		IKELifetime:     8 * time.Hour, ChildLifetime: time.Hour, RekeyMargin: 270 * time.Second, RekeyFuzz: 100,
		ReplayWindow: 1024, DPDTimeout: 30 * time.Second, DPDAction: "clear",
	}
}

func TestHostFollowsWhatIsDesired(t *testing.T) {
	driver := &fakeDriver{}
	l := newLab(t, driver)
	l.Set(site(1, "i-1", "i-2"))
	o := l.settled(1)
	if o.Node != "n" || len(o.Instances) != 2 || !o.Instances[0].Running || len(o.Tunnels) != 1 || o.Tunnels[0].Up || o.Tunnels[0].Message == "" {
		t.Errorf("observed %+v, want two instances and a tunnel that is down and says why", o)
	}
	driver.mu.Lock()
	config := driver.instances["i-2"]
	driver.mu.Unlock()
	if config.NetworkNamespace != l.namespace("i-2") || !slices.Equal(config.Addresses, []string{"10.0.1.5"}) || config.Hostname != "host-i-2" {
		t.Errorf("instance %+v", config)
	}
	tun := netfabric.TUNName("vpn-1/1")
	for _, c := range []struct{ namespace, want string }{
		{l.namespace("vgw-1"), tun}, {l.namespace("i-1"), "10.0.1.4/24"}, {l.underlay, "203.0.113.1/32"}, {l.namespace("vgw-1"), "169.254.10.1/30"},
	} {
		if is := l.output(c.namespace, "ip", "-o", "address"); !strings.Contains(is, c.want) {
			t.Errorf("%s has no %s:\n%s", c.namespace, c.want, is)
		}
	}
	l.Set(site(2, "i-1"))
	if o = l.settled(2); len(o.Instances) != 1 || netns.Exists(l.namespace("i-2")) {
		t.Errorf("observed %+v, want i-1 alone and no namespace of the other", o)
	}
	l.Set(nodespec.Desired{Revision: 3})
	o = l.settled(3)
	names, err := netns.List(l.prefix)
	if err != nil || !slices.Equal(names, []string{l.underlay}) || len(o.Instances)+len(o.Tunnels) != 0 {
		t.Errorf("of nothing there is left: %v, %v, observed %+v", names, err, o)
	}
	if is := l.output(l.underlay, "ip", "-o", "address"); strings.Contains(is, "203.0.113.1") {
		t.Errorf("the outside address still stands:\n%s", is)
	}
}

// TestOneFailureKeepsNoOtherFromStarting lets an instance fail at first.
func TestOneFailureKeepsNoOtherFromStarting(t *testing.T) {
	var mu sync.Mutex
	left := 2
	driver := &fakeDriver{ensure: func(id string) error {
		mu.Lock()
		defer mu.Unlock()
		if id == "i-1" && left > 0 {
			left--
			return errors.New("no disk")
		}
		return nil
	}}
	l := newLab(t, driver)
	start := time.Now()
	l.Set(site(1, "i-1", "i-2", "i-3"))
	if o := l.settled(1); len(o.Instances) != 2 {
		t.Errorf("observed %+v, want the other two", o)
	}
	l.eventually("the third runs, too", func() bool { return len(l.observed().Instances) == 3 })
	if took := time.Since(start); took < 3*retryFirst {
		t.Errorf("two retries took %v, want the second to wait longer than the first", took)
	}
}

// TestOnlyTheNewestCounts sets several states while the first is being applied.
func TestOnlyTheNewestCounts(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	driver := &fakeDriver{ensure: func(id string) error {
		if id == "i-1" {
			begun <- struct{}{}
			<-release
		}
		return nil
	}}
	l := newLab(t, driver)
	l.Set(site(1, "i-1"))
	<-begun
	l.Set(site(2, "i-2"))
	l.Set(site(3, "i-3"))
	l.Set(site(4, "i-4"))
	close(release)
	l.settled(4)
	driver.mu.Lock()
	defer driver.mu.Unlock()
	if want := map[string]bool{"i-1": true, "i-4": true}; !maps.Equal(driver.ever, want) {
		t.Errorf("there ran %v, want %v", driver.ever, want)
	}
}

// A stopped instance keeps what it has but its network, and starts with the next
// number.
func TestStopAndStart(t *testing.T) {
	l := newLab(t, &fakeDriver{})
	l.Set(site(1, "i-1"))
	l.settled(1)
	stopped := site(2)
	stopped.Instances = []nodespec.Instance{{ID: "i-1", Stopped: true}}
	l.Set(stopped)
	l.settled(2)
	l.eventually("it is there and does not run", func() bool {
		o := l.observed()
		return len(o.Instances) == 1 && !o.Instances[0].Running
	})
	if netns.Exists(l.namespace("i-1")) {
		t.Error("it still has a network, whose kernel would answer")
	}
	started := site(3, "i-1")
	started.Instances[0].Boot = 7
	l.Set(started)
	if o := l.settled(3); len(o.Instances) != 1 || !o.Instances[0].Running || o.Instances[0].Boot != 7 || !netns.Exists(l.namespace("i-1")) {
		t.Errorf("started: %+v", o)
	}
}

// TestStubbornInstanceKeepsNobodyWaiting lets an instance not end.
func TestStubbornInstanceKeepsNobodyWaiting(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	driver := &fakeDriver{terminate: func(ctx context.Context, _ string) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	t.Cleanup(func() { once.Do(func() { close(release) }) })
	l := newLab(t, driver)
	l.Set(site(1, "i-1"))
	l.settled(1)
	l.Set(site(2, "i-2"))
	if o := l.settled(2); len(o.Instances) != 2 {
		t.Errorf("observed %+v, want the new instance beside the one that ends", o)
	}
	once.Do(func() { close(release) })
	l.eventually("it has ended", func() bool { return len(l.observed().Instances) == 1 })
}

// TestLostTUNComesBack takes a tunnel's device away.
func TestLostTUNComesBack(t *testing.T) {
	var mu sync.Mutex
	fail := false
	driver := &fakeDriver{ensure: func(string) error {
		mu.Lock()
		defer mu.Unlock()
		if fail {
			fail = false
			return errors.New("not now")
		}
		return nil
	}}
	l := newLab(t, driver)
	l.Set(site(1, "i-1"))
	l.settled(1)
	tun := netfabric.TUNName("vpn-1/1")
	l.output(l.namespace("vgw-1"), "ip", "link", "del", tun)
	mu.Lock()
	fail = true // so that everything is looked at soon
	mu.Unlock()
	l.Set(site(2, "i-1"))
	l.eventually("the TUN is back, with its address", func() bool {
		return strings.Contains(l.output(l.namespace("vgw-1"), "ip", "-o", "address", "show", "dev", tun), "169.254.10.1/30")
	})
}

// A tunnel that comes back takes its routes from the other one only when it has
// settled; the first one up takes them at once.
func TestCarriedByOthers(t *testing.T) {
	target := func(id string) nodespec.Target { return nodespec.Target{Kind: nodespec.ToTunnel, ID: id} }
	desired := &nodespec.Desired{
		Networks: []nodespec.Network{{ID: "vgw-1", Tables: []nodespec.RouteTable{{Routes: []nodespec.Route{
			{Targets: []nodespec.Target{target("a/1"), target("a/2")}},
			{Targets: []nodespec.Target{target("b/1"), target("b/2")}},
		}}}}},
		Tunnels: []nodespec.Tunnel{{ID: "a/1", Network: "vgw-1"}, {ID: "a/2", Network: "vgw-1"}, {ID: "b/1", Network: "vgw-1"}},
	}
	now := time.Now()
	old, fresh := now.Add(-time.Hour), now
	for name, c := range map[string]struct {
		second ipsec.Status // tunnel a/2; a/1 has just come up
		want   bool
	}{
		"carries":                   {ipsec.Status{ID: "a/2", Up: true, Since: old}, true},
		"is down":                   {ipsec.Status{ID: "a/2", Up: false, Since: old}, false},
		"is as new":                 {ipsec.Status{ID: "a/2", Up: true, Since: fresh}, false},
		"is not of the same routes": {ipsec.Status{ID: "b/1", Up: true, Since: old}, false},
	} {
		statuses := []ipsec.Status{{ID: "a/1", Up: true, Since: fresh}, c.second}
		rest := carriedByOthers(desired, statuses)["a/1"]
		if (rest > 0) != c.want || rest > settleTime {
			t.Errorf("the other %s: wait for %v, want to wait: %v", name, rest, c.want)
		}
	}
	if len(carriedByOthers(nil, nil)) > 0 {
		t.Error("carried by another before anything was applied")
	}
}
