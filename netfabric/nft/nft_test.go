package nft

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
	"causeway.dev/netfabric/plan"
)

func TestScriptKeepsCounters(t *testing.T) {
	f := plan.Filter{Inet: "chain a {\n}\n", Counters: []string{"dropped-input"}}
	text := replacement(f, map[string]Counter{"dropped-input": {Packets: 3, Bytes: 180}, "gone": {Packets: 1}})
	if !strings.Contains(text, "counter dropped-input {\n\tpackets 3 bytes 180\n}") || strings.Contains(text, "gone") {
		t.Error(text)
	}
}

func TestRevisionTellsFiltersApart(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range []plan.Filter{
		{}, {Inet: "a"}, {ARP: "a"}, {Inet: "a", ARP: "a"}, {Inet: "a", Counters: []string{"a"}},
	} {
		seen[revision(f)] = true
	}
	if len(seen) != 5 {
		t.Errorf("5 filters have %d revisions", len(seen))
	}
}

// TestLoadFillsWhatStands proves that a change leaves the table and its chains where
// they are, and removes what is no longer named; and that what has changed its type
// is replaced all the same.
func TestLoadFillsWhatStands(t *testing.T) {
	name := create(t)
	const first = "set local {\n\ttype ipv4_addr\n\tflags interval\n\tauto-merge\n\telements = { 10.0.0.0/16, 10.1.0.0/16 }\n}\n" +
		"map to {\n\ttype ifname : verdict\n\telements = { \"a\" : goto gone, \"b\" : goto gone }\n}\n" +
		"chain gone {\n\taccept\n}\n" +
		"chain forward {\n\ttype filter hook forward priority filter; policy drop;\n\tip saddr @local iifname vmap @to\n\tcounter name \"old\"\n\tcounter name \"dropped\" drop\n}\n"
	second := strings.NewReplacer("10.0.0.0/16, ", "10.1.0.0/17, 10.3.0.0/16, ", "gone", "come", `	counter name "old"`+"\n", "").Replace(first)
	third := strings.ReplaceAll(second, "map to {\n\ttype ifname : verdict\n\telements = { \"a\" : goto come, \"b\" : goto come }", "map to {\n\ttype mark : verdict")
	third = strings.ReplaceAll(third, "iifname vmap", "meta mark vmap")
	list := func() (text, handles string) {
		text, err := netlab.Output("nft", "-a", "list", "ruleset")
		if err != nil {
			t.Fatal(err)
		}
		return text, strings.Join(regexp.MustCompile(`(table inet causeway|chain forward) \{ # handle \d+`).FindAllString(text, -1), "\n")
	}
	err := netns.Do(name, func() error {
		if err := Load(t.Context(), plan.Filter{Inet: first, ARP: "chain gone {\n}\nchain input {\n}\n", Counters: []string{"dropped", "old"}}); err != nil {
			return err
		}
		_, before := list()
		for _, arp := range []string{"chain input {\n}\n", "", "chain input {\n}\n"} {
			f := plan.Filter{Inet: second, ARP: arp, Counters: []string{"dropped", "new"}}
			if err := Load(t.Context(), f); err != nil {
				return err
			}
			text, after := list()
			if after != before || after == "" {
				t.Errorf("what stood was\n%s\nand is\n%s", before, after)
			}
			for _, gone := range []string{"gone", "10.0.0.0", "old"} {
				if strings.Contains(text, gone) {
					t.Errorf("%s is still there:\n%s", gone, text)
				}
			}
			for _, there := range []string{"10.1.0.0/16", "10.3.0.0/16", `"b" : goto come`, "counter new"} {
				if !strings.Contains(text, there) {
					t.Errorf("%s is not there:\n%s", there, text)
				}
			}
			if strings.Contains(text, "table arp") != (arp != "") || strings.Count(text, "revision-") != 1 {
				t.Errorf("with ARP's rules %q there are:\n%s", arp, text)
			}
		}
		f := plan.Filter{Inet: third, Counters: []string{"dropped"}}
		if err := Load(t.Context(), f); err != nil {
			return err
		}
		loaded, err := Loaded(f)
		if !loaded {
			t.Errorf("a map of another type: %v", err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// create makes a namespace of the test's own.
func create(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil || os.Geteuid() != 0 {
		t.Skip("rules need root and nft")
	}
	random := make([]byte, 4)
	rand.Read(random)
	name := "cwt" + hex.EncodeToString(random)
	if err := netns.Create(name); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() { netns.Delete(name) })
	return name
}

// TestLoadIsAllOrNothing proves that rules which nft refuses leave those before
// them in place.
func TestLoadIsAllOrNothing(t *testing.T) {
	name := create(t)
	good := plan.Filter{Inet: "chain a {\n}\n", ARP: "chain b {\n}\n", Counters: []string{"dropped-input"}}
	bad := plan.Filter{Inet: "chain a {\n\tjump nowhere\n}\n"}
	err := netns.Do(name, func() error {
		if loaded, err := Loaded(good); err != nil || loaded {
			t.Errorf("at first: Loaded = %v, %v", loaded, err)
		}
		for range 2 {
			if err := Load(t.Context(), good); err != nil {
				return err
			}
		}
		if err := Load(t.Context(), bad); err == nil {
			t.Error("rules that jump nowhere were loaded")
		}
		if loaded, err := Loaded(good); err != nil || !loaded {
			t.Errorf("in the end: Loaded = %v, %v", loaded, err)
		}
		counters, err := Counters()
		if _, ok := counters["dropped-input"]; err != nil || !ok {
			t.Errorf("Counters = %v, %v", counters, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
