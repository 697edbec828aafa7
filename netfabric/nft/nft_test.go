package nft

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"strings"
	"testing"

	"causeway.dev/netfabric/netns"
	"causeway.dev/netfabric/plan"
)

func TestScriptKeepsCounters(t *testing.T) {
	f := plan.Filter{Inet: "chain a {\n}\n", Counters: []string{"dropped-input"}}
	text := script(f, map[string]Counter{"dropped-input": {Packets: 3, Bytes: 180}, "gone": {Packets: 1}})
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

// TestLoadIsAllOrNothing proves that rules which nft refuses leave those before
// them in place.
func TestLoadIsAllOrNothing(t *testing.T) {
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
