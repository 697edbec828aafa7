package plan

import (
	"net/netip"
	"slices"
	"testing"
)

// What is compiled anew is what a change touches, with what that is linked to.
func TestCompilerKeepsWhatIsNotTouched(t *testing.T) {
	range16 := func(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }
	config := func(a, b string) Config {
		return Config{
			Prefix: "cw",
			Networks: []Network{
				{ID: "vpc-a", Local: range16(a)}, {ID: "vpc-b", Local: range16(b)}, {ID: "vpc-c", Local: range16("10.3.0.0/16")},
				{ID: "vgw-b", Tables: []Table{{ID: "gateway"}}},
			},
			Links: []Link{{ID: "vgw-b:vpc-b", Ends: [2]LinkEnd{{Network: "vgw-b", Table: "gateway"}, {Network: "vpc-b"}}}},
		}
	}
	var k Compiler
	compile := func(c Config) map[string]*Sysctl {
		t.Helper()
		s, err := k.Compile(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		first := map[string]*Sysctl{} // each compilation makes its own
		for _, ns := range s.Namespaces {
			first[ns.Name] = &ns.Sysctls[0]
		}
		return first
	}
	anew := func(before, after map[string]*Sysctl) (names []string) {
		for name := range after {
			if before[name] != after[name] {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	}
	first := compile(config("10.1.0.0/16", "10.2.0.0/16"))
	second := compile(config("10.1.0.0/16", "10.2.0.0/16"))
	if got := anew(first, second); len(got) != 0 {
		t.Errorf("without a change: %v", got)
	}
	third := compile(config("10.9.0.0/16", "10.2.0.0/16"))
	if got := anew(second, third); !slices.Equal(got, []string{"cw-vpc-a"}) {
		t.Errorf("another range of vpc-a: %v", got)
	}
	fourth := compile(config("10.9.0.0/16", "10.8.0.0/16"))
	if got := anew(third, fourth); !slices.Equal(got, []string{"cw-vgw-b", "cw-vpc-b"}) {
		t.Errorf("another range of vpc-b: %v", got)
	}
}
