package netns

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// newName makes a name that is free, and sees to it that it is free again
// afterwards.
func newName(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	random := make([]byte, 4)
	rand.Read(random)
	name := "cwt" + hex.EncodeToString(random)
	t.Cleanup(func() {
		if err := Delete(name); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
	return name
}

func create(t *testing.T) string {
	t.Helper()
	name := newName(t)
	if err := Create(name); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	return name
}

func here(t *testing.T) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestCreateAndDelete(t *testing.T) {
	name := create(t)
	if err := Create(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create of what is there: %v", err)
	}
	if names, err := List(name); err != nil || !slices.Equal(names, []string{name}) {
		t.Errorf("List = %v, %v", names, err)
	}
	if output, err := exec.Command("ip", "netns", "list").Output(); err == nil && !strings.Contains(string(output), name) {
		t.Errorf("ip netns list does not show %s:\n%s", name, output)
	}
	for range 2 {
		if err := Delete(name); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	if Exists(name) {
		t.Error("it is still there")
	}
	if err := Do(name, func() error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Do in what is not there: %v", err)
	}
}

func TestDoEntersAndLeaves(t *testing.T) {
	name := create(t)
	id, err := ID(name)
	if err != nil {
		t.Fatal(err)
	}
	outside := here(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := Do(name, func() error {
				if got := here(t); got != id {
					return fmt.Errorf("inside it is %d, want %d", got, id)
				}
				links, err := net.Interfaces()
				if err != nil || len(links) != 1 {
					return fmt.Errorf("devices inside: %v, %w", links, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if got := here(t); got != outside {
				t.Errorf("outside it is %d, want %d", got, outside)
			}
		})
	}
	wg.Wait()
	boom := errors.New("boom")
	if err := Do(name, func() error { return boom }); !errors.Is(err, boom) {
		t.Errorf("Do = %v, want what f returned", err)
	}
}

// TestInterruptedCreate proves that a name without a namespace, as a kill leaves
// it, is no namespace, is listed, can be deleted, and can be created.
func TestInterruptedCreate(t *testing.T) {
	name := newName(t)
	if err := prepareDir(); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	leave := func() {
		if err := os.WriteFile(Path(name), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	if Exists(name) {
		t.Error("a plain file counts as a namespace")
	}
	if names, _ := List(name); len(names) != 1 {
		t.Errorf("List = %v, want it", names)
	}
	if err := Delete(name); err != nil {
		t.Errorf("Delete: %v", err)
	}
	leave()
	if err := Create(name); err != nil || !Exists(name) {
		t.Errorf("Create: %v", err)
	}
}

func TestNamesThatArePathsAreRefused(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "../x", strings.Repeat("n", 256)} {
		if Create(name) == nil || Delete(name) == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

// TestCommand starts this test itself by "ip netns exec", and as another process in the
// same namespace.
func TestCommand(t *testing.T) {
	const asked = "CAUSEWAY_TEST_NETNS_COMMAND"
	if os.Getenv(asked) != "" {
		name, err := Command()
		fmt.Printf("started in %q, %v\n", name, err)
		return
	}
	if name, err := Command(); name != "" || err != nil {
		t.Errorf("by nothing of the kind: %q, %v", name, err)
	}
	name := create(t)
	says := func(argv ...string) string {
		t.Helper()
		cmd := exec.Command(argv[0], append(argv[1:], os.Args[0], "-test.run=^TestCommand$")...)
		cmd.Env = append(os.Environ(), asked+"=1")
		var said []byte
		if err := Do(name, func() (err error) { said, err = cmd.Output(); return err }); err != nil {
			t.Fatal(err)
		}
		return string(said)
	}
	if said := says("ip", "netns", "exec", name); !strings.Contains(said, fmt.Sprintf("started in %q, <nil>\n", name)) {
		t.Errorf("by ip netns exec: %s", said)
	}
	if said := says("ip", "netns", "exec", name, "sh", "-c", `"$0" "$@"; true`); !strings.Contains(said, "started in \"\", <nil>\n") {
		t.Errorf("by a shell that ip netns exec has started: %s", said)
	}
	if said := says("env"); !strings.Contains(said, "started in \"\", <nil>\n") {
		t.Errorf("in the namespace: %s", said)
	}
}
