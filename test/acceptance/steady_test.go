package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

// A steadyPing is a hundred requests a second, each of which counts; without answers ping sends
// fewer. Each answer has its time.
type steadyPing struct{ p *netlab.Process }

func startSteadyPing(from *netlab.Host, target string) steadyPing {
	return steadyPing{from.Start("steady-ping", "ping", "-D", "-n", "-i", "0.01", "-W", "1", target)}
}

// answered returns the numbers that were answered so far, and the highest.
func (s steadyPing) answered() (numbers map[int]bool, last int) {
	return netlab.Answered(s.p.Log())
}

// besides returns what tells more of the requests that were lost: their numbers, and what
// ping said that is no answer.
func (s steadyPing) besides(answered map[int]bool, last int) string {
	var all strings.Builder
	for n := 1; n <= last; n++ {
		if !answered[n] {
			fmt.Fprintf(&all, "no answer to %d\n", n)
		}
	}
	for line := range strings.Lines(s.p.Log()) {
		if !strings.Contains(line, " bytes from ") {
			all.WriteString(line)
		}
	}
	return all.String()
}

// lostNone checks that the ping is still answered and that every request was up
// to the last answer, and ends it.
func (s steadyPing) lostNone(t *testing.T, lab *netlab.Lab, least int) {
	t.Helper()
	_, before := s.answered()
	lab.Eventually(20*time.Second, "requests are still answered", func() error {
		if _, last := s.answered(); last <= before || last < least {
			return fmt.Errorf("the last answer was to request %d, at least %d were expected", last, least)
		}
		return nil
	})
	s.p.Stop()
	numbers, last := s.answered()
	if lost := last - len(numbers); lost > 0 {
		t.Errorf("%d of %d requests were lost; besides answers ping said:\n%s", lost, last, s.besides(numbers, last))
	}
	t.Logf("%d requests were answered of %d", len(numbers), last)
}
