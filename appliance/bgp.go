package appliance

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/speaker"
	"causeway.dev/doctor"
	"causeway.dev/ike"
	"causeway.dev/ipsec"
)

// medStep is how much worse each tunnel is told to be than the one before it in the
// configuration, so that the gateways prefer the same one as we do.
const medStep = 100

// A dialogue is the BGP of an appliance. One goroutine owns it, as running.
type dialogue struct {
	config  Config
	log     *slog.Logger
	host    *speaker.Host
	changed chan struct{}

	adopted map[string]bool // tunnels that the process before has handed over

	networks []network
	peers    []speaker.Peer
	refused  string // what was logged last of routes that are not taken
	said     time.Time

	mu   sync.Mutex
	seen map[string]seen // by tunnels; guarded by mu
}

// seen is what others than the owner may know of a session.
type seen struct {
	peer    speaker.Peer
	refused []string // routes that are not taken, with the reasons
}

// startDialogue returns nil where no tunnel speaks BGP. Kept are the tunnels that are to
// be taken over.
func (a *running) startDialogue(kept []ike.PeerID) *dialogue {
	if !a.config.speaks() {
		return nil
	}
	d := &dialogue{config: a.config, log: a.log, adopted: map[string]bool{}}
	d.changed = make(chan struct{}, 1) // one waiting wake-up says all
	for _, id := range kept {
		d.adopted[string(id)] = true
	}
	d.host = speaker.New(speaker.Config{Logger: a.log, Changed: func() {
		select {
		case d.changed <- struct{}{}:
		default:
		}
	}})
	return d
}

// wake receives a value after a session has changed.
func (d *dialogue) wake() <-chan struct{} {
	if d == nil {
		return nil
	}
	return d.changed
}

// look sees to which networks the host is connected now.
func (d *dialogue) look() (err error) {
	if d != nil {
		d.networks, err = connectedNetworks()
	}
	return err
}

// follow makes the sessions equal the tunnels and what is told by them the networks,
// and returns the sessions by their tunnels.
func (d *dialogue) follow(tunnels []ipsec.Status) (map[string]speaker.Status, error) {
	if d == nil {
		return nil, nil
	}
	d.peers = d.wanted(tunnels)
	err := d.host.Set(d.peers)
	return d.sessions(), err
}

func (d *dialogue) sessions() map[string]speaker.Status {
	all := map[string]speaker.Status{}
	for _, s := range d.host.Status() {
		all[s.ID] = s
	}
	return all
}

// told is what the gateways are to know.
func (d *dialogue) told() []netip.Prefix {
	return advertised(d.config.Advertise, d.networks, d.config.names())
}

// wanted are the sessions as the tunnels are.
func (d *dialogue) wanted(tunnels []ipsec.Status) []speaker.Peer {
	paths := map[string]time.Time{}
	for _, t := range tunnels {
		if t.Up {
			paths[string(t.ID)] = t.Since
		}
	}
	told := d.told()
	var all []speaker.Peer
	for i, t := range d.config.Tunnels {
		if t.BGP == nil {
			continue
		}
		p := t.session(told, uint32(i+1)*medStep)
		p.Path, p.Adopted = paths[t.Name], d.adopted[t.Name]
		all = append(all, p)
	}
	return all
}

// session is a tunnel's, that tells of networks with a MED.
func (t Tunnel) session(told []netip.Prefix, med uint32) speaker.Peer {
	p := speaker.Peer{
		ID: t.Name, Device: t.Name, Local: t.Inside.Addr(), Remote: t.BGP.Peer, ASN: t.BGP.ASN, PeerASN: t.BGP.PeerASN,
		HoldTime: t.BGP.holdTime(), MaxPrefixes: t.BGP.MaxPrefixes,
	}
	for _, n := range told {
		p.Advertised = append(p.Advertised, rib.Route{Destination: n, MED: med, HasMED: true})
	}
	return p
}

// routes says over which tunnels what was learned is reached, and by which tunnels'
// sessions more is still to come: routes over these stay for the time being.
func (d *dialogue) routes(sessions map[string]speaker.Status, gateways map[netip.Addr]string) (over map[netip.Prefix]string, pending map[string]bool) {
	if d == nil {
		return nil, nil
	}
	pending = map[string]bool{}
	var all []heard
	for _, t := range d.config.Tunnels {
		s, speaks := sessions[t.Name]
		if !speaks {
			continue
		}
		if s.Pending {
			pending[t.Name] = true
		}
		all = append(all, heard{t.Name, s.Routes})
	}
	over, not := choose(all, surroundings{networks: d.networks, gateways: gateways, advertised: d.told(), accepted: d.config.Accept})
	d.complain(not, time.Now())
	d.show(d.peers, not)
	return over, pending
}

// report adds a tunnel's session to what is known of it. It may be called by anybody.
func (d *dialogue) report(r *doctor.Report) {
	if d == nil {
		return
	}
	d.mu.Lock()
	is, found := d.seen[r.Name]
	d.mu.Unlock()
	if s, speaks := d.sessions()[r.Name]; found && speaks {
		r.AddBGP(is.peer, s)
		r.BGP.Refused = is.refused
	}
}

// show makes known to others what the sessions are to be, and which routes are not taken.
func (d *dialogue) show(peers []speaker.Peer, not []refused) {
	all := map[string]seen{}
	for _, p := range peers {
		is := seen{peer: p, refused: []string{}}
		for _, r := range not {
			if r.tunnel == p.ID {
				is.refused = append(is.refused, fmt.Sprintf("%v: %s", r.destination, r.why))
			}
		}
		all[p.ID] = is
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = all
}

// refusedShown is how many routes that are not taken a line of the log names, and
// complainEvery the time between two such lines: gateways decide how often that changes.
const (
	refusedShown  = 5
	complainEvery = 10 * time.Second
)

// complain logs once which routes are not taken, as long as they are the same.
func (d *dialogue) complain(not []refused, now time.Time) {
	if now.Sub(d.said) < complainEvery {
		return
	}
	var lines []string
	for _, r := range not[:min(len(not), refusedShown)] {
		lines = append(lines, fmt.Sprintf("%v by %s: %s", r.destination, r.tunnel, r.why))
	}
	text := strings.Join(lines, "; ")
	if text != "" && text != d.refused {
		d.said = now
		d.log.Warn("routes of gateways are not taken", "routes", len(not), "first", text)
	}
	d.refused = text
}

// end ends the sessions: with notice to the peers, or, where another process goes on
// with the tunnels, so that the peers wait for it.
func (d *dialogue) end(ctx context.Context, restarting bool) {
	if d != nil {
		d.host.Close(ctx, restarting)
	}
}
