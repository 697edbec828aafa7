package ipsec

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/daemon"
	"causeway.dev/ike/diagnosis"
	"causeway.dev/tunnel"
)

// A Diagnosis is all that is known of one tunnel, for people (package doctor
// writes it) and for programs (it marshals to JSON). It holds no secret.
type Diagnosis struct {
	Tunnel string    `json:"tunnel"`
	At     time.Time `json:"at"`
	Up     bool      `json:"up"`
	Since  time.Time `json:"since"` // of the last change of Up

	// Verdict is one sentence: what it runs with, or why it is down. Change is what
	// to do about it, where that is known and the verdict does not say it.
	Verdict string          `json:"verdict"`
	Change  string          `json:"change,omitempty"`
	Cause   diagnosis.Cause `json:"cause,omitempty"`

	Configuration Configuration `json:"configuration"`
	Arrivals      Arrivals      `json:"arrivals"`
	IKE           *IKESA        `json:"ike,omitempty"` // nil: none stands
	Children      []ChildSA     `json:"children"`
	Traffic       Traffic       `json:"traffic"`
	Path          Path          `json:"path"`

	// Connecting: an attempt of ours is under way; otherwise NextAttempt, if not
	// zero, is when the next begins. SendError is why the latest datagram to the
	// peer could not be sent.
	Connecting  bool      `json:"connecting"`
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	SendError   string    `json:"sendError,omitempty"`

	Failures []Failure `json:"failures"` // the last ones, the newest first

	// OutsideDrops are the packets from outside that the host has ignored and no
	// tunnel can claim, by layer and reason: "ike/cookie".
	OutsideDrops map[string]uint64 `json:"outsideDrops"`
}

// Configuration is what the tunnel shall be. Proposals are in the notation
// "aes128-sha256-group14".
type Configuration struct {
	Local          netip.Addr      `json:"local"`
	Remote         netip.Addr      `json:"remote,omitzero"` // the zero address: any
	Versions       string          `json:"versions"`
	Start          bool            `json:"start"` // our side begins
	LocalID        string          `json:"localID"`
	RemoteID       string          `json:"remoteID"`
	Authentication string          `json:"authentication"` // "pre-shared key" or "certificate"
	FormerKeyUntil time.Time       `json:"formerKeyUntil,omitzero"`
	IKEAccepts     []string        `json:"ikeAccepts"`
	IKEOffers      []string        `json:"ikeOffers"`
	ESPAccepts     []string        `json:"espAccepts"`
	ESPOffers      []string        `json:"espOffers"`
	Selectors      SelectorPair    `json:"selectors"`
	Inside         netip.Prefix    `json:"inside,omitzero"`
	DPDTimeout     time.Duration   `json:"dpdTimeout"` // nanoseconds; 0: the default of 30 s
	ReplayWindow   int             `json:"replayWindow"`
	Certificate    *CertificateUse `json:"certificate,omitempty"`
}

// A SelectorPair is which traffic a tunnel is for; none on a side is any.
type SelectorPair struct {
	Local  []netip.Prefix `json:"local"`
	Remote []netip.Prefix `json:"remote"`
}

// A CertificateUse is a certificate, and how long it is valid.
type CertificateUse struct {
	Subject  string    `json:"subject"`
	NotAfter time.Time `json:"notAfter"`
}

// Arrivals are what has come from the peer's address at all, authentic or not.
type Arrivals struct {
	UDP500  daemon.Arrivals `json:"udp500"`
	UDP4500 daemon.Arrivals `json:"udp4500"` // IKE; ESP in UDP is not among it
	ESP     daemon.Arrivals `json:"esp"`     // authentic, in UDP or not
	Strays  daemon.Arrivals `json:"strayESP"`
}

// An IKESA is the IKE SA that stands.
type IKESA struct {
	Version      string          `json:"version"`
	Proposal     string          `json:"proposal"`
	RemoteID     string          `json:"remoteID"`
	Established  time.Time       `json:"established"`
	Rekeyed      time.Time       `json:"rekeyed,omitzero"`
	RekeyAt      time.Time       `json:"rekeyAt,omitzero"` // by us; zero while one is under way
	ExpiresAt    time.Time       `json:"expiresAt,omitzero"`
	LastReceived time.Time       `json:"lastReceived,omitzero"` // authentic message
	LastSent     time.Time       `json:"lastSent,omitzero"`
	FormerKey    bool            `json:"formerKey"` // the peer has proved itself by the key before
	Certificate  *CertificateUse `json:"certificate,omitempty"`
}

// A ChildSA is a pair of ESP SAs.
type ChildSA struct {
	Inbound     string       `json:"inbound"` // SPI, in hexadecimal
	Outbound    string       `json:"outbound"`
	Active      bool         `json:"active"` // packets leave by it
	Proposal    string       `json:"proposal"`
	Selectors   SelectorPair `json:"selectors"` // as narrowed
	Established time.Time    `json:"established"`
	RekeyAt     time.Time    `json:"rekeyAt,omitzero"`
	ExpiresAt   time.Time    `json:"expiresAt,omitzero"`
}

// Traffic is what the tunnel has carried and dropped.
type Traffic struct {
	InboundPackets  uint64            `json:"inboundPackets"`
	InboundBytes    uint64            `json:"inboundBytes"`
	OutboundPackets uint64            `json:"outboundPackets"`
	OutboundBytes   uint64            `json:"outboundBytes"`
	LastInbound     time.Time         `json:"lastInbound,omitzero"`
	LastOutbound    time.Time         `json:"lastOutbound,omitzero"`
	Drops           map[string]uint64 `json:"drops"` // by reason; those of zero are left out
}

// A Path is how packets go.
type Path struct {
	Local         netip.AddrPort `json:"local,omitzero"`
	Remote        netip.AddrPort `json:"remote,omitzero"`
	Encapsulation string         `json:"encapsulation,omitempty"` // "UDP 4500" or "IP protocol 50"
	NATLocal      bool           `json:"natLocal"`                // address translation before us
	NATRemote     bool           `json:"natRemote"`               // and before the peer
	MOBIKE        bool           `json:"mobike"`
	Fragments     bool           `json:"ikeFragments"`

	// InsideMTU is the largest inner packet in bytes that goes without
	// fragmentation; 0 without an SA.
	InsideMTU int     `json:"insideMTU"`
	MTU       PathMTU `json:"mtu"`
}

// A Failure is why a negotiation failed or an SA has ended.
type Failure struct {
	First  time.Time       `json:"first"`
	Last   time.Time       `json:"last"`
	Count  int             `json:"count"` // how often in a row
	Cause  diagnosis.Cause `json:"cause"`
	Reason string          `json:"reason"`
	Change string          `json:"change,omitempty"`
	Remote netip.AddrPort  `json:"remote,omitzero"`

	Compared []Comparison `json:"compared,omitempty"`

	// When it happened last: the last packet each way before it.
	IKEReceived time.Time `json:"ikeReceived,omitzero"`
	IKESent     time.Time `json:"ikeSent,omitzero"`
	ESPReceived time.Time `json:"espReceived,omitzero"`
	ESPSent     time.Time `json:"espSent,omitzero"`
}

// A Comparison is what one side asked for beside what the other takes.
type Comparison struct {
	Subject string   `json:"subject"` // "ike-proposals", "esp-proposals", "selectors", "identity"
	Asked   string   `json:"asked"`   // by: "peer" or "us"
	Peer    []string `json:"peer"`    // empty where the peer has refused without a word of its own
	Own     []string `json:"own"`
}

// ErrNoTunnel is Diagnose's for a tunnel that does not run here.
var ErrNoTunnel = errors.New("no such tunnel runs here")

// Absent is the diagnosis of a tunnel that does not run here.
func Absent(id string) Diagnosis {
	return Diagnosis{
		Tunnel: id, At: time.Now(), Since: time.Now(), Verdict: "the tunnel does not run here", Change: "look into this side's log", Cause: diagnosis.CauseLocal,
		Children: []ChildSA{}, Failures: []Failure{}, OutsideDrops: map[string]uint64{},
	}
}

// Diagnose tells all that is known of a tunnel.
func (h *Host) Diagnose(id ike.PeerID) (Diagnosis, error) {
	seen, ignored := h.daemon.Status(id), h.Drops()
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.tunnels[id]
	if l == nil {
		return Diagnosis{}, fmt.Errorf("%w: %s", ErrNoTunnel, id)
	}
	t, counters := l.tracker, l.tunnel.Counters()
	d := Diagnosis{
		Tunnel: string(id), At: time.Now(), Up: t.up, Since: t.since,
		Configuration: configurationOf(l.config), Children: []ChildSA{}, Failures: []Failure{}, OutsideDrops: map[string]uint64{},
		Arrivals: Arrivals{
			UDP500: seen.IKE, UDP4500: seen.NATT, Strays: seen.Strays,
			ESP: daemon.Arrivals{Count: counters.InboundPackets, Last: counters.LastInbound},
		},
		Traffic: trafficOf(counters), Path: l.path(seen),
		Connecting: seen.Connecting, NextAttempt: seen.NextAttempt, SendError: seen.SendError,
	}
	for what, n := range ignored {
		d.OutsideDrops[what[0]+"/"+what[1]] = n
	}
	d.Verdict, d.Change, d.Cause = t.verdict(arrivalOf(seen, counters))
	if t.established {
		d.IKE = t.ikeSA(seen)
	}
	for _, p := range t.pairs {
		d.Children = append(d.Children, p.diagnosis(p.inbound == t.active))
	}
	for _, f := range slices.Backward(t.record.failures) {
		d.Failures = append(d.Failures, d.Configuration.complete(f))
	}
	return d, nil
}

func configurationOf(t Tunnel) Configuration {
	p := t.Peer
	c := Configuration{
		Local: p.Local, Remote: p.Remote, Versions: p.Versions.String(), Start: p.Start,
		LocalID: p.LocalID.String(), RemoteID: p.RemoteID.String(), Authentication: "pre-shared key",
		IKEAccepts: texts(p.IKEProposals), ESPAccepts: texts(p.ESPProposals),
		Selectors: SelectorPair{Local: nonNil(p.LocalSelectors), Remote: nonNil(p.RemoteSelectors)},
		Inside:    t.Inside, DPDTimeout: p.DPDTimeout, ReplayWindow: p.ReplayWindow,
	}
	if c.IKEOffers = texts(p.IKEOffers); len(c.IKEOffers) == 0 {
		c.IKEOffers = c.IKEAccepts
	}
	if c.ESPOffers = texts(p.ESPOffers); len(c.ESPOffers) == 0 {
		c.ESPOffers = c.ESPAccepts
	}
	if p.LocalID.Type == ike.IDNone {
		c.LocalID = p.Local.String()
	}
	if len(p.FormerKey) > 0 {
		c.FormerKeyUntil = p.FormerKeyUntil
	}
	if p.Certificate != nil {
		c.Authentication, c.Certificate = "certificate", certificateUse(p.Certificate.Chain)
	}
	return c
}

// certificateUse reads the leaf of a chain.
func certificateUse(chain [][]byte) *CertificateUse {
	if len(chain) == 0 {
		return nil
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil
	}
	return &CertificateUse{Subject: diagnosis.Printable(leaf.Subject.String(), 200), NotAfter: leaf.NotAfter}
}

func texts[T fmt.Stringer](all []T) []string {
	out := make([]string, 0, len(all))
	for _, one := range all {
		out = append(out, one.String())
	}
	return out
}

func nonNil[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func trafficOf(c tunnel.Counters) Traffic {
	t := Traffic{
		InboundPackets: c.InboundPackets, InboundBytes: c.InboundBytes, LastInbound: c.LastInbound,
		OutboundPackets: c.OutboundPackets, OutboundBytes: c.OutboundBytes, LastOutbound: c.LastOutbound,
		Drops: map[string]uint64{},
	}
	for reason, n := range c.Drops {
		if n > 0 {
			t.Drops[tunnel.Drop(reason).String()] = n
		}
	}
	return t
}

// path is called with Host.mu held.
func (l *life) path(seen daemon.Status) Path {
	p := Path{InsideMTU: l.tunnel.InsideMTU(), MTU: l.pathMTU}
	if l.tracker.established || len(l.tracker.pairs) > 0 {
		path := l.tracker.path
		p.Local, p.Remote, p.Encapsulation = path.Local, path.Remote, encapsulation(path)
		p.NATLocal, p.NATRemote = seen.NAT.Local, seen.NAT.Remote
		p.MOBIKE, p.Fragments = seen.MOBIKE, seen.Fragments
	}
	return p
}

func encapsulation(path ike.Path) string {
	if path.UDP {
		return fmt.Sprintf("UDP %d", path.Remote.Port())
	}
	return "IP protocol 50"
}

func (t *tracker) ikeSA(seen daemon.Status) *IKESA {
	return &IKESA{
		Version: t.version.String(), Proposal: t.proposal.String(), RemoteID: diagnosis.Name(seen.RemoteID),
		Established: t.record.established, Rekeyed: t.record.rekeyed, RekeyAt: seen.RekeyAt, ExpiresAt: seen.ExpiresAt,
		LastReceived: t.record.received, LastSent: t.record.sent,
		FormerKey: t.formerKey, Certificate: certificateUse(t.proved.chain),
	}
}

func (p pair) diagnosis(active bool) ChildSA {
	return ChildSA{
		Inbound: fmt.Sprintf("%08x", uint32(p.inbound)), Outbound: fmt.Sprintf("%08x", uint32(p.outbound)), Active: active,
		Proposal: p.proposal.String(), Selectors: SelectorPair{Local: nonNil(p.about.local), Remote: nonNil(p.about.remote)},
		Established: p.about.established, RekeyAt: p.about.rekeyAt, ExpiresAt: p.about.expiresAt,
	}
}

// complete adds our side where the peer has refused proposals without its own.
func (c Configuration) complete(f Failure) Failure {
	if len(f.Compared) > 0 {
		return f
	}
	switch f.Cause {
	case diagnosis.CauseIKEProposals:
		f.Compared = []Comparison{{Subject: string(ike.SubjectIKEProposals), Asked: "us", Peer: []string{}, Own: c.IKEOffers}}
	case diagnosis.CauseESPProposals:
		f.Compared = []Comparison{{Subject: string(ike.SubjectESPProposals), Asked: "us", Peer: []string{}, Own: c.ESPOffers}}
	}
	return f
}
