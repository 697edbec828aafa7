package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// A Border is where packets that leave a subnet or enter it meet an ACL, those of
// either family. What stays inside the subnet meets none. In the subnet is what has
// its primary address there: Interfaces, and the ends of Links with an Address.
type Border struct {
	Subnet netip.Prefix // IPv4; or IPv6, of Interfaces that speak nothing else
	ACL    string       // id of an ACL of the same network
}

// An ACL is a stateless filter. For each packet the first rule of its direction
// that matches decides; what none matches is dropped.
type ACL struct {
	ID    string
	Rules []ACLRule
}

// An ACLRule allows or denies one kind of traffic with a prefix, its Peer.
type ACLRule struct {
	FilterRule
	Deny bool
}

func (n Network) checkBorders() error {
	var errs []error
	acls := map[string]bool{}
	for _, a := range n.ACLs {
		if !validID().MatchString(a.ID) || acls[a.ID] {
			errs = append(errs, fmt.Errorf("ACL id %q is malformed or not unique", a.ID))
		}
		acls[a.ID] = true
		for _, r := range a.Rules {
			if err := r.check(); err != nil || r.PeerGroup != "" {
				errs = append(errs, fmt.Errorf("ACL %s: %w", a.ID, cmp.Or(err, errors.New("a rule names a group"))))
			}
		}
	}
	borders := slices.SortedFunc(slices.Values(n.Borders), func(a, b Border) int { return a.Subnet.Addr().Compare(b.Subnet.Addr()) })
	for i, b := range borders {
		if !b.Subnet.IsValid() || b.Subnet.Addr().Is4In6() || b.Subnet != b.Subnet.Masked() || i > 0 && borders[i-1].Subnet.Overlaps(b.Subnet) {
			errs = append(errs, fmt.Errorf("subnet %v is no prefix, or overlaps another", b.Subnet))
		}
		if !acls[b.ACL] {
			errs = append(errs, fmt.Errorf("subnet %v: there is no ACL %q", b.Subnet, b.ACL))
		}
	}
	return errors.Join(errs...)
}

// borders writes the filters between subnets. They know no connections: each
// packet is judged, also those of connections that were there before a change.
//
//	chain border      by the device that it came in by -> egress of a subnet,
//	                  by the device that it goes out by -> ingress of a subnet
//	chain of a subnet stays inside? -> passes; else -> the ACL's chain
//	chain of an ACL   its rules, in order
//
// An ACL that lets everything pass in a direction, as the one does that subnets
// begin with, takes no chain there. "return" ends up in "border".
func (w *filterWriter) borders() {
	devices := w.subnetDevices()
	if len(devices) == 0 {
		return
	}
	subnets := slices.SortedFunc(maps.Keys(devices), netip.Prefix.Compare)
	for _, subnet := range subnets {
		w.set("set", "inside-"+subnetName(subnet), "ifname", devices[subnet])
	}
	acls := map[string]ACL{}
	for _, a := range w.network.ACLs {
		acls[a.ID] = a
	}
	guards := map[netip.Prefix]ACL{}
	used := map[string]bool{}
	for _, b := range w.network.Borders {
		if devices[b.Subnet] != nil {
			guards[b.Subnet], used[b.ACL] = acls[b.ACL], true
		}
	}
	for _, d := range []direction{{"egress", "iifname", "oifname", "jump", true}, {"ingress", "oifname", "iifname", "goto", false}} {
		for _, id := range slices.Sorted(maps.Keys(used)) {
			if a := acls[id]; !w.open(a, d.egress) {
				w.chain(d.name+"-acl-"+id, w.aclTexts(a, d.egress))
			}
		}
		var elements []string
		for _, subnet := range subnets {
			a := guards[subnet]
			if w.open(a, d.egress) {
				continue
			}
			name := d.name + "-subnet-" + subnetName(subnet)
			w.chain(name, []string{d.beyond + " @inside-" + subnetName(subnet) + " return", "goto " + d.name + "-acl-" + a.ID})
			for _, device := range devices[subnet] {
				elements = append(elements, device+" : "+d.enter+" "+name)
			}
		}
		w.set("map", d.name+"-subnets", "ifname : verdict", elements)
	}
	w.chain("border", slices.Concat(
		[]string{"type filter hook forward priority filter + 5; policy accept;"},
		w.skipRejected(),
		[]string{"iifname vmap @egress-subnets", "oifname vmap @ingress-subnets"},
	))
}

// A direction is out of a subnet or into one.
type direction struct {
	name   string
	of     string // what names the subnet's device
	beyond string // what names the device on the other side of the border
	enter  string // how the chain of a subnet is entered: the last one need not be left again
	egress bool
}

// subnetDevices are the devices, quoted, of what is in a subnet with an ACL that
// does not let everything pass.
func (w *filterWriter) subnetDevices() map[netip.Prefix][]string {
	devices := map[netip.Prefix][]string{}
	for _, b := range w.network.Borders {
		at := slices.IndexFunc(w.network.ACLs, func(a ACL) bool { return a.ID == b.ACL })
		if a := w.network.ACLs[at]; w.open(a, true) && w.open(a, false) {
			continue
		}
		for _, attached := range w.attach {
			addresses := attached.addresses
			if attached.port != nil {
				addresses = attached.port.addresses()[:1]
			}
			if slices.ContainsFunc(addresses, b.Subnet.Contains) {
				devices[b.Subnet] = append(devices[b.Subnet], fmt.Sprintf("%q", attached.device))
			}
		}
	}
	return devices
}

// subnetName is a prefix as part of a name, which has no colons.
func subnetName(subnet netip.Prefix) string {
	return strings.NewReplacer("/", "-", ":", "_").Replace(subnet.String())
}

// aclTexts writes an ACL's rules of one direction.
func (w *filterWriter) aclTexts(a ACL, egress bool) []string {
	counter, mark := droppedEntering, uint32(RejectedEntering)
	if egress {
		counter, mark = droppedLeaving, RejectedLeaving
	}
	var texts []string
	for _, r := range a.Rules {
		switch {
		case r.Egress != egress:
		case r.Deny:
			texts = append(texts, w.verdicts(r.FilterRule, w.reject(counter, mark))...)
		default:
			texts = append(texts, w.verdicts(r.FilterRule, "return")...)
		}
	}
	return append(texts, w.reject(counter, mark))
}

// open reports whether the first rule of a direction, for each protocol that is
// spoken, already allows all.
func (w *filterWriter) open(a ACL, egress bool) bool {
	return a.open(egress, false) && (!w.network.ipv6() || a.open(egress, true))
}

func (a ACL) open(egress, ipv6 bool) bool {
	for _, r := range a.Rules {
		if r.Egress == egress && isIPv6(r.Peer) == ipv6 {
			return !r.Deny && r.Protocol == -1 && r.Peer.Bits() == 0
		}
	}
	return false
}
