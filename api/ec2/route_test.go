package ec2

import (
	"slices"
	"testing"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// attachedGateway makes a VPN gateway that is attached to a VPC.
func (c *cloud) attachedGateway(vpc string) string {
	c.Helper()
	id := c.service.newID("vgw")
	c.update(func(tx *store.Tx, s store.Scope) {
		store.VPNGateways.Put(tx, resource.VPNGateway{
			Meta: resource.Meta{ID: id, Account: s.Account, Region: s.Region}, State: resource.StateAvailable, Type: resource.TypeIPsec1,
			AmazonSideASN: resource.DefaultAmazonSideASN, VPC: vpc, AttachmentState: resource.StateAttached,
		})
	})
	return id
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet, table, gateway := c.subnet(vpc, "10.0.1.0/24"), c.mainRouteTable(vpc), c.attachedGateway(vpc)
	instance := c.instance(subnet)
	nic := c.call("DescribeNetworkInterfaces").text("networkInterfaceSet/item/networkInterfaceId")

	// route returns the shown route to a destination.
	route := func(destination string) node {
		t.Helper()
		for _, found := range c.call("DescribeRouteTables", "RouteTableId.1", table).all("routeTableSet/item/routeSet/item") {
			if found.text("destinationCidrBlock") == destination {
				return found
			}
		}
		return node{}
	}
	expect := func(destination, member, target, state string) {
		t.Helper()
		if got := route(destination); got.text(member) != target || got.text("state") != state || got.text("origin") != "CreateRoute" {
			t.Errorf("%s: got %+v, want %s %s, %s", destination, got, member, target, state)
		}
	}

	if got := c.call("CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "192.168.5.9/16", "GatewayId", gateway).text("return"); got != "true" {
		t.Errorf("return is %q", got)
	}
	expect("192.168.0.0/16", "gatewayId", gateway, "active")
	c.refuse("RouteAlreadyExists", "CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "192.168.0.0/16", "InstanceId", instance)

	c.call("ReplaceRoute", "RouteTableId", table, "DestinationCidrBlock", "192.168.0.0/16", "InstanceId", instance)
	expect("192.168.0.0/16", "instanceId", instance, "active")
	expect("192.168.0.0/16", "networkInterfaceId", nic, "active")
	c.call("CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "172.16.0.0/12", "NetworkInterfaceId", nic)
	expect("172.16.0.0/12", "instanceId", instance, "active")

	if got := c.call("DescribeRouteTables", filter("1", "route.instance-id", instance)...).texts("routeTableSet/item/routeTableId"); !slices.Equal(got, []string{table}) {
		t.Errorf("route tables with routes to the instance: %q", got)
	}

	c.call("TerminateInstances", "InstanceId.1", instance)
	expect("192.168.0.0/16", "instanceId", instance, "blackhole")
	c.call("DeleteRoute", "RouteTableId", table, "DestinationCidrBlock", "192.168.0.0/16")
	if got := route("192.168.0.0/16"); got.Nodes != nil {
		t.Errorf("the deleted route is shown: %+v", got)
	}
	c.refuse("InvalidRoute.NotFound", "DeleteRoute", "RouteTableId", table, "DestinationCidrBlock", "192.168.0.0/16")
}

func TestRouteTableAssociations(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	subnet, main := c.subnet(vpc, "10.0.1.0/24"), c.mainRouteTable(vpc)
	one := c.call("CreateRouteTable", "VpcId", vpc).text("routeTable/routeTableId")
	two := c.call("CreateRouteTable", "VpcId", vpc).text("routeTable/routeTableId")
	tableOf := func(association string) string {
		t.Helper()
		return c.call("DescribeRouteTables", filter("1", "association.route-table-association-id", association)...).text("routeTableSet/item/routeTableId")
	}

	first := c.call("AssociateRouteTable", "RouteTableId", one, "SubnetId", subnet)
	if first.text("associationState/state") != "associated" || tableOf(first.text("associationId")) != one {
		t.Errorf("got %+v", first)
	}
	c.refuse("Resource.AlreadyAssociated", "AssociateRouteTable", "RouteTableId", two, "SubnetId", subnet)
	second := c.call("ReplaceRouteTableAssociation", "AssociationId", first.text("associationId"), "RouteTableId", two).text("newAssociationId")
	if got := tableOf(second); got != two {
		t.Errorf("the subnet uses %s", got)
	}
	c.refuse("InvalidAssociationID.NotFound", "DisassociateRouteTable", "AssociationId", first.text("associationId"))
	c.call("DeleteRouteTable", "RouteTableId", one)
	c.call("DisassociateRouteTable", "AssociationId", second)

	// Another table becomes the main one, and the old one can go.
	mainAssociation := c.call("DescribeRouteTables", "RouteTableId.1", main).text("routeTableSet/item/associationSet/item/routeTableAssociationId")
	c.refuse("InvalidParameterValue", "DisassociateRouteTable", "AssociationId", mainAssociation)
	c.call("ReplaceRouteTableAssociation", "AssociationId", mainAssociation, "RouteTableId", two)
	if got := c.mainRouteTable(vpc); got != two {
		t.Errorf("the main route table is %s", got)
	}
	c.call("DeleteRouteTable", "RouteTableId", main)
	c.refuse("DependencyViolation", "DeleteRouteTable", "RouteTableId", two)
}

// TestCreateRouteTableIsIdempotent repeats a request with its client token, as
// clients do that have seen no answer.
func TestCreateRouteTableIsIdempotent(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc, other := c.vpc("10.0.0.0/16"), c.vpc("10.0.0.0/16")
	create := func(vpc string) string {
		return c.call("CreateRouteTable", "VpcId", vpc, "ClientToken", "token-1").text("routeTable/routeTableId")
	}
	first := create(vpc)
	if again := create(vpc); again != first {
		t.Errorf("the repetition made %s beside %s", again, first)
	}
	c.refuse("IdempotentParameterMismatch", "CreateRouteTable", "VpcId", other, "ClientToken", "token-1")
	if elsewhere := newCloud(t); elsewhere.call("CreateRouteTable", "VpcId", elsewhere.vpc("10.0.0.0/16"), "ClientToken", "token-1").text("routeTable/routeTableId") == first {
		t.Error("another account's token has the same effect")
	}
}
