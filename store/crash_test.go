package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"causeway.dev/internal/seal"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// crashDir tells a copy of the test binary to write into that directory until
// it is killed.
const crashDir = "CAUSEWAY_STORE_CRASH_DIR"

// What was answered before a process died at any moment is there afterwards,
// and a transaction is there as a whole or not at all.
func TestKilledProcessLosesNothing(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	written := make(map[string]bool)
	for round, records := range []int{1, 20, 47} {
		last := writeAndKill(t, dir, round, records, written)
		s, err := storetest.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for id := range written {
			if _, ok := store.VPCs.Get(s.Snapshot(), scope, id); !ok {
				t.Errorf("round %d: %s was stored and is lost", round, id)
			}
		}
		for v := range store.VPCs.All(s.Snapshot()) {
			if _, ok := store.VPNGateways.Get(s.Snapshot(), scope, v.ID); !ok {
				t.Errorf("round %d, after %s: only a part of %s's transaction is there", round, last, v.ID)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// writeAndKill lets another process write, and kills it once it has said that
// so many transactions are stored.
func writeAndKill(t *testing.T, dir string, round, records int, written map[string]bool) (last string) {
	t.Helper()
	writer := exec.Command(os.Args[0], "-test.run=^TestKilledProcessLosesNothing$")
	writer.Env = append(os.Environ(), fmt.Sprintf("%s=%s", crashDir, dir), fmt.Sprintf("CAUSEWAY_STORE_CRASH_ROUND=%d", round))
	output, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	for range records {
		if !lines.Scan() {
			break
		}
		last = strings.TrimSpace(lines.Text())
		written[last] = true
	}
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Wait() // it was killed
	if !strings.HasPrefix(last, "vpc-") {
		t.Fatalf("the writer said %q", last)
	}
	return last
}

func writeUntilKilled(t *testing.T, dir string) {
	ring, err := seal.Load(filepath.Join(dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(context.Background(), store.Config{Dir: dir, Keyring: ring})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		id := fmt.Sprintf("vpc-%s-%d", os.Getenv("CAUSEWAY_STORE_CRASH_ROUND"), i)
		update(t, s, func(tx *store.Tx) {
			store.VPCs.Put(tx, vpc(scope, id))
			store.VPNGateways.Put(tx, resource.VPNGateway{Meta: meta(scope, id)})
		})
		fmt.Println(id)
	}
}
