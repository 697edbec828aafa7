package nft

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// States of TCP connections, as connection tracking numbers them, in which both sides
// have nothing more to say or one has broken off.
const (
	tcpLastACK = 6
	tcpClose   = 8
)

// Translated returns the IPv4 addresses to which connections that run in the calling
// thread's network namespace are answered. One of TCP that has ended, but is still
// remembered, does not run.
func Translated() (map[netip.Addr]bool, error) {
	connections, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	translated := map[netip.Addr]bool{}
	for _, c := range connections {
		if tcp, ok := c.ProtoInfo.(*netlink.ProtoInfoTCP); ok && tcp.State >= tcpLastACK && tcp.State <= tcpClose {
			continue
		}
		if a, ok := netip.AddrFromSlice(c.Reverse.DstIP); ok {
			translated[a.Unmap()] = true
		}
	}
	return translated, nil
}
