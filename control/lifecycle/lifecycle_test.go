package lifecycle_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"causeway.dev/control/lifecycle"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

var scope = store.Scope{Account: "123456789012", Region: "us-east-1"}

func meta(id string) resource.Meta {
	return resource.Meta{ID: id, Account: scope.Account, Region: scope.Region}
}

func deleted(id string, at time.Time) resource.Meta {
	m := meta(id)
	m.Deleted = &at
	return m
}

func update(t *testing.T, s *store.Store, f func(tx *store.Tx)) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *store.Tx) error { f(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, s *store.Store, retention time.Duration) {
	t.Helper()
	l := lifecycle.New(s, slog.New(slog.DiscardHandler))
	l.Retention = retention
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// eventually returns once what holds, or fails the test.
func eventually(t *testing.T, s *store.Store, what string, holds func(snapshot *store.Snapshot) bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		snapshot := s.Snapshot()
		if holds(snapshot) {
			return
		}
		select {
		case <-s.Changed(snapshot.Revision()):
		case <-deadline:
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}

// A pre-shared key that was replaced is forgotten when its time is over, and not before.
func TestFormerKeyIsForgottenWithItsTime(t *testing.T) {
	s := storetest.Open(t)
	start(t, s, time.Hour)
	connection := resource.VPNConnection{Meta: meta("vpn-1")}
	for i, until := range []time.Time{time.Now().Add(-time.Second), time.Now().Add(time.Hour)} {
		connection.Tunnels[i].PreSharedKey = "first"
		connection.Tunnels[i].ReplacePreSharedKey("second", until)
	}
	update(t, s, func(tx *store.Tx) { store.VPNConnections.Put(tx, connection) })
	eventually(t, s, "the key whose time is over is forgotten", func(snapshot *store.Snapshot) bool {
		stored, _ := store.VPNConnections.Get(snapshot, scope, "vpn-1")
		if stored.Tunnels[1].FormerPreSharedKey != "first" {
			t.Fatal("the other key is forgotten too")
		}
		return stored.Tunnels[0].FormerPreSharedKey == ""
	})
}

func TestTerminatedInstanceFreesItsInterfaces(t *testing.T) {
	s := storetest.Open(t)
	start(t, s, time.Hour)
	update(t, s, func(tx *store.Tx) {
		store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), Wanted: resource.InstanceRunning, Interfaces: []string{"eni-1", "eni-2", "eni-gone"}})
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta("eni-1"), Instance: "i-1", DeleteOnTermination: true})
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta("eni-2"), Instance: "i-1", AttachmentID: "eni-attach-2", DeviceIndex: 1, Status: "in-use"})
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta("eni-3"), Instance: "i-2", DeleteOnTermination: true})
	})
	set := func(wanted, state string) {
		update(t, s, func(tx *store.Tx) {
			instance, _ := store.Instances.Get(tx, scope, "i-1")
			instance.Wanted = wanted
			store.Instances.Put(tx, instance)
			store.InstanceStatuses.Put(tx, resource.InstanceStatus{Meta: meta("i-1"), State: state})
		})
	}
	set(resource.InstanceTerminated, resource.InstanceShuttingDown)
	time.Sleep(30 * time.Millisecond)
	if _, ok := store.NetworkInterfaces.Get(s.Snapshot(), scope, "eni-1"); !ok {
		t.Fatal("the interface is gone while the instance still uses it")
	}
	set(resource.InstanceTerminated, resource.InstanceTerminated)
	eventually(t, s, "the instance is deleted", func(snapshot *store.Snapshot) bool {
		instance, ok := store.Instances.Get(snapshot, scope, "i-1")
		return ok && instance.Deleted != nil && len(instance.Interfaces) == 0
	})
	if _, ok := store.NetworkInterfaces.Get(s.Snapshot(), scope, "eni-1"); ok {
		t.Error("the interface to be deleted is there")
	}
	if nic, ok := store.NetworkInterfaces.Get(s.Snapshot(), scope, "eni-2"); !ok || nic.Instance != "" || nic.Status != "available" || nic.AttachmentID != "" || nic.DeviceIndex != 0 {
		t.Errorf("the interface to be kept: %+v, %v", nic, ok)
	}
	if _, ok := store.NetworkInterfaces.Get(s.Snapshot(), scope, "eni-3"); !ok {
		t.Error("another instance's interface is gone")
	}
}

// What has switched itself off is stopped or terminated, once for each start.
func TestInstanceThatPowersItselfOff(t *testing.T) {
	s := storetest.Open(t)
	start(t, s, time.Hour)
	update(t, s, func(tx *store.Tx) {
		for id, v := range map[string]struct {
			behavior string
			boot     int64
		}{"i-stops": {"stop", 2}, "i-ends": {"terminate", 2}, "i-was-started-since": {"stop", 3}} {
			store.Instances.Put(tx, resource.Instance{Meta: meta(id), Wanted: resource.InstanceRunning, ShutdownBehavior: v.behavior, Boot: v.boot, Interfaces: []string{"eni-of-" + id}})
			store.Addresses.Put(tx, resource.Address{Meta: meta("eipauto-" + id), Auto: true, NetworkInterface: "eni-of-" + id})
			store.Addresses.Put(tx, resource.Address{Meta: meta("eipalloc-" + id), NetworkInterface: "eni-of-" + id})
			store.InstanceStatuses.Put(tx, resource.InstanceStatus{Meta: meta(id), State: resource.InstanceStopping, Boot: 2, PoweredOff: true})
		}
	})
	wanted := func(snapshot *store.Snapshot, id string) string {
		v, _ := store.Instances.Get(snapshot, scope, id)
		return v.Wanted + " " + v.StateReason.Code
	}
	eventually(t, s, "both are as they shall be", func(snapshot *store.Snapshot) bool {
		return wanted(snapshot, "i-stops") == "stopped Client.InstanceInitiatedShutdown" && wanted(snapshot, "i-ends") == "terminated Client.InstanceInitiatedShutdown"
	})
	if got := wanted(s.Snapshot(), "i-was-started-since"); got != "running " {
		t.Errorf("what was asked to start since is wanted %s", got)
	}
	if _, ok := store.Addresses.Get(s.Snapshot(), scope, "eipauto-i-stops"); ok {
		t.Error("the outside address that came with it is not given back")
	}
	if v, _ := store.Addresses.Get(s.Snapshot(), scope, "eipalloc-i-stops"); v.NetworkInterface == "" {
		t.Error("the elastic address is taken away")
	}
}

func TestDeletedRecordsAreForgotten(t *testing.T) {
	s := storetest.Open(t)
	now := time.Now()
	update(t, s, func(tx *store.Tx) {
		for id, m := range map[string]resource.Meta{
			"long-ago": deleted("x-long-ago", now.Add(-time.Hour)), "just-now": deleted("x-just-now", now), "not": meta("x-not"),
		} {
			instance, connection, gateway, customer := m, m, m, m
			store.Instances.Put(tx, resource.Instance{Meta: instance})
			store.InstanceStatuses.Put(tx, resource.InstanceStatus{Meta: meta("x-" + id)})
			store.VPNConnections.Put(tx, resource.VPNConnection{Meta: connection})
			store.TunnelStatuses.Put(tx, resource.TunnelStatus{Meta: meta("x-" + id + "/1")})
			store.TunnelStatuses.Put(tx, resource.TunnelStatus{Meta: meta("x-" + id + "/2")})
			store.VPNGateways.Put(tx, resource.VPNGateway{Meta: gateway})
			store.CustomerGateways.Put(tx, resource.CustomerGateway{Meta: customer})
		}
	})
	lens := func(snapshot *store.Snapshot) [6]int {
		return [6]int{
			store.Instances.Len(snapshot), store.InstanceStatuses.Len(snapshot), store.VPNConnections.Len(snapshot),
			store.TunnelStatuses.Len(snapshot), store.VPNGateways.Len(snapshot), store.CustomerGateways.Len(snapshot),
		}
	}
	const retention = 400 * time.Millisecond
	start(t, s, retention)
	eventually(t, s, "what was deleted long ago is gone", func(snapshot *store.Snapshot) bool { return lens(snapshot) == [6]int{2, 2, 2, 4, 2, 2} })
	if time.Since(now) > retention {
		t.Skip("too slow a machine to see the difference")
	}
	eventually(t, s, "what was deleted just now is gone", func(snapshot *store.Snapshot) bool { return lens(snapshot) == [6]int{1, 1, 1, 2, 1, 1} })
	if time.Since(now) < retention {
		t.Error("forgotten too early")
	}
	if _, ok := store.VPNConnections.Get(s.Snapshot(), scope, "x-not"); !ok {
		t.Error("what was not deleted is forgotten")
	}
}

// An interface that is being detached is available when a node has seen that it has
// gone, and not before.
func TestDetachedInterfaceIsAvailable(t *testing.T) {
	s := storetest.Open(t)
	update(t, s, func(tx *store.Tx) {
		store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), Wanted: resource.InstanceRunning, Interfaces: []string{"eni-1", "eni-2"}})
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta("eni-2"), Instance: "i-1", DeviceIndex: 1, AttachmentID: "eni-attach-2", Status: resource.StateInUse, Detaching: true})
		store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta("eni-3"), Place: &resource.Place{}, AttachmentID: "eni-attach-3", Status: resource.StateInUse})
		for _, id := range []string{"eni-2", "eni-3"} {
			store.NetworkInterfaceStatuses.Put(tx, resource.NetworkInterfaceStatus{Meta: meta(id), Attachment: "eni-attach-" + id[4:], Attached: id == "eni-2"})
		}
	})
	start(t, s, time.Hour)
	update(t, s, func(tx *store.Tx) {
		if nic, _ := store.NetworkInterfaces.Get(tx, scope, "eni-2"); nic.Instance == "" {
			t.Error("the interface is available while the instance has it")
		}
		store.NetworkInterfaceStatuses.Put(tx, resource.NetworkInterfaceStatus{Meta: meta("eni-2"), Attachment: "eni-attach-2"})
	})
	eventually(t, s, "the interface is available", func(snapshot *store.Snapshot) bool {
		nic, _ := store.NetworkInterfaces.Get(snapshot, scope, "eni-2")
		return nic.Status == resource.StateAvailable && nic.Instance == "" && nic.AttachmentID == "" && !nic.Detaching
	})
	if instance, _ := store.Instances.Get(s.Snapshot(), scope, "i-1"); len(instance.Interfaces) != 1 {
		t.Errorf("the instance has %v", instance.Interfaces)
	}
	if _, known := store.NetworkInterfaceStatuses.Get(s.Snapshot(), scope, "eni-2"); known {
		t.Error("the status of an interface that is attached to nothing is kept")
	}
	if nic, _ := store.NetworkInterfaces.Get(s.Snapshot(), scope, "eni-3"); nic.AttachmentID == "" {
		t.Error("an interface that cannot be attached was detached")
	}
}

// A NAT gateway loses an address when no connection runs under it any more, or when
// its time is over; and not because no node has the gateway.
func TestNATGatewayLosesDrainedAddresses(t *testing.T) {
	s := storetest.Open(t)
	address := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 1, byte(n)}) }
	later := time.Now().Add(time.Hour)
	gateway := func(id string, drainUntil ...time.Time) resource.NATGateway {
		v := resource.NATGateway{Meta: meta("nat-" + id), NetworkInterface: "eni-" + id, PrivateAddress: address(1)}
		for i, until := range drainUntil {
			v.Secondary = append(v.Secondary, resource.NATGatewayAddress{PrivateAddress: address(2 + i), Allocation: fmt.Sprint("eipalloc-", id, i), DrainUntil: until})
		}
		return v
	}
	update(t, s, func(tx *store.Tx) {
		for id, v := range map[string]resource.NATGateway{
			"idle": gateway("idle", later, time.Time{}), "busy": gateway("busy", later), "late": gateway("late", time.Now().Add(-time.Second)), "unseen": gateway("unseen", later),
		} {
			nic := resource.NetworkInterface{Meta: meta("eni-" + id), Address: address(1)}
			for _, a := range v.Secondary {
				nic.Secondary = append(nic.Secondary, a.PrivateAddress)
				store.Addresses.Put(tx, resource.Address{Meta: meta(a.Allocation), NetworkInterface: nic.ID, PrivateAddress: a.PrivateAddress})
			}
			store.NATGateways.Put(tx, v)
			store.NetworkInterfaces.Put(tx, nic)
			if id != "unseen" {
				seen := []netip.Addr{address(1), address(3)}
				if id != "idle" {
					seen[1] = address(2)
				}
				store.NATGatewayStatuses.Put(tx, resource.NATGatewayStatus{Meta: meta(v.ID), Stands: true, Addresses: seen})
			}
		}
	})
	start(t, s, time.Hour)
	left := func(snapshot *store.Snapshot, id string) int {
		v, _ := store.NATGateways.Get(snapshot, scope, "nat-"+id)
		nic, _ := store.NetworkInterfaces.Get(snapshot, scope, "eni-"+id)
		if len(nic.Secondary) != len(v.Secondary) {
			t.Errorf("%s has %d addresses and its interface %d", id, len(v.Secondary), len(nic.Secondary))
		}
		return len(v.Secondary)
	}
	eventually(t, s, "what is idle or late is gone", func(snapshot *store.Snapshot) bool { return left(snapshot, "idle") == 1 && left(snapshot, "late") == 0 })
	if busy, unseen := left(s.Snapshot(), "busy"), left(s.Snapshot(), "unseen"); busy != 1 || unseen != 1 {
		t.Errorf("those with connections have %d and %d addresses", busy, unseen)
	}
	for id, free := range map[string]bool{"eipalloc-idle0": true, "eipalloc-idle1": false, "eipalloc-late0": true, "eipalloc-busy0": false} {
		if v, _ := store.Addresses.Get(s.Snapshot(), scope, id); (v.NetworkInterface == "") != free {
			t.Errorf("%s stands for %q", id, v.NetworkInterface)
		}
	}
}
