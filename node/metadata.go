package node

import (
	"net/netip"

	"causeway.dev/metadata"
	"causeway.dev/metadata/listen"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
)

// metadataNetworks says which networks' hosts are told about themselves, and what.
func metadataNetworks(prefix string, d nodespec.Desired) []listen.Network {
	var networks []listen.Network
	for _, n := range d.Networks {
		if len(n.Metadata) == 0 {
			continue
		}
		hosts := make(map[netip.Addr]metadata.Host, len(n.Metadata))
		for _, m := range n.Metadata {
			h := metadata.Host{Instance: m.Instance, Disabled: m.Disabled, TokensOptional: m.TokensOptional, HopLimit: m.HopLimit, Items: make([]metadata.Item, len(m.Items))}
			for i, item := range m.Items {
				h.Items[i] = metadata.Item(item)
			}
			for _, a := range m.Sources {
				hosts[a] = h
			}
		}
		networks = append(networks, listen.Network{ID: n.ID, Namespace: netfabric.NamespaceName(prefix, n.ID), Hosts: hosts})
	}
	return networks
}
