package plan

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// A Compiler compiles one Config after the other, and of each only the networks
// that differ from the ones before, with those that they are linked to. The zero
// value is ready. It is not safe for concurrent use.
type Compiler struct {
	parts map[string]compiled // by the first of their networks or instances
}

// compiled is a part of a Config with what became of it.
type compiled struct {
	part  Config
	up    []string // those of its tunnels that are up
	state State
	err   error
}

// Compile is what the function Compile returns.
func (k *Compiler) Compile(c Config, up map[string]bool) (State, error) {
	if !validPrefix().MatchString(c.Prefix) {
		return Compile(c, up)
	}
	whole := State{Prefix: c.Prefix}
	if c.Underlay != nil {
		whole.Joint = &Joint{Underlay: *c.Underlay, Prefix: c.Prefix}
	}
	parts, errs := make(map[string]compiled, len(k.parts)), []error{}
	var ordered []*Namespace // they are large: what is sorted is where they are
	for name, part := range split(c) {
		now := compiled{part: *part}
		for _, t := range part.TUNs {
			if up[t.ID] {
				now.up = append(now.up, t.ID)
			}
		}
		before, known := k.parts[name]
		if known && slices.Equal(before.up, now.up) && reflect.DeepEqual(before.part, now.part) {
			now = before
		} else {
			now.state, now.err = Compile(now.part, up)
		}
		parts[name] = now
		errs = append(errs, now.err)
		for i := range now.state.Namespaces {
			ordered = append(ordered, &now.state.Namespaces[i])
		}
		whole.Untouched = append(whole.Untouched, now.state.Untouched...)
		if whole.Joint != nil {
			whole.Joint.Devices = append(whole.Joint.Devices, now.state.Joint.Devices...)
			whole.Joint.Neighbours = append(whole.Joint.Neighbours, now.state.Joint.Neighbours...)
			whole.Joint.Routes = append(whole.Joint.Routes, now.state.Joint.Routes...)
		}
	}
	k.parts = parts
	slices.SortFunc(ordered, func(a, b *Namespace) int { return cmp.Compare(a.Name, b.Name) })
	whole.Namespaces = make([]Namespace, 0, len(ordered))
	for _, ns := range ordered {
		whole.Namespaces = append(whole.Namespaces, *ns)
	}
	slices.Sort(whole.Untouched)
	whole.Untouched = slices.Compact(whole.Untouched)
	if whole.Joint != nil {
		whole.Joint.sort()
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return whole, errors.Join(errs...)
}

// split takes a Config apart into what has nothing to do with one another: networks
// with those that links, instances and tunnels tie them to.
func split(c Config) map[string]*Config {
	first := map[string]string{} // of what each network and instance is tied to; itself where nothing else is
	var root func(id string) string
	root = func(id string) string {
		next, ok := first[id]
		if !ok || next == id {
			first[id] = id
			return id
		}
		first[id] = root(next)
		return first[id]
	}
	tie := func(a, b string) {
		a, b = root(a), root(b)
		first[max(a, b)] = min(a, b)
	}
	for _, n := range c.Networks {
		root(n.ID)
		for _, i := range n.Interfaces {
			switch {
			case i.Instance != "":
				tie(n.ID, i.Instance)
			case i.Place != nil: // one may be several networks'
				tie(n.ID, "places")
			}
		}
	}
	for _, l := range c.Links {
		tie(l.Ends[0].Network, l.Ends[1].Network)
	}
	parts := map[string]*Config{}
	of := func(id string) *Config {
		name := root(id)
		if parts[name] == nil {
			parts[name] = &Config{Prefix: c.Prefix, Underlay: c.Underlay, Host: c.Host}
		}
		return parts[name]
	}
	for _, id := range c.Instances {
		part := of(id)
		part.Instances = append(part.Instances, id)
	}
	for _, n := range c.Networks {
		part := of(n.ID)
		part.Networks = append(part.Networks, n)
	}
	for _, l := range c.Links {
		part := of(l.Ends[0].Network)
		part.Links = append(part.Links, l)
	}
	for _, t := range c.TUNs {
		part := of(t.Network)
		part.TUNs = append(part.TUNs, t)
	}
	return parts
}
