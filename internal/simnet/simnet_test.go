package simnet

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var (
	start = time.Unix(1_000_000, 0)
	left  = netip.MustParseAddrPort("192.0.2.1:500")
	right = netip.MustParseAddrPort("198.51.100.1:500")
)

// A recorder notes what it receives and wakes once.
type recorder struct {
	got    []string
	remote []netip.AddrPort
	wake   time.Time
	woken  []time.Time
}

func (r *recorder) Receive(_ time.Time, _, remote netip.AddrPort, payload []byte) {
	r.got, r.remote = append(r.got, string(payload)), append(r.remote, remote)
}
func (r *recorder) Advance(now time.Time)       { r.woken, r.wake = append(r.woken, now), time.Time{} }
func (r *recorder) Deadline() (time.Time, bool) { return r.wake, !r.wake.IsZero() }

func send100(seed uint64, c Conditions) ([]string, *Network) {
	n, host := New(seed, start, c, func(b []byte) string { return string(b) }), &recorder{}
	n.Attach(right.Addr(), host)
	for i := range 100 {
		n.Send(left, right, fmt.Append(nil, i))
		n.RunFor(10 * time.Millisecond)
	}
	n.RunFor(time.Second)
	return host.got, n
}

func TestSameSeedSameRun(t *testing.T) {
	c := Conditions{DelayMin: time.Millisecond, DelayMax: 100 * time.Millisecond, Loss: 0.2, Duplicate: 0.2}
	first, n := send100(7, c)
	again, _ := send100(7, c)
	other, _ := send100(8, c)
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Fatal("the seed does not decide the run")
	}
	seen := map[string]int{}
	sorted := true
	last := -1
	for _, s := range first {
		seen[s]++
		var i int
		if _, err := fmt.Sscan(s, &i); err != nil {
			t.Fatal(err)
		}
		sorted, last = sorted && i > last, i
	}
	twice := 0
	for _, times := range seen {
		if times > 1 {
			twice++
		}
	}
	if len(seen) < 60 || len(seen) > 95 || twice < 8 || twice > 35 || sorted {
		t.Fatalf("%d of 100 arrived, %d twice, in order: %v\n%s", len(seen), twice, sorted, n.Diagram())
	}
}

func TestPerfectNetworkDeliversInOrder(t *testing.T) {
	got, _ := send100(1, Conditions{})
	for i, s := range got {
		if s != fmt.Sprint(i) {
			t.Fatalf("datagram %d is %q", i, s)
		}
	}
	if len(got) != 100 {
		t.Fatalf("%d arrived", len(got))
	}
}

func TestDeadlinesAndCallsKeepTime(t *testing.T) {
	n, host := New(1, start, Conditions{}, nil), &recorder{wake: start.Add(3 * time.Second)}
	n.Attach(left.Addr(), host)
	var called time.Time
	n.At(start.Add(2*time.Second), func() { called = n.Now() })
	n.RunFor(5 * time.Second)
	if len(host.woken) != 1 || host.woken[0] != start.Add(3*time.Second) || called != start.Add(2*time.Second) || n.Now() != start.Add(5*time.Second) {
		t.Fatalf("woken at %v, called at %v, now %v", host.woken, called, n.Now())
	}
}

func TestNATTranslatesAndRebinds(t *testing.T) {
	n, inside, outside := New(1, start, Conditions{}, nil), &recorder{}, &recorder{}
	n.Attach(left.Addr(), inside)
	n.Attach(right.Addr(), outside)
	public := netip.MustParseAddr("203.0.113.9")
	nat := n.Translate(left.Addr(), public)
	send := func() netip.AddrPort {
		n.Send(left, right, []byte("out"))
		n.RunFor(time.Second)
		return outside.remote[len(outside.remote)-1]
	}
	first := send()
	if again := send(); again != first || first.Addr() != public {
		t.Fatalf("seen as %v and %v", first, again)
	}
	n.Send(right, first, []byte("back"))
	n.RunFor(time.Second)
	if !slices.Equal(inside.got, []string{"back"}) {
		t.Fatalf("inside got %q", inside.got)
	}
	nat.Rebind()
	if moved := send(); moved == first {
		t.Fatalf("still seen as %v", moved)
	}
	n.Send(right, first, []byte("stale"))
	n.RunFor(time.Second)
	if !slices.Equal(inside.got, []string{"back"}) {
		t.Fatalf("inside got %q", inside.got)
	}
}
