package session

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"causeway.dev/bgp/wire"
)

// Config is what a session is made from. It does not change.
type Config struct {
	ASN, PeerASN uint32     // ours and the peer's, RFC 6793; they differ
	Identifier   netip.Addr // ours, RFC 6286: an address of IPv4 that is not zero
	Remote       netip.Addr // the peer's address, for sentences

	// HoldTime is what our side proposes, in whole seconds from 3 s on; 30 s where zero.
	// The shorter one of both sides holds; nobody has to be silent for longer.
	HoldTime time.Duration

	// ConnectRetry is how long after an attempt that failed the next one begins; 5 s where
	// zero. Where it is an error that ended a session, the time grows up to a minute.
	ConnectRetry time.Duration

	// RestartTime is how long the peer shall keep our routes while we begin anew, in whole
	// seconds up to 4095 s, RFC 4724; where zero, graceful restart is not offered.
	RestartTime time.Duration
}

const (
	holdTimeDefault     = 30 * time.Second
	holdTimeMin         = 3 * time.Second // RFC 4271 section 4.2; we want liveness, and refuse 0
	holdTimeMax         = 65535 * time.Second
	connectRetryDefault = 5 * time.Second
)

// complete puts defaults in and checks the rest.
func (c Config) complete() (Config, error) {
	if c.HoldTime == 0 {
		c.HoldTime = holdTimeDefault
	}
	if c.ConnectRetry == 0 {
		c.ConnectRetry = connectRetryDefault
	}
	for _, asn := range []uint32{c.ASN, c.PeerASN} {
		if reservedASN(asn) {
			return c, fmt.Errorf("BGP session: %d is no AS's number", asn)
		}
	}
	switch {
	case c.ASN == c.PeerASN:
		return c, fmt.Errorf("BGP session: both sides have the ASN %d, only sessions between two ASes are known", c.ASN)
	case !c.Identifier.Is4() || c.Identifier.IsUnspecified():
		return c, fmt.Errorf("BGP session: %v is no identifier", c.Identifier)
	case !c.Remote.IsValid():
		return c, errors.New("BGP session: the peer has no address")
	case c.HoldTime < holdTimeMin || c.HoldTime > holdTimeMax || c.HoldTime%time.Second != 0:
		return c, fmt.Errorf("BGP session: a hold time of %v, it has to be of whole seconds from %v to %v", c.HoldTime, holdTimeMin, holdTimeMax)
	case c.ConnectRetry < 0:
		return c, fmt.Errorf("BGP session: a retry after %v", c.ConnectRetry)
	case c.RestartTime < 0 || c.RestartTime > wire.RestartTimeMax || c.RestartTime%time.Second != 0:
		return c, fmt.Errorf("BGP session: a restart time of %v, it has to be of whole seconds up to %v", c.RestartTime, wire.RestartTimeMax)
	}
	return c, nil
}

// reservedASN reports whether no AS can have a number: RFC 7607, RFC 6793 section 9 and
// RFC 7300.
func reservedASN(asn uint32) bool {
	return asn == 0 || asn == wire.ASTrans || asn == 0xffff || asn == 0xffffffff
}
