package tunnel

import (
	"errors"
	"fmt"
	"net/netip"

	"causeway.dev/esp"
	"causeway.dev/ike"
)

// A State is a tunnel's SAs with which it can go on in another process, exactly
// where it was. It holds keys: it is never written to a disk or a log.
type State struct {
	Pairs    []PairState // the oldest first
	Active   int         // the pair that packets leave by, in Pairs; -1: none
	Path     ike.Path
	OuterMTU int // as SetOuterMTU was told; 0: not measured
	Counters Counters
}

// A PairState is both SAs of one child.
type PairState struct {
	Inbound, Outbound               esp.State
	LocalSelectors, RemoteSelectors []netip.Prefix // none: any
	Used                            bool           // an authentic packet has come
}

// Wipe overwrites the keys.
func (s *State) Wipe() {
	for i := range s.Pairs {
		s.Pairs[i].Inbound.Wipe()
		s.Pairs[i].Outbound.Wipe()
	}
}

// SequenceLow reports whether an event SequenceLow may have been told of the pair,
// to whom it may have been lost.
func (p PairState) SequenceLow() bool {
	return p.Outbound.Sequence >= lowFor(p.Outbound.ExtendedSequence)
}

// Freeze closes the tunnel and returns how it was. Run must have ended, and so must
// the endpoint's. Pairs of another format than ESP are left out.
func (t *Tunnel) Freeze() (State, error) {
	t.mu.Lock()
	state := State{Active: -1, Path: t.path, OuterMTU: t.measured}
	active := t.route.Load()
	var errs []error
	for _, p := range t.pairs {
		opener, isESP := p.inbound.opener.(espOpener)
		sealer, too := p.outbound.sealer.(espSealer)
		if !isESP || !too {
			continue
		}
		isActive := active != nil && active.sa == p.outbound
		kept, err := freezePair(p, opener, sealer)
		if err != nil {
			errs = append(errs, fmt.Errorf("freeze SA %08x: %w", uint32(p.inbound.spi), err))
			continue
		}
		if isActive {
			state.Active = len(state.Pairs)
		}
		state.Pairs = append(state.Pairs, kept)
	}
	t.mu.Unlock()
	t.Close()
	state.Counters = t.Counters()
	return state, errors.Join(errs...)
}

// freezePair waits for a batch that is being carried.
func freezePair(p *pair, opener espOpener, sealer espSealer) (kept PairState, err error) {
	p.outbound.mu.Lock()
	kept.Outbound, err = sealer.Freeze()
	p.outbound.mu.Unlock()
	if err != nil {
		return kept, err
	}
	p.inbound.mu.Lock()
	defer p.inbound.mu.Unlock()
	kept.Inbound, err = opener.Freeze()
	kept.LocalSelectors, kept.RemoteSelectors, kept.Used = p.outbound.check.source, p.outbound.check.destination, p.inbound.used
	return kept, err
}

// Thaw gives a new tunnel the SAs and the counters that another was frozen with.
func (t *Tunnel) Thaw(state State) error {
	if state.Active >= len(state.Pairs) {
		return fmt.Errorf("thaw tunnel: pair %d of %d carries packets", state.Active, len(state.Pairs))
	}
	t.SetOuterMTU(state.OuterMTU)
	for _, kept := range state.Pairs {
		sealer, err := esp.ThawSealer(kept.Outbound)
		if err != nil {
			return fmt.Errorf("thaw outbound SA %08x: %w", uint32(kept.Outbound.SPI), err)
		}
		opener, err := esp.ThawOpener(kept.Inbound)
		if err != nil {
			return fmt.Errorf("thaw inbound SA %08x: %w", uint32(kept.Inbound.SPI), err)
		}
		err = t.install(&pair{
			inbound:  &inboundSA{spi: kept.Inbound.SPI, check: newSelectors(kept.RemoteSelectors, kept.LocalSelectors), opener: espOpener{opener}, used: kept.Used},
			outbound: &outboundSA{spi: kept.Outbound.SPI, low: lowFor(kept.Outbound.ExtendedSequence), check: newSelectors(kept.LocalSelectors, kept.RemoteSelectors), sealer: espSealer{sealer}},
		}, state.Path)
		if err != nil {
			return err
		}
	}
	t.restore(state.Counters)
	t.mu.Lock()
	defer t.mu.Unlock()
	if state.Active >= 0 {
		t.route.Store(t.newRoute(t.pairs[state.Active].outbound))
	}
	return nil
}

// restore is called before the tunnel runs.
func (t *Tunnel) restore(c Counters) {
	t.inboundPackets.Store(c.InboundPackets)
	t.inboundBytes.Store(c.InboundBytes)
	t.outboundPackets.Store(c.OutboundPackets)
	t.outboundBytes.Store(c.OutboundBytes)
	if !c.LastInbound.IsZero() {
		t.lastInbound.Store(c.LastInbound.UnixNano())
	}
	if !c.LastOutbound.IsZero() {
		t.lastOutbound.Store(c.LastOutbound.UnixNano())
	}
	for reason, n := range c.Drops {
		t.drops.add(Drop(reason), n)
	}
}

// Sockets are what the endpoint receives on, for another process that goes on with
// it.
func (e *Endpoint) Sockets() Sockets { return e.sockets }
