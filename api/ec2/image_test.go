package ec2

import (
	"slices"
	"strings"
	"testing"
)

// Configurations find the host's root file system under the names and owners that the
// installation has given it, and launch it by those ids.
func TestImages(t *testing.T) {
	t.Parallel()
	const amazon, canonical = "ami-0123456789abcdef0", "ami-0123456789abcdef1"
	c := newCloud(t, func(cfg *Config) {
		cfg.Host.Images = []Image{
			{ID: canonical, Name: "ubuntu/images/hvm-ssd/ubuntu-noble-24.04-amd64-server-20250101", Owner: "099720109477", RootDeviceType: "ebs"},
			{ID: amazon, Name: "al2023-ami-2023.6.20250203.1-kernel-6.1-x86_64", Owner: "137112412989", OwnerAlias: "amazon"},
		}
	})
	found := func(parameters ...string) string {
		t.Helper()
		return strings.Join(c.call("DescribeImages", parameters...).texts("imagesSet/item/imageId"), " ")
	}
	for _, test := range []struct {
		parameters []string
		want       string
	}{
		{nil, HostImage + " " + amazon + " " + canonical},
		{[]string{"Owner.1", "amazon"}, amazon},
		{[]string{"Owner.1", "099720109477", "Owner.2", "self"}, HostImage + " " + canonical},
		{[]string{"ImageId.1", canonical}, canonical},
		{append(filter("1", "name", "al2023-ami-*-x86_64"), filter("2", "virtualization-type", "hvm")...), amazon},
		{filter("1", "root-device-type", "ebs"), canonical},
		{filter("1", "owner-alias", "amazon"), amazon},
		{append(filter("1", "name", "ubuntu*"), "Owner.1", "amazon"), ""},
		{[]string{"ExecutableBy.1", "123456789012"}, ""},
	} {
		if got := found(test.parameters...); got != test.want {
			t.Errorf("%q: images %q, want %q", test.parameters, got, test.want)
		}
	}
	c.refuse("InvalidAMIID.NotFound", "DescribeImages", "ImageId.1", "ami-0123456789abcdef2")
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	launched := c.call("RunInstances", "MinCount", "1", "MaxCount", "1", "ImageId", amazon, "SubnetId", subnet)
	if got := launched.text("instancesSet/item/imageId"); got != amazon {
		t.Errorf("the instance is of %q", got)
	}
	c.refuse("InvalidAMIID.NotFound", "RunInstances", "MinCount", "1", "MaxCount", "1", "ImageId", "ami-0123456789abcdef2", "SubnetId", subnet)

	// Another account sees the same, but for what belongs to whoever asks.
	other := newCloud(t)
	if got := other.call("DescribeImages", "Owner.1", "self").texts("imagesSet/item/imageId"); !slices.Equal(got, []string{HostImage}) {
		t.Errorf("another account's own images are %q", got)
	}
}

// Scripts read the names of instances that have none.
func TestNamesOfTerminatedInstances(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.instance(c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24"))
	c.call("TerminateInstances", "InstanceId.1", id)
	v := c.call("DescribeInstances", "InstanceId.1", id).all("reservationSet/item/instancesSet/item")[0]
	for _, name := range []string{"dnsName", "privateDnsName"} {
		if got := v.all(name); len(got) != 1 {
			t.Errorf("a terminated instance has %d members %s, want an empty one", len(got), name)
		}
	}
}
