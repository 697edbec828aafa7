package node

import (
	"errors"
	"net/netip"
	"slices"

	"causeway.dev/metadata"
	"causeway.dev/metadata/listen"
	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
)

// metadataNetwork says what a network's hosts are told about themselves; nil for
// nothing.
func metadataNetwork(prefix string, n nodespec.Network) *listen.Network {
	if len(n.Metadata) == 0 {
		return nil
	}
	hosts := make(map[netip.Addr]metadata.Host, len(n.Metadata))
	for _, m := range n.Metadata {
		h := metadata.Host{Instance: m.Instance, Disabled: m.Disabled, TokensOptional: m.TokensOptional, HopLimit: m.HopLimit, Role: metadata.Role(m.Role), Items: make([]metadata.Item, len(m.Items))}
		for i, item := range m.Items {
			h.Items[i] = metadata.Item(item)
		}
		for _, a := range m.Sources {
			hosts[a] = h
		}
	}
	return &listen.Network{ID: n.ID, Namespace: netfabric.NamespaceName(prefix, n.ID), IPv6: slices.Contains(n.Services, listen.Address6), Hosts: hosts}
}

// errNoCredentials: nobody makes any here.
var errNoCredentials = errors.New("no credentials are made for hosts")

// hostCredentials makes those of a host's role.
func (c Config) hostCredentials(h metadata.Host) (metadata.Credentials, error) {
	if c.Credentials == nil {
		return metadata.Credentials{}, errNoCredentials
	}
	made, err := c.Credentials(h.Instance, nodespec.HostRole(h.Role))
	return metadata.Credentials{AccessKeyID: made.AccessKeyID, Secret: string(made.Secret), Token: string(made.Token), Issued: made.Issued, Expires: made.Expires}, err
}
