package ipsec

import (
	"fmt"
	"net/netip"

	"causeway.dev/ike"
	"causeway.dev/tunnel"
)

// A Capture sees what one tunnel does: its packets, its IKE datagrams and IKE's
// events. Its methods are called from the hot path and from the IKE loop: they
// must not block, must not call back, and must copy what they keep; keys in events
// are wiped after the call.
type Capture interface {
	tunnel.Tap

	// SetPath tells where the peers are, at the start, if an IKE SA stands.
	SetPath(ike.Path)

	// IKE is a datagram without the non-ESP marker.
	IKE(outbound bool, local, remote netip.AddrPort, datagram []byte)
	Event(ike.Event)
}

// StartCapture lets c see a tunnel until stop is called, also where the tunnel is
// made anew meanwhile. There is one capture of a tunnel at a time.
func (h *Host) StartCapture(id ike.PeerID, c Capture) (stop func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.tunnels[id]
	switch {
	case l == nil:
		return nil, fmt.Errorf("capture tunnel %s: it does not run here", id)
	case h.captures[id] != nil:
		return nil, fmt.Errorf("capture tunnel %s: it is being captured already", id)
	}
	if l.tracker.established {
		c.SetPath(l.tracker.path)
	}
	h.captures[id] = c
	l.tunnel.SetTap(c)
	h.capturing.Add(1)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.captures, id)
		if l := h.tunnels[id]; l != nil {
			l.tunnel.SetTap(nil)
		}
		h.capturing.Add(-1)
	}, nil
}

// receiveIKE hands a datagram to IKE.
func (h *Host) receiveIKE(local, remote netip.AddrPort, datagram []byte) {
	h.captureIKE(false, local, remote, datagram)
	h.daemon.Receive(local, remote, datagram)
}

// captureIKE shows a datagram to the captures of the tunnels that it may belong
// to.
func (h *Host) captureIKE(outbound bool, local, remote netip.AddrPort, datagram []byte) {
	if h.capturing.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, c := range h.captures {
		l := h.tunnels[id]
		if l == nil {
			continue
		}
		peer := l.config.Peer
		if peer.Local == local.Addr() && (!peer.Remote.IsValid() || peer.Remote == remote.Addr() || l.tracker.path.Remote.Addr() == remote.Addr()) {
			c.IKE(outbound, local, remote, datagram)
		}
	}
}
