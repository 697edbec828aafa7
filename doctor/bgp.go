package doctor

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
	"causeway.dev/bgp/speaker"
)

// BGP is what is known of the session over a tunnel.
type BGP struct {
	Local       netip.Addr `json:"local"`
	Remote      netip.Addr `json:"remote"`
	ASN         uint32     `json:"asn"`
	PeerASN     uint32     `json:"peerASN"`
	State       string     `json:"state"` // RFC 4271's: "Established"
	Established bool       `json:"established"`

	// Pending: the peer is awaited anew, and what it has told before holds.
	Pending bool      `json:"pending,omitempty"`
	Since   time.Time `json:"since,omitzero"` // of the last change of Established
	Message string    `json:"message"`
	IPsecUp bool      `json:"ipsecUp"` // the tunnel is, without the session

	RemoteIdentifier netip.Addr    `json:"remoteIdentifier,omitzero"`
	HoldTime         time.Duration `json:"holdTime,omitempty"` // negotiated, nanoseconds
	Sent             uint64        `json:"messagesSent"`
	Received         uint64        `json:"messagesReceived"`

	// The last NOTIFICATION of each side, since the tunnel came up; nil: none.
	NotificationSent     *Notification `json:"notificationSent,omitempty"`
	NotificationReceived *Notification `json:"notificationReceived,omitempty"`

	Advertised  []netip.Prefix `json:"advertised"`  // what the peer is told
	Learned     []Learned      `json:"learned"`     // what it tells
	MaxPrefixes int            `json:"maxPrefixes"` // how much of it is borne
	Ignored     int            `json:"ignored"`     // routes that cannot be meant, such as those that have come through us
	Refused     []string       `json:"refused"`     // routes that the configuration does not take, each with the reason
}

// Learned is a route that a peer tells.
type Learned struct {
	Destination netip.Prefix `json:"destination"`
	Path        []uint32     `json:"path"` // a set of ASNs is 0
	Origin      uint8        `json:"origin"`
	MED         *uint32      `json:"med,omitempty"`
}

// Notification is a message that has ended a session.
type Notification struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"` // "Cease / Administrative Shutdown (6/2)"
}

// AddBGP adds the session of a tunnel. The report is then of both: the tunnel is up if
// the session is established.
func (r *Report) AddBGP(p speaker.Peer, s speaker.Status) {
	b := &BGP{
		Local: p.Local, Remote: p.Remote, ASN: p.ASN, PeerASN: p.PeerASN, State: s.State.String(),
		Established: s.Established, Pending: s.Pending, Since: s.Since, Message: s.Message,
		RemoteIdentifier: s.RemoteIdentifier, HoldTime: s.HoldTime, Sent: s.Sent, Received: s.Received,
		Advertised: make([]netip.Prefix, 0, len(p.Advertised)), Learned: make([]Learned, 0, len(s.Routes)), MaxPrefixes: p.MaxPrefixes, Ignored: s.Refused,
		Refused: []string{}, NotificationSent: notification(s.Notifications.LastSent), NotificationReceived: notification(s.Notifications.LastReceived),
	}
	for _, a := range p.Advertised {
		b.Advertised = append(b.Advertised, a.Destination)
	}
	for _, l := range s.Routes {
		b.Learned = append(b.Learned, learned(l))
	}
	r.BGP = b
	b.IPsecUp = r.Up
	r.Up, r.Since, r.Verdict = s.Over(r.Up, r.Since, r.Verdict)
}

// ipsecUp reports whether the tunnel is up, whatever its session is.
func (r Report) ipsecUp() bool { return r.Up || r.BGP != nil && r.BGP.IPsecUp }

func notification(n session.Notified) *Notification {
	if n.At.IsZero() {
		return nil
	}
	return &Notification{n.At, n.Notification.String()}
}

func learned(r rib.Route) Learned {
	l := Learned{Destination: r.Destination, Path: r.Path, Origin: r.Origin}
	if r.HasMED {
		l.MED = &r.MED
	}
	return l
}

// routesShown is how many routes each way a page shows; WriteJSON has all.
const routesShown = 8

func (p *page) bgp(b *BGP) {
	if b == nil {
		return
	}
	state := b.State
	if !b.Since.IsZero() {
		state += " since " + p.ago(b.Since)
	}
	hold := ""
	if b.HoldTime > 0 {
		hold = fmt.Sprintf("hold time %v", b.HoldTime)
	}
	p.row("BGP", state, fmt.Sprintf("%v of AS %d with %v of AS %d", b.Local, b.ASN, b.Remote, b.PeerASN), hold, fmt.Sprintf("messages %d in %d out", b.Received, b.Sent))
	p.row("ended", p.notified("by us", b.NotificationSent), p.notified("by the peer", b.NotificationReceived))
	var told, heard []string
	for _, a := range b.Advertised {
		told = append(told, a.String())
	}
	for _, l := range b.Learned {
		heard = append(heard, fmt.Sprintf("%v by %s", l.Destination, path(l.Path)))
	}
	p.row("tells", counting(told))
	p.row("is told", counting(heard))
	if b.Ignored > 0 {
		p.row("", fmt.Sprintf("%d routes that cannot be meant are ignored", b.Ignored))
	}
	for _, text := range b.Refused[:min(len(b.Refused), routesShown)] {
		p.row("", "not taken: "+text)
	}
	if more := len(b.Refused) - routesShown; more > 0 {
		p.row("", fmt.Sprintf("… %d more are not taken: --json has them", more))
	}
}

// counting is how many routes there are, and the first of them.
func counting(routes []string) string {
	if len(routes) == 0 {
		return ""
	}
	return fmt.Sprintf("%d: %s", len(routes), first(routes, routesShown, ", "))
}

func (p *page) notified(by string, n *Notification) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("%s %s with %s", by, p.ago(n.At), n.Reason)
}

// path is an AS_PATH as it is read aloud: the nearest first.
func path(asns []uint32) string {
	var parts []string
	for _, asn := range asns {
		if asn == 0 {
			parts = append(parts, "{…}")
			continue
		}
		parts = append(parts, fmt.Sprint(asn))
	}
	return "AS " + strings.Join(parts, " ")
}
