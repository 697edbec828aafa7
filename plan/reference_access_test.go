package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"causeway.dev/resource"
)

// randomAccess blocks the internet, in half of the worlds, for all but what a few
// exclusions are about: VPCs, and subnets, of which one has a gateway's interface.
func (w *world) randomAccess(r *rand.Rand) {
	w.access = pick(r, "off", "off", "block-ingress", "block-bidirectional")
	for _, vpc := range w.vpcs {
		if r.IntN(4) == 0 {
			w.exclude(r, vpc.ID, "")
		}
	}
	for _, subnet := range w.subnets {
		if r.IntN(4) == 0 {
			w.exclude(r, subnet.VPC, subnet.ID)
		}
	}
}

func (w *world) exclude(r *rand.Rand, vpc, subnet string) {
	w.exclusions = append(w.exclusions, resource.PublicAccessExclusion{
		Meta: w.meta(fmt.Sprintf("vpcbpa-exclude-%d", len(w.exclusions))), VPC: vpc, Subnet: subnet, Mode: pick(r, "allow-bidirectional", "allow-egress"),
	})
}

// unblocked is the world as it is while nothing is blocked.
func (w *world) unblocked() *world {
	without := *w
	without.access = "off"
	return &without
}

// The ways between a subnet and the internet.
const (
	directly      = "directly"               // by an internet gateway, under an address of its own
	translated    = "by a NAT gateway there" // and then by an internet gateway
	egressOnlyWay = "by an egress-only one"
)

// mayPass says which ways are open to a subnet. "Bidirectional: all traffic to and from
// internet gateways and egress-only internet gateways is blocked, except for excluded
// VPCs and subnets. Ingress: all internet traffic to VPCs is blocked, except for those
// which are excluded; only traffic to and from NAT gateways and egress-only internet
// gateways is allowed, as these let outbound connections only be established." An
// exclusion allows both directions, or what is not blocked by ingress.
func (w reference) mayPass(vpc, subnet, way string) bool {
	both, outbound := w.access == "off", w.access == "off" || w.access == "block-ingress"
	for _, e := range w.exclusions {
		if e.VPC == vpc && (e.Subnet == "" || e.Subnet == subnet) {
			outbound = true
			both = both || e.Mode == "allow-bidirectional"
		}
	}
	return both || outbound && way != directly
}

// wayOf is how packets of an interface pass an internet gateway.
func wayOf(nic string) string {
	if strings.HasPrefix(nic, "eni-nat-") {
		return translated
	}
	return directly
}

// standsFor reports whether an outside address is known for its interface outside,
// which is where that one's subnet is not blocked.
func (w reference) standsFor(a resource.Address) bool {
	for _, nic := range slices.Concat(w.nics, w.natInterfaces()) {
		if nic.ID == a.NetworkInterface {
			return w.mayPass(nic.VPC, nic.Subnet, wayOf(nic.ID))
		}
	}
	return false
}

// subnetOf6 is the subnet of a VPC that an address of IPv6 is in; "" for none.
func (w reference) subnetOf6(p packet, vpc string) string {
	for _, s := range w.subnets {
		if s.VPC == vpc && len(s.IPv6) > 0 && s.IPv6[0].Prefix.Contains(p.dst) {
			return s.ID
		}
	}
	return ""
}
