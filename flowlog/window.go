package flowlog

import (
	"cmp"
	"net/netip"
	"slices"

	"causeway.dev/nodespec"
)

// An Interface is what records say of the interface that they are of.
type Interface struct {
	Account, Region, ID   string
	VPC, Subnet, Instance string
	Zone                  string     // its id
	Address               netip.Addr // its primary IPv4 address; zero: none
	PathOf                func(destination netip.Addr) Path
}

// Records are what a node has told of an interface in a time, in the order of their
// beginnings. Where it carried nothing one record says so, and one says if there
// were flows that could not be told apart from others.
func Records(told nodespec.Flows, of Interface) []Record {
	blank := Record{
		Account: of.Account, Region: of.Region, Interface: of.ID, VPC: of.VPC, Subnet: of.Subnet, Zone: of.Zone, Instance: of.Instance,
		Start: told.From, End: told.Until,
	}
	var all []Record
	for i := range told.Flows {
		if f := &told.Flows[i]; f.Interface == of.ID {
			all = append(all, record(blank, f, &of))
		}
	}
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(a.Start.Compare(b.Start), a.PacketSource.Compare(b.PacketSource), a.PacketDestination.Compare(b.PacketDestination),
			cmp.Compare(a.SourcePort, b.SourcePort), cmp.Compare(a.DestinationPort, b.DestinationPort))
	})
	skipped := told.Skipped[of.ID] > 0
	if skipped {
		blank.Status = StatusSkipData
		all = append(all, blank)
	}
	if len(all) == 0 {
		blank.Status = StatusNoData
		all = append(all, blank)
	}
	return all
}

func record(r Record, f *nodespec.Flow, of *Interface) Record {
	r.Status, r.Egress, r.Accepted = StatusOK, f.Egress, f.Accepted
	if f.First.After(r.Start) {
		r.Start = f.First
	}
	r.Source, r.Destination, r.PacketSource, r.PacketDestination = f.Source, f.Destination, f.Source, f.Destination
	// AWS shows the interface's primary address on its own side, whatever the
	// packet has: another one of the interface, or a stranger's that it forwards.
	own := &r.Destination
	if f.Egress {
		own = &r.Source
	}
	if own.Is4() && of.Address.Is4() {
		*own = of.Address
	}
	r.Protocol, r.SourcePort, r.DestinationPort, r.TCPFlags = f.Protocol, f.SourcePort, f.DestinationPort, f.TCPFlags
	r.Packets, r.Bytes = f.Packets, f.Bytes
	if f.Egress && f.Accepted && of.PathOf != nil {
		r.Path = of.PathOf(f.Destination)
	}
	return r
}
