package acceptance

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

const (
	// withdrawnWithin bounds how long packets may pass after a withdrawal, and shownWithin
	// how long the API may show the route: telemetry is written every 2 s where it changes often.
	withdrawnWithin = 2 * time.Second
	shownWithin     = 5 * time.Second

	// toldWithin bounds how long what is told may need until it is at work on the other
	// side: FRR gathers for as long as 30 s what it tells next by its defaults.
	toldWithin = 35 * time.Second
)

// firstHost is the first address of a network: our side's, within a tunnel.
func firstHost(t *testing.T, cidr string) string {
	t.Helper()
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		t.Fatal(err)
	}
	return p.Masked().Addr().Next().String()
}

// A dynamicScene is a VPC with an instance and a VPN gateway whose routes are propagated.
type dynamicScene struct {
	*installation
	t                                   *testing.T
	internet                            *netlab.Host
	vpc, subnet, table, gateway, inside string // inside: the instance
}

func newDynamicScene(t *testing.T, more ...string) *dynamicScene {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a whole installation")
	}
	needsStrongSwan(t)
	lab := netlab.New(t, append([]string{"nft", "ping"}, dynamicTools...)...)
	c := &dynamicScene{t: t, internet: lab.Host("inet")}
	c.installation = install(t, lab, c.internet, testAddresses, more...)
	c.vpc = c.createVPC("10.0.0.0/16")
	c.subnet = c.createSubnet(c.vpc, "10.0.1.0/24")
	c.inside = c.runInstance(c.subnet, c.createOpenGroup(c.vpc), addressA)
	c.table = c.mainTable(c.vpc)
	c.gateway = c.call("CreateVpnGateway", "Type=ipsec.1").get("vpnGateway/vpnGatewayId")
	c.call("AttachVpnGateway", "VpcId="+c.vpc, "VpnGatewayId="+c.gateway)
	c.propagate(true)
	return c
}

func (c *dynamicScene) propagate(on bool) {
	c.t.Helper()
	action := "DisableVgwRoutePropagation"
	if on {
		action = "EnableVgwRoutePropagation"
	}
	c.call(action, "RouteTableId="+c.table, "GatewayId="+c.gateway)
}

// instance is the namespace of the instance.
func (c *dynamicScene) instance() *netlab.Host { return c.host(c.inside) }

// Sites tell the VPN gateway their networks by BGP, each with its own daemon, and what
// they tell is what has a way, and nothing else has.
//
//	FRR, AS 65001         192.168.2.0/24 ═══╗
//	BIRD, AS 65002        192.168.3.0/24 ═══╬═ VPN gateway, AS 64512 ── VPC 10.0.0.0/16, instance 10.0.1.10
//	appliance, static     192.168.4.0/24 ═══╝
func TestDynamicRouting(t *testing.T) {
	t.Parallel()
	c := newDynamicScene(t)
	aws := cli{t: t, i: c.installation, program: awsProgram(t)}
	a := c.newDynamicSite(t, c.internet, 2, "65001")
	a.customerGateway = aws.query("CustomerGateway.CustomerGatewayId", "create-customer-gateway", "--type", "ipsec.1", "--ip-address", a.address, "--bgp-asn", a.asn)
	a.connection = aws.query("VpnConnection.VpnConnectionId", "create-vpn-connection", "--type", "ipsec.1", "--customer-gateway-id", a.customerGateway, "--vpn-gateway-id", c.gateway)
	b := c.addDynamicSite(t, c.internet, 3, "65002", c.gateway)
	static := addSiteBehind(c.lab, c.internet, 4, "192.168.4.")
	const staticNetwork, staticAt = "192.168.4.0/24", "192.168.4.10"
	staticCustomer := c.call("CreateCustomerGateway", "Type=ipsec.1", "IpAddress="+static.address, "BgpAsn=65000").get("customerGateway/customerGatewayId")
	staticConnection := c.call("CreateVpnConnection", "Type=ipsec.1", "CustomerGatewayId="+staticCustomer, "VpnGatewayId="+c.gateway, "Options.StaticRoutesOnly=true").get("vpnConnection/vpnConnectionId")
	c.call("CreateVpnConnectionRoute", "VpnConnectionId="+staticConnection, "DestinationCidrBlock="+staticNetwork)
	c.waitForInstance(c.inside, "running")
	instance := c.instance()
	for name, host := range map[string]*netlab.Host{"A": a.customer, "B": b.customer, "static": static.customer, "instance": instance} {
		answerAs(t, host, name)
	}

	t.Run("before a session nothing is known", func(t *testing.T) {
		c.waitForPropagated(c.table, c.gateway, 5*time.Second)
		c.refused("InvalidVpnConnection.InvalidType", "CreateVpnConnectionRoute", "VpnConnectionId="+a.connection, "DestinationCidrBlock=172.31.0.0/16")
		c.waitForBoth(a.connection, 5*time.Second, "DOWN", func(s telemetry) bool { return s.status == "DOWN" && s.accepted == 0 && s.message != "" })
	})

	a.connect("FRR")
	t.Run("propagation", func(t *testing.T) {
		c.waitForRoutes(a.connection, 1, time.Minute)
		aws.wants("UP\t1\nUP\t1", "VpnConnections[0].VgwTelemetry[].[Status,AcceptedRouteCount]", "describe-vpn-connections", "--vpn-connection-ids", a.connection)
		aws.wants("False", "VpnConnections[0].Options.StaticRoutesOnly", "describe-vpn-connections", "--vpn-connection-ids", a.connection)
		aws.wants(a.network+"\tactive\t"+c.gateway, "RouteTables[0].Routes[?Origin=='EnableVgwRoutePropagation'].[DestinationCidrBlock,State,GatewayId]", "describe-route-tables", "--route-table-ids", c.table)
		reaches(t, c.lab, instance, a.at, toldWithin)
		reaches(t, c.lab, a.host, addressA, toldWithin)
		wantAnswer(t, c.lab, a.host, addressA, "instance", 5*time.Second)
		a.uses(addressA, 1, 1, 5*time.Second)

		c.propagate(false)
		c.waitForPropagated(c.table, c.gateway, 5*time.Second)
		wantAnswer(t, c.lab, a.host, addressA, nobody, 5*time.Second)
		c.gone(t, instance, a.at, 5*time.Second)

		// A route by hand leads to what is told and to nothing else.
		byHand := []string{"RouteTableId=" + c.table, "DestinationCidrBlock=192.168.0.0/16"}
		c.call("CreateRoute", append(byHand, "GatewayId="+c.gateway)...)
		reaches(t, c.lab, instance, a.at, 5*time.Second)
		silent(t, instance, "no site has told of it", "192.168.3.10")
		c.call("DeleteRoute", byHand...)
		c.gone(t, instance, a.at, 5*time.Second)
		c.propagate(true)
		c.waitForPropagated(c.table, c.gateway, 5*time.Second, a.network)
		reaches(t, c.lab, instance, a.at, 5*time.Second)
	})

	b.connect("BIRD")
	static.connect(c.download(staticConnection))
	c.waitForRoutes(b.connection, 1, time.Minute)
	c.waitForTunnels(staticConnection, 2, time.Minute)

	t.Run("CloudHub", func(t *testing.T) {
		c.waitForPropagated(c.table, c.gateway, 5*time.Second, a.network, b.network, staticNetwork)
		hosts := map[string]*netlab.Host{a.at: a.host, b.at: b.host, addressA: instance}
		for from, host := range hosts {
			for to := range hosts {
				if from != to {
					reaches(t, c.lab, host, to, toldWithin)
				}
			}
			if host != instance { // the device with static routes knows no way to other sites
				silent(t, static.host, "a device with static routes sends the VPC's packets only", from)
			}
		}
		reaches(t, c.lab, static.host, addressA, toldWithin)
		a.waitForPath("10.0.0.0/16", "64512", 5*time.Second)
		a.waitForPath(b.network, "64512 65002", 5*time.Second)
		a.waitForPath(staticNetwork, "64512", 5*time.Second)
		b.waitForPath("10.0.0.0/16", "64512", 5*time.Second)
		b.waitForPath(a.network, "64512 65001", 5*time.Second)
		b.waitForPath(staticNetwork, "64512", 5*time.Second)

		// The VPC's ranges as they are at the moment.
		const second = "10.7.0.0/16"
		association := c.call("AssociateVpcCidrBlock", "VpcId="+c.vpc, "CidrBlock="+second).get("cidrBlockAssociation/associationId")
		a.waitForPath(second, "64512", 5*time.Second)
		b.waitForPath(second, "64512", 5*time.Second)
		c.call("DisassociateVpcCidrBlock", "AssociationId="+association)
		a.waitForPath(second, "", 5*time.Second)
		b.waitForPath(second, "", 5*time.Second)
	})

	t.Run("only known prefixes", func(t *testing.T) {
		silent(t, instance, "nobody has told of it", "192.168.9.1")
		silent(t, a.host, "nobody has told of it", "192.168.9.1")
		b.own("172.20.0.1/24")
		wantAnswer(t, c.lab, instance, "172.20.0.1", "B", toldWithin)
		wantAnswer(t, c.lab, a.host, "172.20.0.1", "B", toldWithin)
		c.waitForRoutes(b.connection, 2, 5*time.Second)
		silent(t, instance, "nobody has told of it", "172.20.1.1")

		// Withdrawn by the network's end, and by the daemon's command.
		begin := time.Now()
		b.disown("172.20.0.1/24")
		wantAnswer(t, c.lab, instance, "172.20.0.1", nobody, withdrawnWithin)
		c.waitForPropagated(c.table, c.gateway, shownWithin, a.network, b.network, staticNetwork)
		t.Logf("BIRD's route was gone %v after its network", time.Since(begin).Round(time.Millisecond))
		b.own("172.20.0.1/24")
		wantAnswer(t, c.lab, instance, "172.20.0.1", "B", toldWithin)
		begin = time.Now()
		b.bird.Control("disable", "direct1")
		wantAnswer(t, c.lab, instance, "172.20.0.1", nobody, withdrawnWithin)
		c.waitForRoutes(b.connection, 0, shownWithin)
		t.Logf("packets ended, and the telemetry knew, %v after BIRD withdrew", time.Since(begin).Round(time.Millisecond))
		c.gone(t, instance, b.at, withdrawnWithin)
		b.bird.Control("enable", "direct1")
		wantAnswer(t, c.lab, instance, "172.20.0.1", "B", toldWithin)
		b.disown("172.20.0.1/24")
		a.router("address-family ipv4 unicast", "no redistribute connected")
		c.gone(t, instance, a.at, withdrawnWithin)
		c.waitForPropagated(c.table, c.gateway, shownWithin, b.network, staticNetwork)
		a.router("address-family ipv4 unicast", "redistribute connected")
		c.waitForPropagated(c.table, c.gateway, toldWithin, a.network, b.network, staticNetwork)
		reaches(t, c.lab, instance, a.at, toldWithin)
	})

	t.Run("a daemon of the site's dies", func(t *testing.T) {
		b.bird.Kill()
		c.gone(t, instance, b.at, withdrawnWithin)
		c.waitForBoth(b.connection, shownWithin, "BGP is down, IPsec is not", func(s telemetry) bool {
			return s.status == "DOWN" && strings.HasPrefix(s.message, "IPsec is up, BGP is not: ")
		})
		c.waitForPropagated(c.table, c.gateway, shownWithin, a.network, staticNetwork)
		b.bird.Start()
		reaches(t, c.lab, instance, b.at, toldWithin)
		c.waitForRoutes(b.connection, 1, toldWithin)
		c.doctorSays(t, b.connection, "> BGP: yes", "AS 65002", b.network)
	})
	t.Run("the gateway moves to another VPC and back", func(t *testing.T) {
		other := c.createVPC("10.9.0.0/16")
		c.call("DetachVpnGateway", "VpcId="+c.vpc, "VpnGatewayId="+c.gateway)
		a.waitForPath("10.0.0.0/16", "", shownWithin)
		b.waitForPath("10.0.0.0/16", "", shownWithin)
		reaches(t, c.lab, a.host, b.at, shownWithin) // the hub has no need of a VPC
		c.call("AttachVpnGateway", "VpcId="+other, "VpnGatewayId="+c.gateway)
		a.waitForPath("10.9.0.0/16", "64512", shownWithin)
		b.waitForPath("10.9.0.0/16", "64512", shownWithin)
		silent(t, instance, "the gateway is another VPC's", a.at)
		c.call("DetachVpnGateway", "VpcId="+other, "VpnGatewayId="+c.gateway)
		c.call("AttachVpnGateway", "VpcId="+c.vpc, "VpnGatewayId="+c.gateway)
		c.propagate(true)
		c.waitForPropagated(c.table, c.gateway, shownWithin, a.network, b.network, staticNetwork)
		reaches(t, c.lab, instance, a.at, toldWithin)
		reaches(t, c.lab, b.host, addressA, toldWithin)
	})
	t.Run("preference", func(t *testing.T) { c.preference(t, a, b, static, staticConnection) })
	t.Run("the VPC's own ranges win", func(t *testing.T) { c.ownRanges(t, a, b, a.network, b.network, staticNetwork) })
	t.Run("public ranges and the default route", func(t *testing.T) { c.publicRanges(t, b) })
	t.Run("deletion", func(t *testing.T) {
		b.bird.Configure("log stderr all;\n" + b.downloaded)
		c.call("DeleteVpnConnection", "VpnConnectionId="+b.connection)
		for _, tunnel := range []string{"tunnel1", "tunnel2"} {
			c.lab.Eventually(5*time.Second, "BIRD is told on "+tunnel, func() error {
				if said := b.bird.Log(); !strings.Contains(said, tunnel+": Received: Peer de-configured") {
					return errors.New(said)
				}
				return nil
			})
		}
		c.waitForPropagated(c.table, c.gateway, 5*time.Second, a.network, staticNetwork)
		c.gone(t, instance, b.at, 5*time.Second)
		a.waitForPath(b.network, "", toldWithin)
		reaches(t, c.lab, instance, a.at, 5*time.Second)
	})
}

// gone waits until no ping from a host is answered, and looks whether it stays so.
func (c *dynamicScene) gone(t *testing.T, from *netlab.Host, target string, most time.Duration) {
	t.Helper()
	c.lab.Eventually(most, from.Name+" does not reach "+target, func() error {
		if _, err := from.Try("ping", "-n", "-c", "1", "-W", "0.2", target); err == nil {
			return errors.New("it does")
		}
		return nil
	})
	silent(t, from, "it is gone", target)
}

// doctorSays checks what the doctor says of a connection.
func (c *dynamicScene) doctorSays(t *testing.T, connection string, words ...string) {
	t.Helper()
	said, err := c.causeway("doctor", connection)
	for _, w := range words {
		if err != nil || !strings.Contains(said, w) {
			t.Errorf("the doctor does not say %q: %v\n%s", w, err, said)
		}
	}
}

// router configures FRR below "router bgp".
func (s *dynamicSite) router(lines ...string) {
	s.t.Helper()
	s.frr.Vtysh(append([]string{"configure", "router bgp " + s.asn}, lines...)...)
}

// preference: both sites have the same addresses, and who answers says which way was taken.
func (c *dynamicScene) preference(t *testing.T, a, b *dynamicSite, static *site, staticConnection string) {
	instance := c.instance()
	const address, prefix = "172.21.0.1", "172.21.0.0/16"
	answers := func(who string) { t.Helper(); wantAnswer(t, c.lab, instance, address, who, toldWithin) }

	// The longest prefix, of whomever.
	a.own(address + "/16")
	answers("A")
	b.own(address + "/24")
	answers("B")
	b.disown(address + "/24")
	answers("A")

	// The shorter path: B tells the same with its ASN once more, then A with two more.
	b.bird.Configure(strings.Replace(b.downloaded, "filter advertised {", "filter advertised {\n  bgp_path.prepend(65002);", 1))
	b.own(address + "/16")
	c.waitForRoutes(b.connection, 2, toldWithin)
	answers("A")
	a.frr.Vtysh("configure", "route-map longer permit 10", "set as-path prepend 65001 65001")
	a.router("address-family ipv4 unicast", "neighbor vpc route-map longer out")
	answers("B")
	b.bird.Configure(b.downloaded)
	answers("B")
	a.router("address-family ipv4 unicast", "no neighbor vpc route-map longer out")

	// The MED decides between one device's tunnels.
	instancePing := func(in int) {
		t.Helper()
		b.uses(addressA, 1, in, toldWithin)
	}
	instancePing(1)
	b.bird.Configure(medByTunnel(t, b.downloaded, 300, 20))
	instancePing(2)
	b.bird.Configure(medByTunnel(t, b.downloaded, 20, 300))
	instancePing(1)
	b.bird.Configure(b.downloaded)

	// A static route of the same destination goes before all of them, as long as its
	// connection is up.
	static.customer.Run("ip", "addr", "add", address+"/32", "dev", "lo")
	c.call("CreateVpnConnectionRoute", "VpnConnectionId="+staticConnection, "DestinationCidrBlock="+prefix)
	answers("static")
	b.own(address + "/24")
	answers("B") // a longer one
	b.disown(address + "/24")
	answers("static")
	c.call("DeleteVpnConnectionRoute", "VpnConnectionId="+staticConnection, "DestinationCidrBlock="+prefix)
	lab := c.lab
	lab.Eventually(toldWithin, "one of the dynamic ones answers", func() error {
		if who := whoAnswers(instance, address, 300*time.Millisecond); who != "A" && who != "B" {
			return fmt.Errorf("%s answers", who)
		}
		return nil
	})

	// Two customer gateways of one place: the other one takes over.
	standing, other, name := a, b, "B"
	if whoAnswers(instance, address, time.Second) == "B" {
		standing, other, name = b, a, "A"
	}
	standing.session(1, false)
	standing.session(2, false)
	wantAnswer(t, c.lab, instance, address, name, withdrawnWithin)
	reaches(t, c.lab, instance, other.at, time.Second)
	standing.session(1, true)
	standing.session(2, true)
	c.waitForRoutes(standing.connection, 2, toldWithin)
	a.disown(address + "/16")
	b.disown(address + "/16")
	answers(nobody)
}

// medByTunnel is BIRD's configuration with a MED for each tunnel.
func medByTunnel(t *testing.T, configuration string, one, two int) string {
	t.Helper()
	for n, med := range []int{one, two} {
		before, after, found := strings.Cut(configuration, fmt.Sprintf("protocol bgp tunnel%d from vpc {\n", n+1))
		if !found {
			t.Fatalf("BIRD's configuration has no tunnel %d:\n%s", n+1, configuration)
		}
		configuration = fmt.Sprintf("%sfilter advertised%d { bgp_med = %d; if source = RTS_DEVICE && net ~ PRIVATE && net !~ VPC then accept; reject; }\n"+
			"protocol bgp tunnel%d from vpc {\n  ipv4 { import filter learned; export filter advertised%d; };\n%s", before, n+1, med, n+1, n+1, after)
	}
	return configuration
}

// ownRanges: what a site tells of the VPC's own ranges changes nothing.
func (c *dynamicScene) ownRanges(t *testing.T, a, b *dynamicSite, usual ...string) {
	instance := c.instance()
	other := c.runInstance(c.subnet, c.createOpenGroupNamed(c.vpc, "open-too"), addressB)
	c.waitForInstance(other, "running")
	answerAs(t, c.host(other), "other instance")
	wantAnswer(t, c.lab, instance, addressB, "other instance", 5*time.Second)

	// The whole, a part, and one address; and more than the VPC's, which is fine for what
	// lies outside of it.
	ranges := []string{"10.0.0.0/16", "10.0.1.0/24", addressB + "/32", "10.0.128.0/17"}
	for n, r := range append(ranges, "10.0.0.0/8") {
		a.frr.Vtysh("configure", fmt.Sprintf("ip prefix-list advertised seq %d permit %s", n+1, r))
		a.router("no bgp network import-check", "address-family ipv4 unicast", "network "+r)
	}
	c.waitForPropagated(c.table, c.gateway, toldWithin, append(usual, "10.0.0.0/8")...)
	wantAnswer(t, c.lab, instance, addressB, "other instance", time.Second)
	wantAnswer(t, c.lab, b.host, addressA, "instance", time.Second) // A itself takes the VPC for its own now
	for n, r := range append(ranges, "10.0.0.0/8") {
		a.router("address-family ipv4 unicast", "no network "+r)
		a.frr.Vtysh("configure", fmt.Sprintf("no ip prefix-list advertised seq %d permit %s", n+1, r))
	}
	c.waitForPropagated(c.table, c.gateway, toldWithin, usual...)
	c.call("TerminateInstances", "InstanceId.1="+other)
}

// publicRanges: an instance's packets to the internet go to the data centre, and out of it there.
func (c *dynamicScene) publicRanges(t *testing.T, b *dynamicSite) {
	instance := c.instance()
	const own, elsewhere = "198.51.100.200", "198.18.0.1" // a range of the customer's own, and somebody on the internet
	b.customer.Run("ip", "addr", "add", own+"/32", "dev", "lo")
	c.internet.Run("ip", "addr", "add", elsewhere+"/32", "dev", "lo")
	greet(t, c.internet, "80")
	b.customer.Run("nft", "add table ip exit; add chain ip exit out { type nat hook postrouting priority srcnat; }; add rule ip exit out ip saddr 10.0.0.0/16 oifname wan masquerade")
	for _, address := range []string{own, elsewhere} {
		silent(t, instance, "nobody has told of it", address)
	}

	b.bird.Configure(strings.Replace(b.downloaded, "filter advertised {",
		"protocol static own_ranges { ipv4; route 198.51.100.0/24 unreachable; route 0.0.0.0/0 unreachable; }\nfilter advertised {\n  if proto = \"own_ranges\" then accept;", 1))
	wantAnswer(t, c.lab, instance, own, "B", toldWithin)
	wantSeenAs(t, c.lab, instance, elsewhere+":80", b.address)
	destinations := c.propagated(c.table)
	for _, d := range []string{"0.0.0.0/0", "198.51.100.0/24"} {
		if r, is := destinations[d]; !is || r.get("state") != "active" {
			t.Errorf("%s is not propagated: %v", d, destinations)
		}
	}

	b.bird.Configure(b.downloaded)
	c.gone(t, instance, own, withdrawnWithin)
	c.gone(t, instance, elsewhere, withdrawnWithin)
}

// createOpenGroupNamed is createOpenGroup where there is one already.
func (i *installation) createOpenGroupNamed(vpc, name string) string {
	i.t.Helper()
	group := i.call("CreateSecurityGroup", "VpcId="+vpc, "GroupName="+name, "GroupDescription=admits everything").get("groupId")
	i.call("AuthorizeSecurityGroupIngress", "GroupId="+group, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0")
	return group
}
