package ec2

import (
	"iter"
	"slices"
	"strings"

	"causeway.dev/store"
)

// found returns the records that have a value of an indexed property, sorted by id.
func (n *noun[T]) found(r reader, p store.Property, value string) []T {
	var all []T
	for v := range n.table.Find(r.Reader, r.scope, p, value) {
		all = append(all, *v)
	}
	return all
}

// of returns the records of a VPC, sorted by id.
func (n *noun[T]) of(r reader, vpc string) iter.Seq[T] {
	return slices.Values(n.found(r, store.ByVPC, vpc))
}

// finds reports whether a record has a value of an indexed property.
func (n *noun[T]) finds(r reader, p store.Property, value string) bool {
	return n.table.Count(r.Reader, r.scope, p, value) > 0
}

// total returns how many records there are.
func (n *noun[T]) total(r reader) int { return n.table.Total(r.Reader, r.scope) }

// leavesOut has the prefixes of ids that a Describe leaves out where nothing has them,
// and does not refuse, as Terraform's provider expects of these two.
var leavesOut = map[string]bool{"eigw": true, "fl": true}

// selected returns the records that pass a Describe's filters, sorted by id, each
// once: of those that it names by id, or of all if it names none.
func (n *noun[T]) selected(r reader, ids []string, chosen selection[T]) (iter.Seq[T], error) {
	if len(ids) > 0 {
		ids = slices.Compact(slices.Sorted(slices.Values(ids)))
		named := make([]T, 0, len(ids))
		for _, id := range ids {
			v, err := n.get(r, id)
			if err == nil {
				named = append(named, v)
			} else if !leavesOut[n.prefix] || n.checkID(id) != nil {
				return nil, err
			}
		}
		return chosen.filter(r, slices.Values(named)), nil
	}
	candidates := n.table.Scan(r.Reader, r.scope)
	if fewest, ok := n.candidates(r, chosen); ok {
		candidates = n.these(r, fewest)
	}
	return func(yield func(T) bool) {
		for v := range candidates {
			if chosen.matches(r, v) && !yield(*v) {
				return
			}
		}
	}, nil
}

// these are the records with some ids.
func (n *noun[T]) these(r reader, ids []string) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, id := range ids {
			if v, ok := n.table.Get(r.Reader, r.scope, id); ok && !yield(&v) {
				return
			}
		}
	}
}

// candidates returns the sorted ids of all records that can pass the filters,
// and perhaps of some that can't, as the index has them that leaves the fewest;
// ok is false if no filter asks for what an index has.
func (n *noun[T]) candidates(r reader, chosen selection[T]) (fewest []string, ok bool) {
	for _, c := range chosen {
		if slices.ContainsFunc(c.patterns, func(p pattern) bool { return p.wild }) {
			continue
		}
		find := n.finder(c.name)
		if find == nil {
			continue
		}
		var ids []string
		for _, p := range c.patterns {
			ids = find(r, ids, p.text)
		}
		if !ok || len(ids) < len(fewest) {
			fewest, ok = ids, true
		}
	}
	slices.Sort(fewest)
	return slices.Compact(fewest), ok
}

// A finder appends the ids of the records that have a value to ids.
type finder func(r reader, ids []string, value string) []string

// finder returns how records are found that a filter lets pass, or nil if all
// have to be looked at.
func (n *noun[T]) finder(filter string) finder {
	key, isTag := strings.CutPrefix(filter, "tag:")
	switch {
	case isTag:
		return func(r reader, ids []string, value string) []string {
			return n.idsBy(r, ids, store.ByTag, store.TagValue(key, value))
		}
	case filter == n.kind+"-id" || filter == "group-id" && n.kind == securityGroups.kind:
		return func(_ reader, ids []string, value string) []string { return append(ids, value) }
	case n.kind == instances.kind:
		if find := instancesByInterface(filter); find != nil {
			return find
		}
	case filter == "addresses.private-ip-address":
		filter = string(store.ByAddress)
	}
	if p := store.Property(filter); n.table.Finds(p) {
		return func(r reader, ids []string, value string) []string { return n.idsBy(r, ids, p, value) }
	}
	return nil
}

func (n *noun[T]) idsBy(r reader, ids []string, p store.Property, value string) []string {
	for v := range n.table.Find(r.Reader, r.scope, p, value) {
		ids = append(ids, metaOf(v).ID)
	}
	return ids
}

// instancesByInterface finds instances by what their interfaces are found by:
// the filter is "network-interface.…", or a name that instances have for it.
func instancesByInterface(filter string) finder {
	switch of, isInterfaces := strings.CutPrefix(filter, "network-interface."); {
	case isInterfaces:
		filter = of
	case filter == "instance.group-id":
		filter = string(store.ByGroup)
	case filter != string(store.ByAddress):
		return nil
	}
	find := networkInterfaces.finder(filter)
	if find == nil {
		return nil
	}
	return func(r reader, ids []string, value string) []string {
		for _, id := range find(r, nil, value) {
			if nic, ok := networkInterfaces.table.Get(r.Reader, r.scope, id); ok && nic.Instance != "" && nic.InstanceOwner == "" {
				ids = append(ids, nic.Instance)
			}
		}
		for nic := range r.foreignInterfaces() {
			if nic.InstanceOwner == r.scope.Account {
				ids = append(ids, nic.Instance)
			}
		}
		return ids
	}
}

// addressesIn counts the private IPv4 addresses of a subnet's interfaces.
func addressesIn(r reader, subnet string) int {
	count := 0
	for v := range networkInterfaces.table.Find(r.Reader, r.scope, store.BySubnet, subnet) {
		count += len(v.PrivateAddresses())
	}
	return count
}
