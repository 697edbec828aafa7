package node

import (
	"net/netip"

	"causeway.dev/ipsec"
	"causeway.dev/packetio"
)

// openProber opens what measures the MTU of paths from an outside address.
func (n *Node) openProber(local netip.Addr) (prober ipsec.Prober, err error) {
	err = n.cfg.Underlay.Do(func() error {
		socket, err := packetio.ListenWhole(local)
		if err == nil {
			prober = socket
		}
		return err
	})
	return prober, err
}
