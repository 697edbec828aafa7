package ec2

import (
	"net/netip"

	"causeway.dev/resource"
)

// Names of hosts follow from their addresses. The resolver of their VPC knows them
// where the VPC supports DNS and gives names to its hosts.

// namesHosts reports whether a VPC gives names to its hosts.
func namesHosts(r reader, vpc string) bool {
	v, ok := vpcs.table.Get(r.Reader, r.scope, vpc)
	return ok && v.EnableDNSSupport && v.EnableDNSHostnames
}

// publicName is the public name of an outside address in a VPC, or "".
func publicName(r reader, vpc string, a netip.Addr) string {
	if !a.IsValid() || !namesHosts(r, vpc) {
		return ""
	}
	return resource.PublicName(r.scope.Region, a)
}

// interfaceName is the private name of a network interface's address, or "": unlike
// instances, interfaces show one only where it is known to the resolver.
func interfaceName(r reader, vpc string, a netip.Addr) string {
	if !namesHosts(r, vpc) {
		return ""
	}
	return resource.PrivateName(r.scope.Region, a)
}
