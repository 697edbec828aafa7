package ikev2

import (
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// pairToldInterval is how often the owner hears that the peer wants a second pair:
// one with many policies asks for each of them every few seconds.
const pairToldInterval = time.Minute

// refuseSecondPair answers a request for another child SA. As with AWS a tunnel
// has a single pair of SAs. RFC 7296 section 1.3.1: NO_ADDITIONAL_SAS.
func (s *session) refuseSecondPair(now time.Time, m parts) response {
	if now.Sub(s.pairToldAt) >= pairToldInterval {
		s.pairToldAt = now
		s.emit(ike.NegotiationFailed{Reason: reasonSecondPair(m), Remote: s.path.Remote})
	}
	return refuse(wire.NoAdditionalSAs)
}
