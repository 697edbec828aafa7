package ec2

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// stands writes that a node has a NAT gateway with these addresses, or has it no more.
func (c *cloud) stands(nat string, stands bool, addresses ...string) {
	c.Helper()
	seen := mapped(addresses, func(a *string) netip.Addr { return netip.MustParseAddr(*a) })
	c.update(func(tx *store.Tx, s store.Scope) {
		store.NATGatewayStatuses.Put(tx, resource.NATGatewayStatus{Meta: resource.Meta{ID: nat, Account: s.Account, Region: s.Region}, Stands: stands, Addresses: seen})
	})
}

// routesOf shows a route table: each route's destination, target and state.
func (c *cloud) routesOf(table string) []string {
	c.Helper()
	var shown []string
	for _, r := range c.call("DescribeRouteTables", "RouteTableId.1", table).all("routeTableSet/item/routeSet/item") {
		target := r.text("gatewayId") + r.text("natGatewayId") + r.text("networkInterfaceId")
		shown = append(shown, r.text("destinationCidrBlock")+" "+target+" "+r.text("state"))
	}
	return shown
}

func (c *cloud) wantRoute(table, want string) {
	c.Helper()
	if got := c.routesOf(table); !slices.Contains(got, want) {
		c.Errorf("the routes are %q, want %q among them", got, want)
	}
}

func TestInternetGateway(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	table := c.mainRouteTable(vpc)
	id := c.call("CreateInternetGateway", "TagSpecification.1.ResourceType", "internet-gateway", "TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", "edge").text("internetGateway/internetGatewayId")
	c.refuse("InvalidParameterValue", "CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "0.0.0.0/0", "GatewayId", id)
	c.call("AttachInternetGateway", "InternetGatewayId", id, "VpcId", vpc)
	for _, f := range [][2]string{{"attachment.vpc-id", vpc}, {"attachment.state", "available"}, {"internet-gateway-id", id}, {"tag:Name", "edge"}, {"owner-id", c.account}} {
		if got := c.call("DescribeInternetGateways", filter("1", f[0], f[1])...).text("internetGatewaySet/item/attachmentSet/item/vpcId"); got != vpc {
			t.Errorf("filter %s=%s: attached to %q", f[0], f[1], got)
		}
	}
	c.call("CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "0.0.0.0/0", "GatewayId", id)
	c.wantRoute(table, "0.0.0.0/0 "+id+" active")
	c.refuse("DependencyViolation", "DeleteInternetGateway", "InternetGatewayId", id)
	c.refuse("DependencyViolation", "DeleteVpc", "VpcId", vpc)
	c.call("DetachInternetGateway", "InternetGatewayId", id, "VpcId", vpc)
	c.wantRoute(table, "0.0.0.0/0 "+id+" blackhole")
	c.call("DeleteInternetGateway", "InternetGatewayId", id)
	c.wantRoute(table, "0.0.0.0/0 "+id+" blackhole")
	c.call("DeleteRoute", "RouteTableId", table, "DestinationCidrBlock", "0.0.0.0/0")
	c.call("DeleteVpc", "VpcId", vpc)
}

// addressOf is what stands for an instance, as three calls say it.
func (c *cloud) addressOf(instance string) string {
	c.Helper()
	byInstance := c.call("DescribeInstances", "InstanceId.1", instance).text("reservationSet/item/instancesSet/item/ipAddress")
	nic := c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", instance)...)
	if got := nic.text("networkInterfaceSet/item/association/publicIp"); got != byInstance {
		c.Errorf("the instance has %q, its interface %q", byInstance, got)
	}
	return byInstance
}

func TestElasticAddresses(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	first, second := c.instance(subnet), c.instance(subnet)
	id, public := c.address()
	c.refuse("Gateway.NotAttached", "AssociateAddress", "AllocationId", id, "InstanceId", first)
	gateway := c.internetGateway(vpc)
	association := c.call("AssociateAddress", "AllocationId", id, "InstanceId", first).text("associationId")
	if again := c.call("AssociateAddress", "PublicIp", public, "InstanceId", first).text("associationId"); again != association {
		t.Errorf("the same again is %s, was %s", again, association)
	}
	if got := c.addressOf(first); got != public {
		t.Errorf("the instance has %q, want %s", got, public)
	}
	nic := c.call("DescribeNetworkInterfaces", filter("1", "association.public-ip", public)...).text("networkInterfaceSet/item/networkInterfaceId")
	for _, f := range [][2]string{{"allocation-id", id}, {"association-id", association}, {"instance-id", first}, {"network-interface-id", nic}, {"private-ip-address", "10.0.1.4"}, {"public-ip", public}, {"network-interface-owner-id", c.account}} {
		if got := c.call("DescribeAddresses", filter("1", f[0], f[1])...).texts("addressesSet/item/allocationId"); !slices.Equal(got, []string{id}) {
			t.Errorf("filter %s=%s: %q", f[0], f[1], got)
		}
	}
	c.refuse("DependencyViolation", "DetachInternetGateway", "InternetGatewayId", gateway, "VpcId", vpc)
	c.refuse("InvalidIPAddress.InUse", "ReleaseAddress", "AllocationId", id)
	c.refuse("Resource.AlreadyAssociated", "AssociateAddress", "AllocationId", id, "InstanceId", second, "AllowReassociation", "false")

	moved := c.call("AssociateAddress", "AllocationId", id, "InstanceId", second).text("associationId")
	if c.addressOf(first) != "" || c.addressOf(second) != public {
		t.Errorf("after it moved the first has %q, the second %q", c.addressOf(first), c.addressOf(second))
	}
	c.refuse("InvalidAssociationID.NotFound", "DisassociateAddress", "AssociationId", association)
	other, otherPublic := c.address()
	c.call("AssociateAddress", "AllocationId", other, "NetworkInterfaceId", nic, "PrivateIpAddress", "10.0.1.4")
	c.call("AssociateAddress", "AllocationId", id, "NetworkInterfaceId", nic) // the other is only kept from then on
	if got := c.call("DescribeAddresses", "AllocationId.1", other).text("addressesSet/item/associationId"); got != "" || c.addressOf(first) != public {
		t.Errorf("%s is associated by %q, the first instance has %q", otherPublic, got, c.addressOf(first))
	}
	c.refuse("InvalidAssociationID.NotFound", "DisassociateAddress", "AssociationId", moved)
	c.call("DisassociateAddress", "PublicIp", public)
	c.call("ReleaseAddress", "AllocationId", id)
	c.call("ReleaseAddress", "PublicIp", otherPublic)
	c.refuse("InvalidAllocationID.NotFound", "ReleaseAddress", "AllocationId", id)
	if got := c.call("AllocateAddress", "Address", public).text("publicIp"); got != public {
		t.Errorf("the address that was released comes back as %s", got)
	}
	c.call("DetachInternetGateway", "InternetGatewayId", gateway, "VpcId", vpc)
}

// Addresses are everybody's: no two accounts have one, and what one has another
// can't touch.
func TestAddressAttributes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	address, public := c.address()
	c.address() // which is called nothing
	changed := c.call("ModifyAddressAttribute", "AllocationId", address, "DomainName", "Mail.example.com")
	if got := changed.text("address/ptrRecordUpdate/value") + " " + changed.text("address/ptrRecordUpdate/status") + " " + changed.text("address/ptrRecord"); got != "mail.example.com. PENDING " {
		t.Errorf("the change is shown as %q", got)
	}
	shown := c.call("DescribeAddressesAttribute", "Attribute", "domain-name")
	if got := fmt.Sprint(shown.texts("addressSet/item/ptrRecord"), shown.texts("addressSet/item/publicIp"), shown.texts("addressSet/item/ptrRecordUpdate")); got != "[mail.example.com.] ["+public+"] []" {
		t.Errorf("addresses are called %s", got)
	}
	changed = c.call("ModifyAddressAttribute", "AllocationId", address, "DomainName", "www.example.com.")
	if got := changed.text("address/ptrRecord"); got != "mail.example.com." {
		t.Errorf("it was called %q before", got)
	}
	c.refuse("InvalidAddress.Locked", "ReleaseAddress", "AllocationId", address)
	c.call("ResetAddressAttribute", "AllocationId", address, "Attribute", "domain-name")
	c.call("ResetAddressAttribute", "AllocationId", address, "Attribute", "domain-name")
	if got := c.call("DescribeAddressesAttribute", "AllocationId.1", address).texts("addressSet/item/allocationId"); len(got) > 0 {
		t.Errorf("%q are still called something", got)
	}
	c.call("ReleaseAddress", "AllocationId", address)
}

func TestElasticAddressesAreUnique(t *testing.T) {
	t.Parallel()
	pool := func(cfg *Config) { cfg.ElasticAddresses = []netip.Prefix{netip.MustParsePrefix("100.65.0.0/29")} }
	c, other := newCloud(t, pool), newCloud(t, pool, func(cfg *Config) { cfg.Limits.ElasticAddresses = 2 })
	seen := map[string]bool{}
	for _, from := range []*cloud{c, other, c, other, c, c} {
		_, public := from.address()
		if seen[public] {
			t.Errorf("%s is given twice", public)
		}
		seen[public] = true
	}
	other.refuse("AddressLimitExceeded", "AllocateAddress")
	_, foreign := other.call("DescribeAddresses"), other.call("DescribeAddresses").text("addressesSet/item/publicIp")
	status, answer := c.send("ReleaseAddress", "PublicIp", foreign)
	if code := answer.text("Errors/Error/Code"); status != http.StatusUnauthorized || code != "AuthFailure" {
		t.Errorf("releasing another's address: %d %s", status, code)
	}
	c.refuse("InvalidAddress.NotFound", "DescribeAddresses", "PublicIp.1", foreign)
	c.refuse("InvalidAddress.NotFound", "ReleaseAddress", "PublicIp", "100.65.9.9")
	c.refuse("InsufficientAddressCapacity", "AllocateAddress")
	c.refuse("InvalidAddress.Unavailable", "AllocateAddress", "Address", foreign)
	c.refuse("InvalidAddress.NotFound", "AllocateAddress", "Address", "8.8.8.8")
}

// An interface in a subnet that says so has an address that comes and goes with it.
func TestAddressOnLaunch(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	plain := c.instance(subnet)
	asked := c.call("RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "NetworkInterface.1.DeviceIndex", "0", "NetworkInterface.1.SubnetId", subnet,
		"NetworkInterface.1.AssociatePublicIpAddress", "true").text("instancesSet/item/instanceId")
	c.call("ModifySubnetAttribute", "SubnetId", subnet, "MapPublicIpOnLaunch.Value", "true")
	run := c.call("RunInstances", "ImageId", HostImage, "MinCount", "2", "MaxCount", "2", "SubnetId", subnet)
	if got := run.texts("instancesSet/item/ipAddress"); len(got) != 2 || got[0] == got[1] {
		t.Errorf("launched with %q", got)
	}
	mapped := run.text("instancesSet/item/instanceId")
	if c.addressOf(plain) != "" || c.addressOf(asked) == "" || c.addressOf(mapped) == "" {
		t.Errorf("addresses %q, %q, %q", c.addressOf(plain), c.addressOf(asked), c.addressOf(mapped))
	}
	if got := c.call("DescribeInstances", filter("1", "ip-address", c.addressOf(mapped))...).texts("reservationSet/item/instancesSet/item/instanceId"); !slices.Equal(got, []string{mapped}) {
		t.Errorf("by its address: %q, want %s", got, mapped)
	}
	nic := c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", mapped)...)
	if owner, allocation := nic.text("networkInterfaceSet/item/association/ipOwnerId"), nic.text("networkInterfaceSet/item/association/allocationId"); owner != "amazon" || allocation != "" {
		t.Errorf("the address is %q's, allocated by %q", owner, allocation)
	}
	if got := c.call("DescribeAddresses").all("addressesSet/item"); len(got) != 0 {
		t.Errorf("%d addresses are shown that nobody has allocated", len(got))
	}
	c.internetGateway(vpc)
	id, public := c.address()
	c.call("AssociateAddress", "AllocationId", id, "InstanceId", mapped)
	if got := c.addressOf(mapped); got != public {
		t.Errorf("with an elastic address the instance has %s, want %s", got, public)
	}
	c.call("DisassociateAddress", "PublicIp", public)
	if got := c.addressOf(mapped); got == "" || got == public {
		t.Errorf("without it the instance has %q, want another", got)
	}
}

func TestNATGateway(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.NATGatewaysPerZone = 2 })
	vpc := c.vpc("10.0.0.0/16")
	subnet, table := c.subnet(vpc, "10.0.1.0/24"), c.mainRouteTable(vpc)
	address, public := c.address()
	failed := c.call("CreateNatGateway", "SubnetId", subnet, "AllocationId", address)
	if state, code := failed.text("natGateway/state"), failed.text("natGateway/failureCode"); state != "failed" || code != "Gateway.NotAttached" {
		t.Errorf("without an internet gateway it is %s: %s", state, code)
	}
	c.internetGateway(vpc)
	create := []string{"SubnetId", subnet, "AllocationId", address, "ClientToken", "once", "PrivateIpAddress", "10.0.1.9"}
	answer := c.call("CreateNatGateway", create...)
	nat := answer.text("natGateway/natGatewayId")
	if got := answer.text("natGateway/state"); got != "pending" {
		t.Errorf("before anybody has seen it, it is %s", got)
	}
	if again := c.call("CreateNatGateway", create...).text("natGateway/natGatewayId"); again != nat {
		t.Errorf("with the same token it is %s, was %s", again, nat)
	}
	c.refuse("IdempotentParameterMismatch", "CreateNatGateway", "SubnetId", subnet, "ConnectivityType", "private", "ClientToken", "once")
	c.stands(nat, true)
	for _, f := range [][2]string{{"nat-gateway-id", nat}, {"state", "available"}, {"vpc-id", vpc}, {"subnet-id", subnet}} {
		got := c.call("DescribeNatGateways", filter("1", f[0], f[1])...).texts("natGatewaySet/item/natGatewayId")
		if !slices.Contains(got, nat) {
			t.Errorf("filter %s=%s: %q", f[0], f[1], got)
		}
	}
	shown := c.call("DescribeNatGateways", "NatGatewayId.1", nat)
	if got := fmt.Sprint(shown.texts("natGatewaySet/item/natGatewayAddressSet/item/publicIp"), shown.texts("natGatewaySet/item/natGatewayAddressSet/item/privateIp"), shown.text("natGatewaySet/item/connectivityType")); got != "["+public+"] [10.0.1.9]public" {
		t.Errorf("it is shown as %s", got)
	}
	if second := c.call("CreateNatGateway", "SubnetId", subnet, "AllocationId", address).text("natGateway/failureCode"); second != "Resource.AlreadyAssociated" {
		t.Errorf("a second one with the same address: %q", second)
	}
	nic := shown.text("natGatewaySet/item/natGatewayAddressSet/item/networkInterfaceId")
	described := c.call("DescribeNetworkInterfaces", "NetworkInterfaceId.1", nic)
	if got := described.text("networkInterfaceSet/item/interfaceType"); got != "nat_gateway" {
		t.Errorf("its interface is of type %q", got)
	}
	c.refuse("OperationNotPermitted", "DisassociateAddress", "PublicIp", public)
	c.refuse("OperationNotPermitted", "ModifyNetworkInterfaceAttribute", "NetworkInterfaceId", nic, "SourceDestCheck.Value", "true")
	c.refuse("InvalidParameterValue", "DeleteNetworkInterface", "NetworkInterfaceId", nic)
	c.refuse("DependencyViolation", "DeleteSubnet", "SubnetId", subnet)

	c.call("CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "0.0.0.0/0", "NatGatewayId", nat)
	c.wantRoute(table, "0.0.0.0/0 "+nat+" active")
	if got := c.call("DescribeRouteTables", filter("1", "route.nat-gateway-id", nat)...).text("routeTableSet/item/routeTableId"); got != table {
		t.Errorf("by the route's target: %q", got)
	}
	private := c.call("CreateNatGateway", "SubnetId", subnet, "ConnectivityType", "private").text("natGateway/natGatewayId")
	c.refuse("NatGatewayLimitExceeded", "CreateNatGateway", "SubnetId", subnet, "ConnectivityType", "private")
	c.call("DeleteNatGateway", "NatGatewayId", private)
	c.call("DeleteNatGateway", "NatGatewayId", nat)
	state := func() string {
		return c.call("DescribeNatGateways", "NatGatewayId.1", nat).text("natGatewaySet/item/state")
	}
	if got := state(); got != "deleting" {
		t.Errorf("while a node has it, it is %s", got)
	}
	c.stands(nat, false)
	if got := state(); got != "deleted" {
		t.Errorf("when no node has it, it is %s", got)
	}
	c.wantRoute(table, "0.0.0.0/0 "+nat+" blackhole")
	c.refuse("InvalidParameterValue", "ReplaceRoute", "RouteTableId", table, "DestinationCidrBlock", "0.0.0.0/0", "NatGatewayId", nat)
	c.call("ReleaseAddress", "AllocationId", address)
	c.call("DeleteSubnet", "SubnetId", subnet)
}

// natAddresses are a NAT gateway's addresses with their states, the primary one first.
func (c *cloud) natAddresses(nat string) string {
	c.Helper()
	var list []string
	for _, a := range c.call("DescribeNatGateways", "NatGatewayId.1", nat).all("natGatewaySet/item/natGatewayAddressSet/item") {
		primary := map[string]string{"true": "primary ", "false": ""}[a.text("isPrimary")]
		list = append(list, primary+a.text("privateIp")+" "+a.text("status"))
	}
	return strings.Join(list, ", ")
}

func TestNATGatewayAddresses(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) {
		cfg.Limits.ElasticAddressesPerNATGateway, cfg.Limits.PrivateAddressesPerNATGateway = 3, 4
	})
	vpc := c.vpc("10.0.0.0/16")
	c.internetGateway(vpc)
	subnet := c.subnet(vpc, "10.0.1.0/24")
	first, _ := c.address()
	second, secondPublic := c.address()
	third, _ := c.address()
	nat := c.call("CreateNatGateway", "SubnetId", subnet, "AllocationId", first, "PrivateIpAddress", "10.0.1.9", "SecondaryAllocationId.1", second, "SecondaryPrivateIpAddress.1", "10.0.1.10").text("natGateway/natGatewayId")
	want := func(want string) {
		t.Helper()
		if got := c.natAddresses(nat); got != want {
			t.Errorf("the addresses are %s; want %s", got, want)
		}
	}
	want("primary 10.0.1.9 succeeded, 10.0.1.10 associating")
	c.stands(nat, true, "10.0.1.10", "10.0.1.9")
	want("primary 10.0.1.9 succeeded, 10.0.1.10 succeeded")
	c.refuse("OperationNotPermitted", "DisassociateAddress", "PublicIp", secondPublic)
	c.refuse("InvalidIPAddress.InUse", "ReleaseAddress", "AllocationId", second)
	added := c.call("AssociateNatGatewayAddress", "NatGatewayId", nat, "AllocationId.1", third)
	if got := added.texts("natGatewayAddressSet/item/allocationId"); len(got) != 1 || got[0] != third {
		t.Errorf("what is added is described as %q", got)
	}
	fourth, _ := c.address()
	c.refuse("AddressLimitExceeded", "AssociateNatGatewayAddress", "NatGatewayId", nat, "AllocationId.1", fourth)
	taken := added.text("natGatewayAddressSet/item/privateIp")
	c.refuse("InvalidIPAddress.InUse", "CreateNetworkInterface", "SubnetId", subnet, "PrivateIpAddress", taken)
	want("primary 10.0.1.9 succeeded, 10.0.1.10 succeeded, " + taken + " associating")

	association := c.call("DescribeAddresses", "AllocationId.1", second).text("addressesSet/item/associationId")
	gone := c.call("DisassociateNatGatewayAddress", "NatGatewayId", nat, "AssociationId.1", association, "MaxDrainDurationSeconds", "60")
	if got := gone.text("natGatewayAddressSet/item/publicIp") + " " + gone.text("natGatewayAddressSet/item/status"); got != secondPublic+" disassociating" {
		t.Errorf("what goes is described as %s", got)
	}
	c.refuse("IncorrectState", "AssociateNatGatewayAddress", "NatGatewayId", nat, "AllocationId.1", fourth)
	c.update(func(tx *store.Tx, s store.Scope) {
		if v, _ := store.NATGateways.Get(tx, s, nat); !v.Secondary[0].DrainUntil.Equal(testTime.Add(time.Minute)) || v.Secondary[1].Draining() {
			t.Errorf("its addresses are %+v", v.Secondary)
		}
	})
	c.call("DeleteNatGateway", "NatGatewayId", nat)
	c.refuse("IncorrectState", "AssociateNatGatewayAddress", "NatGatewayId", nat, "AllocationId.1", fourth)
	for _, allocation := range []string{first, second, third} {
		c.call("ReleaseAddress", "AllocationId", allocation)
	}

	elsewhere := c.instance(subnet)
	used, _ := c.address()
	c.call("AssociateAddress", "AllocationId", used, "InstanceId", elsewhere)
	failed := c.call("CreateNatGateway", "SubnetId", subnet, "AllocationId", fourth, "SecondaryAllocationId.1", used)
	if state, code := failed.text("natGateway/state"), failed.text("natGateway/failureCode"); state != "failed" || code != "Resource.AlreadyAssociated" {
		t.Errorf("with a secondary address that is somebody's it is %s: %s", state, code)
	}

	nat = c.call("CreateNatGateway", "SubnetId", subnet, "ConnectivityType", "private", "PrivateIpAddress", "10.0.1.20", "SecondaryPrivateIpAddressCount", "1").text("natGateway/natGatewayId")
	c.call("AssignPrivateNatGatewayAddress", "NatGatewayId", nat, "PrivateIpAddress.1", "10.0.1.30")
	c.call("AssignPrivateNatGatewayAddress", "NatGatewayId", nat)
	c.stands(nat, true, "10.0.1.20", "10.0.1.30")
	c.refuse("PrivateIpAddressLimitExceeded", "AssignPrivateNatGatewayAddress", "NatGatewayId", nat, "PrivateIpAddressCount", "1")
	c.call("UnassignPrivateNatGatewayAddress", "NatGatewayId", nat, "PrivateIpAddress.1", "10.0.1.30")
	want("primary 10.0.1.20 succeeded, 10.0.1.5 assigning, 10.0.1.30 unassigning, 10.0.1.6 assigning")
}

func TestEdgeRouteTables(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	c.subnet(vpc, "10.0.2.0/24")
	gateway, instance := c.internetGateway(vpc), c.instance(subnet)
	nic := c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", instance)...).text("networkInterfaceSet/item/networkInterfaceId")
	table := c.call("CreateRouteTable", "VpcId", vpc).text("routeTable/routeTableId")
	c.call("CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "0.0.0.0/0", "GatewayId", gateway)
	c.refuse("InvalidParameterValue", "AssociateRouteTable", "RouteTableId", table, "GatewayId", gateway)
	c.call("DeleteRoute", "RouteTableId", table, "DestinationCidrBlock", "0.0.0.0/0")
	association := c.call("AssociateRouteTable", "RouteTableId", table, "GatewayId", gateway).text("associationId")
	if got := c.call("DescribeRouteTables", filter("1", "association.gateway-id", gateway)...).text("routeTableSet/item/associationSet/item/gatewayId"); got != gateway {
		t.Errorf("the association is of %q", got)
	}
	c.refuse("Resource.AlreadyAssociated", "AssociateRouteTable", "RouteTableId", c.mainRouteTable(vpc), "GatewayId", gateway)
	c.refuse("DependencyViolation", "DeleteRouteTable", "RouteTableId", table)
	c.refuse("InvalidParameterValue", "CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "192.168.0.0/16", "NetworkInterfaceId", nic)
	c.refuse("InvalidParameterValue", "CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "10.0.2.0/25", "NetworkInterfaceId", nic)
	c.refuse("InvalidParameterValue", "CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "10.0.2.0/24", "GatewayId", gateway)
	c.refuse("RouteAlreadyExists", "CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "10.0.0.0/16", "NetworkInterfaceId", nic)
	vgw := c.attachedGateway(vpc)
	c.refuse("InvalidParameterValue", "EnableVgwRoutePropagation", "RouteTableId", table, "GatewayId", vgw)

	c.call("CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "10.0.2.0/24", "NetworkInterfaceId", nic)
	c.wantRoute(table, "10.0.2.0/24 "+nic+" active")
	c.wantRoute(table, "10.0.0.0/16 local active")
	c.call("ReplaceRoute", "RouteTableId", table, "DestinationCidrBlock", "10.0.0.0/16", "NetworkInterfaceId", nic)
	c.wantRoute(table, "10.0.0.0/16 "+nic+" active")
	c.refuse("InvalidParameterValue", "DeleteRoute", "RouteTableId", table, "DestinationCidrBlock", "10.0.0.0/16")
	c.call("ReplaceRoute", "RouteTableId", table, "DestinationCidrBlock", "10.0.0.0/16", "LocalTarget", "true")
	c.wantRoute(table, "10.0.0.0/16 local active")

	other := c.call("CreateRouteTable", "VpcId", vpc).text("routeTable/routeTableId")
	moved := c.call("ReplaceRouteTableAssociation", "AssociationId", association, "RouteTableId", other).text("newAssociationId")
	c.call("DisassociateRouteTable", "AssociationId", moved)
	c.call("AssociateRouteTable", "RouteTableId", other, "GatewayId", gateway)
	c.call("DetachInternetGateway", "InternetGatewayId", gateway, "VpcId", vpc) // which ends the association
	c.call("DeleteRouteTable", "RouteTableId", other)
}

func TestDefaultVPC(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.DefaultVPCs = true })
	vpc := c.call("DescribeVpcs", filter("1", "isDefault", "true")...) // as Terraform's provider asks
	id := vpc.text("vpcSet/item/vpcId")
	if got := vpc.text("vpcSet/item/cidrBlock"); got != "172.31.0.0/16" {
		t.Fatalf("the default VPC is %q", got)
	}
	if got := c.call("DescribeSubnets", filter("1", "default-for-az", "true")...).texts("subnetSet/item/cidrBlock"); len(got) != 2 || !slices.Contains(got, "172.31.0.0/20") || !slices.Contains(got, "172.31.16.0/20") {
		t.Errorf("its subnets are %q", got)
	}
	igw := c.call("DescribeInternetGateways", filter("1", "attachment.vpc-id", id)...).text("internetGatewaySet/item/internetGatewayId")
	c.wantRoute(c.mainRouteTable(id), "0.0.0.0/0 "+igw+" active")
	if got := c.call("DescribeAccountAttributes", "AttributeName.1", "max-elastic-ips").text("accountAttributeSet/item/attributeName"); got != "max-elastic-ips" {
		t.Errorf("asked for the number of elastic addresses, it tells of %q", got)
	}
	if got := c.call("DescribeAccountAttributes", "AttributeName.1", "default-vpc").text("accountAttributeSet/item/attributeValueSet/item/attributeValue"); got != id {
		t.Errorf("the account's default VPC is %q", got)
	}
	if n := len(c.in("eu-west-1").call("DescribeSubnets").all("subnetSet/item")); n != 1 {
		t.Errorf("in a region with one zone there are %d subnets", n)
	}
	c.call("CreateSecurityGroup", "GroupName", "web", "GroupDescription", "in the default VPC")
	c.call("AuthorizeSecurityGroupIngress", "GroupName", "web", "SourceSecurityGroupName", "default")
	run := c.call("RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SecurityGroup.1", "web", "Placement.AvailabilityZone", "us-east-1b")
	instance := run.text("instancesSet/item/instanceId")
	if got := fmt.Sprint(run.text("instancesSet/item/placement/availabilityZone"), run.texts("instancesSet/item/groupSet/item/groupName"), run.text("instancesSet/item/privateIpAddress")); got != "us-east-1b[web]172.31.16.4" {
		t.Errorf("launched as %s", got)
	}
	if c.addressOf(instance) == "" {
		t.Error("it has no address outside")
	}
	c.refuse("DefaultVpcAlreadyExists", "CreateDefaultVpc")
	c.refuse("DefaultSubnetAlreadyExistsInAvailabilityZone", "CreateDefaultSubnet", "AvailabilityZone", "us-east-1a")
	first := c.call("DescribeSubnets", filter("1", "availability-zone", "us-east-1a")...).text("subnetSet/item/subnetId")
	c.call("DeleteSubnet", "SubnetId", first)
	c.refuse("MissingInput", "RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "Placement.AvailabilityZone", "us-east-1a")
	if got := c.call("CreateDefaultSubnet", "AvailabilityZone", "us-east-1a").text("subnet/cidrBlock"); got != "172.31.0.0/20" {
		t.Errorf("the zone's new default subnet is %s", got)
	}
	c.ipv6OnlyDefaultSubnet(id, "us-east-1a")

	elsewhere := c.in("eu-west-1")
	gone := elsewhere.call("DescribeVpcs").text("vpcSet/item/vpcId")
	gateway := elsewhere.call("DescribeInternetGateways").text("internetGatewaySet/item/internetGatewayId")
	elsewhere.call("DetachInternetGateway", "InternetGatewayId", gateway, "VpcId", gone)
	elsewhere.call("DeleteInternetGateway", "InternetGatewayId", gateway)
	elsewhere.call("DeleteSubnet", "SubnetId", elsewhere.call("DescribeSubnets").text("subnetSet/item/subnetId"))
	elsewhere.call("DeleteVpc", "VpcId", gone)
	elsewhere.refuse("DefaultVpcDoesNotExist", "CreateDefaultSubnet", "AvailabilityZone", "eu-west-1a")
	elsewhere.refuse("VPCIdNotSpecified", "RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1")
	if got := elsewhere.call("CreateDefaultVpc").text("vpc/isDefault"); got != "true" {
		t.Errorf("the new VPC is the default one: %q", got)
	}
	if n := len(newCloud(t).call("DescribeVpcs").all("vpcSet/item")); n != 0 {
		t.Errorf("where it is switched off there are %d VPCs", n)
	}
}

// ipv6OnlyDefaultSubnet has an IPv6-only default subnet take the place of a zone's.
func (c *cloud) ipv6OnlyDefaultSubnet(vpc, zone string) {
	c.Helper()
	c.call("DeleteSubnet", "SubnetId", c.call("DescribeSubnets", filter("1", "availability-zone", zone)...).text("subnetSet/item/subnetId"))
	native := []string{"AvailabilityZone", zone, "Ipv6Native", "true"}
	c.refuse("InvalidParameterValue", "CreateDefaultSubnet", native...)
	c.call("AssociateVpcCidrBlock", "VpcId", vpc, "AmazonProvidedIpv6CidrBlock", "true")
	ranges := c.call("DescribeVpcs", "VpcId.1", vpc).text("vpcSet/item/ipv6CidrBlockAssociationSet/item/ipv6CidrBlock")
	first := strings.Replace(ranges, "/56", "/64", 1)
	c.call("CreateSubnet", "VpcId", vpc, "AvailabilityZone", zone, "Ipv6Native", "true", "Ipv6CidrBlock", first)
	made := c.call("CreateDefaultSubnet", native...)
	got := made.texts("subnet/ipv6CidrBlockAssociationSet/item/ipv6CidrBlock")
	if len(got) != 1 || got[0] == first || made.text("subnet/defaultForAz") != "true" || made.text("subnet/ipv6Native") != "true" || made.text("subnet/cidrBlock") != "" || made.text("subnet/mapPublicIpOnLaunch") != "false" {
		c.Errorf("the zone's IPv6-only default subnet, beside %s, is %v of %s", first, got, ranges)
	}
	run := c.call("RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "Placement.AvailabilityZone", zone)
	if address := run.text("instancesSet/item/ipv6Address"); address == "" || run.text("instancesSet/item/privateIpAddress") != "" {
		c.Errorf("an instance there has the IPv6 address %q, and of IPv4 %q", address, run.text("instancesSet/item/privateIpAddress"))
	}
}

// TestGatewayRefusals makes calls about gateways and addresses that are malformed
// or forbidden.
func TestGatewayRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(cfg *Config) { cfg.Limits.InternetGateways, cfg.Limits.EgressOnlyInternetGateways = 3, 1 })
	vpc, far := c.vpc("10.0.0.0/16"), c.vpc("10.0.0.0/16")
	subnet := c.subnet(vpc, "10.0.1.0/24")
	gateway, farGateway := c.internetGateway(vpc), c.internetGateway(far)
	loose := c.call("CreateInternetGateway").text("internetGateway/internetGatewayId")
	egress := c.call("CreateEgressOnlyInternetGateway", "VpcId", vpc).text("egressOnlyInternetGateway/egressOnlyInternetGatewayId")
	address, public := c.address()
	used, usedPublic := c.address()
	instance, ended := c.instance(subnet), c.instance(subnet)
	c.call("TerminateInstances", "InstanceId.1", ended)
	association := c.call("AssociateAddress", "AllocationId", used, "InstanceId", instance).text("associationId")
	nat := c.call("CreateNatGateway", "SubnetId", subnet, "ConnectivityType", "private").text("natGateway/natGatewayId")
	natAddress, _ := c.address()
	out := c.call("CreateNatGateway", "SubnetId", subnet, "AllocationId", natAddress)
	names := strings.NewReplacer("{natOut}", out.text("natGateway/natGatewayId"), "{natAssoc}", out.text("natGateway/natGatewayAddressSet/item/associationId"), "{natEip}", natAddress,
		"{natAddress}", c.call("DescribeNatGateways", "NatGatewayId.1", nat).text("natGatewaySet/item/natGatewayAddressSet/item/privateIp"), "{vpc}", vpc, "{far}", far, "{subnet}", subnet, "{igw}", gateway, "{farIgw}", farGateway, "{loose}", loose, "{eigw}", egress,
		"{eip}", address, "{public}", public, "{used}", used, "{usedPublic}", usedPublic, "{i}", instance, "{ended}", ended, "{assoc}", association, "{nat}", nat,
		"{table}", c.mainRouteTable(vpc), "{farTable}", c.mainRouteTable(far),
		"{nic}", c.call("DescribeNetworkInterfaces", filter("1", "attachment.instance-id", instance)...).text("networkInterfaceSet/item/networkInterfaceId"),
		"{natNic}", c.call("DescribeNatGateways", "NatGatewayId.1", nat).text("natGatewaySet/item/natGatewayAddressSet/item/networkInterfaceId"))
	before := c.all()
	for _, row := range gatewayRefusals {
		call := splitCall(names.Replace(row.call))
		if message := c.refuse(row.code, call[0], call[1:]...); len(message) < 20 {
			t.Errorf("%s: the message is %q", row.call, message)
		}
	}
	if c.all() != before {
		t.Error("refused calls have changed something")
	}
}

var gatewayRefusals = []struct{ code, call string }{
	{"InternetGatewayLimitExceeded", "CreateInternetGateway"},
	{"InvalidParameterValue", "CreateInternetGateway&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k"},
	{"InvalidInternetGatewayId.Malformed", "DeleteInternetGateway&InternetGatewayId=igw"},
	{"InvalidInternetGatewayID.NotFound", "DeleteInternetGateway&InternetGatewayId=igw-00000000000000000"},
	{"MissingParameter", "DeleteInternetGateway"},
	{"DependencyViolation", "DeleteInternetGateway&InternetGatewayId={igw}"},
	{"MissingParameter", "AttachInternetGateway&InternetGatewayId={loose}"},
	{"InvalidVpcID.NotFound", "AttachInternetGateway&InternetGatewayId={loose}&VpcId=vpc-00000000000000000"},
	{"InvalidInternetGatewayID.NotFound", "AttachInternetGateway&InternetGatewayId=igw-00000000000000000&VpcId={vpc}"},
	{"InvalidParameterValue", "AttachInternetGateway&InternetGatewayId={loose}&VpcId={vpc}"},
	{"Resource.AlreadyAssociated", "AttachInternetGateway&InternetGatewayId={igw}&VpcId={far}"},
	{"Resource.AlreadyAssociated", "AttachInternetGateway&InternetGatewayId={igw}&VpcId={vpc}"},
	{"Gateway.NotAttached", "DetachInternetGateway&InternetGatewayId={loose}&VpcId={vpc}"},
	{"Gateway.NotAttached", "DetachInternetGateway&InternetGatewayId={igw}&VpcId={far}"},
	{"DependencyViolation", "DetachInternetGateway&InternetGatewayId={igw}&VpcId={vpc}"},
	{"InvalidFilter", "DescribeInternetGateways&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}"},
	{"InvalidParameterValue", "DescribeInternetGateways&MaxResults=4"},
	{"InvalidParameterCombination", "DescribeInternetGateways&MaxResults=5&InternetGatewayId.1={igw}"},
	{"InvalidNextToken", "DescribeInternetGateways&NextToken=x"},
	{"InvalidInternetGatewayID.NotFound", "DescribeInternetGateways&InternetGatewayId.1=igw-00000000000000000"},
	{"EgressOnlyInternetGatewayLimitExceeded", "CreateEgressOnlyInternetGateway&VpcId={far}"},
	{"InvalidVpcID.NotFound", "CreateEgressOnlyInternetGateway&VpcId=vpc-00000000000000000"},
	{"InvalidEgressOnlyInternetGatewayId.Malformed", "DeleteEgressOnlyInternetGateway&EgressOnlyInternetGatewayId={igw}"},
	{"InvalidGatewayID.NotFound", "DeleteEgressOnlyInternetGateway&EgressOnlyInternetGatewayId=eigw-00000000000000000"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&EgressOnlyInternetGatewayId={eigw}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&GatewayId={farIgw}"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&GatewayId={loose}"},
	{"InvalidGatewayID.NotFound", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&GatewayId=igw-00000000000000000"},
	{"InvalidNatGatewayID.NotFound", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId=nat-00000000000000000"},
	{"InvalidParameterValue", "CreateRoute&RouteTableId={farTable}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId={nat}"},
	{"InvalidParameterCombination", "CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId={nat}&GatewayId={igw}"},
	{"InvalidParameterCombination", "ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=10.0.0.0/16&LocalTarget=true&GatewayId={igw}"},
	{"InvalidParameterValue", "ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=10.0.0.0/16&GatewayId={igw}"},
	{"InvalidParameterValue", "ReplaceRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&LocalTarget=true"},
	{"MissingParameter", "AssociateRouteTable&RouteTableId={table}"},
	{"InvalidParameterCombination", "AssociateRouteTable&RouteTableId={table}&GatewayId={igw}&SubnetId={subnet}"},
	{"InvalidParameterValue", "AssociateRouteTable&RouteTableId={table}&GatewayId={farIgw}"},
	{"InvalidGatewayID.NotFound", "AssociateRouteTable&RouteTableId={table}&GatewayId=vgw-00000000000000000"},
	{"UnsupportedOperation", "AllocateAddress&Domain=standard"},
	{"UnsupportedOperation", "AllocateAddress&CustomerOwnedIpv4Pool=x"},
	{"InvalidPublicIpv4PoolID.NotFound", "AllocateAddress&PublicIpv4Pool=ipv4pool-ec2-0"},
	{"InvalidParameterValue", "AllocateAddress&NetworkBorderGroup=us-west-2"},
	{"InvalidParameterValue", "AllocateAddress&Address=1.2.3"},
	{"InvalidParameterValue", "AllocateAddress&TagSpecification.1.ResourceType=address&TagSpecification.1.Tag.1.Key=k"},
	{"MissingParameter", "AssociateAddress&InstanceId={i}"},
	{"MissingParameter", "AssociateAddress&AllocationId={eip}"},
	{"InvalidParameterCombination", "AssociateAddress&AllocationId={eip}&PublicIp={public}&InstanceId={i}"},
	{"InvalidParameterCombination", "AssociateAddress&AllocationId={eip}&InstanceId={i}&NetworkInterfaceId={nic}"},
	{"InvalidAllocationID.NotFound", "AssociateAddress&AllocationId=eipalloc-00000000000000000&InstanceId={i}"},
	{"InvalidAllocationID.NotFound", "AssociateAddress&AllocationId=nonsense&InstanceId={i}"},
	{"InvalidAddress.NotFound", "AssociateAddress&PublicIp=192.0.2.77&InstanceId={i}"},
	{"InvalidParameterValue", "AssociateAddress&PublicIp=nonsense&InstanceId={i}"},
	{"InvalidInstanceID.NotFound", "AssociateAddress&AllocationId={eip}&InstanceId=i-00000000000000000"},
	{"IncorrectInstanceState", "AssociateAddress&AllocationId={eip}&InstanceId={ended}"},
	{"InvalidNetworkInterfaceID.NotFound", "AssociateAddress&AllocationId={eip}&NetworkInterfaceId=eni-00000000000000000"},
	{"InvalidParameterValue", "AssociateAddress&AllocationId={eip}&InstanceId={i}&PrivateIpAddress=10.0.1.99"},
	{"InvalidParameterValue", "AssociateAddress&AllocationId={eip}&InstanceId={i}&PrivateIpAddress=10.0.1"},
	{"OperationNotPermitted", "AssociateAddress&AllocationId={eip}&NetworkInterfaceId={natNic}"},
	{"MissingParameter", "DisassociateAddress"},
	{"InvalidParameterCombination", "DisassociateAddress&AssociationId={assoc}&PublicIp={usedPublic}"},
	{"InvalidAssociationID.NotFound", "DisassociateAddress&AssociationId=eipassoc-00000000000000000"},
	{"InvalidAssociationID.NotFound", "DisassociateAddress&PublicIp={public}"},
	{"MissingParameter", "ReleaseAddress"},
	{"InvalidIPAddress.InUse", "ReleaseAddress&AllocationId={used}"},
	{"InvalidIPAddress.InUse", "ReleaseAddress&PublicIp={usedPublic}"},
	{"InvalidAllocationID.NotFound", "ReleaseAddress&AllocationId=eipalloc-00000000000000000"},
	{"InvalidParameterValue", "ReleaseAddress&AllocationId={eip}&NetworkBorderGroup=elsewhere"},
	{"InvalidFilter", "DescribeAddresses&Filter.1.Name=domains&Filter.1.Value.1=vpc"},
	{"InvalidAllocationID.NotFound", "DescribeAddresses&AllocationId.1=eipalloc-00000000000000000"},
	{"InvalidAddress.NotFound", "DescribeAddresses&PublicIp.1=192.0.2.77"},
	{"InvalidAllocationID.NotFound", "DescribeAddressesAttribute&AllocationId.1=eipalloc-00000000000000000"},
	{"InvalidParameterValue", "DescribeAddressesAttribute&Attribute=colour"},
	{"MissingParameter", "ModifyAddressAttribute&AllocationId={eip}"},
	{"InvalidAllocationID.NotFound", "ModifyAddressAttribute&AllocationId=eipalloc-00000000000000000&DomainName=example.com"},
	{"InvalidParameterValue", "ModifyAddressAttribute&AllocationId={eip}&DomainName=localhost"},
	{"InvalidParameterValue", "ModifyAddressAttribute&AllocationId={eip}&DomainName=a..example.com"},
	{"InvalidParameterValue", "ModifyAddressAttribute&AllocationId={eip}&DomainName=a.example.com b.example.com"},
	{"MissingParameter", "ResetAddressAttribute&AllocationId={eip}"},
	{"InvalidParameterValue", "ResetAddressAttribute&AllocationId={eip}&Attribute=colour"},
	{"InvalidAllocationID.NotFound", "ResetAddressAttribute&AllocationId=eipalloc-00000000000000000&Attribute=domain-name"},
	{"MissingParameter", "CreateNatGateway"},
	{"MissingParameter", "CreateNatGateway&SubnetId={subnet}"},
	{"InvalidSubnetID.NotFound", "CreateNatGateway&SubnetId=subnet-00000000000000000&AllocationId={eip}"},
	{"InvalidAllocationID.NotFound", "CreateNatGateway&SubnetId={subnet}&AllocationId=eipalloc-00000000000000000"},
	{"InvalidParameterCombination", "CreateNatGateway&SubnetId={subnet}&AllocationId={eip}&ConnectivityType=private"},
	{"InvalidParameterValue", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=both"},
	{"InvalidParameterValue", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&PrivateIpAddress=10.0.2.9"},
	{"InvalidParameterValue", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&PrivateIpAddress=10.0.1.1"},
	{"InvalidIPAddress.InUse", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&PrivateIpAddress=10.0.1.4"},
	{"UnsupportedOperation", "CreateNatGateway&VpcId={vpc}&AvailabilityMode=regional"},
	{"InvalidParameterValue", "CreateNatGateway&SubnetId={subnet}&AllocationId={eip}&SecondaryAllocationId.1={eip}"},
	{"InvalidAllocationID.NotFound", "CreateNatGateway&SubnetId={subnet}&AllocationId={eip}&SecondaryAllocationId.1=eipalloc-00000000000000000"},
	{"InvalidParameterCombination", "CreateNatGateway&SubnetId={subnet}&AllocationId={eip}&SecondaryPrivateIpAddressCount=1"},
	{"InvalidParameterCombination", "CreateNatGateway&SubnetId={subnet}&AllocationId={eip}&SecondaryPrivateIpAddress.1=10.0.1.50"},
	{"InvalidParameterCombination", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&SecondaryAllocationId.1={eip}"},
	{"InvalidParameterCombination", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&SecondaryPrivateIpAddressCount=1&SecondaryPrivateIpAddress.1=10.0.1.50"},
	{"InvalidParameterValue", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&PrivateIpAddress=10.0.1.50&SecondaryPrivateIpAddress.1=10.0.1.50"},
	{"InvalidIPAddress.InUse", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&SecondaryPrivateIpAddress.1=10.0.1.4"},
	{"InvalidParameterValue", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&SecondaryPrivateIpAddressCount=32"},
	{"PrivateIpAddressLimitExceeded", "CreateNatGateway&SubnetId={subnet}&ConnectivityType=private&SecondaryPrivateIpAddressCount=8"},
	{"AddressLimitExceeded", "CreateNatGateway&SubnetId={subnet}&AllocationId={eip}&SecondaryAllocationId.1={used}&SecondaryAllocationId.2={natEip}"},
	{"MissingParameter", "AssociateNatGatewayAddress&NatGatewayId={natOut}"},
	{"NatGatewayNotFound", "AssociateNatGatewayAddress&NatGatewayId=nat-00000000000000000&AllocationId.1={eip}"},
	{"InvalidParameterValue", "AssociateNatGatewayAddress&NatGatewayId={nat}&AllocationId.1={eip}"},
	{"Resource.AlreadyAssociated", "AssociateNatGatewayAddress&NatGatewayId={natOut}&AllocationId.1={used}"},
	{"InvalidParameterValue", "AssociateNatGatewayAddress&NatGatewayId={natOut}&AllocationId.1={eip}&AllocationId.2={eip}"},
	{"InvalidAllocationID.NotFound", "AssociateNatGatewayAddress&NatGatewayId={natOut}&AllocationId.1=eipalloc-00000000000000000"},
	{"InvalidParameterCombination", "AssociateNatGatewayAddress&NatGatewayId={natOut}&AllocationId.1={eip}&PrivateIpAddress.1=10.0.1.50&PrivateIpAddress.2=10.0.1.51"},
	{"InvalidIPAddress.InUse", "AssociateNatGatewayAddress&NatGatewayId={natOut}&AllocationId.1={eip}&PrivateIpAddress.1=10.0.1.4"},
	{"UnsupportedOperation", "AssociateNatGatewayAddress&NatGatewayId={natOut}&AllocationId.1={eip}&AvailabilityZone=us-east-1a"},
	{"MissingParameter", "DisassociateNatGatewayAddress&NatGatewayId={natOut}"},
	{"InvalidAssociationID.NotFound", "DisassociateNatGatewayAddress&NatGatewayId={natOut}&AssociationId.1={assoc}"},
	{"InvalidParameterValue", "DisassociateNatGatewayAddress&NatGatewayId={natOut}&AssociationId.1={natAssoc}"},
	{"InvalidParameterValue", "DisassociateNatGatewayAddress&NatGatewayId={natOut}&AssociationId.1={natAssoc}&MaxDrainDurationSeconds=4001"},
	{"InvalidParameterValue", "DisassociateNatGatewayAddress&NatGatewayId={nat}&AssociationId.1={assoc}"},
	{"InvalidParameterValue", "AssignPrivateNatGatewayAddress&NatGatewayId={natOut}&PrivateIpAddressCount=1"},
	{"InvalidParameterValue", "AssignPrivateNatGatewayAddress&NatGatewayId={nat}&PrivateIpAddressCount=0"},
	{"InvalidParameterValue", "AssignPrivateNatGatewayAddress&NatGatewayId={nat}&PrivateIpAddress.1=nonsense"},
	{"InvalidParameterCombination", "AssignPrivateNatGatewayAddress&NatGatewayId={nat}&PrivateIpAddress.1=10.0.1.50&PrivateIpAddressCount=1"},
	{"PrivateIpAddressLimitExceeded", "AssignPrivateNatGatewayAddress&NatGatewayId={nat}&PrivateIpAddressCount=8"},
	{"MissingParameter", "UnassignPrivateNatGatewayAddress&NatGatewayId={nat}"},
	{"InvalidParameterValue", "UnassignPrivateNatGatewayAddress&NatGatewayId={nat}&PrivateIpAddress.1=10.0.1.99"},
	{"InvalidParameterValue", "UnassignPrivateNatGatewayAddress&NatGatewayId={nat}&PrivateIpAddress.1={natAddress}"},
	{"NatGatewayNotFound", "DeleteNatGateway&NatGatewayId=nat-00000000000000000"},
	{"NatGatewayMalformed", "DeleteNatGateway&NatGatewayId=nonsense"},
	{"NatGatewayNotFound", "DescribeNatGateways&NatGatewayId.1=nat-00000000000000000"},
	{"InvalidFilter", "DescribeNatGateways&Filter.1.Name=public-ip&Filter.1.Value.1={public}"},
	{"InvalidParameterValue", "DescribeNatGateways&MaxResults=1"},
	{"DefaultVpcDoesNotExist", "CreateDefaultSubnet&AvailabilityZone=us-east-1a"},
	{"MissingParameter", "CreateDefaultSubnet"},
	{"InvalidParameterValue", "CreateDefaultSubnet&AvailabilityZone=us-east-1z"},
	{"DefaultVpcDoesNotExist", "CreateDefaultSubnet&AvailabilityZone=us-east-1a&Ipv6Native=true"},
	{"VPCIdNotSpecified", "DescribeSecurityGroups&GroupName.1=default"},
}
