package ec2

import (
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
)

func TestCreateSubnet(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	answer := c.call("CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.1.9/24", "AvailabilityZone", "us-east-1b")
	id := answer.text("subnet/subnetId")
	for path, want := range map[string]string{
		"subnet/cidrBlock":               "10.0.1.0/24",
		"subnet/availabilityZone":        "us-east-1b",
		"subnet/availabilityZoneId":      "use1-az2",
		"subnet/availableIpAddressCount": "251", // four at the start and the last are the network's
		"subnet/mapPublicIpOnLaunch":     "false",
		"subnet/state":                   "available",
		"subnet/subnetArn":               "arn:aws:ec2:us-east-1:" + c.account + ":subnet/" + id,
	} {
		if got := answer.text(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := c.call("CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.2.0/24").text("subnet/availabilityZone"); got != "us-east-1a" {
		t.Errorf("without a choice the zone is %q", got)
	}
	if got := c.call("CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.3.0/24", "AvailabilityZoneId", "use1-az2").text("subnet/availabilityZone"); got != "us-east-1b" {
		t.Errorf("zone use1-az2 is %q", got)
	}

	c.instance(id)
	free := c.call("DescribeSubnets", filter("1", "available-ip-address-count", "250")...).texts("subnetSet/item/subnetId")
	if !slices.Equal(free, []string{id}) {
		t.Errorf("with an instance, %q have 250 free addresses", free)
	}
	c.call("ModifySubnetAttribute", "SubnetId", id, "MapPublicIpOnLaunch.Value", "true")
	if got := c.call("DescribeSubnets", "SubnetId.1", id).text("subnetSet/item/mapPublicIpOnLaunch"); got != "true" {
		t.Errorf("mapPublicIpOnLaunch is %q after it was set", got)
	}
}

// TestSubnetsNeverOverlap lets many callers create subnets of random sizes at
// once, in two VPCs with the same addresses.
func TestSubnetsNeverOverlap(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpcs := []string{c.vpc("10.0.0.0/22"), c.vpc("10.0.0.0/22")}
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for try := range 12 {
				// The same few ranges for all callers, nested in each other.
				bits := 24 + (caller+try)%5
				third, last := try%4, (caller*64)%256
				cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(third), byte(last)}), bits).Masked()
				c.send("CreateSubnet", "VpcId", vpcs[caller%2], "CidrBlock", cidr.String())
			}
		}()
	}
	wg.Wait()
	for _, vpc := range vpcs {
		var ranges []netip.Prefix
		for _, text := range c.call("DescribeSubnets", filter("1", "vpc-id", vpc)...).texts("subnetSet/item/cidrBlock") {
			ranges = append(ranges, netip.MustParsePrefix(text))
		}
		if len(ranges) < 4 {
			t.Errorf("only %d subnets were made in %s", len(ranges), vpc)
		}
		for i, a := range ranges {
			for _, b := range ranges[:i] {
				if a.Overlaps(b) {
					t.Errorf("%s: %s and %s overlap", vpc, a, b)
				}
			}
		}
	}
}

func TestDescribePages(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	var want []string
	for i := range 13 {
		want = append(want, c.subnet(vpc, "10.0."+strconv.Itoa(i)+".0/24"))
	}
	slices.Sort(want)

	var got []string
	token := []string(nil)
	for page := 1; ; page++ {
		answer := c.call("DescribeSubnets", append(token, "MaxResults", "5")...)
		items := answer.texts("subnetSet/item/subnetId")
		got = append(got, items...)
		next := answer.text("nextToken")
		if next == "" {
			if page != 3 {
				t.Errorf("page %d is the last", page)
			}
			break
		}
		if page == 1 {
			// What comes and goes between pages moves nothing else.
			c.call("DeleteSubnet", "SubnetId", items[0])
			c.call("CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.100.0/24")
		}
		token = []string{"NextToken", next}
	}
	for _, id := range want {
		if n := len(slices.DeleteFunc(slices.Clone(got), func(g string) bool { return g != id })); n != 1 {
			t.Errorf("%s was shown %d times", id, n)
		}
	}

	token = []string{"NextToken", c.call("DescribeSubnets", "MaxResults", "5").text("nextToken")}
	c.refuse("InvalidNextToken", "DescribeVpcs", token...)
}
