package ipsec

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/packet"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// What a search finds on a path of any MTU, with losses by chance.
func TestSearch(t *testing.T) {
	for _, c := range []struct {
		name                    string
		fits, assumed, answered int // answered: of each hundred that fit
		want                    int // the least that is right; 0: the peer answers nothing
		most                    time.Duration
	}{
		{"all that is assumed", 1446, 1446, 100, 1446, time.Second},
		{"more than that", 9000, 1446, 100, 1446, time.Second},
		{"a little less", 1440, 1446, 100, 1436, 40 * time.Second},
		{"PPPoE and GRE", 1300, 1438, 100, 1296, 40 * time.Second},
		{"with losses", 1300, 1438, 90, 1296, time.Minute},
		{"hardly anything", 130, 1438, 100, 126, time.Minute},
		{"nothing", 0, 1438, 100, 0, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, now, lost := newSearch(c.assumed), epoch, 0
			for !s.done() {
				sizes, first := s.advance(now)
				for i, size := range sizes {
					if lost += 100 - c.answered; lost >= 100 {
						lost -= 100
						continue
					}
					if size <= c.fits {
						s.answered(first + uint16(i))
					}
				}
				if now = now.Add(probeTick); now.Sub(epoch) > c.most {
					t.Fatalf("it takes longer than %v: %+v", c.most, s)
				}
			}
			if s.unanswers != (c.want == 0) || !s.unanswers && (s.low < c.want || s.low > min(c.fits, c.assumed)) {
				t.Errorf("found %d, want %d to %d; %+v", s.low, c.want, c.fits, s)
			}
		})
	}
}

// A path that loses everything for a while says nothing of sizes.
func TestOutageIsNoSize(t *testing.T) {
	s, now := newSearch(1400), epoch
	answers := func(until time.Duration, size int) {
		for end := now.Add(until); now.Before(end) && !s.done(); now = now.Add(probeTick) {
			sizes, first := s.advance(now)
			for i, sent := range sizes {
				if sent <= size {
					s.answered(first + uint16(i))
				}
			}
		}
	}
	answers(2500*time.Millisecond, 0)
	answers(time.Minute, 1500)
	if s.low != 1400 {
		t.Errorf("found %+v", s)
	}
}

// narrow is a path that lets datagrams of so many bytes pass.
type narrow struct {
	socket func() packetio.Socket
	mtu    atomic.Int64
	knows  atomic.Bool // this host does
	sent   atomic.Int64
}

func (n *narrow) Send(_ uint16, remote netip.AddrPort, payload []byte) error {
	if n.sent.Add(1); int64(packet.IPv4HeaderLen+len(payload)) > n.mtu.Load() {
		if n.knows.Load() {
			return packetio.ErrTooLarge
		}
		return nil
	}
	_, err := n.socket().WriteBatch(nil, []packetio.Datagram{{Remote: remote, Payload: payload}})
	return err
}

func (*narrow) Close() error { return nil }

// echo answers the echo requests that come out of a device.
func echo(ctx context.Context, d *packetio.MemoryDevice) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-d.Packets():
			v4, err := packet.ParseIPv4(p)
			if err != nil || v4.Protocol() != packet.ProtocolICMP {
				continue
			}
			message := append([]byte(nil), v4.Payload()...)
			message[0], message[2], message[3] = 0, 0, 0
			binary.BigEndian.PutUint16(message[2:], ^packet.Sum(message, 0))
			d.Put(packet.AppendIP(nil, v4.Destination(), v4.Source(), 0, packet.ProtocolICMP, message))
		}
	}
}

// The MTU of a path is found through the child SA, used, found anew when it has
// grown, and forgotten with the path; DPD and IKE hear nothing of it.
func TestPathMTU(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		prober := &narrow{socket: func() packetio.Socket { return w.sockets[2] }}
		prober.mtu.Store(1400)
		w.Host.cfg.OpenProber = func(netip.Addr) (Prober, error) { return prober, nil }
		w.Host.group.Go("path MTU", w.measurePaths)
		var told []LogEntry
		w.Host.cfg.Log = func(entry LogEntry) {
			if strings.Contains(entry.Details, "path MTU") {
				told = append(told, entry)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		west, east := tunnelTo("w", west, east, true), tunnelTo("e", east, west, false)
		west.Inside, east.Inside = netip.MustParsePrefix("169.254.10.2/30"), netip.MustParsePrefix("169.254.10.1/30")
		e.set(east)
		go echo(ctx, e.devices["e"])
		w.set(west)
		time.Sleep(time.Minute)
		synctest.Wait()
		got := w.status("w")
		if p := got.PathMTU; p.State != PathMTUMeasured || p.Outside > 1400 || p.Outside < 1396 || p.Assumed != 1446 || !p.Lower() {
			t.Fatalf("measured %+v", p)
		}
		if n := w.tunnels["w"].tunnel.InsideMTU(); n < got.PathMTU.Inside || n > got.PathMTU.Inside+3 {
			t.Errorf("the inside MTU is %d where %d was measured", n, got.PathMTU.Inside)
		}
		if len(told) != 1 || !strings.Contains(told[0].Details, "datagrams of 1400 bytes arrive whole") {
			t.Errorf("the log tells %+v", told)
		}
		select {
		case p := <-w.devices["w"].Packets():
			t.Errorf("an answer reached the stack: %x", p)
		default:
		}

		sent := prober.sent.Load()
		prober.mtu.Store(1300)
		prober.knows.Store(true)
		time.Sleep(probeInterval + 2*probeFuzz)
		synctest.Wait()
		if p := w.status("w").PathMTU; p.Outside > 1300 || p.Outside < 1296 {
			t.Errorf("after it has become narrower: %+v", p)
		}
		if n := prober.sent.Load() - sent; n > 60 {
			t.Errorf("%d probes in %v", n, probeInterval)
		}
		prober.mtu.Store(9000)
		time.Sleep(probeInterval + 2*probeFuzz)
		synctest.Wait()
		if p := w.status("w").PathMTU; p.Lower() || p.Inside != 1446 || w.tunnels["w"].tunnel.InsideMTU() != 1446 {
			t.Errorf("after it has become wide again: %+v", p)
		}
		if d, err := w.Diagnose("w"); err != nil || d.Path.MTU.State != PathMTUMeasured || !d.Up {
			t.Errorf("diagnosis %+v %v", d.Path, err)
		}
	})
}

// A peer that does not answer, or whose networks leave the inside addresses out,
// keeps its MTU and its tunnel.
func TestPathMTUUnknown(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w, e *Tunnel)
		state  PathMTUState
		reason string
	}{
		{"nobody answers", func(_, _ *Tunnel) {}, PathMTUUnanswered, "does not answer echo requests"},
		{"no inside addresses", func(w, _ *Tunnel) { w.Inside = netip.Prefix{} }, PathMTUImpossible, tunnel.ErrNoInside.Error()},
		{"selectors", func(w, e *Tunnel) {
			w.Peer.LocalSelectors, w.Peer.RemoteSelectors = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}, PathMTUImpossible, tunnel.ErrNoSelector.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			pairOfSites(t, func(w, e *site) {
				prober := &narrow{socket: func() packetio.Socket { return w.sockets[2] }}
				prober.mtu.Store(1500)
				w.Host.cfg.OpenProber = func(netip.Addr) (Prober, error) { return prober, nil }
				w.Host.group.Go("path MTU", w.measurePaths)
				west, east := tunnelTo("w", west, east, true), tunnelTo("e", east, west, false)
				west.Inside = netip.MustParsePrefix("169.254.10.2/30")
				c.change(&west, &east)
				e.set(east)
				w.set(west)
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := w.status("w"); !got.Up || got.PathMTU.State != c.state || !strings.Contains(got.PathMTU.Reason, c.reason) || got.PathMTU.Lower() {
					t.Errorf("%+v", got)
				}
				if _, err := w.tunnels["w"].tunnel.SealProbe(1, 200); err == nil || !errors.Is(err, tunnel.ErrNoInside) {
					t.Errorf("probing has not ended: %v", err)
				}
			})
		})
	}
}
