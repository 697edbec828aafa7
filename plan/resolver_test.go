package plan_test

import (
	"fmt"
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
		}
		if services := fmt.Sprint(network.Services); got != c.names || services != c.services {
			t.Errorf("%s: names %s, services %s, want %s, %s", what, got, services, c.names, c.services)
		}
		if hosts := fmt.Sprint(d.Instances[0].Resolvers) + " " + d.Instances[0].Domain; hosts != c.hosts {
			t.Errorf("%s: hosts are told %s, want %s", what, hosts, c.hosts)
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
