package daemon

import (
	"reflect"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
)

// An effect is what a change of a peer's configuration has on what stands.
type effect uint8

const (
	harmless     effect = iota // what stands goes on
	renegotiates               // it is made anew beside what stands, which then ends
	moves                      // what stands goes on at another address of ours, if it can
	replaces                   // what stands ends, and the peer begins anew
)

// effectOf compares a configuration with the one before.
func effectOf(old, config ike.Peer) effect {
	before, _ := versionsOf(old)
	after, err := versionsOf(config)
	if old.Mobile && config.Mobile && old.Local != config.Local {
		old.Local = config.Local
		if effectOf(old, config) == harmless {
			return moves
		}
		return replaces
	}
	if err != nil || before != after || old.Local != config.Local || old.Remote != config.Remote {
		return replaces
	}
	keyed := old.Certificate == nil && config.Certificate == nil
	stands := keyed && (keys.Equal(old.PreSharedKey, config.PreSharedKey) || keys.Equal(old.PreSharedKey, config.FormerKey)) ||
		old.Certificate != nil && config.Certificate != nil
	if stands && reflect.DeepEqual(withoutHarmless(old), withoutHarmless(config)) {
		return harmless
	}
	return renegotiates
}

// withoutHarmless leaves out what a change of does not make anything that stands
// wrong: whom we trust and by what we prove ourselves is asked at the next
// authentication, when something is due is asked each time.
func withoutHarmless(p ike.Peer) ike.Peer {
	p.PreSharedKey, p.FormerKey, p.FormerKeyUntil, p.Certificate, p.Verifier = nil, nil, time.Time{}, nil, nil
	p.KeyChanges = 0
	p.IKEOffers, p.ESPOffers, p.FragmentSize = nil, nil, 0
	p.RekeyMargin, p.RekeyFuzz, p.DPDTimeout, p.DPDAction, p.Start = 0, 0, 0, 0, false
	return p
}

// takeEffect follows a change of a peer's configuration that is in force.
func (d *Daemon) takeEffect(now time.Time, p *peer, e effect) {
	id := p.config.ID
	if e == renegotiates {
		d.gate.Outdate(now, id)
	}
	switch s := d.gate.Status(id); {
	case !p.config.Start:
		p.retry = retry{}
	case !s.Established && !s.Child && !p.retry.suspended:
		d.schedule(p, now)
	}
}
