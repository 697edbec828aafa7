package appliance

import (
	"cmp"
	"errors"
	"net"
	"net/netip"

	"causeway.dev/ipsec"
)

// validateMobile says what keeps a tunnel from having an own address that changes.
func (c Config) validateMobile(t Tunnel) error {
	switch {
	case !t.Remote.IsValid() || !t.starts():
		return errors.New("only our side knows where it is, so that it has to begin: remote is needed, and not start: false")
	case t.Certificate == "" && cmp.Or(t.ID, c.ID) == "":
		return errors.New("id: the gateway needs a name that the key belongs to, since no address does")
	}
	return nil
}

// locate looks from which addresses the kernel now sends to the gateways, and reports
// whether one has changed. Where no way leads to a gateway the last one stands.
func (a *running) locate() (changed bool) {
	for i := range a.tunnels {
		p := &a.tunnels[i].Peer
		if source, ok := sourceTowards(p.Remote); ok && source != p.Local {
			p.Local, changed = source, true
		}
	}
	return changed
}

// sourceTowards is the address that packets to a remote one leave from. Nothing is sent.
func sourceTowards(remote netip.Addr) (netip.Addr, bool) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(remote, 500)))
	if err != nil {
		return netip.Addr{}, false
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), true
}

// settle makes the host's tunnels equal the own addresses, if there are any yet.
func (a *running) settle() error {
	var known []ipsec.Tunnel
	for _, t := range a.tunnels {
		if t.Peer.Local.IsValid() {
			known = append(known, t)
		}
	}
	return a.host.Set(known)
}

// move follows own addresses that have changed.
func (a *running) move() {
	if !a.config.Mobile || !a.locate() && !a.unsettled {
		return
	}
	err := a.settle()
	if err != nil && !a.unsettled {
		a.log.Warn("move tunnels to another address", "err", err)
	}
	a.unsettled = err != nil
}
