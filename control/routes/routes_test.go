package routes_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway.dev/control/routes"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

var scope = store.Scope{Account: "123456789012", Region: "us-east-1"}

func meta(id string) resource.Meta {
	return resource.Meta{ID: id, Account: scope.Account, Region: scope.Region}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// lines shows routes as a person reads them.
func lines(effective []routes.EffectiveRoute) string {
	var all []string
	for _, r := range effective {
		all = append(all, strings.Join(strings.Fields(fmt.Sprintln(r.Destination, r.Gateway, r.Instance, r.NetworkInterface, r.Origin, r.State)), " "))
	}
	return strings.Join(all, "\n")
}

// A VPC with two gateways, of which one is attached, and an instance.
func records(tx *store.Tx) {
	store.VPCs.Put(tx, resource.VPC{Meta: meta("vpc-1"), CIDRs: []resource.CIDRAssociation{
		{Prefix: prefix("10.0.0.0/16"), State: "associated"}, {Prefix: prefix("10.1.0.0/16"), State: "associated"}, {Prefix: prefix("10.2.0.0/16"), State: "disassociated"},
	}})
	store.VPNGateways.Put(tx, resource.VPNGateway{Meta: meta("vgw-1"), VPC: "vpc-1", AttachmentState: resource.StateAttached})
	store.VPNGateways.Put(tx, resource.VPNGateway{Meta: meta("vgw-2")})
	store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), Wanted: resource.InstanceRunning, Interfaces: []string{"eni-1"}})
	store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta("eni-1"), VPC: "vpc-1", Instance: "i-1"})
	store.NetworkInterfaces.Put(tx, resource.NetworkInterface{Meta: meta("eni-elsewhere"), VPC: "vpc-2", Instance: "i-1"})
	for id, routes := range map[string][]string{
		"vpn-up": {"192.168.0.0/16", "172.16.0.0/12", "10.0.9.0/24"}, "vpn-second-up": {"192.168.0.0/16", "192.168.7.0/24"},
		"vpn-down": {"172.31.0.0/16"}, "vpn-pending": {"172.30.0.0/16"},
	} {
		connection := resource.VPNConnection{Meta: meta(id), State: resource.StateAvailable, VPNGateway: "vgw-1"}
		if id == "vpn-pending" {
			connection.State = resource.StatePending
		}
		for _, r := range routes {
			connection.Routes = append(connection.Routes, resource.VPNStaticRoute{Destination: prefix(r), State: resource.StateAvailable})
		}
		store.VPNConnections.Put(tx, connection)
		store.TunnelStatuses.Put(tx, resource.TunnelStatus{Meta: meta(id + "/1"), Up: id == "vpn-up" || id == "vpn-pending"})
		store.TunnelStatuses.Put(tx, resource.TunnelStatus{Meta: meta(id + "/2"), Up: id == "vpn-second-up"})
	}
}

func TestEffective(t *testing.T) {
	s := storetest.Open(t)
	if err := s.Update(t.Context(), func(tx *store.Tx) error { records(tx); return nil }); err != nil {
		t.Fatal(err)
	}
	const local = "10.0.0.0/16 local CreateRouteTable active\n10.1.0.0/16 local CreateRouteTable active\n"
	for _, test := range []struct {
		name  string
		table resource.RouteTable
		want  string
	}{
		{"of a new table", resource.RouteTable{VPC: "vpc-1"}, local},
		{"of a VPC that is gone", resource.RouteTable{VPC: "vpc-gone"}, ""},
		{
			"propagated", resource.RouteTable{VPC: "vpc-1", PropagatingVGWs: []string{"vgw-1"}},
			local + `172.16.0.0/12 vgw-1 EnableVgwRoutePropagation active
192.168.0.0/16 vgw-1 EnableVgwRoutePropagation active
192.168.7.0/24 vgw-1 EnableVgwRoutePropagation active`,
		},
		{"propagated by a gateway that is not attached", resource.RouteTable{VPC: "vpc-1", PropagatingVGWs: []string{"vgw-2", "vgw-gone"}}, local},
		{
			"entered by hand", resource.RouteTable{VPC: "vpc-1", PropagatingVGWs: []string{"vgw-1"}, Routes: []resource.Route{
				{Destination: prefix("192.168.0.0/16"), Instance: "i-1"},
				{Destination: prefix("192.168.7.0/24"), Instance: "i-gone"},
				{Destination: prefix("198.51.100.0/24"), NetworkInterface: "eni-1"},
				{Destination: prefix("203.0.113.0/24"), NetworkInterface: "eni-elsewhere"},
				{Destination: prefix("0.0.0.0/0"), Gateway: "vgw-1"},
				{Destination: prefix("172.16.0.0/12"), Gateway: "vgw-2"},
			}},
			"0.0.0.0/0 vgw-1 CreateRoute active\n" + local + `172.16.0.0/12 vgw-2 CreateRoute blackhole
192.168.0.0/16 i-1 eni-1 CreateRoute active
192.168.7.0/24 i-gone CreateRoute blackhole
198.51.100.0/24 eni-1 CreateRoute active
203.0.113.0/24 eni-elsewhere CreateRoute blackhole`,
		},
	} {
		test.table.Meta = meta("rtb-1")
		got := lines(routes.New(s.Snapshot(), scope).Effective(test.table))
		if got != strings.TrimSpace(test.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// What tunnels that are up have learned by BGP is propagated once each; what lies in the
// VPC is not, and a route entered by hand wins.
func TestLearnedRoutesArePropagated(t *testing.T) {
	s := storetest.Open(t)
	table := resource.RouteTable{Meta: meta("rtb-1"), VPC: "vpc-1", PropagatingVGWs: []string{"vgw-1"}, Routes: []resource.Route{{Destination: prefix("198.51.100.0/24"), Instance: "i-1"}}}
	put := func(connection resource.VPNConnection, up bool, learned ...string) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx *store.Tx) error {
			records(tx)
			for _, id := range []string{"vpn-up", "vpn-second-up", "vpn-down", "vpn-pending"} {
				store.VPNConnections.Delete(tx, scope, id)
			}
			store.VPNConnections.Put(tx, connection)
			for number := 1; number <= 2; number++ {
				status := resource.TunnelStatus{Meta: meta(resource.TunnelID(connection.ID, number)), Up: up}
				for _, p := range learned {
					status.Routes = append(status.Routes, resource.LearnedRoute{Destination: prefix(p), Path: []uint32{65000}})
				}
				store.TunnelStatuses.Put(tx, status)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	const local = "10.0.0.0/16 local CreateRouteTable active\n10.1.0.0/16 local CreateRouteTable active\n"
	const byHand = "198.51.100.0/24 i-1 eni-1 CreateRoute active"
	dynamic := resource.VPNConnection{Meta: meta("vpn-bgp"), State: resource.StateAvailable, VPNGateway: "vgw-1"}
	static := dynamic
	static.StaticRoutesOnly = true
	for _, test := range []struct {
		name       string
		connection resource.VPNConnection
		up         bool
		learned    []string
		want       string
	}{
		{
			"up", dynamic, true, []string{"0.0.0.0/0", "10.0.9.0/24", "10.1.0.0/16", "10.2.0.0/16", "172.16.0.0/12", "198.51.100.0/24"},
			"0.0.0.0/0 vgw-1 EnableVgwRoutePropagation active\n" + local + "10.2.0.0/16 vgw-1 EnableVgwRoutePropagation active\n172.16.0.0/12 vgw-1 EnableVgwRoutePropagation active\n" + byHand,
		},
		{"up, without a route", dynamic, true, nil, local + byHand},
		{"down, whatever the record has left", dynamic, false, []string{"172.16.0.0/12"}, local + byHand},
		{"static, whatever the record has left", static, true, []string{"172.16.0.0/12"}, local + byHand},
	} {
		put(test.connection, test.up, test.learned...)
		if got := lines(routes.New(s.Snapshot(), scope).Effective(table)); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func TestTerminatedInstanceIsABlackhole(t *testing.T) {
	s := storetest.Open(t)
	table := resource.RouteTable{Meta: meta("rtb-1"), VPC: "vpc-1", Routes: []resource.Route{{Destination: prefix("192.168.0.0/16"), NetworkInterface: "eni-1"}}}
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		records(tx)
		store.Instances.Put(tx, resource.Instance{Meta: meta("i-1"), Wanted: resource.InstanceTerminated, Interfaces: []string{"eni-1"}})
		if got := lines(routes.New(tx, scope).Effective(table)); !strings.Contains(got, "192.168.0.0/16 eni-1 CreateRoute blackhole") {
			t.Errorf("in the transaction: got\n%s", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWithin(t *testing.T) {
	ranges := []netip.Prefix{prefix("10.0.0.0/16"), prefix("10.1.0.0/16")}
	for text, want := range map[string]bool{
		"10.0.0.0/16": true, "10.1.255.0/24": true, "10.0.0.0/15": false, "10.2.0.0/16": false, "0.0.0.0/0": false, "fd00::/64": false,
	} {
		if got := routes.Within(prefix(text), ranges); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestPrefixesSortByAddressThenLength(t *testing.T) {
	got := []netip.Prefix{prefix("10.0.0.0/16"), prefix("9.0.0.0/8"), prefix("10.0.0.0/8"), prefix("0.0.0.0/0")}
	slices.SortFunc(got, routes.ComparePrefixes)
	if text := fmt.Sprint(got); text != "[0.0.0.0/0 9.0.0.0/8 10.0.0.0/8 10.0.0.0/16]" {
		t.Errorf("got %s", text)
	}
}
