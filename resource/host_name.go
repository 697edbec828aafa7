package resource

import (
	"net/netip"
	"strings"
)

// PrivateZone is the domain of the private names of a region's hosts, and the
// domain-name of its default options.
func PrivateZone(region string) string {
	if region == "us-east-1" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}

// PublicZone is the domain of the public names of a region's hosts.
func PublicZone(region string) string {
	if region == "us-east-1" {
		return "compute-1.amazonaws.com"
	}
	return region + ".compute.amazonaws.com"
}

// PrivateName is the private name of an IPv4 address: "ip-10-0-1-4.ec2.internal".
func PrivateName(region string, a netip.Addr) string {
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + PrivateZone(region)
}

// PublicName is the public name of an outside address:
// "ec2-198-51-100-1.compute-1.amazonaws.com".
func PublicName(region string, a netip.Addr) string {
	return "ec2-" + strings.ReplaceAll(a.String(), ".", "-") + "." + PublicZone(region)
}

// PrivateDNSNameOptions say what an instance is called inside its VPC, and which
// questions for its resource name are answered ("EC2 instance hostname types" in the
// EC2 user guide). Its IP name is always answered. The zero value is AWS's default.
type PrivateDNSNameOptions struct {
	ResourceName bool `json:"resourceName,omitempty"` // it is called by its id; else after its address
	A            bool `json:"a,omitempty"`            // its resource name has its primary IPv4 address
	AAAA         bool `json:"aaaa,omitempty"`         // its resource name has its first IPv6 address
}

// ResourceName is the private name of an instance after its id:
// "i-0123456789abcdef0.ec2.internal".
func (v *Instance) ResourceName() string { return v.ID + "." + PrivateZone(v.Region) }

// PrivateName is what an instance calls itself: its resource name, or the name of its
// primary private IPv4 address if it has one (else that is zero).
func (v *Instance) PrivateName(primary netip.Addr) string {
	if v.PrivateDNSNames.ResourceName || !primary.IsValid() {
		return v.ResourceName()
	}
	return PrivateName(v.Region, primary)
}
