package node

import (
	"fmt"
	"net/netip"
	"strings"

	"causeway.dev/ike"
	"causeway.dev/ipsec"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
)

// FabricConfig says d's networks in the words of netfabric: what a node applies.
func FabricConfig(prefix string, underlay netfabric.Underlay, d nodespec.Desired) netfabric.Config {
	c := netfabric.Config{Prefix: prefix, Underlay: underlay.Plan(), Host: underlay.Namespace}
	for _, n := range d.Networks {
		c.Networks = append(c.Networks, fabricNetwork(n))
	}
	for _, l := range d.Links {
		c.Links = append(c.Links, netfabric.Link{ID: l.ID, Ends: [2]netfabric.LinkEnd{
			netfabric.LinkEnd(l.Ends[0]), netfabric.LinkEnd(l.Ends[1]),
		}})
	}
	for _, t := range d.Tunnels {
		c.TUNs = append(c.TUNs, netfabric.TUN{ID: t.ID, Network: t.Network, Table: t.Table, Inside: t.Inside})
	}
	for _, i := range d.Instances {
		if !i.Stopped {
			c.Instances = append(c.Instances, i.ID)
		}
	}
	return c
}

func fabricNetwork(n nodespec.Network) netfabric.Network {
	out := netfabric.Network{ID: n.ID, Local: n.Local, Services: n.Services}
	for _, i := range n.Interfaces {
		out.Interfaces = append(out.Interfaces, fabricInterface(i))
	}
	for _, t := range n.Tables {
		table := netfabric.Table{ID: t.ID, Routes: fabricRoutes(t.Routes), Overrides: fabricRoutes(t.Overrides)}
		out.Tables = append(out.Tables, table)
	}
	for _, g := range n.Groups {
		group := netfabric.Group{ID: g.ID, Members: g.Members}
		for _, r := range g.Rules {
			group.Rules = append(group.Rules, netfabric.FilterRule(r))
		}
		out.Groups = append(out.Groups, group)
	}
	for _, b := range n.Borders {
		out.Borders = append(out.Borders, netfabric.Border(b))
	}
	for _, a := range n.ACLs {
		acl := netfabric.ACL{ID: a.ID}
		for _, r := range a.Rules {
			acl.Rules = append(acl.Rules, netfabric.ACLRule{FilterRule: netfabric.FilterRule(r.Rule), Deny: r.Deny})
		}
		out.ACLs = append(out.ACLs, acl)
	}
	if o := n.Outside; o != nil {
		out.Outside = &netfabric.Outside{Table: o.Table, Ranges: o.Ranges}
		for _, e := range o.Addresses {
			out.Outside.Addresses = append(out.Outside.Addresses, netfabric.Elastic(e))
		}
	}
	if t := n.Translator; t != nil {
		out.Translator = &netfabric.Translator{Address: t.Address, Ports: netfabric.PortRange(t.Ports)}
	}
	return out
}

func fabricInterface(i nodespec.Interface) netfabric.Interface {
	out := netfabric.Interface{
		ID: i.ID, MAC: i.MAC, Address: i.Address, Subnet: i.Subnet, Others: i.Others, Subnet6: i.Subnet6, Table: i.Table, Groups: i.Groups,
		AnySource: i.AnySource, Instance: i.Instance, Index: i.Index, Counted: i.Counted,
	}
	if p := i.Place; p != nil {
		out.Place = &netfabric.Place{Kind: netfabric.PlaceKind(p.Kind), Name: p.Name, Device: p.Device, Inode: p.Inode}
	}
	return out
}

func fabricRoutes(routes []nodespec.Route) []netfabric.TableRoute {
	var out []netfabric.TableRoute
	for _, r := range routes {
		route := netfabric.TableRoute{Destination: r.Destination}
		for _, target := range r.Targets {
			route.Targets = append(route.Targets, netfabric.Target{Kind: netfabric.TargetKind(target.Kind), ID: target.ID})
		}
		out = append(out, route)
	}
	return out
}

// outsideAddresses are all that the tunnels end on.
func outsideAddresses(d nodespec.Desired) []netip.Addr {
	var all []netip.Addr
	for _, t := range d.Tunnels {
		all = append(all, t.Local)
	}
	return all
}

var dpdActions = map[string]ike.DPDAction{"clear": ike.DPDClear, "none": ike.DPDNone, "restart": ike.DPDRestart}

// ipsecTunnel says t in the words of ipsec.
func ipsecTunnel(t nodespec.Tunnel) (ipsec.Tunnel, error) {
	p := ike.Peer{
		ID:              ike.PeerID(t.ID),
		Local:           t.Local,
		Remote:          t.Remote,
		LocalID:         ike.AddressIdentity(t.Local),
		PreSharedKey:    ike.Secret(t.PreSharedKey),
		FormerKey:       ike.Secret(t.FormerKey),
		FormerKeyUntil:  t.FormerUntil,
		KeyChanges:      t.KeyChanges,
		LocalSelectors:  t.LocalSelectors,
		RemoteSelectors: t.RemoteSelectors,
		Start:           t.Start,
		IKELifetime:     t.IKELifetime,
		ChildLifetime:   t.ChildLifetime,
		RekeyMargin:     t.RekeyMargin,
		RekeyFuzz:       t.RekeyFuzz,
		ReplayWindow:    t.ReplayWindow,
		DPDTimeout:      t.DPDTimeout,
		DPDAction:       dpdActions[t.DPDAction],
	}
	if p.RekeyFuzz == 0 {
		p.RekeyFuzz = -1 // ike: 0 means the default
	}
	versions, err := parseAll(t.IKEVersions, ike.ParseVersion)
	if err != nil {
		return ipsec.Tunnel{}, fmt.Errorf("tunnel %s: %w", t.ID, err)
	}
	p.Versions = ike.VersionsOf(versions...)
	if p.IKEProposals, err = parseAll(t.IKEAccepts, ike.ParseIKEProposal); err != nil {
		return ipsec.Tunnel{}, fmt.Errorf("tunnel %s: %w", t.ID, err)
	}
	if p.IKEOffers, err = parseAll(t.IKEOffers, ike.ParseIKEProposal); err != nil {
		return ipsec.Tunnel{}, fmt.Errorf("tunnel %s: %w", t.ID, err)
	}
	if p.ESPProposals, err = parseAll(t.ESPAccepts, ike.ParseESPProposal); err != nil {
		return ipsec.Tunnel{}, fmt.Errorf("tunnel %s: %w", t.ID, err)
	}
	if p.ESPOffers, err = parseAll(t.ESPOffers, ike.ParseESPProposal); err != nil {
		return ipsec.Tunnel{}, fmt.Errorf("tunnel %s: %w", t.ID, err)
	}
	return ipsec.Tunnel{Peer: p, Place: t.Network, Inside: t.Inside, Replacements: t.Replacements}, nil
}

func parseAll[T any](texts []string, parse func(string) (T, error)) ([]T, error) {
	var all []T
	for _, s := range texts {
		v, err := parse(s)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// tunnelStatus says s in the words of nodespec.
func tunnelStatus(s ipsec.Status) nodespec.TunnelStatus {
	out := nodespec.TunnelStatus{ID: string(s.ID), Up: s.Up, Since: s.Since, Message: s.Message, KeyUsed: s.KeyUsed}
	if s.Up {
		out.Negotiated = nodespec.Negotiated{IKEVersion: strings.ToLower(s.Version.String()), IKE: s.IKE.String(), ESP: s.ESP.String()}
	}
	return out
}
