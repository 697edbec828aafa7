package ipsec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway.dev/ike"
	"causeway.dev/packet"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

var (
	west, east         = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	westHost, eastHost = netip.MustParseAddr("192.168.0.9"), netip.MustParseAddr("10.0.1.4")
)

// A site is a Host on a network in memory.
type site struct {
	*Host
	t       *testing.T
	name    string
	network *packetio.MemoryNetwork
	devices map[string]*packetio.MemoryDevice // by tunnel, the latest
	opened  []string                          // tunnels, in the order of their devices
	listens int
	sent    func() // called for each batch that leaves
	failing error  // of all receiving
	sockets [3]packetio.Socket
	another netip.Addr // which it may listen at too
}

// newSite returns a site whose sockets claim local and are reached at public.
func newSite(t *testing.T, network *packetio.MemoryNetwork, name string, local, public netip.Addr) *site {
	t.Helper()
	s := &site{t: t, name: name, network: network, devices: map[string]*packetio.MemoryDevice{}, sent: func() {}}
	listen := func(cfg tunnel.EndpointConfig) (*tunnel.Endpoint, error) {
		local, public := local, public
		if cfg.Local == s.another {
			local, public = s.another, s.another
		}
		if cfg.Local != local {
			return nil, fmt.Errorf("%v is not an address of ours", cfg.Local)
		}
		s.listens++
		var sockets [3]packetio.Socket
		for i, port := range []uint16{tunnel.PortIKE, tunnel.PortNATT, 0} {
			socket, err := network.Listen(netip.AddrPortFrom(public, port))
			if err != nil {
				return nil, err
			}
			sockets[i] = translated{socket, netip.AddrPortFrom(local, port), s}
		}
		s.sockets = sockets
		return tunnel.NewEndpoint(cfg, tunnel.Sockets{IKE: sockets[0], NATT: sockets[1], ESP: sockets[2]}), nil
	}
	open := func(t Tunnel) (packetio.Device, error) {
		if t.Place == "nowhere" {
			return nil, errors.New("no such place")
		}
		d := packetio.NewMemoryDevice()
		s.devices[string(t.Peer.ID)] = d
		s.opened = append(s.opened, string(t.Peer.ID))
		return d, nil
	}
	host, err := New(context.Background(), Config{Logger: slog.New(slog.DiscardHandler), Listen: listen, OpenDevice: open, NewPoller: packetio.NewMemoryPoller})
	if err != nil {
		t.Fatal(err)
	}
	s.Host = host
	return s
}

// translated is a socket that does not know the address that others see.
type translated struct {
	packetio.Socket
	local netip.AddrPort
	site  *site
}

func (s translated) Unwrap() packetio.Socket { return s.Socket }

func (s translated) Local() netip.AddrPort { return s.local }

func (s translated) ReadBatch(r *packetio.Receiver) error {
	err := s.Socket.ReadBatch(r)
	return cmp.Or(s.site.failing, err)
}

func (s translated) WriteBatch(sender *packetio.Sender, d []packetio.Datagram) (int, error) {
	s.site.sent()
	return s.Socket.WriteBatch(sender, d)
}

func proposals() ([]ike.IKEProposal, []ike.ESPProposal) {
	return []ike.IKEProposal{{Encryption: ike.AES128GCM16, PRF: ike.PRFHMACSHA256, Group: ike.Group19}},
		[]ike.ESPProposal{{Encryption: ike.AES128GCM16}}
}

// tunnelTo is one side's configuration.
func tunnelTo(id string, local, remote netip.Addr, start bool) Tunnel {
	p := ike.Peer{ID: ike.PeerID(id), Local: local, Remote: remote, PreSharedKey: ike.Secret("a key of both"), Start: start}
	p.IKEProposals, p.ESPProposals = proposals()
	return Tunnel{Peer: p, Place: "somewhere"}
}

func (s *site) set(tunnels ...Tunnel) {
	s.t.Helper()
	if err := s.Set(tunnels); err != nil {
		s.t.Fatalf("%s: %v", s.name, err)
	}
}

// status is that of one tunnel.
func (s *site) status(id string) Status {
	s.t.Helper()
	for _, status := range s.Status() {
		if string(status.ID) == id {
			return status
		}
	}
	s.t.Fatalf("%s: no tunnel %s", s.name, id)
	return Status{}
}

func (s *site) wantUp(id string, up bool, message string) {
	s.t.Helper()
	got := s.status(id)
	if got.Up != up || !strings.Contains(got.Message, message) {
		s.t.Fatalf("%s: up %v, %q; want %v, %q in it", s.name, got.Up, got.Message, up, message)
	}
}

// carries sends n packets from a tunnel's device to the other's.
func carries(t *testing.T, from *site, fromID string, to *site, toID string, source, destination netip.Addr, n int) {
	t.Helper()
	for i := range n {
		p := packet.AppendUDP(nil, netip.AddrPortFrom(source, 1), netip.AddrPortFrom(destination, 2), 0, fmt.Append(nil, i))
		from.devices[fromID].Put(p)
		synctest.Wait()
		select {
		case got := <-to.devices[toID].Packets():
			if string(got) != string(p) {
				t.Fatalf("packet %d from %s arrived as %x", i, from.name, got)
			}
		default:
			t.Fatalf("packet %d from %s to %s did not arrive; %q, %q", i, from.name, to.name, from.status(fromID).Message, to.status(toID).Message)
		}
	}
}

// pairOfSites runs two sites with a tunnel "w" of west's and "e" of east's between them.
func pairOfSites(t *testing.T, do func(w, e *site)) {
	synctest.Test(t, func(t *testing.T) {
		network := packetio.NewMemoryNetwork()
		w, e := newSite(t, network, "west", west, west), newSite(t, network, "east", east, east)
		defer func() {
			for _, s := range []*site{w, e} {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if err := s.Close(ctx); err != nil {
					t.Errorf("%s: %v", s.name, err)
				}
				cancel()
			}
		}()
		do(w, e)
	})
}

func both(t *testing.T, w, e *site) {
	t.Helper()
	carries(t, w, "w", e, "e", westHost, eastHost, 3)
	carries(t, e, "e", w, "w", eastHost, westHost, 3)
}

func TestTwoHosts(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		e.set(tunnelTo("e", east, west, false))
		e.wantUp("e", false, "no packet from 192.0.2.1 has arrived; start IKE on the device")
		w.set(tunnelTo("w", west, east, true))
		synctest.Wait()
		w.wantUp("w", true, "IKEv2 aes128gcm16-prfsha256-group19, ESP aes128gcm16 over IP protocol 50")
		e.wantUp("e", true, "over IP protocol 50")
		for _, s := range []*site{w, e} {
			select {
			case <-s.Changed():
			default:
				t.Errorf("%s: nobody was woken", s.name)
			}
		}
		both(t, w, e)

		for _, rekey := range []ike.Command{ike.RekeyChild{}, ike.RekeyIKE{}, ike.RekeyChild{}} {
			if err := w.Command("w", rekey); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			both(t, w, e)
			time.Sleep(10 * time.Second) // the old pair's last packets
			both(t, w, e)
		}
		time.Sleep(2 * time.Hour) // lifetimes end
		synctest.Wait()
		both(t, w, e)
		if c := w.status("w").Counters; c.OutboundPackets == 0 || c.OutboundPackets != c.InboundPackets || c.Drops != (tunnel.Drops{}) {
			t.Errorf("west counts %+v", c)
		}

		old := w.tunnels["w"].tracker.active
		w.report("w", tunnel.SequenceLow{})
		synctest.Wait()
		if w.tunnels["w"].tracker.active == old {
			t.Error("no rekey where sequence numbers run out")
		}
		both(t, w, e)

		w.set()
		synctest.Wait()
		e.wantUp("e", false, "the peer deleted the IKE SA")
		if len(w.Running()) != 0 || len(w.endpoints) != 0 {
			t.Errorf("west still has %v, %d endpoints", w.Running(), len(w.endpoints))
		}
	})
}

// Setting what is set already touches nothing: no device, no socket, no SA, not a
// datagram.
// When the peer has used a new key, the status says so and whoever watches is woken: it
// is to be written down at once.
func TestKeyUsedIsTold(t *testing.T) {
	for _, version := range []ike.Version{ike.IKEv1, ike.IKEv2} {
		pairOfSites(t, func(w, e *site) {
			key := func(name string) ike.Secret { return ike.Secret(name + " key of both") }
			ours, theirs := speaking(tunnelTo("e", east, west, false), version), speaking(tunnelTo("w", west, east, true), version)
			ours.Peer.PreSharedKey, theirs.Peer.PreSharedKey = key("old"), key("old")
			e.set(ours)
			w.set(theirs)
			synctest.Wait()
			e.wantUp("e", true, version.String())
			ours.Peer.PreSharedKey, ours.Peer.FormerKey, ours.Peer.FormerKeyUntil, ours.Peer.KeyChanges = key("new"), key("old"), time.Now().Add(time.Hour), 7
			e.set(ours)
			synctest.Wait()
			if used := e.status("e").KeyUsed; used != 0 {
				t.Errorf("%v: the key of change %d is used, though the peer has not got it", version, used)
			}
			select {
			case <-e.Changed():
			default:
			}
			theirs.Peer.PreSharedKey = key("new")
			w.set(theirs)
			time.Sleep(time.Minute)
			synctest.Wait()
			e.wantUp("e", true, version.String())
			if used := e.status("e").KeyUsed; used != 7 {
				t.Errorf("%v: the key of change %d is used, want 7", version, used)
			}
			select {
			case <-e.Changed():
			default:
				t.Errorf("%v: nobody was woken", version)
			}
		})
	}
}

func TestSetAgain(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		e.set(tunnelTo("e", east, west, false))
		w.set(tunnelTo("w", west, east, true))
		synctest.Wait()
		w.wantUp("w", true, "")
		since, pairs := w.status("w").Since, slices.Clone(w.tunnels["w"].tracker.pairs)
		<-w.Changed()
		sent := 0
		w.sent = func() { sent++ }
		w.set(tunnelTo("w", west, east, true))
		synctest.Wait()
		if sent != 0 || len(w.opened) != 1 || w.listens != 1 || w.status("w").Since != since || !slices.Equal(w.tunnels["w"].tracker.pairs, pairs) {
			t.Errorf("%d datagrams sent, devices %v, %d endpoints, up since %v", sent, w.opened, w.listens, w.status("w").Since)
		}
		select {
		case <-w.Changed():
			t.Error("somebody was woken")
		default:
		}
	})
}

// A changed key that nobody knows beside the former one ends its tunnel, after the
// time that the peer has to follow, and no other; a changed place makes the device
// anew.
func TestSetChangesOneTunnel(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		otherWest := netip.MustParseAddr("192.0.2.2")
		other := newSite(t, w.network, "other west", otherWest, otherWest)
		defer other.Close(context.Background())
		toWest, toOther := tunnelTo("e", east, west, false), tunnelTo("e2", east, otherWest, false)
		e.set(toWest, toOther)
		w.set(tunnelTo("w", west, east, true))
		other.set(tunnelTo("w", otherWest, east, true))
		synctest.Wait()
		e.wantUp("e", true, "")
		e.wantUp("e2", true, "")
		since := e.status("e2").Since
		time.Sleep(time.Minute)

		toWest.Peer.PreSharedKey = ike.Secret("another key")
		e.set(toWest, toOther)
		synctest.Wait()
		e.wantUp("e", true, "")
		time.Sleep(35 * time.Second)
		e.wantUp("e", false, "pre-shared key mismatch")
		w.wantUp("w", false, "AUTHENTICATION_FAILED")
		changed := tunnelTo("w", west, east, true)
		changed.Peer.PreSharedKey = toWest.Peer.PreSharedKey
		w.set(changed)
		synctest.Wait()
		both(t, w, e)

		toWest.Place = "elsewhere"
		e.set(toWest, toOther)
		time.Sleep(5 * time.Second)
		both(t, w, e)
		if want := []string{"e", "e2", "e"}; !slices.Equal(e.opened, want) || e.listens != 1 {
			t.Errorf("devices opened: %v, want %v; %d endpoints", e.opened, want, e.listens)
		}
		e.wantUp("e2", true, "")
		if got := e.status("e2").Since; got != since {
			t.Errorf("the other tunnel is up since %v, not %v", got, since)
		}
	})
}

// One tunnel that can't be run keeps no other from it, and is tried again.
func TestSetSaysWhatFailed(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		lost, foreign, broken := tunnelTo("lost", east, west, false), tunnelTo("foreign", west, east, false), tunnelTo("broken", east, west, false)
		lost.Place = "nowhere"
		broken.Peer.PreSharedKey = nil
		err := e.Set([]Tunnel{lost, foreign, broken, tunnelTo("e", east, west, false)})
		for _, want := range []string{"lost", "no such place", "foreign", "192.0.2.1 is not an address", "broken: neither a pre-shared key nor a certificate"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Set says %v, want %q in it", err, want)
			}
		}
		w.set(tunnelTo("w", west, east, true))
		synctest.Wait()
		both(t, w, e)
		lost.Place = "somewhere"
		e.set(lost, tunnelTo("e", east, west, false))
		if !e.Running()["lost"] || e.Running()["foreign"] || e.Running()["broken"] {
			t.Errorf("%v run", e.Running())
		}
		both(t, w, e)
	})
}

// A peer that has vanished is noticed by its silence, and where packets flow one
// way only, its answers keep the tunnel up.
func TestSilence(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		e.set(tunnelTo("e", east, west, false))
		w.set(tunnelTo("w", west, east, true))
		synctest.Wait()
		since := w.status("w").Since
		for range 300 {
			carries(t, w, "w", e, "e", westHost, eastHost, 1)
			time.Sleep(time.Second)
		}
		if got := w.status("w"); !got.Up || got.Since != since {
			t.Fatalf("a tunnel with packets one way: %+v", got)
		}
		for _, socket := range e.endpoints {
			socket.group.Stop(nil) // east hears nothing any more
		}
		time.Sleep(2 * time.Minute)
		w.wantUp("w", false, "no packet from 198.51.100.1 has arrived")
	})
}

// A device or an endpoint that fails takes its tunnels down, whatever SAs stand,
// and the next Set makes them anew.
func TestBreakDown(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		e.set(tunnelTo("e", east, west, false))
		w.set(tunnelTo("w", west, east, true))
		synctest.Wait()
		for what, fail := range map[string]func(){
			"device":   func() { w.devices["w"].Fail(errors.New("removed")) },
			"endpoint": func() { w.failing = errors.New("failed") },
		} {
			both(t, w, e)
			fail()
			if what == "endpoint" {
				carriesNot(w, e)
			}
			synctest.Wait()
			w.wantUp("w", false, "this side can't carry packets")
			w.failing = nil
			w.set(tunnelTo("w", west, east, true))
			time.Sleep(time.Second)
		}
		both(t, w, e)
	})
}

// carriesNot sends a packet that will not arrive.
func carriesNot(to, from *site) {
	from.devices["e"].Put(packet.AppendUDP(nil, netip.AddrPortFrom(eastHost, 1), netip.AddrPortFrom(westHost, 2), 0, nil))
}

// The keys of an SA are in the hot path alone.
func TestKeysAreWiped(t *testing.T) {
	pairOfSites(t, func(w, e *site) {
		w.set(tunnelTo("w", west, east, false))
		c := child(1)
		key := ike.Secret(strings.Repeat("k", 20))
		c.InboundKey, c.OutboundKey = slices.Clone(key), slices.Clone(key)
		c.Proposal, c.Inbound, c.Outbound = ike.ESPProposal{Encryption: ike.AES128GCM16}, 1001, 1002
		w.observe("w", ike.ChildInstalled{Child: c})
		for _, k := range []ike.Secret{c.InboundKey, c.OutboundKey} {
			if slices.ContainsFunc(k, func(b byte) bool { return b != 0 }) {
				t.Error("a key is left")
			}
		}
		w.observe("w", ike.ChildActivated{Outbound: 1002})
		w.wantUp("w", true, "aes128gcm16")
		// An SA that can't be installed does not count as one.
		w.observe("w", ike.ChildRemoved{Inbound: 1001, Outbound: 1002, Reason: "gone"})
		w.observe("w", ike.ChildInstalled{Child: c})
		c.InboundKey = c.InboundKey[1:]
		w.observe("w", ike.ChildRemoved{Inbound: 1001, Outbound: 1002, Reason: "gone"})
		w.observe("w", ike.ChildInstalled{Child: c})
		w.observe("w", ike.ChildActivated{Outbound: 1002})
		w.wantUp("w", false, "encryption key of 19 bytes")
	})
}

// RFC 3948 section 4: who is behind a NAT keeps its mapping, unless packets do.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, public := packetio.NewMemoryNetwork(), netip.MustParseAddr("203.0.113.9")
		w, e := newSite(t, network, "west", west, public), newSite(t, network, "east", east, east)
		defer e.Close(context.Background())
		defer w.Close(context.Background())
		toWest := tunnelTo("e", east, public, false)
		e.set(toWest)
		w.set(tunnelTo("w", west, east, true))
		synctest.Wait()
		w.wantUp("w", true, "over UDP 4500")
		keepalives := func(s *site, local netip.Addr) uint64 { return s.endpoints[local].endpoint.Counters().Keepalives }
		before := keepalives(e, east)
		time.Sleep(10 * time.Minute)
		if got := keepalives(e, east) - before; got < 25 || got > 31 {
			t.Errorf("%d keep-alives in 10 minutes", got)
		}
		if got := keepalives(w, west); got != 0 {
			t.Errorf("the side without a NAT sent %d", got)
		}
		before = keepalives(e, east)
		for range 60 {
			carries(t, w, "w", e, "e", westHost, eastHost, 1)
			time.Sleep(10 * time.Second)
		}
		if got := keepalives(e, east) - before; got > 1 {
			t.Errorf("%d keep-alives beside packets", got)
		}
	})
}
