package bench

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
)

// A sweeper removes beds when the run is interrupted: tests clean up after
// themselves only when they end by themselves.
type sweeper struct {
	mu         sync.Mutex
	namespaces []string // guarded by mu
	dir        string
}

// newSweeper waits for SIGINT and SIGTERM until everything has been removed in
// the ordinary way. It comes before the first bed.
func newSweeper(tb testing.TB, dir string) *sweeper {
	s := &sweeper{dir: dir}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	tb.Cleanup(func() {
		signal.Stop(signals)
		close(signals)
	})
	go func() {
		if got, ok := <-signals; ok {
			s.sweep()
			fmt.Fprintf(os.Stderr, "%v: beds are removed\n", got)
			os.Exit(1)
		}
	}()
	return s
}

func (s *sweeper) add(b *bed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaces = append(s.namespaces, b.a.Name, b.gateways[0].Name, b.gateways[1].Name, b.b.Name)
}

// sweep ends all that runs in the beds, and removes them and the files.
func (s *sweeper) sweep() {
	s.mu.Lock() // for good
	for _, name := range s.namespaces {
		if !netns.Exists(name) {
			continue
		}
		out, err := exec.Command("ip", "netns", "pids", name).Output()
		for pid := range strings.FieldsSeq(string(out)) {
			// This process may be in there for a moment, to open a socket.
			if n, convErr := strconv.Atoi(pid); convErr == nil && n != os.Getpid() {
				_ = unix.Kill(n, unix.SIGKILL)
			}
		}
		if err == nil {
			err = netns.Delete(name)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.RemoveAll(s.dir)
}
