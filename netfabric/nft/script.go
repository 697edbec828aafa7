package nft

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/nftables"

	"causeway.dev/netfabric/plan"
)

// Families of tables, as nft calls them.
const (
	inet = "inet"
	arp  = "arp"
)

// A table is what stands in one of ours, by name.
type table struct {
	chains, counters []string
	sets             []*nftables.Set // and maps, but those within rules
}

// tables are ours, by family; nil where there is none.
type tables map[string]*table

// standing looks at our tables in the calling thread's network namespace.
func standing() (tables, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	found := tables{}
	for name, family := range map[string]nftables.TableFamily{inet: nftables.TableFamilyINet, arp: nftables.TableFamilyARP} {
		if found[name], err = look(conn, family); err != nil {
			return nil, fmt.Errorf("look at the rules that are loaded: %w", err)
		}
	}
	return found, nil
}

func look(conn *nftables.Conn, family nftables.TableFamily) (*table, error) {
	all, err := conn.ListTablesOfFamily(family)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(t *nftables.Table) bool { return t.Name == tableName })
	if at < 0 {
		return nil, nil
	}
	stands := &table{}
	chains, err := conn.ListChainsOfTableFamily(family)
	if err != nil {
		return nil, err
	}
	for _, c := range chains {
		if c.Table.Name == tableName {
			stands.chains = append(stands.chains, c.Name)
		}
	}
	if stands.sets, err = conn.GetSets(all[at]); err != nil {
		return nil, err
	}
	stands.sets = slices.DeleteFunc(stands.sets, func(s *nftables.Set) bool { return s.Anonymous })
	objects, err := conn.GetObjects(all[at])
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if c, ok := o.(*nftables.CounterObj); ok {
			stands.counters = append(stands.counters, c.Name)
		}
	}
	return stands, nil
}

// refill is what nft is told so that what stands is filled with the rules of f.
func (t tables) refill(f plan.Filter) string {
	missing := slices.DeleteFunc(slices.Clone(f.Counters), func(name string) bool { return slices.Contains(t[inet].counters, name) })
	script := t[inet].empty(inet, inetBody(f, missing, nil), f.Counters)
	switch {
	case f.ARP == "":
		return script + deletion(arp)
	case t[arp] == nil:
		return script + addition(arp, f.ARP)
	}
	return script + t[arp].empty(arp, f.ARP, nil)
}

// names finds what the body of a table declares.
var names = regexp.MustCompile(`(?m)^(?:chain|set|map) (\S+) \{$`)

// empty empties a table, removes what neither the body nor the counters name, and adds
// the body. What packets have put into a set stays.
func (t *table) empty(family, body string, counters []string) string {
	declared := map[string]bool{}
	for _, match := range names.FindAllStringSubmatch(body, -1) {
		declared[match[1]] = true
	}
	var b strings.Builder
	do := func(what, kind, name string) {
		fmt.Fprintf(&b, "%s %s %s %s %s\n", what, kind, family, tableName, name)
	}
	fmt.Fprintf(&b, "flush table %s %s\n", family, tableName)
	for _, s := range t.sets {
		kind := "set"
		if s.IsMap {
			kind = "map"
		}
		if !s.Dynamic {
			do("flush", kind, s.Name) // also of the chains that are to go
		}
		if !declared[s.Name] {
			do("delete", kind, s.Name)
		}
	}
	for _, name := range t.chains {
		if !declared[name] {
			do("delete", "chain", name)
		}
	}
	for _, name := range t.counters {
		if !slices.Contains(counters, name) {
			do("delete", "counter", name)
		}
	}
	return b.String() + addition(family, body)
}

// replacement is what nft is told so that nothing stays of what stands but the values
// of counters.
func replacement(f plan.Filter, values map[string]Counter) string {
	script := deletion(inet) + deletion(arp) + addition(inet, inetBody(f, f.Counters, values))
	if f.ARP != "" {
		script += addition(arp, f.ARP)
	}
	return script
}

// inetBody is the table of IP with a set that marks it as that of f, and the counters
// given.
func inetBody(f plan.Filter, counters []string, values map[string]Counter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "set %s {\n\ttype mark\n}\n", revision(f))
	for _, name := range counters {
		c := values[name]
		fmt.Fprintf(&b, "counter %s {\n\tpackets %d bytes %d\n}\n", name, c.Packets, c.Bytes)
	}
	return b.String() + f.Inet
}

func addition(family, body string) string {
	return fmt.Sprintf("table %s %s {\n%s}\n", family, tableName, body)
}

// deletion removes a table whether it is there or not.
func deletion(family string) string {
	return fmt.Sprintf("table %s %s\ndelete table %[1]s %[2]s\n", family, tableName)
}
