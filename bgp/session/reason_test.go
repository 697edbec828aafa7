package session_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

// What the peer says when it ends a session, in words.
func TestReasons(t *testing.T) {
	for want, n := range map[string]wire.Notification{
		"the peer refuses our AS: the device has to expect 64512 of this neighbor (NOTIFICATION OPEN Message Error / Bad Peer AS (2/2))": {Code: wire.CodeOpen, Subcode: wire.BadPeerAS},
		"the peer refuses our hold time of 30s (NOTIFICATION OPEN Message Error / Unacceptable Hold Time (2/6))":                         {Code: wire.CodeOpen, Subcode: wire.UnacceptableHoldTime},
		"the peer refuses our BGP identifier 169.254.10.1: it may be its own, too (NOTIFICATION OPEN Message Error / Bad BGP Identifier (2/3))": {
			Code: wire.CodeOpen, Subcode: wire.BadIdentifier,
		},
		"the peer has heard nothing from our side for its hold time (NOTIFICATION Hold Timer Expired (4/0))":                                       {Code: wire.CodeHoldTimer},
		"the peer takes fewer routes than it is told: raise its limit of prefixes (NOTIFICATION Cease / Maximum Number of Prefixes Reached (6/1))": wire.Cease(wire.MaximumPrefixes),
		`the session is shut down on the peer: "works until 18:00" (NOTIFICATION Cease / Administrative Shutdown (6/2))`:                           {Code: wire.CodeCease, Subcode: wire.AdministrativeShutdown, Data: []byte("\x11works until 18:00")},
		`the session was reset on the peer: "a?[2Jb" (NOTIFICATION Cease / Administrative Reset (6/4))`:                                            {Code: wire.CodeCease, Subcode: wire.AdministrativeReset, Data: []byte("\x06a\x1b[2Jb")},
		"the session is shut down on the peer (NOTIFICATION Cease / Administrative Shutdown (6/2))":                                                {Code: wire.CodeCease, Subcode: wire.AdministrativeShutdown, Data: []byte("\xffcut off")},
		"the peer rejects the connection: it may not know this neighbor, or has shut it down (NOTIFICATION Cease / Connection Rejected (6/5))":     wire.Cease(wire.ConnectionRejected),
		"the peer ended the session (NOTIFICATION an unknown error (200/3))":                                                                       {Code: 200, Subcode: 3},
		"the peer ended the session (NOTIFICATION UPDATE Message Error / Malformed AS_PATH (3/11))":                                                {Code: wire.CodeUpdate, Subcode: wire.MalformedASPath},
	} {
		s := newStation(t, config())
		s.start()
		s.receive(s.dialed(), n.Append(nil))
		s.because(want)
	}
	s := newStation(t, config())
	s.start()
	s.receive(s.dialed(), wire.Notification{Code: wire.CodeCease, Subcode: wire.AdministrativeShutdown, Data: append([]byte{255}, []byte(strings.Repeat("é", 128))...)}.Append(nil))
	if len(s.Reason()) > 300 {
		t.Errorf("a reason of %d octets: %s", len(s.Reason()), s.Reason())
	}
}

// What a peer has said is not forgotten at once because it can't be dialed: many peers
// only dial themselves.
func TestWhatThePeerHasSaidCountsMore(t *testing.T) {
	s := newStation(t, config())
	s.start()
	open := peerOpen()
	open.ASN = 65001
	s.receive(s.dialed(), open.Append(nil))
	s.wait(5 * time.Second)
	s.dialing = false
	s.DialFailed(s.now, session.Refused, "")
	s.because("the peer's AS is 65001, the customer gateway's BGP ASN is 65000")
	s.wait(4 * time.Minute)
	s.because("nobody answers at 169.254.10.2 port 179")
}

// Configurations that can't work are refused, in words; zero means the usual times.
func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*session.Config){
		"BGP session: 0 is no AS's number":                                                     func(c *session.Config) { c.ASN = 0 },
		"BGP session: 23456 is no AS's number":                                                 func(c *session.Config) { c.PeerASN = wire.ASTrans },
		"BGP session: 65535 is no AS's number":                                                 func(c *session.Config) { c.PeerASN = 65535 },
		"BGP session: both sides have the ASN 64512, only sessions between two ASes are known": func(c *session.Config) { c.PeerASN = c.ASN },
		"BGP session: 0.0.0.0 is no identifier":                                                func(c *session.Config) { c.Identifier = netip.IPv4Unspecified() },
		"BGP session: ::1 is no identifier":                                                    func(c *session.Config) { c.Identifier = netip.IPv6Loopback() },
		"BGP session: the peer has no address":                                                 func(c *session.Config) { c.Remote = netip.Addr{} },
		"BGP session: a hold time of 2s, it has to be of whole seconds from 3s to 18h12m15s":   func(c *session.Config) { c.HoldTime = 2 * time.Second },
		"BGP session: a hold time of 3.5s, it has to be of whole seconds from 3s to 18h12m15s": func(c *session.Config) { c.HoldTime = 3500 * time.Millisecond },
		"BGP session: a retry after -1ns":                                                      func(c *session.Config) { c.ConnectRetry = -1 },
		"BGP session: a restart time of 1h8m16s, it has to be of whole seconds up to 1h8m15s":  func(c *session.Config) { c.RestartTime = 4096 * time.Second },
	} {
		c := config()
		change(&c)
		if _, err := session.New(c, nil); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	c := config()
	c.HoldTime, c.ConnectRetry = 0, 0
	s, _ := established(t, c, peerOpen())
	if n, _ := s.Negotiated(); n.HoldTime != 30*time.Second {
		t.Errorf("a hold time of %v", n.HoldTime)
	}
}
