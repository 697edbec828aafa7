package ec2

import (
	"net/netip"
	"slices"
	"testing"
)

func (c *cloud) reserve(subnet, kind, cidr string) string {
	c.Helper()
	return c.call("CreateSubnetCidrReservation", "SubnetId", subnet, "ReservationType", kind, "Cidr", cidr).text("subnetCidrReservation/subnetCidrReservationId")
}

// TestSubnetCidrReservations reserves ranges: nobody gets addresses of them who does
// not ask for them.
func TestSubnetCidrReservations(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	early := c.networkInterface(subnet)
	made := c.call("CreateSubnetCidrReservation", "SubnetId", subnet, "ReservationType", "explicit", "Cidr", "10.0.1.9/29", "Description", "for the printers",
		"TagSpecification.1.ResourceType", "subnet-cidr-reservation", "TagSpecification.1.Tag.1.Key", "floor", "TagSpecification.1.Tag.1.Value", "2")
	id := made.text("subnetCidrReservation/subnetCidrReservationId")
	for path, want := range map[string]string{
		"cidr": "10.0.1.8/29", "subnetId": subnet, "reservationType": "explicit", "ownerId": c.account, "description": "for the printers", "tagSet/item/value": "2",
	} {
		if got := made.text("subnetCidrReservation/" + path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	first := c.reserve(subnet, "prefix", "10.0.1.0/29") // with an address that is in use, and those of the network
	if got := c.describeInterface(early).text("privateIpAddress"); got != "10.0.1.4" {
		t.Errorf("an interface that was there has %s", got)
	}
	var given []string
	for range 2 {
		given = append(given, c.describeInterface(c.networkInterface(subnet)).text("privateIpAddress"))
	}
	run := c.call("RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "2", "SubnetId", subnet)
	given = append(given, run.texts("instancesSet/item/privateIpAddress")...)
	if want := []string{"10.0.1.16", "10.0.1.17", "10.0.1.18", "10.0.1.19"}; !slices.Equal(given, want) {
		t.Errorf("given are %v, want %v", given, want)
	}
	if got := c.describeInterface(c.networkInterface(subnet, "PrivateIpAddress", "10.0.1.10")).text("privateIpAddress"); got != "10.0.1.10" {
		t.Errorf("who asked for a reserved address has %s", got)
	}
	c.refuseAll(reservationRefusals, "{subnet}", subnet)

	shown := c.call("GetSubnetCidrReservations", "SubnetId", subnet)
	if got := shown.texts("subnetIpv4CidrReservationSet/item/cidr"); len(got) != 2 {
		t.Errorf("reserved are %v", got)
	}
	for name, value := range map[string]string{"reservationType": "explicit", "tag:floor": "2", "tag-key": "floor"} {
		if got := c.call("GetSubnetCidrReservations", append(filter("1", name, value), "SubnetId", subnet)...).texts("subnetIpv4CidrReservationSet/item/subnetCidrReservationId"); !slices.Equal(got, []string{id}) {
			t.Errorf("filter %s: %v", name, got)
		}
	}
	c.call("CreateTags", "ResourceId.1", first, "Tag.1.Key", "floor", "Tag.1.Value", "0")
	if got := c.call("DescribeTags", filter("1", "resource-type", "subnet-cidr-reservation")...).texts("tagSet/item/value"); len(got) != 2 {
		t.Errorf("the tags are %v", got)
	}
	if got := c.call("DeleteSubnetCidrReservation", "SubnetCidrReservationId", id).text("deletedSubnetCidrReservation/cidr"); got != "10.0.1.8/29" {
		t.Errorf("deleted is %s", got)
	}
	if got := c.describeInterface(c.networkInterface(subnet)).text("privateIpAddress"); got != "10.0.1.8" {
		t.Errorf("once the range is free, an interface gets %s", got)
	}
}

// A subnet whose addresses are all reserved is full for whoever takes any.
func TestSubnetReservedWhole(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.dual()
	c.reserve(d.subnet, "explicit", "10.0.1.0/24")
	c.refuse("InsufficientFreeAddressesInSubnet", "CreateNetworkInterface", "SubnetId", d.subnet)
	c.refuse("InsufficientFreeAddressesInSubnet", "RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SubnetId", d.subnet)
	c.instance(d.subnet, "PrivateIpAddress", "10.0.1.77")

	half := netip.PrefixFrom(d.subnet6.Addr(), d.subnet6.Bits()+1)
	c.reserve(d.subnet, "prefix", half.String())
	nic := c.networkInterface(d.subnet, "PrivateIpAddress", "10.0.1.78", "Ipv6AddressCount", "9")
	for _, text := range c.describeInterface(nic).texts("ipv6AddressesSet/item/ipv6Address") {
		if half.Contains(netip.MustParseAddr(text)) {
			t.Errorf("%s is reserved", text)
		}
	}
	asked := half.Addr().Next().Next().Next().Next().Next().String()
	c.call("AssignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6Addresses.1", asked)
	c.call("UnassignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6Addresses.1", asked)
	other := half.Addr().As16()
	other[8] |= 0x80
	c.reserve(d.subnet, "prefix", netip.PrefixFrom(netip.AddrFrom16(other), half.Bits()).String())
	c.refuse("InsufficientFreeAddressesInSubnet", "AssignIpv6Addresses", "NetworkInterfaceId", nic, "Ipv6AddressCount", "1")
	if got := c.call("GetSubnetCidrReservations", "SubnetId", d.subnet).all("subnetIpv6CidrReservationSet/item"); len(got) != 2 {
		t.Errorf("%d ranges of IPv6 are reserved", len(got))
	}
}

// reservationRefusals are about a subnet 10.0.1.0/24 of which 10.0.1.0/28 is reserved.
var reservationRefusals = []struct{ code, call string }{
	{"MissingParameter", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=explicit"},
	{"MissingParameter", "CreateSubnetCidrReservation&SubnetId={subnet}&Cidr=10.0.1.64/28"},
	{"MissingParameter", "CreateSubnetCidrReservation&ReservationType=explicit&Cidr=10.0.1.64/28"},
	{"InvalidParameterValue", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=some&Cidr=10.0.1.64/28"},
	{"InvalidParameterValue", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=explicit&Cidr=10.0.1.64"},
	{"InvalidParameterValue", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=explicit&Cidr=10.0.2.0/28"},
	{"InvalidParameterValue", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=explicit&Cidr=10.0.0.0/23"},
	{"InvalidParameterValue", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=explicit&Cidr=2001:db8::/80"},
	{"InvalidParameterValue", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=prefix&Cidr=10.0.1.0/25"},
	{"InvalidParameterValue", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=prefix&Cidr=10.0.1.12/32"},
	{"InvalidParameterValue", "CreateSubnetCidrReservation&SubnetId={subnet}&ReservationType=prefix&Cidr=10.0.1.64/28&TagSpecification.1.ResourceType=subnet"},
}
