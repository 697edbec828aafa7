package plan_test

import (
	"fmt"
	"log"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/internal/golden"
	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

var shared *store.Store

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "plan")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if shared, err = storetest.OpenDir(dir); err != nil {
		log.Fatal(err)
	}
	defer shared.Close()
	return m.Run()
}

// A world is the records of a scenario, by table. Tests change them before they
// are stored.
type world struct {
	scope       store.Scope
	vpcs        []resource.VPC
	subnets     []resource.Subnet
	tables      []resource.RouteTable
	groups      []resource.SecurityGroup
	nics        []resource.NetworkInterface
	instances   []resource.Instance
	customers   []resource.CustomerGateway
	gateways    []resource.VPNGateway
	connections []resource.VPNConnection
	up          []string                           // tunnels
	learned     map[string][]resource.LearnedRoute // by tunnel
	internet    []resource.InternetGateway
	egressOnly  []resource.EgressOnlyInternetGateway
	addresses   []resource.Address
	nats        []resource.NATGateway
	acls        []resource.NetworkACL
	options     []resource.DHCPOptions
	lists       []resource.PrefixList
	access      string // mode of Block Public Access; "" is none
	exclusions  []resource.PublicAccessExclusion
}

var scope = store.Scope{Account: "123456789012", Region: "us-east-1"}

func (w *world) meta(id string) resource.Meta {
	return resource.Meta{ID: id, Account: w.scope.Account, Region: w.scope.Region}
}

// site is a VPC with an instance, joined to a site by a connection whose first
// tunnel is up.
func site() *world {
	w := &world{scope: scope}
	w.addVPC("a", "10.0.0.0/16")
	w.gateways = []resource.VPNGateway{{Meta: w.meta("vgw-a"), State: resource.StateAvailable, VPC: "vpc-a", AttachmentState: resource.StateAttached}}
	w.customers = []resource.CustomerGateway{{Meta: w.meta("cgw-a"), State: resource.StateAvailable, Address: netip.MustParseAddr("198.51.100.7")}}
	w.addConnection("vpn-a", "vgw-a", "cgw-a", 1, "192.168.0.0/16")
	w.tables[0].PropagatingVGWs = []string{"vgw-a"}
	w.up = []string{"vpn-a/1"}
	return w
}

// addVPC adds a VPC with one subnet, a main route table, a group and an instance.
func (w *world) addVPC(name, cidr string) {
	prefix := netip.MustParsePrefix(cidr)
	first := prefix.Addr().As4()
	first[2] = 1
	subnet := netip.PrefixFrom(netip.AddrFrom4(first), 24)
	w.vpcs = append(w.vpcs, resource.VPC{
		Meta: w.meta("vpc-" + name), State: resource.StateAvailable,
		CIDRs: []resource.CIDRAssociation{{ID: "vpc-cidr-assoc-" + name, Prefix: prefix, State: "associated"}},
	})
	w.subnets = append(w.subnets, resource.Subnet{Meta: w.meta("subnet-" + name), VPC: "vpc-" + name, CIDR: subnet})
	w.tables = append(w.tables, resource.RouteTable{Meta: w.meta("rtb-" + name), VPC: "vpc-" + name, Main: true})
	w.groups = append(w.groups, resource.SecurityGroup{
		Meta: w.meta("sg-" + name), VPC: "vpc-" + name,
		Rules: []resource.SecurityGroupRule{
			{ID: "sgr-1", Protocol: "tcp", FromPort: 22, ToPort: 22, CIDR: netip.MustParsePrefix("192.168.0.0/16")},
			{ID: "sgr-2", Protocol: "icmp", FromPort: 8, ToPort: -1, CIDR: netip.MustParsePrefix("192.168.0.0/16")},
			{ID: "sgr-3", Protocol: "-1", Egress: true, CIDR: netip.MustParsePrefix("0.0.0.0/0")},
		},
	})
	w.addInstance(name, name, 4, "sg-"+name)
}

func (w *world) addInstance(name, vpc string, host byte, groups ...string) {
	var address netip.Addr
	for _, subnet := range w.subnets {
		if subnet.ID == "subnet-"+vpc {
			octets := subnet.CIDR.Addr().As4()
			octets[3] = host
			address = netip.AddrFrom4(octets)
		}
	}
	w.nics = append(w.nics, resource.NetworkInterface{
		Meta: w.meta("eni-" + name), VPC: "vpc-" + vpc, Subnet: "subnet-" + vpc, Address: address,
		MAC: fmt.Sprintf("02:00:00:00:00:%02x", host), Groups: groups, SourceDestCheck: true, Instance: "i-" + name,
	})
	w.instances = append(w.instances, resource.Instance{
		Meta: w.meta("i-" + name), VPC: "vpc-" + vpc, Subnet: "subnet-" + vpc, Interfaces: []string{"eni-" + name},
		Wanted: "running", UserData: []byte("#!/bin/sh\n"),
	})
}

// addInternet attaches an internet gateway to a VPC.
func (w *world) addInternet(vpc string) {
	w.internet = append(w.internet, resource.InternetGateway{Meta: w.meta("igw-" + vpc), VPC: "vpc-" + vpc})
}

// addAddress lets an outside address stand for an interface.
func (w *world) addAddress(nic, outside string) {
	for _, v := range slices.Concat(w.nics, w.natInterfaces()) {
		if v.ID == nic {
			w.addresses = append(w.addresses, resource.Address{
				Meta: w.meta("eipalloc-" + nic), PublicIP: netip.MustParseAddr(outside), NetworkInterface: nic, PrivateAddress: v.Address, Association: "eipassoc-" + nic,
			})
		}
	}
}

// nic is an interface by its id.
func (w *world) nic(id string) resource.NetworkInterface {
	for _, v := range w.nics {
		if v.ID == id {
			return v
		}
	}
	return resource.NetworkInterface{}
}

// addNAT puts a NAT gateway into a subnet.
func (w *world) addNAT(name, vpc, subnet, address string) {
	w.nats = append(w.nats, resource.NATGateway{
		Meta: w.meta("nat-" + name), VPC: "vpc-" + vpc, Subnet: subnet, PrivateAddress: netip.MustParseAddr(address), NetworkInterface: "eni-nat-" + name,
	})
}

// natInterfaces are the NAT gateways' own.
func (w *world) natInterfaces() (list []resource.NetworkInterface) {
	for _, nat := range w.nats {
		if nat.Deleted == nil {
			meta := nat.Meta
			meta.ID = nat.NetworkInterface
			list = append(list, resource.NetworkInterface{Meta: meta, VPC: nat.VPC, Subnet: nat.Subnet, Address: nat.PrivateAddress, NATGateway: nat.ID})
		}
	}
	return list
}

func (w *world) addConnection(id, vgw, cgw string, number byte, routes ...string) {
	connection := resource.VPNConnection{
		Meta: w.meta(id), State: resource.StateAvailable, CustomerGateway: cgw, VPNGateway: vgw, StaticRoutesOnly: true,
		LocalIPv4CIDR: resource.AnyIPv4, RemoteIPv4CIDR: resource.AnyIPv4,
	}
	for i := range connection.Tunnels {
		connection.Tunnels[i] = resource.VPNTunnel{
			OutsideAddress: netip.AddrFrom4([4]byte{203, 0, 113, 2*number + byte(i)}),
			InsideCIDR:     netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254, 10 + number, byte(4 * i)}), 30),
			PreSharedKey:   "not-to-be-shown",
		}
	}
	for _, route := range routes {
		connection.Routes = append(connection.Routes, resource.VPNStaticRoute{Destination: netip.MustParsePrefix(route), State: resource.StateAvailable})
	}
	w.connections = append(w.connections, connection)
}

// put replaces everything in the store by the world's records, and returns the
// snapshot that shows them.
func (w *world) put(t testing.TB, s *store.Store) *store.Snapshot {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		replace(tx, store.VPCs, w.vpcs)
		replace(tx, store.Subnets, w.subnets)
		replace(tx, store.RouteTables, w.tables)
		replace(tx, store.SecurityGroups, w.groups)
		replace(tx, store.NetworkInterfaces, slices.Concat(w.nics, w.natInterfaces()))
		replace(tx, store.Instances, w.instances)
		replace(tx, store.CustomerGateways, w.customers)
		replace(tx, store.VPNGateways, w.gateways)
		replace(tx, store.VPNConnections, w.connections)
		replace(tx, store.InternetGateways, w.internet)
		replace(tx, store.EgressOnlyInternetGateways, w.egressOnly)
		replace(tx, store.Addresses, w.addresses)
		replace(tx, store.NATGateways, w.nats)
		replace(tx, store.NetworkACLs, w.acls)
		replace(tx, store.DHCPOptions, w.options)
		replace(tx, store.PrefixLists, w.lists)
		replace(tx, store.PublicAccessExclusions, w.exclusions)
		options := []resource.PublicAccessOptions{{Meta: w.meta(resource.PublicAccessOptionsID), Mode: w.access}}
		if w.access == "" {
			options = nil
		}
		replace(tx, store.PublicAccessOptions, options)
		replace(tx, store.TunnelStatuses, w.statuses())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.Snapshot()
}

// statuses are those of the tunnels that are up, and of those that have learned something,
// if only before they went down.
func (w *world) statuses() (all []resource.TunnelStatus) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(w.learned)), w.up...)))) {
		all = append(all, resource.TunnelStatus{Meta: w.meta(id), Up: slices.Contains(w.up, id), Routes: w.learned[id]})
	}
	return all
}

func replace[T any, P interface {
	*T
	GetMeta() *resource.Meta
}](tx *store.Tx, table *store.Table[T], records []T) {
	for old := range table.All(tx) {
		m := P(&old).GetMeta()
		table.Delete(tx, store.Scope{Account: m.Account, Region: m.Region}, m.ID)
	}
	for _, record := range records {
		table.Put(tx, record)
	}
}

func TestGoldenTexts(t *testing.T) {
	for _, scenario := range []struct {
		name   string
		change func(w *world)
	}{
		{"nothing", func(w *world) { *w = world{} }},
		{"site", func(*world) {}},
		{"site-all-tunnels-down", func(w *world) { w.up = nil }},
		{"site-second-tunnel-up", func(w *world) { w.up = []string{"vpn-a/2"} }},
		{"site-detached", func(w *world) {
			w.tables[0].Routes = []resource.Route{{Destination: netip.MustParsePrefix("172.16.0.0/12"), Gateway: "vgw-a"}}
			w.gateways[0].VPC, w.gateways[0].AttachmentState = "", ""
		}},
		{"routes", func(w *world) {
			w.addInstance("gone", "a", 5, "sg-a")
			w.instances[1].Wanted = "terminated"
			w.addInstance("router", "a", 6, "sg-a")
			w.nics[2].SourceDestCheck = false
			w.connections[0].Routes = append(w.connections[0].Routes,
				resource.VPNStaticRoute{Destination: netip.MustParsePrefix("10.0.9.0/24"), State: resource.StateAvailable},   // within the VPC
				resource.VPNStaticRoute{Destination: netip.MustParsePrefix("10.0.0.0/16"), State: resource.StateAvailable},   // the VPC
				resource.VPNStaticRoute{Destination: netip.MustParsePrefix("10.0.0.0/8"), State: resource.StateAvailable},    // around the VPC
				resource.VPNStaticRoute{Destination: netip.MustParsePrefix("192.168.7.0/24"), State: resource.StateDeleting}) // going
			w.tables[0].Routes = []resource.Route{
				{Destination: netip.MustParsePrefix("192.168.0.0/16"), NetworkInterface: "eni-router"}, // wins over the propagated one
				{Destination: netip.MustParsePrefix("172.16.1.0/24"), Instance: "i-router"},
				{Destination: netip.MustParsePrefix("172.16.2.0/24"), Instance: "i-gone"},
				{Destination: netip.MustParsePrefix("172.16.3.0/24"), NetworkInterface: "eni-gone"},
				{Destination: netip.MustParsePrefix("172.16.4.0/24"), NetworkInterface: "eni-never-was"},
				{Destination: netip.MustParsePrefix("172.16.5.0/24"), Gateway: "vgw-never-was"},
				{Destination: netip.MustParsePrefix("172.16.6.0/24"), Gateway: "vgw-a"},
			}
			w.tables = append(w.tables, resource.RouteTable{
				Meta: w.meta("rtb-own"), VPC: "vpc-a", Associations: []resource.RouteTableAssociation{{ID: "rtbassoc-1", Subnet: "subnet-a"}},
			})
		}},
		{"two-sites-of-one-gateway", func(w *world) {
			w.customers = append(w.customers, resource.CustomerGateway{Meta: w.meta("cgw-b"), Address: netip.MustParseAddr("198.51.100.8")})
			w.addConnection("vpn-b", "vgw-a", "cgw-b", 2, "192.168.0.0/16", "172.20.0.0/16")
			w.connections[1].LocalIPv4CIDR = netip.MustParsePrefix("172.20.0.0/16")
			w.connections[1].RemoteIPv4CIDR = netip.MustParsePrefix("10.0.0.0/16")
			o := &w.connections[1].Tunnels[0].TunnelOptions
			o.Phase1EncryptionAlgorithms = []string{"AES256", "AES256-GCM-16"}
			o.Phase1IntegrityAlgorithms = []string{"SHA2-512", "SHA2-256"}
			o.Phase1DHGroupNumbers = []int32{20, 14, 24}
			o.Phase2EncryptionAlgorithms = []string{"AES128-GCM-16", "AES256"}
			o.Phase2IntegrityAlgorithms = []string{"SHA2-256"}
			o.Phase2DHGroupNumbers = []int32{5}
			o.Phase1LifetimeSeconds, o.Phase2LifetimeSeconds, o.RekeyMarginTimeSeconds = 3600, 1800, 60
			o.RekeyFuzzPercentage, o.ReplayWindowSize, o.DPDTimeoutSeconds = new(int32), 64, 45
			o.DPDTimeoutAction, o.StartupAction = resource.DPDActionRestart, resource.StartupActionStart
			w.up = []string{"vpn-a/1", "vpn-b/2"}
		}},
		{"connections-that-go", func(w *world) {
			w.addConnection("vpn-b", "vgw-a", "cgw-a", 2, "172.20.0.0/16")
			w.connections[1].State = resource.StateDeleting
			w.addConnection("vpn-c", "vgw-a", "cgw-a", 3, "172.21.0.0/16")
			w.connections[2].State, w.connections[2].Deleted = resource.StateDeleted, &w.connections[2].Created
			w.addConnection("vpn-d", "vgw-a", "cgw-never-was", 4, "172.22.0.0/16")
			w.up = []string{"vpn-a/1", "vpn-b/1", "vpn-c/1"}
		}},
		{"groups", func(w *world) {
			w.addInstance("b", "a", 5, "sg-b", "sg-a")
			w.addInstance("c", "a", 6, "sg-gone")
			w.groups = append(w.groups, resource.SecurityGroup{
				Meta: w.meta("sg-b"), VPC: "vpc-a",
				Rules: []resource.SecurityGroupRule{
					{ID: "sgr-4", Protocol: "tcp", FromPort: 80, ToPort: 90, Group: "sg-a"},
					{ID: "sgr-5", Protocol: "udp", FromPort: 53, ToPort: 53, Group: "sg-empty"},
					{ID: "sgr-6", Protocol: "50", CIDR: netip.MustParsePrefix("10.0.0.0/8")},
					{ID: "sgr-7", Protocol: "50", CIDR: netip.MustParsePrefix("10.0.0.0/8"), Description: "the same again"},
				},
			}, resource.SecurityGroup{Meta: w.meta("sg-empty"), VPC: "vpc-a"})
		}},
		{"overlapping-vpcs", func(w *world) {
			w.addVPC("b", "10.0.0.0/16")
			w.scope = store.Scope{Account: "210987654321", Region: "eu-west-1"}
			w.addVPC("c", "10.0.0.0/16")
			w.vpcs[2].CIDRs = append(w.vpcs[2].CIDRs,
				resource.CIDRAssociation{ID: "vpc-cidr-assoc-d", Prefix: netip.MustParsePrefix("10.8.0.0/16"), State: "associated"},
				resource.CIDRAssociation{ID: "vpc-cidr-assoc-e", Prefix: netip.MustParsePrefix("10.9.0.0/16"), State: "disassociated"})
			w.scope = scope
		}},
		{"gateways", func(w *world) {
			w.addInternet("a")
			w.addInstance("public", "a", 5, "sg-a")
			w.addAddress("eni-public", "198.51.100.9")
			w.addNAT("a", "a", "subnet-a", "10.0.1.9")
			w.addAddress("eni-nat-a", "198.51.100.8")
			w.nats[0].Secondary = []resource.NATGatewayAddress{
				{PrivateAddress: netip.MustParseAddr("10.0.1.20")}, {PrivateAddress: netip.MustParseAddr("10.0.1.21"), DrainUntil: w.nats[0].Created.Add(time.Hour)},
			}
			w.addNAT("gone", "a", "subnet-a", "10.0.1.8")
			w.nats[1].Deleted = &w.nats[1].Created
			everywhere := netip.MustParsePrefix("0.0.0.0/0")
			w.tables[0].Routes = []resource.Route{
				{Destination: everywhere, Gateway: "igw-a"}, {Destination: netip.MustParsePrefix("172.16.0.0/12"), NATGateway: "nat-gone"},
			}
			w.tables = append(w.tables,
				resource.RouteTable{Meta: w.meta("rtb-behind"), VPC: "vpc-a", Routes: []resource.Route{{Destination: everywhere, NATGateway: "nat-a"}}},
				resource.RouteTable{Meta: w.meta("rtb-edge"), VPC: "vpc-a", Routes: []resource.Route{
					{Destination: netip.MustParsePrefix("10.0.1.0/24"), NetworkInterface: "eni-public"}, {Destination: netip.MustParsePrefix("10.0.0.0/16"), Instance: "i-gone"},
				}, Associations: []resource.RouteTableAssociation{{ID: "rtbassoc-1", Gateway: "igw-a"}, {ID: "rtbassoc-2", Gateway: "vgw-a"}}})
			w.addVPC("empty", "10.1.0.0/16") // with a gateway that nothing can pass, which takes no network
			w.addInternet("empty")
			w.instances[len(w.instances)-1].Wanted = "terminated"
			w.addVPC("quiet", "10.2.0.0/16")
			w.addInternet("quiet")
			w.tables[len(w.tables)-1].Routes = []resource.Route{{Destination: everywhere, Gateway: "igw-quiet"}}
		}},
		{"network-acls", func(w *world) {
			everywhere := netip.MustParsePrefix("0.0.0.0/0")
			w.acls = []resource.NetworkACL{
				{Meta: w.meta("acl-default"), VPC: "vpc-a", IsDefault: true, Entries: []resource.NetworkACLEntry{
					{Number: 100, Protocol: -1, FromPort: -1, ToPort: -1, CIDR: everywhere}, {Number: 100, Egress: true, Protocol: -1, FromPort: -1, ToPort: -1, CIDR: everywhere},
				}, Associations: []resource.NetworkACLAssociation{{ID: "aclassoc-gone", Subnet: "subnet-gone"}}},
				{Meta: w.meta("acl-web"), VPC: "vpc-a", Entries: []resource.NetworkACLEntry{
					{Number: 10, Protocol: 6, FromPort: 80, ToPort: 81, CIDR: everywhere, Deny: true},
					{Number: 20, Protocol: 1, FromPort: 8, ToPort: -1, CIDR: netip.MustParsePrefix("192.168.0.0/16")},
					{Number: 30, Protocol: 58, FromPort: 128, ToPort: 0, CIDR: everywhere},
					{Number: 40, Protocol: 58, FromPort: 128, ToPort: 0, CIDR: netip.MustParsePrefix("::/0")},
					{Number: 5, Egress: true, Protocol: 17, FromPort: 1024, ToPort: 65535, CIDR: netip.MustParsePrefix("10.0.0.0/8")},
				}, Associations: []resource.NetworkACLAssociation{{ID: "aclassoc-a", Subnet: "subnet-a"}}},
			}
		}},
		{"records-that-do-not-fit", func(w *world) {
			w.gateways[0].VPC = "vpc-gone"
			w.nics[0].Subnet = "subnet-gone"
			w.addConnection("vpn-b", "vgw-gone", "cgw-a", 2, "172.20.0.0/16")
			w.tables = append(w.tables, resource.RouteTable{Meta: w.meta("rtb-b"), VPC: "vpc-gone"})
		}},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			w := site()
			scenario.change(w)
			desired := plan.Compile(w.put(t, shared), "node-1")
			golden.Text(t, filepath.Join("testdata", scenario.name+".txt"), plan.Text(desired))
			checkReferences(t, desired)
		})
	}
}

// checkReferences fails if something names what is not there: a node would have
// to guess.
func checkReferences(t *testing.T, d nodespec.Desired) {
	t.Helper()
	tunnels, links, networks := make(map[string]string), make(map[string]string), make(map[string][]string)
	for _, tunnel := range d.Tunnels {
		tunnels[tunnel.ID] = tunnel.Network
	}
	for _, n := range d.Networks {
		for _, table := range n.Tables {
			networks[n.ID] = append(networks[n.ID], table.ID)
		}
	}
	for _, link := range d.Links {
		for _, end := range link.Ends {
			links[link.ID] += end.Network + " "
			if end.Table != "" && !slices.Contains(networks[end.Network], end.Table) {
				t.Errorf("link %s leads to table %s, which %s does not have", link.ID, end.Table, end.Network)
			}
		}
	}
	for _, n := range d.Networks {
		for _, table := range n.Tables {
			for _, route := range slices.Concat(table.Routes, table.Overrides) {
				for _, target := range route.Targets {
					ok := target.Kind == nodespec.ToTunnel && tunnels[target.ID] == n.ID ||
						target.Kind == nodespec.ToLink && strings.Contains(links[target.ID], n.ID) ||
						target.Kind == nodespec.ToOutside && target.ID == n.ID && n.Outside != nil ||
						target.Kind == nodespec.ToInterface && slices.ContainsFunc(n.Interfaces, func(i nodespec.Interface) bool { return i.ID == target.ID })
					if !ok {
						t.Errorf("%s %s: route %v leads to %s %s, which is not there", n.ID, table.ID, route.Destination, target.Kind, target.ID)
					}
				}
			}
		}
		for _, i := range n.Interfaces {
			if !slices.Contains(networks[n.ID], i.Table) {
				t.Errorf("interface %s uses table %q, which %s does not have", i.ID, i.Table, n.ID)
			}
			for _, g := range i.Groups {
				if !slices.ContainsFunc(n.Groups, func(group nodespec.Group) bool { return group.ID == g }) {
					t.Errorf("interface %s uses group %s, which %s does not have", i.ID, g, n.ID)
				}
			}
		}
	}
}

func TestCompileIsDeterministic(t *testing.T) {
	w := site()
	w.addVPC("b", "10.1.0.0/16")
	w.addInstance("c", "b", 9, "sg-b", "sg-a")
	w.addConnection("vpn-b", "vgw-a", "cgw-a", 2, "192.168.0.0/16", "172.20.0.0/16", "172.21.0.0/16")
	snapshot := w.put(t, shared)
	want := plan.Compile(snapshot, "node-1")
	if want.Revision != snapshot.Revision() {
		t.Errorf("revision %d, want %d", want.Revision, snapshot.Revision())
	}
	for range 20 {
		if got := plan.Compile(snapshot, "node-1"); !reflect.DeepEqual(got, want) {
			t.Fatalf("the same snapshot gives\n%s\nand\n%s", plan.Text(want), plan.Text(got))
		}
	}
}

func TestSecretsAreCompiledButNotShown(t *testing.T) {
	desired := plan.Compile(site().put(t, shared), "node-1")
	if key := string(desired.Tunnels[0].PreSharedKey); key != "not-to-be-shown" {
		t.Errorf("pre-shared key %q", key)
	}
	if former := desired.Tunnels[0].FormerKey; former != "" {
		t.Errorf("former key %q of a tunnel that has had one key", string(former))
	}
	for _, text := range []string{plan.Text(desired), fmt.Sprintf("%v %+v %#v", desired, desired, desired)} {
		if strings.Contains(text, "not-to-be-shown") {
			t.Error("a text shows the pre-shared key")
		}
	}
}

// Whatever the options allow, IKE must be able to read.
func TestProposalsAreReadable(t *testing.T) {
	w := site()
	for i, options := range []resource.TunnelOptions{
		{},
		{Phase1EncryptionAlgorithms: []string{"AES256-GCM-16"}, Phase2EncryptionAlgorithms: []string{"AES256-GCM-16"}},
		{Phase1IntegrityAlgorithms: []string{"SHA2-384"}, Phase2IntegrityAlgorithms: []string{"SHA2-384"}},
		{Phase1DHGroupNumbers: []int32{21, 22}, Phase2DHGroupNumbers: []int32{24, 5}},
	} {
		w.addConnection(fmt.Sprintf("vpn-b%d", i), "vgw-a", "cgw-a", byte(2+i), "192.168.0.0/16")
		w.connections[i+1].Tunnels[0].TunnelOptions = options
	}
	for _, tunnel := range plan.Compile(w.put(t, shared), "node-1").Tunnels {
		for _, text := range slices.Concat(tunnel.IKEAccepts, tunnel.IKEOffers) {
			if p, err := ike.ParseIKEProposal(text); err != nil || keys.ValidateIKE(p) != nil || p.String() != text {
				t.Errorf("%s: %s is %v: %v, %v", tunnel.ID, text, p, err, keys.ValidateIKE(p))
			}
		}
		for _, text := range slices.Concat(tunnel.ESPAccepts, tunnel.ESPOffers) {
			if p, err := ike.ParseESPProposal(text); err != nil || keys.ValidateESP(p) != nil || p.String() != text {
				t.Errorf("%s: %s is %v: %v, %v", tunnel.ID, text, p, err, keys.ValidateESP(p))
			}
		}
		for kind, pair := range map[string][2][]string{"ike": {tunnel.IKEOffers, tunnel.IKEAccepts}, "esp": {tunnel.ESPOffers, tunnel.ESPAccepts}} {
			if len(pair[0]) == 0 || len(pair[0]) > 8 {
				t.Errorf("%s: %d offers for %s", tunnel.ID, len(pair[0]), kind)
			}
			for _, offer := range pair[0] {
				if !slices.Contains(pair[1], offer) {
					t.Errorf("%s: offers %s for %s without accepting it", tunnel.ID, offer, kind)
				}
			}
		}
	}
}

// All that AWS has is accepted in both phases unless options restrict it, and then
// exactly what they name.
func TestProposalsAreAWSs(t *testing.T) {
	ciphers := map[string]string{"AES128": "aes128", "AES256": "aes256", "AES128-GCM-16": "aes128gcm16", "AES256-GCM-16": "aes256gcm16"}
	hashes := map[string]string{"SHA1": "sha1", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"}
	one := []int32{14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 2}
	two := append(slices.Clone(one), 5)
	for _, o := range []resource.TunnelOptions{
		{},
		{Phase1EncryptionAlgorithms: []string{"AES256"}, Phase2DHGroupNumbers: []int32{22}},
		{Phase1DHGroupNumbers: []int32{23, 24}, Phase2IntegrityAlgorithms: []string{"SHA2-512", "SHA1"}},
		{Phase2EncryptionAlgorithms: []string{"AES128-GCM-16"}, Phase1IntegrityAlgorithms: []string{"SHA2-384"}},
	} {
		given := func(names []string, all map[string]string) []string {
			if len(names) == 0 {
				return slices.Collect(maps.Keys(all))
			}
			return names
		}
		groups := func(set, all []int32) []int32 {
			if len(set) == 0 {
				return all
			}
			return set
		}
		var wantIKE, wantESP []string
		for _, cipher := range given(o.Phase1EncryptionAlgorithms, ciphers) {
			for _, hash := range given(o.Phase1IntegrityAlgorithms, hashes) {
				for _, group := range groups(o.Phase1DHGroupNumbers, one) {
					prf := ""
					if strings.Contains(cipher, "GCM") {
						prf = "prf"
					}
					wantIKE = append(wantIKE, fmt.Sprintf("%s-%s%s-group%d", ciphers[cipher], prf, hashes[hash], group))
				}
			}
		}
		for _, cipher := range given(o.Phase2EncryptionAlgorithms, ciphers) {
			for _, group := range groups(o.Phase2DHGroupNumbers, two) {
				if strings.Contains(cipher, "GCM") {
					wantESP = append(wantESP, fmt.Sprintf("%s-group%d", ciphers[cipher], group))
					continue
				}
				for _, hash := range given(o.Phase2IntegrityAlgorithms, hashes) {
					wantESP = append(wantESP, fmt.Sprintf("%s-%s-group%d", ciphers[cipher], hashes[hash], group))
				}
			}
		}
		w := site()
		w.connections[0].Tunnels[0].TunnelOptions = o
		tunnel := plan.Compile(w.put(t, shared), "node-1").Tunnels[0]
		for kind, pair := range map[string][2][]string{"IKE": {tunnel.IKEAccepts, wantIKE}, "ESP": {tunnel.ESPAccepts, wantESP}} {
			if d := cmp.Diff(slices.Sorted(slices.Values(pair[1])), slices.Sorted(slices.Values(pair[0]))); d != "" {
				t.Errorf("%s with %+v (-want +accepted):\n%s", kind, o, d)
			}
		}
	}
}

// BenchmarkCompile has ten connections of five routes a gateway, a VPC with an
// instance a gateway, and one tunnel of each connection up.
func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("%d-connections", n), func(b *testing.B) {
			s := storetest.Open(b)
			for gateway := range n / 10 {
				addGateway(b, s, gateway)
			}
			snapshot := s.Snapshot()
			b.ReportAllocs()
			for b.Loop() {
				if d := plan.Compile(snapshot, "node-1"); len(d.Tunnels) != 2*n {
					b.Fatalf("%d tunnels", len(d.Tunnels))
				}
			}
		})
	}
}

func addGateway(b *testing.B, s *store.Store, gateway int) {
	w := &world{scope: scope}
	name := fmt.Sprintf("%017x", gateway)
	w.addVPC(name, "10.0.0.0/16")
	w.gateways = []resource.VPNGateway{{Meta: w.meta("vgw-" + name), VPC: "vpc-" + name, AttachmentState: resource.StateAttached}}
	w.customers = []resource.CustomerGateway{{Meta: w.meta("cgw-" + name), Address: netip.MustParseAddr("198.51.100.7")}}
	w.tables[0].PropagatingVGWs = []string{"vgw-" + name}
	for i := range byte(10) {
		id := fmt.Sprintf("vpn-%s-%d", name, i)
		routes := make([]string, 5)
		for j := range routes {
			routes[j] = fmt.Sprintf("172.%d.%d.0/24", 16+i, j)
		}
		w.addConnection(id, "vgw-"+name, "cgw-"+name, i, routes...)
		w.up = append(w.up, id+"/1")
	}
	err := s.Update(b.Context(), func(tx *store.Tx) error {
		put(tx, store.VPCs, w.vpcs)
		put(tx, store.Subnets, w.subnets)
		put(tx, store.RouteTables, w.tables)
		put(tx, store.SecurityGroups, w.groups)
		put(tx, store.NetworkInterfaces, w.nics)
		put(tx, store.Instances, w.instances)
		put(tx, store.CustomerGateways, w.customers)
		put(tx, store.VPNGateways, w.gateways)
		put(tx, store.VPNConnections, w.connections)
		for _, id := range w.up {
			store.TunnelStatuses.Put(tx, resource.TunnelStatus{Meta: w.meta(id), Up: true})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func put[T any](tx *store.Tx, table *store.Table[T], records []T) {
	for _, record := range records {
		table.Put(tx, record)
	}
}

// Whatever is read changes what is compiled when it changes, and nothing else does.
func TestCompilerFollowsTheTablesThatAreRead(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	w := site()
	var compiler plan.Compiler
	for name, test := range map[string]struct {
		write func(tx *store.Tx)
		moves bool
	}{
		"VPC":               {func(tx *store.Tx) { store.VPCs.Delete(tx, scope, w.vpcs[0].ID) }, true},
		"subnet":            {func(tx *store.Tx) { store.Subnets.Delete(tx, scope, w.subnets[0].ID) }, true},
		"route table":       {func(tx *store.Tx) { store.RouteTables.Delete(tx, scope, w.tables[0].ID) }, true},
		"security group":    {func(tx *store.Tx) { store.SecurityGroups.Delete(tx, scope, w.groups[0].ID) }, true},
		"network interface": {func(tx *store.Tx) { store.NetworkInterfaces.Delete(tx, scope, w.nics[0].ID) }, true},
		"instance":          {func(tx *store.Tx) { store.Instances.Delete(tx, scope, w.instances[0].ID) }, true},
		"customer gateway":  {func(tx *store.Tx) { store.CustomerGateways.Delete(tx, scope, w.customers[0].ID) }, true},
		"VPN gateway":       {func(tx *store.Tx) { store.VPNGateways.Delete(tx, scope, w.gateways[0].ID) }, true},
		"VPN connection":    {func(tx *store.Tx) { store.VPNConnections.Delete(tx, scope, w.connections[0].ID) }, true},
		"tunnel status":     {func(tx *store.Tx) { store.TunnelStatuses.Delete(tx, scope, w.up[0]) }, true},
		"instance status": {func(tx *store.Tx) {
			store.InstanceStatuses.Put(tx, resource.InstanceStatus{Meta: w.meta("i-a"), State: resource.InstanceRunning})
		}, false},
	} {
		compiler.Compile(w.put(t, s))
		if err := s.Update(t.Context(), func(tx *store.Tx) error { test.write(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		if _, moved := compiler.Compile(s.Snapshot()); moved != test.moves {
			t.Errorf("%s: changed: %v, want %v", name, moved, test.moves)
		}
	}
}
