package ipsec

import (
	"fmt"
	"net/netip"

	"causeway.dev/tunnel"
)

// Tunnels whose own address has changed: their SAs go on at another endpoint, and IKE
// tells the peer (RFC 4555), if it follows. Otherwise they begin anew.

// moves reports whether of a tunnel's configuration nothing but our address differs,
// which may change.
func moves(old, wanted Tunnel) bool {
	if !old.Peer.Mobile || !wanted.Peer.Mobile || old.Peer.Local == wanted.Peer.Local {
		return false
	}
	old.Peer.Local = wanted.Peer.Local
	return sameDevice(old, wanted)
}

// move has a tunnel go on at another address of ours. Its device stays, packets wait in
// it. Where that fails the tunnel carries nothing, and the next Set makes it anew.
func (h *Host) move(l *life, t Tunnel) error {
	endpoint, lane, err := h.listen(t.Peer.Local)
	if err != nil {
		return err
	}
	former := l.config.Peer.Local
	err = h.daemon.MovePeer(t.Peer, func() error { // no event of IKE comes between
		l.group.Stop(nil)
		_ = l.group.Wait() // it ends because it was told to
		next, err := h.relocate(l, t, endpoint, lane)
		if err != nil {
			return fmt.Errorf("move tunnel %s to %v: %w", t.Peer.ID, t.Peer.Local, err)
		}
		h.mu.Lock()
		h.add(next)
		h.mu.Unlock()
		h.carry(next)
		return nil
	})
	if err != nil {
		h.breakDown(err, func(broken *life) bool { return broken == l })
		h.unlisten(t.Peer.Local)
		return err
	}
	h.unlisten(former)
	return nil
}

// relocate makes the tunnel that goes on where l stops.
func (h *Host) relocate(l *life, t Tunnel, endpoint *tunnel.Endpoint, lane *tunnel.Lane) (*life, error) {
	state, err := l.tunnel.Freeze()
	defer state.Wipe()
	if err != nil {
		return nil, err
	}
	if state.Path.Local.IsValid() {
		state.Path.Local = netip.AddrPortFrom(t.Peer.Local, state.Path.Local.Port())
	}
	next, err := h.newLife(t, l.device, endpoint, lane)
	if err != nil {
		return nil, err
	}
	next.tracker, next.journal = l.tracker, l.journal
	return next, next.tunnel.Thaw(state)
}
