package nodespec

import (
	"net/netip"
	"time"
)

// Flows are what the Counted interfaces of one network have carried in a time.
type Flows struct {
	Network     string
	From, Until time.Time
	Interfaces  []string          // that were counted, sorted, whether they carried something or not
	Flows       []Flow            // in no order
	Skipped     map[string]uint64 // by interface, packets of flows for which there was no room
}

// A Flow is the packets of one direction between two addresses and ports that
// passed, or did not pass, one interface.
type Flow struct {
	Interface string
	Egress    bool // from the instance into the network
	Accepted  bool // by groups and ACLs

	Source, Destination         netip.Addr
	Protocol                    uint8
	SourcePort, DestinationPort uint16 // 0 where the protocol has none
	TCPFlags                    uint8  // of all packets: FIN 1, SYN 2, RST 4; ACK 16 if one with SYN had it

	Packets, Bytes uint64
	First          time.Time // when the first packet came
}
