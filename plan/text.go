package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"causeway.dev/nodespec"
)

// Text shows a desired state for people and for comparing: one line a thing,
// indented under what it belongs to. It leaves out the revision and the secrets.
func Text(d nodespec.Desired) string {
	var w writer
	for _, network := range d.Networks {
		w.line(0, "network %s%s", network.ID, each(" local ", network.Local))
		for _, i := range network.Interfaces {
			address, subnet, also := i.Address, i.Subnet, i.Others
			if !address.IsValid() && len(also) > 0 {
				address, subnet, also = also[0], i.Subnet6, also[1:]
			}
			w.line(1, "interface %s %v mac %s subnet %v table %s%s%s%s", i.ID, address, i.MAC, subnet, i.Table, each(" group ", i.Groups), anySource(i), each(" also ", also))
			if p := i.Place; p != nil {
				w.line(2, "plugged into %s %s", p.Kind, p.Name)
			} else {
				w.line(2, "plugged into %s as %d", i.Instance, i.Index)
			}
		}
		if len(network.Services) > 0 {
			w.line(1, "services%s", each(" ", network.Services))
		}
		if r := network.Resolver; r != nil {
			under := ""
			if r.Prefix.IsValid() {
				under = " embeds under " + r.Prefix.String()
			}
			w.line(1, "resolver at%s%s", each(" ", r.Addresses), under)
			for _, n := range r.Names {
				w.line(2, "%s is %v", n.Name, n.Address)
			}
		}
		if o := network.Outside; o != nil {
			w.line(1, "outside to %s%s", o.Table, each(" as it is ", o.Ranges))
			for _, e := range o.Addresses {
				w.line(2, "%v stands for %v", e.Outside, e.Inside)
			}
		}
		if t := network.Translator; t != nil {
			w.line(1, "translates to%s ports %d to %d%s", each(" ", t.Addresses), t.Ports.First, t.Ports.Last, each(" leaving ", t.Leaving))
			if e := t.IPv6; e != nil {
				w.line(2, "from IPv6 under %v of%s", e.Prefix, each(" ", e.Hosts))
			}
		}
		for _, table := range network.Tables {
			w.line(1, "table %s", table.ID)
			for _, route := range table.Overrides {
				w.line(2, "%v, though local,%s", route.Destination, leads(route.Targets))
			}
			for _, route := range table.Routes {
				w.line(2, "%v%s", route.Destination, leads(route.Targets))
			}
		}
		for _, group := range network.Groups {
			w.line(1, "group %s%s", group.ID, each(" member ", group.Members))
			for _, rule := range group.Rules {
				w.line(2, "allow %s", ruleText(rule))
			}
		}
		for _, border := range network.Borders {
			w.line(1, "border of %v by %s", border.Subnet, border.ACL)
		}
		for _, acl := range network.ACLs {
			w.line(1, "acl %s", acl.ID)
			for _, rule := range acl.Rules {
				w.line(2, "%s %s", verdict(rule), ruleText(rule.Rule))
			}
		}
	}
	for _, link := range d.Links {
		w.line(0, "link %s", link.ID)
		for _, end := range link.Ends {
			w.line(1, "in %s to %s%s", end.Network, cmp.Or(end.Table, "its interfaces"), has(end))
		}
	}
	for _, t := range d.Tunnels {
		w.line(0, "tunnel %s in %s to %s", t.ID, t.Network, t.Table)
		w.line(1, "local %v remote %v inside %v start %v", t.Local, t.Remote, t.Inside, t.Start)
		if c := t.Certificates; c != nil {
			w.line(1, "certificates: ours a chain of %d, theirs by %d roots, %d intermediates, %d revocation lists", len(c.Chain), len(c.Roots), len(c.Intermediates), len(c.CRLs))
		}
		w.line(1, "selectors local%s remote%s", each(" ", t.LocalSelectors), each(" ", t.RemoteSelectors))
		w.line(1, "%s%s, accepts %s", strings.Join(t.IKEVersions, " or "), each(" ", t.IKEOffers), brief(t.IKEAccepts))
		w.line(1, "esp%s, accepts %s", each(" ", t.ESPOffers), brief(t.ESPAccepts))
		w.line(1, "lifetimes ike %v child %v, rekey margin %v fuzz %d%%", t.IKELifetime, t.ChildLifetime, t.RekeyMargin, t.RekeyFuzz)
		w.line(1, "replay window %d, dpd %v %s", t.ReplayWindow, t.DPDTimeout, t.DPDAction)
		if b := t.BGP; b != nil {
			w.line(1, "bgp of %d with %d, hold time %v, at most %d prefixes", b.ASN, b.PeerASN, b.HoldTime, b.MaxPrefixes)
			if b.Log {
				w.line(2, "logged")
			}
			for _, a := range b.Advertised {
				w.line(2, "told %v%s med %d", a.Destination, each(" ", a.Path), a.MED)
			}
		}
	}
	for _, instance := range d.Instances {
		w.line(0, "instance %s hostname %s, %d bytes of user data", instance.ID, instance.Hostname, len(instance.UserData))
	}
	return w.String()
}

func has(end nodespec.LinkEnd) string {
	if end.Answers != "" {
		return ", answers by " + end.Answers
	}
	if len(end.Addresses) == 0 {
		return ""
	}
	text := ", has" + each(" ", end.Addresses)
	if end.Counted {
		text += " counted"
	}
	return text
}

type writer struct{ strings.Builder }

func (w *writer) line(depth int, format string, args ...any) {
	fmt.Fprintf(w, strings.Repeat("  ", depth)+format+"\n", args...)
}

func each[T any](before string, values []T) string {
	var text strings.Builder
	for _, v := range values {
		fmt.Fprint(&text, before, v)
	}
	return text.String()
}

// brief shows the few or the many.
func brief(values []string) string {
	if len(values) <= offersMax {
		return strings.Join(values, " ")
	}
	return fmt.Sprintf("%d from %s to %s", len(values), values[0], values[len(values)-1])
}

func leads(targets []nodespec.Target) string {
	if len(targets) == 0 {
		return " drop"
	}
	var text strings.Builder
	for i, target := range targets {
		text.WriteString([]string{" via ", ", else "}[min(i, 1)])
		fmt.Fprintf(&text, "%s %s", target.Kind, target.ID)
	}
	return text.String()
}

func anySource(i nodespec.Interface) string {
	text := ""
	if i.AnySource {
		text = " any source"
	}
	if i.Counted {
		text += " counted"
	}
	if i.DNS64 {
		text += " dns64"
	}
	return text
}

// kind is what a rule allows, whatever the peer.
func kind(r nodespec.Rule) string {
	switch {
	case r.Protocol == -1:
		return "all"
	case r.FromPort == -1 && r.ToPort == -1:
		return fmt.Sprintf("protocol %d", r.Protocol)
	case r.Protocol == protocolICMP || r.Protocol == protocolICMPv6:
		return fmt.Sprintf("protocol %d type %d code %d", r.Protocol, r.FromPort, r.ToPort)
	default:
		return fmt.Sprintf("protocol %d ports %d to %d", r.Protocol, r.FromPort, r.ToPort)
	}
}

func ruleText(r nodespec.Rule) string {
	direction := "from"
	if r.Egress {
		direction = "to"
	}
	peer := r.PeerGroup
	if r.Peer != (netip.Prefix{}) {
		peer = r.Peer.String()
	}
	return fmt.Sprintf("%s %s %s", kind(r), direction, peer)
}

func verdict(r nodespec.ACLRule) string {
	if r.Deny {
		return "deny"
	}
	return "allow"
}
