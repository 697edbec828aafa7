package tunnel

import (
	"sync/atomic"
	"time"
)

// Drop is a reason why a packet was not carried.
type Drop uint8

// Reasons. The first group ends packets on their way to the peer, the second
// packets from it; the third is counted by the Endpoint, for no tunnel can be
// named.
const (
	DropNoSA              Drop = iota // no outbound SA is active
	DropMalformedOutbound             // not a whole IP packet
	DropSelectorOutbound              // outside the negotiated selectors
	DropTooBig                        // over the inside MTU and not to be fragmented; the sender was told
	DropSequenceExhausted             // the outbound SA is used up
	DropSend                          // the socket refused, or its queue in the kernel was full

	DropAuthentication   // wrong integrity check value
	DropReplay           // seen before, or left of the window
	DropMalformedInbound // not ESP that fits the cipher, or no whole IP packet inside
	DropSelectorInbound  // outside the negotiated selectors
	DropECN              // congestion was marked on a packet that cannot say so; RFC 6040 section 4.2
	DropDummy            // next header 59: RFC 4303 section 2.6
	DropDevice           // the TUN refused

	DropUnknownSPI   // ESP for no SA of ours
	DropMalformedESP // too short for ESP
	DropMalformedIKE // no IKE header where one must be

	dropCount
)

// String names the reason as metrics do.
func (d Drop) String() string {
	if d < dropCount {
		return dropNames[d]
	}
	return "unknown"
}

var dropNames = [dropCount]string{
	DropNoSA:              "no-sa",
	DropMalformedOutbound: "malformed-outbound",
	DropSelectorOutbound:  "selector-outbound",
	DropTooBig:            "too-big",
	DropSequenceExhausted: "sequence-exhausted",
	DropSend:              "send",
	DropAuthentication:    "authentication",
	DropReplay:            "replay",
	DropMalformedInbound:  "malformed-inbound",
	DropSelectorInbound:   "selector-inbound",
	DropECN:               "ecn",
	DropDummy:             "dummy",
	DropDevice:            "device",
	DropUnknownSPI:        "unknown-spi",
	DropMalformedESP:      "malformed-esp",
	DropMalformedIKE:      "malformed-ike",
}

// Drops counts packets by reason: its index is a Drop.
type Drops [dropCount]uint64

// Counters are what a tunnel has carried since New: sealed, and opened and found
// to be as agreed. What a socket or the TUN refused afterwards is among them, and
// in DropSend or DropDevice besides. Bytes are those of inner IP packets.
type Counters struct {
	InboundPackets, InboundBytes   uint64
	OutboundPackets, OutboundBytes uint64

	// LastInbound and LastOutbound are when the last authenticated packet
	// arrived and the last packet left; zero if none has.
	LastInbound, LastOutbound time.Time

	Drops Drops
}

// Counters returns what the tunnel has carried and dropped. It is cheap.
func (t *Tunnel) Counters() Counters {
	return Counters{
		InboundPackets:  t.inboundPackets.Load(),
		InboundBytes:    t.inboundBytes.Load(),
		OutboundPackets: t.outboundPackets.Load(),
		OutboundBytes:   t.outboundBytes.Load(),
		LastInbound:     timeOf(t.lastInbound.Load()),
		LastOutbound:    timeOf(t.lastOutbound.Load()),
		Drops:           t.drops.load(),
	}
}

// LastTraffic returns when the last authenticated packet arrived and the last
// packet left, as Counters does, for those who ask often.
func (t *Tunnel) LastTraffic() (inbound, outbound time.Time) {
	return timeOf(t.lastInbound.Load()), timeOf(t.lastOutbound.Load())
}

func timeOf(unixNano int64) time.Time {
	if unixNano == 0 {
		return time.Time{}
	}
	return time.Unix(0, unixNano)
}

// dropCounters are Drops that any goroutine may add to.
type dropCounters [dropCount]atomic.Uint64

func (c *dropCounters) add(d Drop, n uint64) { c[d].Add(n) }

func (c *dropCounters) load() Drops {
	var d Drops
	for i := range c {
		d[i] = c[i].Load()
	}
	return d
}
