package node

import (
	"context"
	"net"
	"net/netip"

	"causeway.dev/netfabric"
	"causeway.dev/nodespec"
	"causeway.dev/resolver"
	"causeway.dev/resolver/listen"
)

// resolverNetwork says what a network's resolver knows; nil if it has none.
func resolverNetwork(prefix string, n nodespec.Network) *listen.Network {
	if n.Resolver == nil {
		return nil
	}
	made := &listen.Network{
		ID: n.ID, Namespace: netfabric.NamespaceName(prefix, n.ID), Addresses: n.Resolver.Addresses,
		Config: resolver.Config{Local: n.Local, Prefix: n.Resolver.Prefix, Names: make([]resolver.Name, len(n.Resolver.Names))},
	}
	for i, name := range n.Resolver.Names {
		made.Names[i] = resolver.Name(name)
	}
	for _, p := range n.Resolver.Pointers {
		made.Pointers = append(made.Pointers, resolver.Pointer(p))
	}
	for _, i := range n.Interfaces {
		made.Interfaces = append(made.Interfaces, resolver.Interface{Addresses: i.Addresses(), DNS64: i.DNS64})
	}
	return made
}

// dial reaches a forwarder from the underlay.
func (c Config) dial(ctx context.Context, network string, to netip.AddrPort) (conn net.Conn, err error) {
	err = c.Underlay.Do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, to.String())
		return err
	})
	return conn, err
}
