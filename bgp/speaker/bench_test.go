package speaker

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

// Many sessions in one process: how long it takes until all stand and each side has
// learned 100 routes, and what one side of one session costs. Both sides are here, each
// with a host of its own, and count alike.
func BenchmarkSessions(b *testing.B) {
	for _, sessions := range []int{1000} {
		b.Run(fmt.Sprint(sessions), func(b *testing.B) { benchmarkSessions(b, sessions) })
	}
}

const benchmarkRoutes = 100

func benchmarkSessions(b *testing.B, sessions int) {
	near, far := manyPeers(b, sessions)
	a, z := New(Config{}), New(Config{})
	defer a.Close(b.Context(), false)
	defer z.Close(b.Context(), false)
	before := footprint()
	for b.Loop() {
		b.StopTimer()
		set(b, a, nil)
		set(b, z, nil)
		b.StartTimer()
		set(b, a, near)
		set(b, z, far)
		for deadline := time.Now().Add(time.Minute); !stand(a, sessions) || !stand(z, sessions); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				b.Fatal("not all sessions stand within a minute")
			}
		}
	}
	after := footprint()
	sides := float64(2 * sessions)
	b.ReportMetric(float64(after.memory-before.memory)/sides, "B/session")
	b.ReportMetric(float64(after.goroutines-before.goroutines)/sides, "goroutines/session")
}

// manyPeers returns both sides of sessions. All are by one loopback, which has no use for
// neighbors' entries: the kernel has few of them.
func manyPeers(b *testing.B, sessions int) (near, far []Peer) {
	lab := netlab.New(b)
	host := lab.Host("both")
	var batch strings.Builder
	told := make([]string, benchmarkRoutes)
	for i := range told {
		told[i] = fmt.Sprintf("10.%d.0.0/16", i)
	}
	peer := func(i int, asn, peerASN uint32, local, remote netip.Addr) Peer {
		fmt.Fprintf(&batch, "address add %v/32 dev lo\n", local)
		return Peer{
			ID: fmt.Sprintf("vpn-%04d", i), Namespace: host.Name, Device: "lo", Local: local, Remote: remote,
			ASN: asn, PeerASN: peerASN, MaxPrefixes: benchmarkRoutes, Path: time.Unix(1, 0), Advertised: routes(told...),
		}
	}
	for i := range sessions {
		block := [4]byte{169, 254, byte(i / 64), byte(i % 64 * 4)}
		low, high := netip.AddrFrom4(block).Next(), netip.AddrFrom4(block).Next().Next()
		near = append(near, peer(i, ourASN, theirASN, low, high))
		far = append(far, peer(i, theirASN, ourASN, high, low))
	}
	host.Run("ip", "-batch", lab.File("addresses", batch.String()))
	return near, far
}

func set(b *testing.B, h *Host, peers []Peer) {
	b.Helper()
	if err := h.Set(peers); err != nil {
		b.Fatal(err)
	}
}

// stand reports whether all sessions do, with all routes.
func stand(h *Host, sessions int) bool {
	all := h.Status()
	for _, st := range all {
		if !st.Established || len(st.Routes) != benchmarkRoutes {
			return false
		}
	}
	return len(all) == sessions
}

type cost struct{ memory, goroutines int }

// footprint is what is in use: the heap and the stacks, once garbage is gone.
func footprint() cost {
	time.Sleep(1500 * time.Millisecond) // what was closed has gone, and colliding connections with it
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cost{int(m.HeapInuse + m.StackInuse), runtime.NumGoroutine()}
}
