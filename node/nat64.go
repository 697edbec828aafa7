package node

import (
	"context"
	"net/netip"

	"causeway.dev/nat64/carry"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
)

// standIns are the addresses that hosts of IPv6 have between the translation of their
// packets and that of their ports: nobody else has any of them, nor will (RFC 1112
// section 4).
var standIns = netip.MustParsePrefix("240.0.0.0/5")

// embeddingTUN is the device by which a network's packets of IPv6 become IPv4's. They
// are routed as all others of the network are.
func embeddingTUN(n nodespec.Network) netfabric.TUN {
	return netfabric.TUN{
		ID: embeddingID(n.ID), Network: n.ID, Table: n.Tables[0].ID,
		Taken: []netip.Prefix{standIns, n.Translator.IPv6.Prefix},
	}
}

func embeddingID(network string) string { return network + "/nat64" }

// embeddings are the networks in which packets of IPv6 become IPv4's.
func embeddings(prefix string, d nodespec.Desired) (all []carry.Network) {
	for _, n := range d.Networks {
		if t := n.Translator; t != nil && t.IPv6 != nil {
			all = append(all, carry.Network{
				ID: n.ID, Namespace: netfabric.NamespaceName(prefix, n.ID), Device: netfabric.TUNName(embeddingID(n.ID)),
				Prefix: t.IPv6.Prefix, StandIns: standIns, Hosts: t.IPv6.Hosts,
			})
		}
	}
	return all
}

// embeddingOpened lets packets reach a device that has just been opened.
func (n *Node) embeddingOpened(network string) error {
	return n.fabric.TUNOpened(context.Background(), embeddingID(network))
}

// Untranslated counts, by reason, packets between hosts of IPv6 and of IPv4 that were not
// translated.
func (n *Node) Untranslated() map[string]uint64 { return n.nat64.Drops() }
