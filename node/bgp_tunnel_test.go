package node

import (
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/keeper"
	"causeway.dev/netfabric"
	"causeway.dev/netfabric/netns"
	"causeway.dev/nodespec"
)

// The test's own binary is the keeper's, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == keeper.Command {
		os.Exit(keeper.Main())
	}
	os.Exit(m.Run())
}

// An end is one of two sites that are joined by two tunnels with BGP:
//
//	i-1 --- vpc-1 --- vgw-1 === vpn-1/1 - vpn-2/1 === vgw-2 --- vpc-2 --- i-2
//	                        === vpn-1/2 - vpn-2/2 ===
type end struct {
	number   byte // 1 or 2
	asn      uint32
	local    netip.Prefix // of the VPC
	instance netip.Addr
	start    bool // it initiates IKE
}

var (
	west = end{1, 64512, netip.MustParsePrefix("10.1.0.0/16"), netip.MustParseAddr("10.1.0.4"), true}
	east = end{2, 65000, netip.MustParsePrefix("10.2.0.0/16"), netip.MustParseAddr("10.2.0.4"), false}
)

// desired is this end, where other is behind the tunnels. Both tell their own range.
func (e end) desired(other end) nodespec.Desired {
	vpc, vgw, rest := fmt.Sprintf("vpc-%d", e.number), fmt.Sprintf("vgw-%d", e.number), netip.MustParsePrefix("0.0.0.0/0")
	link, id := nodespec.Target{Kind: nodespec.ToLink, ID: vgw + ":" + vpc}, fmt.Sprintf("i-%d", e.number)
	group := nodespec.Group{ID: "sg-1", Members: []netip.Addr{e.instance}}
	for _, egress := range []bool{false, true} {
		group.Rules = append(group.Rules, nodespec.Rule{Egress: egress, Protocol: -1, FromPort: -1, ToPort: -1, Peer: rest})
	}
	over := nodespec.Route{Destination: other.local}
	d := nodespec.Desired{
		Networks: []nodespec.Network{{ID: vgw}, {
			ID: vpc, Local: []netip.Prefix{e.local}, Tables: []nodespec.RouteTable{{ID: "rtb-1", Routes: []nodespec.Route{{Destination: rest, Targets: []nodespec.Target{link}}}}},
			Groups: []nodespec.Group{group},
			Interfaces: []nodespec.Interface{{
				ID: "eni-" + id, MAC: fmt.Sprintf("02:00:00:00:00:%02x", e.number), Address: e.instance, Subnet: netip.PrefixFrom(e.instance, 24).Masked(),
				Table: "rtb-1", Groups: []string{"sg-1"}, Instance: id,
			}},
		}},
		Links:     []nodespec.Link{{ID: link.ID, Ends: [2]nodespec.LinkEnd{{Network: vgw, Table: "gateway"}, {Network: vpc}}}},
		Instances: []nodespec.Instance{{ID: id}},
	}
	for tunnel := range byte(2) {
		t := dynamic(fmt.Sprintf("vpn-%d/%d", e.number, tunnel+1), fmt.Sprintf("169.254.%d.%d/30", 10+tunnel, e.number), 0)
		t.Network, t.Start = vgw, e.start
		t.Local, t.Remote = netip.AddrFrom4([4]byte{203, 0, 113, 10*e.number + tunnel}), netip.AddrFrom4([4]byte{203, 0, 113, 10*other.number + tunnel})
		t.BGP.ASN, t.BGP.PeerASN = e.asn, other.asn
		t.BGP.Advertised = []nodespec.Advertised{{Destination: e.local, MED: 100 * uint32(tunnel+1)}}
		d.Tunnels = append(d.Tunnels, t)
		over.Targets = append(over.Targets, nodespec.Target{Kind: nodespec.ToTunnel, ID: t.ID})
	}
	d.Networks[0].Tables = []nodespec.RouteTable{{ID: "gateway", Routes: []nodespec.Route{
		{Destination: e.local, Targets: []nodespec.Target{link}}, over, // what plan makes of what was learned
	}}}
	return d
}

// both are two ends on one node.
func both(revision int64) nodespec.Desired {
	d, other := west.desired(east), east.desired(west)
	d.Revision = revision
	d.Networks, d.Links = append(d.Networks, other.Networks...), append(d.Links, other.Links...)
	d.Tunnels, d.Instances = append(d.Tunnels, other.Tunnels...), append(d.Instances, other.Instances...)
	return d
}

// tunnel is what was seen of one.
func (l *lab) tunnel(id string) nodespec.TunnelStatus {
	for _, t := range l.observed().Tunnels {
		if t.ID == id {
			return t
		}
	}
	return nodespec.TunnelStatus{}
}

// learned are the destinations that a tunnel's peer has told, with the paths to them.
func (l *lab) learned(id string) string {
	var all []string
	if b := l.tunnel(id).BGP; b != nil && b.Established {
		for _, r := range b.Routes {
			all = append(all, fmt.Sprintf("%v %v %d", r.Destination, r.Path, r.MED))
		}
	}
	return strings.Join(all, ", ")
}

// leads is the tunnel that a gateway sends what is for an instance through.
func (l *lab) leads(gateway string, to netip.Addr) string {
	routes := l.output(l.namespace(gateway), "ip", "-o", "route", "show", "table", "all", "type", "unicast", "root", netip.PrefixFrom(to, 16).Masked().String())
	for _, tunnel := range []string{"vpn-1/1", "vpn-1/2", "vpn-2/1", "vpn-2/2"} {
		if strings.Contains(routes, " dev "+netfabric.TUNName(tunnel)) {
			return tunnel
		}
	}
	return routes
}

func (l *lab) pings(from string, to netip.Addr) bool {
	return exec.Command("ip", "netns", "exec", l.namespace(from), "ping", "-n", "-c1", "-W2", to.String()).Run() == nil
}

// Two gateways tell each other their ranges over IPsec. A session that ends moves the
// routes to the other tunnel, and the tunnel says that it is BGP that fails; its IPsec is
// none the wiser.
func TestSessionsOverTunnels(t *testing.T) {
	t.Parallel()
	l := newLab(t, &fakeDriver{})
	l.output(l.underlay, "ip", "link", "set", "lo", "up")
	d := both(1)
	l.Set(d)
	for id, want := range map[string]string{
		"vpn-1/1": "10.2.0.0/16 [65000] 100", "vpn-1/2": "10.2.0.0/16 [65000] 200", "vpn-2/1": "10.1.0.0/16 [64512] 100", "vpn-2/2": "10.1.0.0/16 [64512] 200",
	} {
		l.eventually(id+" has learned "+want, func() bool { return l.learned(id) == want })
		if s := l.tunnel(id); !s.Up || s.BGP.Pending || s.Since.Before(s.BGP.Since) {
			t.Errorf("%+v, BGP %+v", s, s.BGP)
		}
	}
	l.eventually("the route leads over the first tunnel", func() bool {
		return l.leads("vgw-1", east.instance) == "vpn-1/1" && l.leads("vgw-2", west.instance) == "vpn-2/1"
	})
	if !l.pings("i-1", east.instance) {
		t.Error("no ping from one instance to the other")
	}
	ipsec := func() (since string) {
		for _, s := range l.Tunnels() {
			since += fmt.Sprintln(s.ID, s.Up, s.Since)
		}
		return since
	}
	before := ipsec()
	for _, namespace := range []string{l.underlay, l.namespace("i-1")} {
		err := netns.Do(namespace, func() error {
			conn, err := net.DialTimeout("tcp", "169.254.10.1:179", 200*time.Millisecond)
			if err == nil {
				conn.Close()
			}
			return err
		})
		if err == nil {
			t.Errorf("%s reaches a session that is between two gateways", namespace)
		}
	}

	d = both(2)
	d.Tunnels[2].BGP.Advertised = append(d.Tunnels[2].BGP.Advertised, nodespec.Advertised{Destination: netip.MustParsePrefix("172.16.0.0/12"), Path: []uint32{65009}, MED: 100})
	l.Set(d)
	l.eventually("one more route is learned", func() bool {
		return l.learned("vpn-1/1") == "10.2.0.0/16 [65000] 100, 172.16.0.0/12 [65000 65009] 100"
	})

	d = both(3)
	d.Tunnels[2].BGP = nil // the peer of vpn-1/1 speaks BGP no more
	l.Set(d)
	l.eventually("the tunnel is down for its session", func() bool {
		s := l.tunnel("vpn-1/1")
		return !s.Up && len(s.BGP.Routes) == 0 && strings.HasPrefix(s.Message, "IPsec is up, BGP is not: ")
	})
	t.Log(l.tunnel("vpn-1/1").Message)
	l.eventually("the route leads over the other tunnel", func() bool { return l.leads("vgw-1", east.instance) == "vpn-1/2" })
	if !l.pings("i-1", east.instance) {
		t.Error("no ping over the other tunnel")
	}
	l.Set(both(4))
	l.eventually("the session is back", func() bool { return l.learned("vpn-1/1") == "10.2.0.0/16 [65000] 100" })
	l.eventually("the route is back", func() bool { return l.leads("vgw-1", east.instance) == "vpn-1/1" })
	if after := ipsec(); after != before {
		t.Errorf("IPsec is %s, and was %s before what BGP went through", after, before)
	}

	d = both(5)
	d.Tunnels = d.Tunnels[1:] // vpn-1/1 is deleted
	l.Set(d)
	l.eventually("its peer is down", func() bool { return !l.tunnel("vpn-2/1").Up })
	if !l.logged(`BGP session ended" tunnel=vpn-2/1 .*NOTIFICATION Cease(.|\n)*tunnel changed" tunnel=vpn-2/1 up=false`) {
		t.Error("its peer was not told by BGP before IPsec ended")
	}
	l.eventually("its peer's route leads over the other tunnel", func() bool { return l.leads("vgw-2", west.instance) == "vpn-2/2" })
	if s := l.tunnel("vpn-2/2"); !s.Up {
		t.Errorf("the other tunnel: %+v", s)
	}
}

// only is one end of the two, on a node of its own.
func only(e, other end, revision int64) nodespec.Desired {
	d := e.desired(other)
	d.Revision = revision
	return d
}

// A daemon that is started anew loses no route, neither its own nor its peer's, and no
// packet: the keeper carries them, the peer keeps what it was told without a NOTIFICATION
// (RFC 4724 section 4.2), and the next daemon what it finds in the kernel until it
// has learned it again.
func TestRestartKeepsRoutes(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "keeper.sock")
	handingOver := func(n *Node) { n.cfg.HandOver, n.cfg.Keeper = 15*time.Second, socket }
	l := newLab(t, &fakeDriver{}, handingOver)
	l.output(l.underlay, "ip", "link", "set", "lo", "up")
	r := newLab(t, &fakeDriver{}, func(n *Node) { n.cfg.Underlay.Namespace = l.underlay })
	l.Set(only(west, east, 1))
	r.Set(only(east, west, 1))
	learned := func() bool {
		return l.learned("vpn-1/1") == "10.2.0.0/16 [65000] 100" && l.learned("vpn-1/2") == "10.2.0.0/16 [65000] 200" &&
			r.learned("vpn-2/1") == "10.1.0.0/16 [64512] 100" && r.learned("vpn-2/2") == "10.1.0.0/16 [64512] 200"
	}
	leads := func() bool {
		return l.leads("vgw-1", east.instance) == "vpn-1/1" && r.leads("vgw-2", west.instance) == "vpn-2/1"
	}
	l.eventually("both have learned", learned)
	l.eventually("routes lead over the first tunnel", leads)

	pending := false // some report of the peer says that it keeps routes; guarded by r.mu
	watch := func(of *lab, each func(nodespec.TunnelStatus)) {
		of.mu.Lock()
		defer of.mu.Unlock()
		if of.watch = nil; each == nil {
			return
		}
		of.watch = func(o nodespec.Observed) {
			for _, s := range o.Tunnels {
				if each(s); !s.Up {
					t.Errorf("%s is down: %s; BGP %+v", s.ID, s.Message, s.BGP)
				}
			}
		}
	}
	watch(r, func(s nodespec.TunnelStatus) {
		pending = pending || s.BGP.Pending
		if len(s.BGP.Routes) != 1 {
			t.Errorf("the peer forgets what it has learned over %s: %+v", s.ID, s.BGP)
		}
	})
	adopted := false // guarded by l.mu
	watch(l, func(s nodespec.TunnelStatus) {
		adopted = adopted || s.BGP.Pending
		if !s.BGP.Pending && len(s.BGP.Routes) != 1 {
			t.Errorf("nothing was learned over %s, and nothing is awaited: %+v", s.ID, s.BGP)
		}
	})
	lab := netlab.New(t, "ping")
	ping := lab.Find(l.namespace("i-1")).Start("ping", "ping", "-n", "-i", "0.02", east.instance.String())
	l.end(keeper.ErrSuccession)
	r.eventually("the peer keeps routes for us", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return pending
	})
	if !leads() {
		t.Error("routes lead elsewhere while the keeper carries packets")
	}
	// The peer does not hear the next one at first.
	nft := func(command string) {
		if _, err := netlab.Output("ip", "netns", "exec", r.namespace("vgw-2"), "nft", command); err != nil {
			t.Fatal(err)
		}
	}
	nft("table inet deaf { chain input { type filter hook input priority -10; tcp dport 179 drop; tcp sport 179 drop; }; }")
	l.begin(handingOver)
	l.Set(only(west, east, 2))
	l.settled(2)
	l.eventually("the next daemon awaits what was learned", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return adopted
	})
	nft("delete table inet deaf")
	for !learned() {
		if !leads() {
			t.Fatal("routes lead elsewhere before all is learned again")
		}
	}
	watch(l, nil)
	watch(r, nil)
	ping.Stop()
	numbers, last := netlab.Answered(ping.Log())
	if len(numbers) != last || last < 10 {
		t.Errorf("%d of %d pings were answered", len(numbers), last)
	}
	t.Logf("%d of %d pings were answered", len(numbers), last)
	if l.logged("tunnel changed.*up=false") || r.logged("tunnel changed.*up=false") {
		t.Error("a tunnel has ended")
	}
}

var manyTunnels = flag.Int("sessions.tunnels", 10, "tunnels with BGP between two gateways, 250 at most")

// Many sessions come up at once over as many tunnels, and what they have learned makes
// few reports.
func TestManySessions(t *testing.T) {
	t.Parallel()
	const routes = 20
	l := newLab(t, &fakeDriver{})
	l.output(l.underlay, "ip", "link", "set", "lo", "up")
	d := both(1)
	d.Tunnels = nil
	for i := range byte(*manyTunnels) {
		for side, e := range []end{west, east} {
			a, b := netip.AddrFrom4([4]byte{203, 0, 113, i}), netip.AddrFrom4([4]byte{203, 0, 114, i})
			tunnel := dynamic(fmt.Sprintf("vpn-%d%03d/1", e.number, i), fmt.Sprintf("169.254.%d.%d/30", i, e.number), routes)
			tunnel.Network, tunnel.Start, tunnel.Local, tunnel.Remote = fmt.Sprintf("vgw-%d", e.number), e.start, a, b
			if tunnel.BGP.ASN, tunnel.BGP.PeerASN = west.asn, east.asn; side == 1 {
				tunnel.Local, tunnel.Remote, tunnel.BGP.ASN, tunnel.BGP.PeerASN = b, a, east.asn, west.asn
			}
			tunnel.IKEAccepts, tunnel.IKEOffers = []string{"aes128-sha256-group19"}, []string{"aes128-sha256-group19"} // group 14 takes most of the time
			tunnel.ESPAccepts, tunnel.ESPOffers = []string{"aes128gcm16-group19"}, []string{"aes128gcm16-group19"}
			d.Tunnels = append(d.Tunnels, tunnel)
		}
	}
	slices.SortFunc(d.Tunnels, func(a, b nodespec.Tunnel) int { return strings.Compare(a.ID, b.ID) })
	began := time.Now()
	l.Set(d)
	l.eventually("all have learned all", func() bool {
		learned := 0
		for _, s := range l.observed().Tunnels {
			if s.Up && s.BGP != nil {
				learned += len(s.BGP.Routes)
			}
		}
		return learned == len(d.Tunnels)*routes
	})
	t.Logf("%d sessions have learned %d routes each after %v, in %d reports", len(d.Tunnels), routes, time.Since(began), l.reports.Load())
	before := l.reports.Load()
	time.Sleep(2 * observeInterval)
	if made := l.reports.Load() - before; made > 0 {
		t.Errorf("%d reports though nothing has changed", made)
	}
}
