package plan_test

import (
	"fmt"
	"net/netip"
	"testing"

	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
)

// named is a VPC with an instance that has an outside address, and its options.
func named(change func(*resource.VPC), options ...resource.DHCPConfiguration) *world {
	w := site()
	w.addInternet("a")
	w.addAddress("eni-a", "198.51.100.9")
	w.addresses[len(w.addresses)-1].DomainName = "mail.example.com"
	w.vpcs[0].EnableDNSSupport, w.vpcs[0].EnableDNSHostnames, w.vpcs[0].DHCPOptionsID = true, true, "dopt-1"
	change(&w.vpcs[0])
	w.options = []resource.DHCPOptions{{Meta: w.meta("dopt-1"), Configurations: options}}
	return w
}

func TestResolver(t *testing.T) {
	const names = "[{ec2-198-51-100-9.compute-1.amazonaws.com 10.0.1.4 false} {ip-10-0-1-4.ec2.internal 10.0.1.4 true}]"
	amazon := resource.DHCPConfiguration{Key: "domain-name-servers", Values: []string{"AmazonProvidedDNS", "10.0.1.9"}}
	domain := resource.DHCPConfiguration{Key: "domain-name", Values: []string{"example.com"}}
	for what, c := range map[string]struct {
		w                      *world
		names, services, hosts string
	}{
		"all of it": {named(func(*resource.VPC) {}, amazon, domain), names, "[10.0.0.2 169.254.169.253 169.254.169.254]", "[10.0.0.2 10.0.1.9] example.com"},
		"another region": {
			func() *world {
				w := named(func(*resource.VPC) {}, domain)
				w.scope.Region = "eu-west-1"
				w.move()
				return w
			}(),
			"[{ec2-198-51-100-9.eu-west-1.compute.amazonaws.com 10.0.1.4 false} {ip-10-0-1-4.eu-west-1.compute.internal 10.0.1.4 true}]",
			"[10.0.0.2 169.254.169.253 169.254.169.254]", "[] example.com",
		},
		"no names of hosts": {named(func(v *resource.VPC) { v.EnableDNSHostnames = false }, amazon), "[]", "[10.0.0.2 169.254.169.253 169.254.169.254]", "[10.0.0.2 10.0.1.9] "},
		"no resolver":       {named(func(v *resource.VPC) { v.EnableDNSSupport = false }, amazon), "", "[169.254.169.254]", "[10.0.1.9] "},
		"no options":        {named(func(v *resource.VPC) { v.DHCPOptionsID = "default" }, amazon), names, "[10.0.0.2 169.254.169.253 169.254.169.254]", "[] "},
	} {
		d := plan.Compile(c.w.put(t, shared), "node-1")
		var network nodespec.Network
		for _, n := range d.Networks {
			if n.ID == "vpc-a" {
				network = n
			}
		}
		got := ""
		if network.Resolver != nil {
			got = fmt.Sprint(network.Resolver.Names)
			if pointers := fmt.Sprint(network.Resolver.Pointers); pointers != "[{198.51.100.9 mail.example.com}]" {
				t.Errorf("%s: addresses outside are called %s", what, pointers)
			}
		}
		if services := fmt.Sprint(network.Services); got != c.names || services != c.services {
			t.Errorf("%s: names %s, services %s, want %s, %s", what, got, services, c.names, c.services)
		}
		if hosts := fmt.Sprint(d.Instances[0].Resolvers) + " " + d.Instances[0].Domain; hosts != c.hosts {
			t.Errorf("%s: hosts are told %s, want %s", what, hosts, c.hosts)
		}
	}
}

// What an instance's resource name leads to, what its addresses are called, and what it
// calls itself follow from its options.
func TestResourceNames(t *testing.T) {
	const ip, id, six = "ip-10-0-1-4.ec2.internal", "i-a.ec2.internal", "2001:db8:0:1::4"
	for _, c := range []struct {
		options         resource.PrivateDNSNameOptions
		six             bool
		names, hostname string
	}{
		{resource.PrivateDNSNameOptions{}, true, "[{" + ip + " 10.0.1.4 true}]", "ip-10-0-1-4"},
		{resource.PrivateDNSNameOptions{A: true, AAAA: true}, true, "[{" + id + " 10.0.1.4 false} {" + id + " " + six + " true} {" + ip + " 10.0.1.4 true}]", "ip-10-0-1-4"},
		{resource.PrivateDNSNameOptions{ResourceName: true, A: true}, true, "[{" + id + " 10.0.1.4 true} {" + ip + " 10.0.1.4 false}]", "i-a"},
		{resource.PrivateDNSNameOptions{ResourceName: true, AAAA: true}, true, "[{" + id + " " + six + " true} {" + ip + " 10.0.1.4 true}]", "i-a"},
		{resource.PrivateDNSNameOptions{ResourceName: true, AAAA: true}, false, "[{" + ip + " 10.0.1.4 true}]", "i-a"},
	} {
		w := named(func(v *resource.VPC) { v.IPv6 = associated("2001:db8::/56") })
		w.addresses = nil
		w.instances[0].PrivateDNSNames, w.subnets[0].IPv6 = c.options, associated("2001:db8:0:1::/64")
		if c.six {
			w.nics[0].IPv6 = []netip.Addr{netip.MustParseAddr(six), netip.MustParseAddr("2001:db8:0:1::5")}
		}
		d := plan.Compile(w.put(t, shared), "node-1")
		for _, n := range d.Networks {
			if n.ID != "vpc-a" {
				continue
			}
			if got := fmt.Sprint(n.Resolver.Names); got != c.names {
				t.Errorf("%+v: %s, want %s", c.options, got, c.names)
			}
			for _, item := range n.Metadata[0].Items {
				if item.Path == "meta-data/local-hostname" && item.Value != c.hostname+".ec2.internal" {
					t.Errorf("%+v: the instance is told that it is %s", c.options, item.Value)
				}
			}
		}
		if got := d.Instances[0].Hostname; got != c.hostname {
			t.Errorf("%+v: it calls itself %s, want %s", c.options, got, c.hostname)
		}
	}
}

// A change of options is a change of what is compiled.
func TestOptionsCount(t *testing.T) {
	w := named(func(*resource.VPC) {})
	var compiler plan.Compiler
	compiler.Compile(w.put(t, shared))
	w.options[0].Configurations = []resource.DHCPConfiguration{{Key: "domain-name", Values: []string{"example.com"}}}
	if _, changed := compiler.Compile(w.put(t, shared)); !changed {
		t.Error("what is compiled is the same")
	}
}

// move takes all records of the world into its scope.
func (w *world) move() {
	into := func(m *resource.Meta) { m.Account, m.Region = w.scope.Account, w.scope.Region }
	for i := range w.vpcs {
		into(&w.vpcs[i].Meta)
	}
	for i := range w.subnets {
		into(&w.subnets[i].Meta)
	}
	for i := range w.nics {
		into(&w.nics[i].Meta)
	}
	for i := range w.instances {
		into(&w.instances[i].Meta)
	}
	for i := range w.addresses {
		into(&w.addresses[i].Meta)
	}
	for i := range w.options {
		into(&w.options[i].Meta)
	}
}

// What is behind a device is told the options by DHCP; instances find them in their
// files.
func TestHostsBehindDevicesAreTold(t *testing.T) {
	options := []resource.DHCPConfiguration{
		{Key: resource.DHCPDomainName, Values: []string{"example.com"}}, {Key: resource.DHCPDomainNameServers, Values: []string{"AmazonProvidedDNS"}},
		{Key: resource.DHCPNTPServers, Values: []string{"192.0.2.1", "2001:db8::1"}}, {Key: resource.DHCPNetBIOSNameServers, Values: []string{"192.0.2.2"}},
		{Key: resource.DHCPNetBIOSNodeType, Values: []string{"2"}},
	}
	told := func(place *resource.Place, change func(*resource.VPC)) string {
		w := named(change, options...)
		if w.nics[0].Place = place; place != nil {
			w.nics[0].Instance = ""
		}
		for _, n := range plan.Compile(w.put(t, shared), "node-1").Networks {
			if n.ID == "vpc-a" && n.Told != nil {
				return fmt.Sprintf("%+v", *n.Told)
			}
		}
		return ""
	}
	bridge := &resource.Place{Kind: resource.PlaceBridge, Name: "br0"}
	const want = "{Resolvers:[10.0.0.2] Resolvers6:[] Domain:example.com TimeServers:[192.0.2.1 2001:db8::1] NetBIOSServers:[192.0.2.2] NetBIOSNodeType:2 IPv6Preferred:2m20s}"
	if got := told(bridge, func(*resource.VPC) {}); got != want {
		t.Errorf("behind a bridge: %s, want %s", got, want)
	}
	options[1].Values = append(options[1].Values, "2001:db8::53")
	options = append(options, resource.DHCPConfiguration{Key: resource.DHCPIPv6PreferredLifetime, Values: []string{"2147483647"}})
	const want6 = "{Resolvers:[10.0.0.2 2001:db8::53] Resolvers6:[fd00:ec2::253 2001:db8::53] Domain:example.com TimeServers:[192.0.2.1 2001:db8::1] NetBIOSServers:[192.0.2.2] NetBIOSNodeType:2 IPv6Preferred:596523h14m7s}"
	ipv6 := func(v *resource.VPC) { v.IPv6 = associated("2001:db8::/56") }
	if got := told(bridge, ipv6); got != want6 {
		t.Errorf("with IPv6: %s, want %s", got, want6)
	}
	if got := told(&resource.Place{Kind: resource.PlaceNamespace, Name: "web", Device: "eth0"}, ipv6) + told(nil, ipv6); got != "" {
		t.Errorf("in a namespace, and in an instance: %s", got)
	}
}

// An instance is held to its type's size; one whose type nobody knows any more to none.
func TestInstancesHaveTheSizeOfTheirType(t *testing.T) {
	for kind, want := range map[string]string{"t3.nano": "2 536870912 2048", "m1.small": "1 1824522240 6960", "x9.gone": "0 0 0"} {
		w := named(func(*resource.VPC) {})
		w.instances[0].InstanceType = kind
		i := plan.Compile(w.put(t, shared), "node-1").Instances[0]
		if got := fmt.Sprint(i.CPUs, i.MemoryBytes, i.Processes); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}
