package ec2

import (
	"slices"
	"testing"
)

func TestInstanceTypes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for name, want := range map[string][]string{ // vCPUs, MiB, cores, interfaces, addresses, burstable
		"t2.nano":   {"1", "512", "1", "2", "2", "true"},
		"t3.nano":   {"2", "512", "1", "2", "2", "true"},
		"t3.medium": {"2", "4096", "1", "3", "6", "true"},
		"t4g.small": {"2", "2048", "2", "3", "4", "true"},
		"m5.xlarge": {"4", "16384", "2", "4", "15", "false"},
		"c6i.large": {"2", "4096", "1", "3", "10", "false"},
		"r5.large":  {"2", "16384", "1", "3", "10", "false"},
		"m1.small":  {"1", "1740", "1", "2", "4", "false"},
	} {
		shown := c.call("DescribeInstanceTypes", "InstanceType.1", name).all("instanceTypeSet/item")
		if len(shown) != 1 {
			t.Errorf("%s: %d types", name, len(shown))
			continue
		}
		var got []string
		for _, path := range []string{
			"vCpuInfo/defaultVCpus", "memoryInfo/sizeInMiB", "vCpuInfo/defaultCores",
			"networkInfo/maximumNetworkInterfaces", "networkInfo/ipv4AddressesPerInterface", "burstablePerformanceSupported",
		} {
			got = append(got, shown[0].text(path))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	names := func(filters ...string) []string {
		t.Helper()
		return c.call("DescribeInstanceTypes", filters...).texts("instanceTypeSet/item/instanceType")
	}
	both := slices.Concat(filter("1", "vcpu-info.default-vcpus", "2"), filter("2", "memory-info.size-in-mib", "512"), filter("3", "current-generation", "true"))
	if got := names(both...); !slices.Equal(got, []string{"t3.nano", "t3a.nano", "t4g.nano"}) {
		t.Errorf("of two vCPUs and 512 MiB: %v", got)
	}
	if got := names(filter("1", "instance-type", "t2.*")...); len(got) != 7 {
		t.Errorf("t2: %v", got)
	}
	if got := names(filter("1", "hypervisor", "nitro")...); len(got) != 0 {
		t.Errorf("by what no type has: %v", got)
	}
	if got := c.call("DescribeInstanceTypeOfferings", slices.Concat([]string{"LocationType", "availability-zone"}, filter("1", "instance-type", "t3.micro"))...).texts("instanceTypeOfferingSet/item/location"); len(got) < 2 {
		t.Errorf("t3.micro is offered in %v", got)
	}
}

// Another type has to take the instance's interfaces.
func TestTypeIsModified(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	id := c.instance(subnet, "InstanceType", "t3.medium")
	nic := c.call("DescribeInstances", "InstanceId.1", id).text("reservationSet/item/instancesSet/item/networkInterfaceSet/item/networkInterfaceId")
	c.call("AssignPrivateIpAddresses", "NetworkInterfaceId", nic, "SecondaryPrivateIpAddressCount", "3")
	c.observe(id, "running")
	if got := c.call("DescribeInstances", "InstanceId.1", id).text("reservationSet/item/instancesSet/item/cpuOptions/threadsPerCore"); got != "2" {
		t.Errorf("threads of each core: %s", got)
	}
	c.call("StopInstances", "InstanceId.1", id)
	c.observe(id, "stopped")
	c.refuse(string(codePrivateAddressLimit), "ModifyInstanceAttribute", "InstanceId", id, "InstanceType.Value", "t3.nano")
	c.call("ModifyInstanceAttribute", "InstanceId", id, "InstanceType.Value", "t3.small")
}
