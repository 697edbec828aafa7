package appliance

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/tunnel"
)

// BGP is the session over a tunnel by which both sides tell each other their routes:
// eBGP (RFC 4271) between the inside addresses, IPv4 unicast.
type BGP struct {
	ASN     uint32 `yaml:"asn"`      // own autonomous system number, 1 to 4294967294
	PeerASN uint32 `yaml:"peer_asn"` // the gateway's, another one

	// Peer is the gateway's inside address; default the other host of Tunnel.Inside,
	// which has two then.
	Peer netip.Addr `yaml:"peer"`

	// HoldTime is how long nothing may be heard before the session ends, in whole
	// seconds, 3s to 65535s; the shorter one of both sides' holds. Default 30s.
	HoldTime Duration `yaml:"hold_time"`

	// MaxPrefixes is how many routes the gateway may tell; one more ends the session.
	// 1 to 100000, default 1000, which is what AWS tells at most.
	MaxPrefixes int `yaml:"max_prefixes"`
}

const (
	holdTimeDefault = 30 * time.Second
	holdTimeMin     = 3 * time.Second // RFC 4271 section 4.2, without 0
	holdTimeMax     = 65535 * time.Second

	maxPrefixesDefault = 1000
	maxPrefixesMax     = 100_000

	entriesMax = 1000 // of Config.Advertise and Config.Accept
)

// asTrans stands for numbers of four bytes where there is room for two (RFC 6793).
const asTrans = 23456

// An Advertisement is one entry of Config.Advertise: a network, or the word
// "connected".
type Advertisement struct {
	Network   netip.Prefix // of IPv4
	Connected bool         // instead: the networks of own interfaces in ranges of RFC 1918, the tunnels' left out
}

// UnmarshalText reads "192.168.0.0/16" or "connected".
func (a *Advertisement) UnmarshalText(text []byte) error {
	if string(text) == "connected" {
		*a = Advertisement{Connected: true}
		return nil
	}
	p, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("advertise: %q is neither a network, such as 192.168.0.0/16, nor the word connected", text)
	}
	if err := checkNetwork(p); err != nil {
		return fmt.Errorf("advertise: %w", err)
	}
	*a = Advertisement{Network: p}
	return nil
}

// acceptDefault is Config.Accept's.
var acceptDefault = append(slices.Clone(private), netip.MustParsePrefix("100.64.0.0/10"))

// settleRoutes fills in what is learned, and says what is wrong with that and with what
// the gateways are to be told.
func (c *Config) settleRoutes() error {
	switch {
	case len(c.Advertise) > entriesMax || len(c.Accept) > entriesMax:
		return fmt.Errorf("advertise, accept: %d and %d entries, %d are allowed", len(c.Advertise), len(c.Accept), entriesMax)
	case len(c.Advertise) > 0 && !c.speaks():
		return errors.New("advertise: no tunnel has bgp, so that nobody is told")
	case len(c.Accept) > 0 && !c.speaks():
		return errors.New("accept: no tunnel has bgp, so that nothing is learned")
	case len(c.Accept) == 0:
		c.Accept = acceptDefault
	}
	for _, p := range c.Accept {
		if err := checkNetwork(p); err != nil {
			return fmt.Errorf("accept: %w", err)
		}
	}
	return nil
}

func checkNetwork(p netip.Prefix) error {
	switch {
	case !p.Addr().Is4():
		return fmt.Errorf("%v is not of IPv4: BGP carries that alone here", p)
	case p != p.Masked():
		return fmt.Errorf("%v is a host's address; its network is %v", p, p.Masked())
	}
	return nil
}

// speaks reports whether any tunnel has a session.
func (c Config) speaks() bool {
	for _, t := range c.Tunnels {
		if t.BGP != nil {
			return true
		}
	}
	return false
}

// setDefaults fills in what follows from the tunnel's inside range.
func (b *BGP) setDefaults(inside netip.Prefix) {
	if b.HoldTime == 0 {
		b.HoldTime = Duration(holdTimeDefault)
	}
	if b.MaxPrefixes == 0 {
		b.MaxPrefixes = maxPrefixesDefault
	}
	if !b.Peer.IsValid() {
		b.Peer = otherHost(inside)
	}
}

// otherHost is the second one of a range of IPv4 that has two; else none.
func otherHost(inside netip.Prefix) netip.Addr {
	if !inside.IsValid() || !inside.Addr().Is4() || inside.Bits() != 30 && inside.Bits() != 31 {
		return netip.Addr{}
	}
	return tunnel.PeerInside(inside)
}

// validateBGP says what keeps a tunnel's session from standing.
func (t *Tunnel) validateBGP() error {
	if err := t.BGP.validate(t.Inside); err != nil {
		return err
	}
	for name, side := range map[string]struct {
		selectors []netip.Prefix
		address   netip.Addr
	}{"local_selectors": {t.LocalSelectors, t.Inside.Addr()}, "remote_selectors": {t.RemoteSelectors, t.BGP.Peer}} {
		if len(side.selectors) > 0 && !slices.ContainsFunc(side.selectors, func(p netip.Prefix) bool { return p.Contains(side.address) }) {
			return fmt.Errorf("%s: they leave out %v, which the session is from or to", name, side.address)
		}
	}
	return nil
}

func (b *BGP) validate(inside netip.Prefix) error {
	switch hold := b.holdTime(); {
	case !inside.IsValid() || !inside.Addr().Is4():
		return errors.New("inside: the session needs an inside address of IPv4")
	case inside.Bits() < 31 && !inside.Contains(inside.Addr().Next()):
		return fmt.Errorf("inside: %v is the range's broadcast address, not a host's", inside)
	case !isASN(b.ASN):
		return fmt.Errorf("asn: %d is not a number that one's own network can have (1 to 4294967294, without %d and 65535)", b.ASN, asTrans)
	case !isASN(b.PeerASN):
		return fmt.Errorf("peer_asn: %d is not a number that a network can have (1 to 4294967294, without %d and 65535)", b.PeerASN, asTrans)
	case b.ASN == b.PeerASN:
		return fmt.Errorf("peer_asn: %d is the own one, too: sessions within one autonomous system (iBGP) are not supported", b.PeerASN)
	case !b.Peer.IsValid():
		return fmt.Errorf("peer: the gateway's inside address is missing, and does not follow from %v", inside)
	case !inside.Contains(b.Peer) || b.Peer == inside.Addr():
		return fmt.Errorf("peer: %v is not another host of %v", b.Peer, inside.Masked())
	case hold < holdTimeMin || hold > holdTimeMax || hold%time.Second != 0:
		return fmt.Errorf("hold_time: %v is not a number of whole seconds between %v and %v", hold, holdTimeMin, holdTimeMax)
	case b.MaxPrefixes < 1 || b.MaxPrefixes > maxPrefixesMax:
		return fmt.Errorf("max_prefixes: %d is not between 1 and %d", b.MaxPrefixes, maxPrefixesMax)
	}
	return nil
}

func (b *BGP) holdTime() time.Duration { return time.Duration(b.HoldTime) }

// isASN leaves out what is reserved (RFC 7607, RFC 6793, RFC 7300).
func isASN(n uint32) bool { return n != 0 && n != asTrans && n != 65535 && n != 4294967295 }
