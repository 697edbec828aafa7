package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

// A dynamicSite is a site whose customer gateway is strongSwan in user space with FRR
// or BIRD beside it, all by what the API gave out for download:
//
//	host ── customer gateway ═ tunnel 1 ═ internet ═ VPN gateway
//	192.168.N.10     192.0.N.10   ═ tunnel 2 ═
type dynamicSite struct {
	*site
	t               *testing.T
	i               *installation
	customerGateway string
	asn             string
	connection      string
	network, at     string // behind the customer gateway, and the host there
	outside         []string
	script          string // strongSwan's

	frr        *netlab.FRR
	bird       *netlab.BIRD
	downloaded string // BIRD's configuration
}

// needsStrongSwan skips a test where its peers are not installed.
func needsStrongSwan(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(netlab.CharonProgram); err != nil {
		t.Skipf("strongSwan's charon is not installed: %v", err)
	}
}

// dynamicTools are what the downloaded script needs beside charon.
var dynamicTools = []string{"swanctl", "unshare", "flock", "bash"}

// addDynamicSite makes a site on an internet, and what the API is to know of it.
func (i *installation) addDynamicSite(t *testing.T, internet *netlab.Host, n int, asn, gateway string) *dynamicSite {
	t.Helper()
	s := i.newDynamicSite(t, internet, n, asn)
	parameter := "BgpAsn="
	if len(asn) == len("4200000000") { // above 2147483647
		parameter = "BgpAsnExtended="
	}
	s.customerGateway = i.call("CreateCustomerGateway", "Type=ipsec.1", "IpAddress="+s.address, parameter+asn).get("customerGateway/customerGatewayId")
	s.connection = i.call("CreateVpnConnection", "Type=ipsec.1", "CustomerGatewayId="+s.customerGateway, "VpnGatewayId="+gateway).get("vpnConnection/vpnConnectionId")
	return s
}

// newDynamicSite makes a site on an internet that the API knows nothing of.
func (i *installation) newDynamicSite(t *testing.T, internet *netlab.Host, n int, asn string) *dynamicSite {
	t.Helper()
	lan := fmt.Sprintf("192.168.%d.", n)
	return &dynamicSite{site: addSiteBehind(i.lab, internet, n, lan), t: t, i: i, network: lan + "0/24", at: lan + "10", asn: asn}
}

// connect runs strongSwan and a router, "FRR" or "BIRD", as downloaded.
func (s *dynamicSite) connect(router string) {
	s.t.Helper()
	s.tunnels()
	sample := s.i.sample(s.connection, router)
	if router == "BIRD" {
		s.downloaded = sample
		s.bird = s.customer.StartBIRD(sample)
	} else {
		s.frr = s.customer.StartFRR(sample)
	}
}

// tunnels starts both tunnels.
func (s *dynamicSite) tunnels() {
	s.t.Helper()
	for _, tunnel := range s.i.call("DescribeVpnConnections", "VpnConnectionId.1="+s.connection).all("vpnConnectionSet/item/options/tunnelOptionSet/item") {
		s.outside = append(s.outside, tunnel.get("outsideIpAddress"))
	}
	s.script = s.lab.File("vpn-"+s.connection+".sh", s.i.sample(s.connection, "user space"))
	s.t.Cleanup(func() {
		if out, err := s.customer.Try("bash", s.script, "down"); err != nil {
			s.t.Errorf("down: %v\n%s", err, out)
		}
	})
	s.customer.Run("env", "VPN_UP_TIMEOUT=30", "bash", s.script, "up")
}

// sample downloads the configuration for the device type that has words.
func (i *installation) sample(connection, words string) string {
	i.t.Helper()
	for _, d := range i.call("GetVpnConnectionDeviceTypes").all("vpnConnectionDeviceTypeSet/item") {
		if strings.Contains(d.get("vendor")+" "+d.get("platform")+" "+d.get("software"), words) {
			return i.call("GetVpnConnectionDeviceSampleConfiguration", "VpnConnectionId="+connection, "VpnConnectionDeviceTypeId="+d.get("vpnConnectionDeviceTypeId")).
				get("vpnConnectionDeviceSampleConfiguration")
		}
	}
	i.t.Fatalf("there is no device type for %q", words)
	return ""
}

// own gives the customer gateway networks of its own, which the samples advertise:
// an address each with the network's length, where it answers.
func (s *dynamicSite) own(addresses ...string) { s.change("add", addresses) }

// disown takes them away: their routes are withdrawn.
func (s *dynamicSite) disown(addresses ...string) { s.change("del", addresses) }

func (s *dynamicSite) change(what string, addresses []string) {
	s.t.Helper()
	var batch strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&batch, "addr %s %s dev lan\n", what, a)
	}
	s.customer.Run("ip", "-batch", s.lab.File("batch", batch.String()))
}

// counts are how many packets each tunnel's TUN has carried, seen from the site; 0 while there is none.
func (s *dynamicSite) counts() (out, in [2]int) {
	s.t.Helper()
	for n := range out {
		var links []struct {
			Stats struct {
				TX, RX struct{ Packets int }
			} `json:"stats64"`
		}
		device, err := os.ReadFile(fmt.Sprintf("/var/lib/causeway-vpn/%s/%d/device", s.connection, n+1))
		if err != nil {
			continue
		}
		text, err := s.customer.Try("ip", "-s", "-j", "link", "show", "dev", strings.TrimSpace(string(device)))
		if err != nil {
			continue
		}
		if err := json.Unmarshal([]byte(text), &links); err != nil || len(links) != 1 {
			s.t.Fatalf("%v\n%s", err, text)
		}
		out[n], in[n] = links[0].Stats.TX.Packets, links[0].Stats.RX.Packets
	}
	return out, in
}

// uses waits until pings from a host behind the site, which must be answered, leave by a
// tunnel and come back by one.
func (s *dynamicSite) uses(target string, out, in int, most time.Duration) {
	s.t.Helper()
	const pings = 20 // more than what BGP says meanwhile
	s.lab.Eventually(most, fmt.Sprintf("packets leave the site by tunnel %d and come by tunnel %d", out, in), func() error {
		outBefore, inBefore := s.counts()
		if said, err := s.host.Try("ping", "-n", "-q", "-c", fmt.Sprint(pings), "-i", "0.005", "-W", "1", target); err != nil {
			return errors.New(said)
		}
		outAfter, inAfter := s.counts()
		if outAfter[out-1]-outBefore[out-1] < pings || inAfter[in-1]-inBefore[in-1] < pings {
			return fmt.Errorf("out %v, then %v; in %v, then %v", outBefore, outAfter, inBefore, inAfter)
		}
		return nil
	})
}

// path is the AS path by which the customer gateway knows a destination best, "" if it does not.
func (s *dynamicSite) path(destination string) string {
	s.t.Helper()
	if s.bird != nil {
		// "	BGP.as_path: 64512 65001", the best first.
		for line := range strings.Lines(s.bird.Control("show", "route", "primary", "all", "where", "net", "=", destination)) {
			if _, path, found := strings.Cut(line, "BGP.as_path:"); found {
				return strings.TrimSpace(path)
			}
		}
		return ""
	}
	var known struct {
		Paths []struct {
			ASPath   struct{ String string }
			BestPath struct{ Overall bool }
		}
	}
	text := s.frr.Vtysh("show bgp ipv4 unicast " + destination + " json")
	if err := json.Unmarshal([]byte(text), &known); err != nil {
		s.t.Fatalf("%v\n%s", err, text)
	}
	for _, p := range known.Paths {
		if p.BestPath.Overall {
			return p.ASPath.String
		}
	}
	return ""
}

// waitForPath waits until the customer gateway knows a destination by an AS path.
func (s *dynamicSite) waitForPath(destination, want string, most time.Duration) {
	s.t.Helper()
	s.lab.Eventually(most, fmt.Sprintf("%s has the path %q at %s", destination, want, s.customer.Name), func() error {
		if got := s.path(destination); got != want {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
}

// session lets one session of the customer gateway be, or shuts it down; its tunnel stands.
func (s *dynamicSite) session(tunnel int, up bool) {
	s.t.Helper()
	if s.bird != nil {
		command := "disable"
		if up {
			command = "enable"
		}
		s.bird.Control(command, fmt.Sprintf("tunnel%d", tunnel))
		return
	}
	no := ""
	if up {
		no = "no "
	}
	inside := s.i.call("DescribeVpnConnections", "VpnConnectionId.1="+s.connection).all("vpnConnectionSet/item/options/tunnelOptionSet/item")[tunnel-1].get("tunnelInsideCidr")
	s.frr.Vtysh("configure", "router bgp "+s.asn, no+"neighbor "+firstHost(s.t, inside)+" shutdown")
}

// since is when each session of the customer gateway was established, as its daemon says, of those that are.
func (s *dynamicSite) since() (all []time.Time) {
	s.t.Helper()
	if s.bird != nil {
		// "tunnel1    BGP        ---        up     11:47:58.123  Established"
		for line := range strings.Lines(s.bird.Control("show", "protocols")) {
			fields := strings.Fields(line)
			if len(fields) < 6 || fields[1] != "BGP" || fields[5] != "Established" {
				continue
			}
			now := time.Now()
			at, err := time.ParseInLocation("2006-01-02 15:04:05", now.Format("2006-01-02 ")+fields[4], time.Local)
			if err != nil {
				s.t.Fatal(err)
			}
			if at.After(now) {
				at = at.AddDate(0, 0, -1)
			}
			all = append(all, at)
		}
		return all
	}
	var summary struct {
		Peers map[string]struct {
			State          string
			PeerUptimeMsec int64
		}
	}
	text := s.frr.Vtysh("show bgp ipv4 unicast summary json")
	if err := json.Unmarshal([]byte(text), &summary); err != nil {
		s.t.Fatalf("%v\n%s", err, text)
	}
	for _, p := range summary.Peers {
		if p.State == "Established" {
			all = append(all, time.Now().Add(-time.Duration(p.PeerUptimeMsec)*time.Millisecond))
		}
	}
	return all
}

// waitForSessionsSince waits until both sessions were established after a time.
func (s *dynamicSite) waitForSessionsSince(begin time.Time, most time.Duration) {
	s.t.Helper()
	s.lab.Eventually(most, s.customer.Name+" has two new sessions", func() error {
		since := s.since()
		if len(since) != 2 || since[0].Before(begin) || since[1].Before(begin) {
			return fmt.Errorf("sessions since %v, want after %v", since, begin)
		}
		return nil
	})
}

// cut lets the internet drop what goes to a tunnel's outside address and comes from it; the
// function that it returns ends that.
func (s *dynamicSite) cut(tunnel int) (restore func()) {
	s.t.Helper()
	address := s.outside[tunnel-1]
	table := "cut" + strings.ReplaceAll(address, ".", "_")
	// Our side's addresses are the internet host's own: hooks before routing and behind it see both ways.
	s.internet.Run("nft", fmt.Sprintf("add table ip %[1]s; add chain ip %[1]s in { type filter hook prerouting priority -400; }; add chain ip %[1]s out { type filter hook postrouting priority 400; }; "+
		"add rule ip %[1]s in ip saddr %[3]s ip daddr %[2]s drop; add rule ip %[1]s out ip saddr %[2]s ip daddr %[3]s drop", table, address, s.address))
	return func() { s.t.Helper(); s.internet.Run("nft", "delete", "table", "ip", table) }
}

// A telemetry is what the API says of a tunnel.
type telemetry struct {
	outside, status, message string
	accepted                 int
}

// telemetryOf is what it says of a connection's, tunnel 1 first.
func (i *installation) telemetryOf(connection string) (all []telemetry) {
	i.t.Helper()
	answer := i.call("DescribeVpnConnections", "VpnConnectionId.1="+connection)
	said := answer.all("vpnConnectionSet/item/vgwTelemetry/item")
	for _, tunnel := range answer.all("vpnConnectionSet/item/options/tunnelOptionSet/item") {
		for _, s := range said {
			if s.get("outsideIpAddress") == tunnel.get("outsideIpAddress") {
				accepted, err := strconv.Atoi(s.get("acceptedRouteCount"))
				if err != nil {
					i.t.Fatal(err)
				}
				all = append(all, telemetry{s.get("outsideIpAddress"), s.get("status"), s.get("statusMessage"), accepted})
			}
		}
	}
	if len(all) != 2 {
		i.t.Fatalf("%s has %d tunnels", connection, len(all))
	}
	return all
}

// waitForBoth waits until both tunnels of a connection are as is wanted.
func (i *installation) waitForBoth(connection string, most time.Duration, what string, want func(telemetry) bool) {
	i.t.Helper()
	i.lab.Eventually(most, "telemetry: "+what, func() error {
		all := i.telemetryOf(connection)
		if !want(all[0]) || !want(all[1]) {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
}

// waitForRoutes waits until both tunnels are UP with as many routes accepted.
func (i *installation) waitForRoutes(connection string, accepted int, most time.Duration) {
	i.t.Helper()
	i.waitForBoth(connection, most, fmt.Sprintf("UP with %d routes", accepted), func(t telemetry) bool { return t.status == "UP" && t.accepted == accepted })
}

// propagated are the destinations that a route table has by propagation, each as the API tells it.
func (i *installation) propagated(table string) map[string]element {
	i.t.Helper()
	all := map[string]element{}
	for _, r := range i.call("DescribeRouteTables", "RouteTableId.1="+table).all("routeTableSet/item/routeSet/item") {
		if r.get("origin") == "EnableVgwRoutePropagation" {
			all[r.get("destinationCidrBlock")] = r
		}
	}
	return all
}

// waitForPropagated waits until these and no others are propagated, and active.
func (i *installation) waitForPropagated(table, gateway string, most time.Duration, want ...string) {
	i.t.Helper()
	slices.Sort(want)
	i.lab.Eventually(most, fmt.Sprintf("%v are propagated", want), func() error {
		var got []string
		for destination, r := range i.propagated(table) {
			if r.get("state") != "active" || r.get("gatewayId") != gateway {
				return fmt.Errorf("%s is %s, to %s", destination, r.get("state"), r.get("gatewayId"))
			}
			got = append(got, destination)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
}

// answerAs lets a host answer TCP connections to port 80 with a name.
func answerAs(t *testing.T, host *netlab.Host, name string) {
	t.Helper()
	answer(t, host, "80", func(net.Conn) string { return name })
}

// nobody is who answers where nothing does.
const nobody = "nobody"

// whoAnswers is the name that an address answers a host with.
func whoAnswers(from *netlab.Host, address string, most time.Duration) (name string) {
	name = nobody
	_ = from.Do(func() error { // that nobody answers is an answer
		c, err := net.DialTimeout("tcp4", address+":80", most)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		text := make([]byte, 64)
		if n, err := c.Read(text); err == nil {
			name = string(text[:n])
		}
		return nil
	})
	return name
}

// wantAnswer waits until an address answers a host with a name.
func wantAnswer(t *testing.T, lab *netlab.Lab, from *netlab.Host, address, want string, most time.Duration) {
	t.Helper()
	lab.Eventually(most, address+" is answered by "+want, func() error {
		if got := whoAnswers(from, address, 300*time.Millisecond); got != want {
			return fmt.Errorf("%s answers", got)
		}
		return nil
	})
}

// outage ends a steady ping that goes on being answered, and returns the longest time between
// two answers, and how many requests were lost in all.
func (s steadyPing) outage(t *testing.T, lab *netlab.Lab) (longest time.Duration, lost int) {
	t.Helper()
	lost, _ = s.lost(t, lab)
	var before float64
	for line := range strings.Lines(s.p.Log()) {
		var at float64 // "[1732363200.123456] 64 bytes from …"
		if _, err := fmt.Sscanf(line, "[%f]", &at); err != nil || !strings.Contains(line, " bytes from ") {
			continue
		}
		if before > 0 {
			longest = max(longest, time.Duration((at-before)*1e3)*time.Millisecond)
		}
		before = at
	}
	return longest, lost
}
