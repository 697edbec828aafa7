package ipsec

import (
	"context"
	"strings"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/diagnosis"
)

// judgeInterval is how often the certificates that standing tunnels were set up
// with are judged again: they expire.
const judgeInterval = time.Minute

// proof is what a peer has proved itself with.
type proof struct {
	chain    [][]byte
	identity ike.Identity
}

// remarker is a Verifier that has something to say of what it accepts.
type remarker interface {
	Remarks(chain [][]byte, now time.Time) []string
}

// JudgeCertificates asks again whether the certificates of standing tunnels are
// accepted, after the answer may have changed: revocation has been looked up.
// A tunnel whose peer's is not is ended, with the reason.
func (h *Host) JudgeCertificates() {
	type standing struct {
		l        *life
		verifier ike.Verifier
		proved   proof
	}
	all := map[ike.PeerID]standing{}
	h.mu.Lock()
	for id, l := range h.tunnels {
		if v := l.config.Peer.Verifier; v != nil && len(l.tracker.proved.chain) > 0 {
			all[id] = standing{l, v, l.tracker.proved}
		}
	}
	h.mu.Unlock()
	now := time.Now()
	for id, s := range all {
		if _, err := s.verifier.Verify(s.proved.chain, s.proved.identity, now); err != nil {
			h.log.Warn("the peer's certificate is no longer accepted", "tunnel", string(id), "reason", err)
			h.command(id, ike.Terminate{Reason: diagnosis.Certificate(err)})
			continue
		}
		if r, ok := s.verifier.(remarker); ok {
			remarks := strings.Join(r.Remarks(s.proved.chain, now), "; ")
			h.mu.Lock()
			s.l.tracker.remarks = remarks
			h.mu.Unlock()
		}
	}
}

func (h *Host) judgeCertificates(ctx context.Context) error {
	tick := time.NewTicker(judgeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			h.JudgeCertificates()
		}
	}
}
