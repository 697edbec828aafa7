package node

import (
	"fmt"
	"net/netip"
	"strings"

	"causeway.dev/ike"
	"causeway.dev/ipsec"
	metadata "causeway.dev/metadata/listen"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
	resolvers "causeway.dev/resolver/listen"
)

// FabricConfig says d's networks in the words of netfabric: what a node applies.
func FabricConfig(prefix string, underlay netfabric.Underlay, d nodespec.Desired) netfabric.Config {
	var networks []netfabric.Network
	for _, n := range d.Networks {
		networks = append(networks, fabricNetwork(n))
	}
	return fabricConfig(prefix, underlay, d, networks)
}

// fabricConfig is FabricConfig where the networks are translated already.
func fabricConfig(prefix string, underlay netfabric.Underlay, d nodespec.Desired, networks []netfabric.Network) netfabric.Config {
	c := netfabric.Config{Prefix: prefix, Underlay: underlay.Plan(), Host: underlay.Namespace, Networks: networks}
	for _, l := range d.Links {
		c.Links = append(c.Links, netfabric.Link{ID: l.ID, Ends: [2]netfabric.LinkEnd{
			netfabric.LinkEnd(l.Ends[0]), netfabric.LinkEnd(l.Ends[1]),
		}})
	}
	for _, t := range d.Tunnels {
		c.TUNs = append(c.TUNs, netfabric.TUN{ID: t.ID, Network: t.Network, Table: t.Table, Inside: t.Inside, BGP: bgpPeerOf(t)})
	}
	for _, n := range d.Networks {
		if t := n.Translator; t != nil && t.IPv6 != nil {
			c.TUNs = append(c.TUNs, embeddingTUN(n))
		}
	}
	for _, i := range d.Instances {
		if !i.Stopped {
			c.Instances = append(c.Instances, i.ID)
		}
	}
	return c
}

// A network is a nodespec.Network in the words of those who have to do with it.
type network struct {
	fabric   netfabric.Network
	resolver *resolvers.Network // nil: it has none
	metadata *metadata.Network  // nil: its hosts are told nothing
}

// translated are the networks of d, for each who has to do with them.
func (n *Node) translated(d nodespec.Desired) (fabric []netfabric.Network, resolving []resolvers.Network, telling []metadata.Network) {
	n.networks.turn()
	for _, wanted := range d.Networks {
		is := n.networks.get(wanted.ID, wanted, func(v nodespec.Network) network {
			return network{fabricNetwork(v), resolverNetwork(n.cfg.Prefix, v), metadataNetwork(n.cfg.Prefix, v)}
		})
		fabric = append(fabric, is.fabric)
		if is.resolver != nil {
			resolving = append(resolving, *is.resolver)
		}
		if is.metadata != nil {
			telling = append(telling, *is.metadata)
		}
	}
	return fabric, resolving, telling
}

// An ipsecTranslation is a nodespec.Tunnel in the words of ipsec, or why that is not
// possible.
type ipsecTranslation struct {
	tunnel ipsec.Tunnel
	err    error
}

func translateTunnel(t nodespec.Tunnel) ipsecTranslation {
	translated, err := ipsecTunnel(t)
	return ipsecTranslation{translated, err}
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
		out.Translator = &netfabric.Translator{Addresses: t.Addresses, Leaving: t.Leaving, Ports: netfabric.PortRange(t.Ports)}
		if t.IPv6 != nil {
			out.Translator.IPv6 = &netfabric.Embedding{Prefix: t.IPv6.Prefix, StandIns: standIns}
		}
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
