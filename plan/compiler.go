package plan

import (
	"cmp"
	"reflect"
	"slices"

	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// A Compiler compiles one snapshot of a store after the other, and of each only the
// parts that depend on something that has changed. What it returns of the others is
// what it returned before: slices that are the same, which cost nothing to compare.
// The zero value is ready. It belongs to one goroutine.
type Compiler struct {
	last         *store.Snapshot // nil before the first
	parts        map[string]*part
	dependencies store.Dependencies[*part]
}

// A part is a VPC or a VPN gateway with what becomes of it.
type part struct {
	id       string
	compiled nodespec.Desired
}

// Compile is what the function Compile returns, and whether something of it is
// different from what it returned before, other than the revision.
func (k *Compiler) Compile(snapshot *store.Snapshot) (desired nodespec.Desired, changed bool) {
	stale := k.takeStale(snapshot)
	changed = k.last == nil
	k.last = snapshot
	proposals := make(map[string]proposals)
	compile := func(m *resource.Meta, compile func(c *compiler, id string) nodespec.Desired) {
		if k.parts[m.ID] != nil {
			return
		}
		recording := store.Record(snapshot)
		p := &part{m.ID, compile(newCompiler(recording, scopeOf(*m), proposals), m.ID)}
		if before := stale[m.ID]; reflect.DeepEqual(before, p.compiled) {
			p.compiled = before
		} else {
			changed = true
		}
		delete(stale, m.ID)
		k.parts[m.ID] = p
		k.dependencies.Set(p, recording)
	}
	for vpc := range store.VPCs.Scan(snapshot, store.Scope{}) {
		compile(&vpc.Meta, (*compiler).vpcPart)
	}
	for vgw := range store.VPNGateways.Scan(snapshot, store.Scope{}) {
		compile(&vgw.Meta, (*compiler).gatewayPart)
	}
	for _, gone := range stale {
		changed = changed || !reflect.DeepEqual(gone, nodespec.Desired{})
	}
	desired.Revision = snapshot.Revision()
	for _, p := range k.parts {
		desired.Networks = append(desired.Networks, p.compiled.Networks...)
		desired.Links = append(desired.Links, p.compiled.Links...)
		desired.Tunnels = append(desired.Tunnels, p.compiled.Tunnels...)
		desired.Instances = append(desired.Instances, p.compiled.Instances...)
	}
	slices.SortFunc(desired.Networks, func(a, b nodespec.Network) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(desired.Links, func(a, b nodespec.Link) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(desired.Tunnels, func(a, b nodespec.Tunnel) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(desired.Instances, func(a, b nodespec.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return desired, changed
}

// takeStale removes the parts that have to be compiled anew, if they are still
// there, and returns what they were, by id. A part depends on its VPC or gateway,
// so that those that are gone are among them.
func (k *Compiler) takeStale(snapshot *store.Snapshot) map[string]nodespec.Desired {
	taken := make(map[string]nodespec.Desired)
	if k.last != nil {
		stale, known := k.dependencies.Stale(k.last, snapshot)
		if known {
			for p := range stale {
				taken[p.id] = p.compiled
				k.dependencies.Forget(p)
				delete(k.parts, p.id)
			}
			return taken
		}
	}
	for id, p := range k.parts {
		taken[id] = p.compiled
	}
	k.parts, k.dependencies = make(map[string]*part), store.Dependencies[*part]{}
	return taken
}
