package ec2

import (
	"context"
	"net/netip"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// Names of hosts follow from their addresses and ids. The resolver of their VPC knows them
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
	if !a.IsValid() || !namesHosts(r, vpc) {
		return ""
	}
	return resource.PrivateName(r.scope.Region, a)
}

// nameOptions is what a request asks of private names; nil leaves it as it is.
type nameOptions struct {
	hostnameType *string
	a, aaaa      *bool
}

// aaaaRecord is what errors call that member of an instance's options.
const aaaaRecord = "enable-resource-name-dns-aaaa-record"

// set changes the options of an instance in a subnet, or of the subnet. An AAAA record
// can be asked for only where there are IPv6 addresses; the error names what asked. An A
// record and a name after an IPv4 address, only where there are those.
func (n nameOptions) set(o *resource.PrivateDNSNameOptions, subnet *resource.Subnet, name string) error {
	if subnet.IPv6Only() && (val(n.a) || val(n.hostnameType) == model.HostnameTypeIpName) {
		return resource.Errorf(resource.CodeInvalidParameterValue, "The subnet %s is IPv6-only: its instances have resource names, and no A records", subnet.ID)
	}
	if val(n.aaaa) && !resource.AssociatedCIDR(subnet.IPv6).IsValid() {
		return needsIPv6(subnet, name)
	}
	if n.hostnameType != nil {
		o.ResourceName = *n.hostnameType == model.HostnameTypeResourceName
	}
	if n.a != nil {
		o.A = *n.a
	}
	if n.aaaa != nil {
		o.AAAA = *n.aaaa
	}
	return nil
}

// hostnameType is how answers show what an instance calls itself by.
func hostnameType(o resource.PrivateDNSNameOptions) string {
	if o.ResourceName {
		return model.HostnameTypeResourceName
	}
	return model.HostnameTypeIpName
}

// ModifyPrivateDnsNameOptions changes the private names of an instance. What it calls
// itself changes only while it is stopped, as it takes its name when it starts.
func (s *Service) ModifyPrivateDnsNameOptions(ctx context.Context, c server.Caller, in *model.ModifyPrivateDnsNameOptionsInput) (*model.ModifyPrivateDnsNameOptionsOutput, error) {
	asked := nameOptions{in.PrivateDnsHostnameType, in.EnableResourceNameDnsARecord, in.EnableResourceNameDnsAAAARecord}
	if asked == (nameOptions{}) {
		return nil, resource.Errorf(resource.CodeMissingParameter, "The request must contain PrivateDnsHostnameType, EnableResourceNameDnsARecord or EnableResourceNameDnsAAAARecord")
	}
	return &model.ModifyPrivateDnsNameOptionsOutput{Return: new(true)}, s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := instances.get(w.reader, val(in.InstanceId))
		if err != nil {
			return err
		}
		if v.Wanted == resource.InstanceTerminated {
			return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is being terminated", v.ID)
		}
		subnet, err := subnets.get(w.reader, v.Subnet)
		if err != nil {
			return err
		}
		before := v.PrivateDNSNames
		if err := asked.set(&v.PrivateDNSNames, &subnet, aaaaRecord); err != nil {
			return err
		}
		if v.PrivateDNSNames.ResourceName != before.ResourceName {
			if err := checkStopped(w.reader, &v); err != nil {
				return err
			}
		}
		instances.put(w, v)
		return nil
	})
}
