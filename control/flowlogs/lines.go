package flowlogs

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"causeway.dev/control/routes"
	"causeway.dev/flowlog"
	"causeway.dev/logs"
	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// covered is an interface that has flow logs.
type covered struct {
	about flowlog.Interface
	logs  []resource.FlowLog
	gone  time.Time // when it was missing first; zero: it is there
}

// about is what records say of an interface.
func (l *Log) about(snapshot *store.Snapshot, nic *resource.NetworkInterface) flowlog.Interface {
	subnet, _ := store.Subnets.Get(snapshot, scopeOf(nic.Meta), nic.Subnet)
	zone := ""
	if l.cfg.ZoneID != nil {
		zone = l.cfg.ZoneID(nic.Region, subnet.Zone)
	}
	return flowlog.Interface{
		Account: nic.Account, Region: nic.Region, ID: nic.ID, VPC: nic.VPC, Subnet: nic.Subnet, Instance: nic.Instance, Zone: zone, Address: nic.Address,
	}
}

// A delivery is what one flow log gets of one time.
type delivery struct {
	log         resource.FlowLog
	format      flowlog.Format
	byInterface map[string][]logs.Event
}

// events are those of all interfaces, by time.
func (d *delivery) events() []logs.Event {
	var all []logs.Event
	for _, events := range d.byInterface {
		all = append(all, events...)
	}
	slices.SortFunc(all, func(a, b logs.Event) int {
		return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.Message, b.Message))
	})
	return all
}

// deliveries writes what was told for each flow log that it concerns.
func (l *Log) deliveries(snapshot *store.Snapshot, told nodespec.Flows) []*delivery {
	of := map[string][]nodespec.Flow{} // by interface
	for _, f := range told.Flows {
		of[f.Interface] = append(of[f.Interface], f)
	}
	byLog := map[string]*delivery{}
	var all []*delivery
	for _, id := range told.Interfaces {
		c := l.interfaces[id]
		if c == nil {
			continue
		}
		about := c.about
		about.PathOf = pathsFrom(snapshot, store.Scope{Account: about.Account, Region: about.Region}, about.VPC, about.Subnet)
		own := told
		own.Flows = of[id]
		records := flowlog.Records(own, about)
		for _, log := range c.logs {
			d := byLog[log.ID]
			if d == nil {
				format, err := flowlog.ParseFormat(log.Format)
				if err != nil {
					continue // it was checked when the flow log was made
				}
				d = &delivery{log, format, map[string][]logs.Event{}}
				byLog[log.ID] = d
				all = append(all, d)
			}
			d.add(id, records)
		}
	}
	return all
}

// add adds the records of an interface that the flow log asks for. Records of a
// time without flows, or without room for some, go to all.
func (d *delivery) add(id string, records []flowlog.Record) {
	for i := range records {
		r := &records[i]
		if r.Status == flowlog.StatusOK && (d.log.Traffic == resource.TrafficAccept && !r.Accepted || d.log.Traffic == resource.TrafficReject && r.Accepted) {
			continue
		}
		d.byInterface[id] = append(d.byInterface[id], logs.Event{Timestamp: r.Start.UnixMilli(), Message: d.format.Line(r)})
	}
}

// pathsFrom tells how packets leave a VPC from a subnet, by the routes in effect.
func pathsFrom(snapshot *store.Snapshot, scope store.Scope, vpc, subnet string) func(netip.Addr) flowlog.Path {
	var effective []routes.EffectiveRoute
	for table := range store.RouteTables.Find(snapshot, scope, store.ByVPC, vpc) {
		own := slices.ContainsFunc(table.Associations, func(a resource.RouteTableAssociation) bool { return a.Subnet == subnet })
		if own || table.Main && effective == nil {
			effective = routes.New(snapshot, scope).Effective(*table)
		}
		if own {
			break
		}
	}
	return func(destination netip.Addr) flowlog.Path {
		best, path := -1, flowlog.PathUnknown
		for _, r := range effective {
			if r.Destination.Bits() > best && r.Destination.Contains(destination) {
				best, path = r.Destination.Bits(), pathOf(r)
			}
		}
		return path
	}
}

func pathOf(r routes.EffectiveRoute) flowlog.Path {
	switch {
	case r.Gateway == routes.LocalTarget, r.NATGateway != "", r.NetworkInterface != "":
		return flowlog.PathSameVPC
	case strings.HasPrefix(r.Gateway, "vgw-"):
		return flowlog.PathVPNGateway
	case strings.HasPrefix(r.Gateway, "igw-"), strings.HasPrefix(r.Gateway, "eigw-"):
		return flowlog.PathInternetGateway
	}
	return flowlog.PathUnknown
}
