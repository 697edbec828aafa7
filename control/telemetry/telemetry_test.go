package telemetry

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

var (
	scope = store.Scope{Account: "123456789012", Region: "us-east-1"}
	start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
)

func meta(id string) resource.Meta {
	return resource.Meta{ID: id, Account: scope.Account, Region: scope.Region}
}

func update(t *testing.T, s *store.Store, f func(tx *store.Tx)) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *store.Tx) error { f(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// reporter returns a Reporter whose clock stands at start plus an hour.
func reporter(t *testing.T) (*Reporter, *store.Store) {
	s := storetest.Open(t)
	r := New(s, slog.New(slog.DiscardHandler))
	r.now = func() time.Time { return start.Add(time.Hour) }
	return r, s
}

func report(t *testing.T, r *Reporter, seen nodespec.Observed) {
	t.Helper()
	seen.Node = "local"
	if err := r.Report(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
}

func tunnel(id string, up bool, after time.Duration, message string) nodespec.TunnelStatus {
	return nodespec.TunnelStatus{ID: id, Up: up, Since: start.Add(after), Message: message}
}

func TestTunnelStatusFollowsWhatIsSeen(t *testing.T) {
	r, s := reporter(t)
	update(t, s, func(tx *store.Tx) { store.VPNConnections.Put(tx, resource.VPNConnection{Meta: meta("vpn-1")}) })
	for _, step := range []struct {
		what string
		seen []nodespec.TunnelStatus
		want string // up, since start, message; "" for no status
	}{
		{"not seen yet", nil, ""},
		{"seen down", []nodespec.TunnelStatus{tunnel("vpn-1/1", false, 1*time.Second, "No packet has arrived.")}, "false 1s No packet has arrived."},
		{"up", []nodespec.TunnelStatus{tunnel("vpn-1/1", true, 2*time.Second, "")}, "true 2s "},
		{"up with a new message", []nodespec.TunnelStatus{tunnel("vpn-1/1", true, 3*time.Second, "Runs with AES.")}, "true 2s Runs with AES."},
		{"up after a restart of the node", []nodespec.TunnelStatus{tunnel("vpn-1/1", true, 4*time.Second, "Runs with AES.")}, "true 2s Runs with AES."},
		{"not there", nil, `false 1h0m0s The tunnel does not run on node "local".`},
		{"still not there", nil, `false 1h0m0s The tunnel does not run on node "local".`},
		{"down", []nodespec.TunnelStatus{tunnel("vpn-1/1", false, 5*time.Second, "Wrong key.")}, "false 1h0m0s Wrong key."},
	} {
		report(t, r, nodespec.Observed{Tunnels: step.seen})
		got := ""
		if status, ok := store.TunnelStatuses.Get(s.Snapshot(), scope, "vpn-1/1"); ok {
			got = fmt.Sprintf("%v %v %s", status.Up, status.Since.Sub(start), status.Message)
		}
		if got != step.want {
			t.Errorf("%s: got %q, want %q", step.what, got, step.want)
		}
		before := s.Snapshot()
		report(t, r, nodespec.Observed{Tunnels: step.seen})
		if s.Snapshot() != before {
			t.Errorf("%s: the same report again was written", step.what)
		}
	}
}

// A pre-shared key that was replaced is forgotten once the customer gateway has used
// the one after it, whatever restarts; what is told of a change before says nothing
// of the last.
func TestFormerKeyIsForgottenAfterUse(t *testing.T) {
	r, s := reporter(t)
	connection := resource.VPNConnection{Meta: meta("vpn-1")}
	for i := range connection.Tunnels {
		connection.Tunnels[i].PreSharedKey = "first"
		connection.Tunnels[i].ReplacePreSharedKey("second", start)
		connection.Tunnels[i].ReplacePreSharedKey("third", start)
	}
	update(t, s, func(tx *store.Tx) { store.VPNConnections.Put(tx, connection) })
	for _, step := range []struct {
		used int64 // of the first tunnel
		want string
	}{{0, "second"}, {1, "second"}, {2, ""}, {0, ""}} {
		seen := tunnel("vpn-1/1", true, 0, "")
		seen.KeyUsed = step.used
		report(t, r, nodespec.Observed{Tunnels: []nodespec.TunnelStatus{seen, tunnel("vpn-1/2", true, 0, "")}})
		stored, _ := store.VPNConnections.Get(s.Snapshot(), scope, "vpn-1")
		first, other := stored.Tunnels[0], stored.Tunnels[1]
		if first.FormerPreSharedKey != step.want || first.PreSharedKey != "third" || first.FormerPreSharedKeyUntil.IsZero() != (step.want == "") {
			t.Errorf("change %d used: the former key is %q until %v, want %q", step.used, first.FormerPreSharedKey, first.FormerPreSharedKeyUntil, step.want)
		}
		if other.FormerPreSharedKey != "second" {
			t.Error("the other tunnel's former key is forgotten")
		}
	}
}

// What a tunnel runs with is told in AWS's words, and follows a rekey.
func TestNegotiatedIsKept(t *testing.T) {
	r, s := reporter(t)
	update(t, s, func(tx *store.Tx) { store.VPNConnections.Put(tx, resource.VPNConnection{Meta: meta("vpn-1")}) })
	up := tunnel("vpn-1/1", true, 0, "")
	for esp, want := range map[string]string{"aes256gcm16": "AES256-GCM-16 0", "aes128-sha1-group14": "AES128 14"} {
		up.Negotiated = nodespec.Negotiated{IKEVersion: "ikev2", IKE: "aes128-sha256-group14", ESP: esp}
		report(t, r, nodespec.Observed{Tunnels: []nodespec.TunnelStatus{up}})
		status, _ := store.TunnelStatuses.Get(s.Snapshot(), scope, "vpn-1/1")
		phase2 := status.Negotiated.Phase2
		if got := fmt.Sprint(phase2.Encryption, " ", phase2.DHGroup); got != want || status.Negotiated.Phase1.Integrity != "SHA2-256" {
			t.Errorf("%s: %+v", esp, status.Negotiated)
		}
	}
	report(t, r, nodespec.Observed{Tunnels: []nodespec.TunnelStatus{tunnel("vpn-1/1", false, time.Second, "Gone.")}})
	if status, _ := store.TunnelStatuses.Get(s.Snapshot(), scope, "vpn-1/1"); status.Negotiated != (resource.Negotiated{}) {
		t.Errorf("down, but with %+v", status.Negotiated)
	}
}

func TestStatusesOfWhatIsGoneAreRemoved(t *testing.T) {
	r, s := reporter(t)
	update(t, s, func(tx *store.Tx) {
		gone := meta("vpn-1")
		gone.Deleted = &start
		store.VPNConnections.Put(tx, resource.VPNConnection{Meta: gone})
		for _, id := range []string{"vpn-1/1", "vpn-1/2", "vpn-never-was/1"} {
			store.TunnelStatuses.Put(tx, resource.TunnelStatus{Meta: meta(id), Up: true})
		}
		store.InstanceStatuses.Put(tx, resource.InstanceStatus{Meta: meta("i-never-was"), State: resource.InstanceRunning})
	})
	report(t, r, nodespec.Observed{Tunnels: []nodespec.TunnelStatus{tunnel("vpn-1/1", true, 0, ""), tunnel("vpn-unknown/1", true, 0, "")}})
	if tunnels, instances := store.TunnelStatuses.Len(s.Snapshot()), store.InstanceStatuses.Len(s.Snapshot()); tunnels+instances != 0 {
		t.Errorf("%d statuses of tunnels and %d of instances are left", tunnels, instances)
	}
}

func TestInstanceStatusFollowsWhatIsWantedAndSeen(t *testing.T) {
	present := func(running bool, reason string) []nodespec.InstanceStatus {
		return []nodespec.InstanceStatus{{ID: "i-1", Running: running, Reason: reason}}
	}
	r, s := reporter(t)
	for _, step := range []struct {
		what   string
		wanted string
		seen   []nodespec.InstanceStatus
		want   string
	}{
		{"not seen yet", resource.InstanceRunning, nil, ""},
		{"starting", resource.InstanceRunning, present(false, "no space left"), "pending no space left"},
		{"running", resource.InstanceRunning, present(true, ""), "running "},
		{"died", resource.InstanceRunning, present(false, "its init was killed"), "pending its init was killed"},
		{"lost", resource.InstanceRunning, nil, "pending "},
		{"running again", resource.InstanceRunning, present(true, ""), "running "},
		{"ending", resource.InstanceTerminated, present(true, ""), "shutting-down "},
		{"ended", resource.InstanceTerminated, nil, "terminated "},
		{"a late report", resource.InstanceTerminated, present(true, ""), "terminated "},
	} {
		update(t, s, func(tx *store.Tx) {
			store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), Wanted: step.wanted})
		})
		report(t, r, nodespec.Observed{Revision: s.Snapshot().Revision(), Instances: step.seen})
		got := ""
		if status, ok := store.InstanceStatuses.Get(s.Snapshot(), scope, "i-1"); ok {
			got = status.State + " " + status.Reason
		}
		if got != step.want {
			t.Errorf("%s: got %q, want %q", step.what, got, step.want)
		}
	}
}

func TestInstanceStatusOfStopsAndReboots(t *testing.T) {
	const running, stopped = resource.InstanceRunning, resource.InstanceStopped
	r, s := reporter(t)
	for _, step := range []struct {
		what   string
		wanted string
		boot   int64
		late   bool // the node does not know of what is wanted
		seen   nodespec.InstanceStatus
		want   string
	}{
		{"running", running, 1, false, nodespec.InstanceStatus{Running: true, Boot: 1}, "running"},
		{"to be stopped, which the node does not know", stopped, 1, true, nodespec.InstanceStatus{Reason: "killed", Boot: 1}, "running"},
		{"ends", stopped, 1, false, nodespec.InstanceStatus{Running: true, Boot: 1}, "stopping"},
		{"has ended", stopped, 1, false, nodespec.InstanceStatus{Reason: "it was shut down", Boot: 1}, "stopped"},
		{"to be started", running, 2, true, nodespec.InstanceStatus{Reason: "it was shut down", Boot: 1}, "pending it was shut down"},
		{"started", running, 2, false, nodespec.InstanceStatus{Running: true, Boot: 2}, "running"},
		{"between two boots", running, 3, false, nodespec.InstanceStatus{Reason: "it was shut down", Boot: 2}, "running"},
		{"started anew", running, 3, false, nodespec.InstanceStatus{Running: true, Boot: 3}, "running"},
		{"restarts itself", running, 3, false, nodespec.InstanceStatus{Restarting: true, Reason: "it restarts itself", Boot: 3}, "running"},
		{"has died", running, 3, false, nodespec.InstanceStatus{Reason: "killed", Boot: 3}, "pending killed"},
		{"has powered itself off", running, 3, false, nodespec.InstanceStatus{PoweredOff: true, Reason: "off", Boot: 3}, "stopping off"},
		{"of which nobody has heard", running, 4, false, nodespec.InstanceStatus{PoweredOff: true, Reason: "off", Boot: 3}, "pending off"},
	} {
		update(t, s, func(tx *store.Tx) {
			store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), Wanted: step.wanted, Boot: step.boot})
		})
		revision := s.Snapshot().Revision()
		if step.late {
			revision--
		}
		step.seen.ID = "i-1"
		report(t, r, nodespec.Observed{Revision: revision, Instances: []nodespec.InstanceStatus{step.seen}})
		status, _ := store.InstanceStatuses.Get(s.Snapshot(), scope, "i-1")
		got := strings.TrimSpace(status.State + " " + status.Reason)
		if status.PoweredOff {
			got += " off"
		}
		if got != step.want {
			t.Errorf("%s: got %q, want %q", step.what, got, step.want)
		}
	}
}

// A node that has not applied the termination may be about to start the instance
// that it does not have yet.
func TestTerminationWaitsForTheNodeToKnowOfIt(t *testing.T) {
	r, s := reporter(t)
	want := func(wanted string) (revision int64) {
		update(t, s, func(tx *store.Tx) {
			store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), Wanted: wanted})
		})
		return s.Snapshot().Revision()
	}
	state := func() string {
		status, _ := store.InstanceStatuses.Get(s.Snapshot(), scope, "i-1")
		return status.State
	}
	launched := want(resource.InstanceRunning)
	terminated := want(resource.InstanceTerminated)
	for _, before := range []int64{0, launched - 1, launched, terminated - 1} {
		report(t, r, nodespec.Observed{Revision: before})
		if got := state(); got != "" {
			t.Fatalf("by a report of revision %d the instance, terminated in %d, is %s", before, terminated, got)
		}
	}
	report(t, r, nodespec.Observed{Revision: terminated})
	if got := state(); got != resource.InstanceTerminated {
		t.Errorf("by a report of the revision of its termination the instance is %q", got)
	}
}

func TestNATGatewayStatusFollowsWhatIsSeen(t *testing.T) {
	r, s := reporter(t)
	update(t, s, func(tx *store.Tx) { store.NATGateways.Put(tx, resource.NATGateway{Meta: meta("nat-1")}) })
	a, b := netip.MustParseAddr("10.0.1.9"), netip.MustParseAddr("10.0.1.10")
	for _, addresses := range [][]netip.Addr{{a}, {a, b}, {b}, nil} {
		var seen nodespec.Observed
		if addresses != nil {
			seen.Translating = []nodespec.TranslatorStatus{{ID: "nat-1", Addresses: addresses}}
		}
		report(t, r, seen)
		status, _ := store.NATGatewayStatuses.Get(s.Snapshot(), scope, "nat-1")
		if status.Stands != (addresses != nil) || !slices.Equal(status.Addresses, addresses) {
			t.Errorf("seen with %v it is %+v", addresses, status)
		}
		before := s.Snapshot().Revision()
		if report(t, r, seen); s.Snapshot().Revision() != before {
			t.Error("the same, seen again, is written again")
		}
	}
}

func TestManyStatusesAtOnce(t *testing.T) {
	r, s := reporter(t)
	const connections = 3*batchMax + 7
	var seen nodespec.Observed
	update(t, s, func(tx *store.Tx) {
		for i := range connections {
			id := fmt.Sprintf("vpn-%03d", i)
			store.VPNConnections.Put(tx, resource.VPNConnection{Meta: meta(id)})
			seen.Tunnels = append(seen.Tunnels, tunnel(id+"/1", true, 0, ""), tunnel(id+"/2", true, 0, ""))
		}
	})
	report(t, r, seen)
	up := 0
	for status := range store.TunnelStatuses.All(s.Snapshot()) {
		if status.Up {
			up++
		}
	}
	if up != 2*connections {
		t.Errorf("%d tunnels are up, want %d", up, 2*connections)
	}
}

// An interface that is attached beside an instance's primary one is so when a node has
// it, and is not any more when a node that knows that it shall go has it not.
func TestInterfaceStatusFollowsWhatIsSeen(t *testing.T) {
	r, s := reporter(t)
	put := func(change func(*resource.NetworkInterface)) int64 {
		nic := resource.NetworkInterface{Meta: meta("eni-1"), Place: &resource.Place{}, AttachmentID: "eni-attach-1"}
		change(&nic)
		update(t, s, func(tx *store.Tx) { store.NetworkInterfaces.Put(tx, nic) })
		return s.Snapshot().Revision()
	}
	update(t, s, func(tx *store.Tx) { // an instance's primary one has no status of its own
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta("eni-0"), Instance: "i-1", AttachmentID: "eni-attach-0"})
	})
	attached := put(func(*resource.NetworkInterface) {})
	has := []nodespec.InterfaceStatus{{ID: "eni-0", Attached: true}, {ID: "eni-1", Attached: true}}
	var detaching int64
	for _, step := range []struct {
		what     string
		revision *int64
		seen     []nodespec.InterfaceStatus
		want     string // "" for no status
	}{
		{"not seen yet", &attached, nil, ""},
		{"it cannot be attached", &attached, []nodespec.InterfaceStatus{{ID: "eni-1", Reason: "no bridge"}}, "false no bridge"},
		{"it is attached", &attached, has, "true "},
		{"it is to go, which the node does not know", &attached, nil, "true "},
		{"it is still there", &detaching, has, "true "},
		{"it has gone", &detaching, nil, "false "},
	} {
		if step.what == "it is to go, which the node does not know" {
			detaching = put(func(nic *resource.NetworkInterface) { nic.Detaching = true })
		}
		report(t, r, nodespec.Observed{Revision: *step.revision, Interfaces: step.seen})
		got := ""
		if status, known := store.NetworkInterfaceStatuses.Get(s.Snapshot(), scope, "eni-1"); known {
			got = fmt.Sprint(status.Attached, " ", status.Reason)
		}
		if got != step.want {
			t.Errorf("%s: got %q, want %q", step.what, got, step.want)
		}
	}
	if n := store.NetworkInterfaceStatuses.Len(s.Snapshot()); n != 1 {
		t.Errorf("%d statuses, want 1", n)
	}
	available := put(func(nic *resource.NetworkInterface) { nic.Detach(time.Now()) })
	report(t, r, nodespec.Observed{Revision: available})
	if n := store.NetworkInterfaceStatuses.Len(s.Snapshot()); n != 0 {
		t.Errorf("%d statuses of interfaces that are attached to nothing", n)
	}
}
