package acceptance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

// A world is a VPC with two instances, joined to a site. Instance a's group
// admits ICMP and TCP 80 from 192.168.0.0/24, instance b's admits everything.
type world struct {
	*site
	*installation
	vpc, subnet, table       string
	group, openGroup         string
	a, b                     string // instances
	hostA, hostB             *netlab.Host
	join                     join
	elsewhere, alsoElsewhere string // other addresses of the host at the site
}

const addressA, addressB = "10.0.1.10", "10.0.1.20"

func newWorld(t *testing.T) *world {
	t.Helper()
	s := newSite(t)
	i := install(t, s.lab, s.internet, testAddresses)
	w := &world{site: s, installation: i, elsewhere: "192.168.5.5", alsoElsewhere: "172.16.0.9"}
	w.vpc = i.createVPC("10.0.0.0/16")
	w.subnet = i.createSubnet(w.vpc, "10.0.1.0/24")
	w.table = i.mainTable(w.vpc)
	w.group = i.call("CreateSecurityGroup", "VpcId="+w.vpc, "GroupName=some", "GroupDescription=admits some").get("groupId")
	i.call("AuthorizeSecurityGroupIngress", "GroupId="+w.group,
		"IpPermissions.1.IpProtocol=icmp", "IpPermissions.1.FromPort=-1", "IpPermissions.1.ToPort=-1", "IpPermissions.1.IpRanges.1.CidrIp=192.168.0.0/24",
		"IpPermissions.2.IpProtocol=tcp", "IpPermissions.2.FromPort=80", "IpPermissions.2.ToPort=80", "IpPermissions.2.IpRanges.1.CidrIp=192.168.0.0/24")
	w.openGroup = i.createOpenGroup(w.vpc)
	w.a = i.runInstance(w.subnet, w.group, addressA)
	w.b = i.runInstance(w.subnet, w.openGroup, addressB)
	w.join = i.joinSite(w.vpc, s, "add")
	s.connect(i.download(w.join.connection))
	w.hostA, w.hostB = i.host(w.a), i.host(w.b)
	for _, address := range []string{w.elsewhere, w.alsoElsewhere} {
		s.host.Run("ip", "addr", "add", address+"/32", "dev", "eth0")
		s.customer.Run("ip", "route", "add", address+"/32", "dev", "lan")
	}
	i.waitForInstance(w.a, "running")
	i.waitForInstance(w.b, "running")
	i.waitForTunnels(w.join.connection, 2, time.Minute)
	reaches(t, s.lab, s.host, addressA, time.Minute)
	return w
}

// Every refusal here has its counterpart that is admitted, so that what is
// missing is missing for the reason named.
func TestOnlyWhatIsAskedForPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	t.Run("ports", w.ports)
	t.Run("sources", w.sources)
	t.Run("source and destination check", w.sourceDestination)
	t.Run("prefixes", w.prefixes)
	t.Run("metrics", w.metrics)
	t.Run("propagation", w.propagation)
	t.Run("order of deletion", w.orderOfDeletion)
}

// dials reports whether the site's host gets a TCP connection.
func (w *world) dials(address string) bool {
	return w.site.host.Do(func() error {
		c, err := net.DialTimeout("tcp4", address, 700*time.Millisecond)
		if err != nil {
			return err
		}
		return c.Close()
	}) == nil
}

// listen accepts TCP connections inside a host until the test ends.
func listen(t *testing.T, host *netlab.Host, ports ...string) {
	t.Helper()
	for _, port := range ports {
		err := host.Do(func() error {
			l, err := net.Listen("tcp4", "0.0.0.0:"+port)
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) ports(t *testing.T) {
	listen(t, w.hostA, "80", "8080")
	listen(t, w.hostB, "8080")
	for address, want := range map[string]bool{addressA + ":80": true, addressA + ":8080": false, addressB + ":8080": true} {
		if got := w.dials(address); got != want {
			t.Errorf("a connection to %s: %v, want %v", address, got, want)
		}
	}
	w.call("AuthorizeSecurityGroupIngress", "GroupId="+w.group, "IpPermissions.1.IpProtocol=tcp", "IpPermissions.1.FromPort=8080", "IpPermissions.1.ToPort=8080", "IpPermissions.1.IpRanges.1.CidrIp=192.168.0.10/32")
	w.lab().Eventually(20*time.Second, "a rule that is added admits", func() error {
		if !w.dials(addressA + ":8080") {
			return fmt.Errorf("no connection")
		}
		return nil
	})
	w.call("RevokeSecurityGroupIngress", "GroupId="+w.group, "IpPermissions.1.IpProtocol=tcp", "IpPermissions.1.FromPort=8080", "IpPermissions.1.ToPort=8080", "IpPermissions.1.IpRanges.1.CidrIp=192.168.0.10/32")
	w.lab().Eventually(20*time.Second, "a rule that is revoked admits no more", func() error {
		if w.dials(addressA + ":8080") {
			return fmt.Errorf("a connection")
		}
		return nil
	})
}

func (w *world) lab() *netlab.Lab { return w.site.lab }

func (w *world) sources(t *testing.T) {
	reaches(t, w.lab(), w.site.host, addressB, 20*time.Second)
	if _, err := w.site.host.Try("ping", "-n", "-c", "1", "-W", "1", "-I", w.elsewhere, addressB); err != nil {
		t.Errorf("another address of the site reaches the open group: %v", err)
	}
	silent(t, w.site.host, "the group admits a part of the site", "-I", w.elsewhere, addressA)
	silent(t, w.hostB, "the group admits the site, not the VPC", addressA)
}

// receives reports whether a datagram from a source at instance a, whatever
// address it claims, arrives at instance b.
func (w *world) receives(t *testing.T, source string) bool {
	t.Helper()
	var at *net.UDPConn
	if err := w.hostB.Do(func() (err error) {
		at, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(addressB), Port: 7000})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	if err := w.hostA.Do(func() error {
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(source)}, at.LocalAddr().(*net.UDPAddr))
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte(source))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	at.SetReadDeadline(time.Now().Add(400 * time.Millisecond))
	buffer := make([]byte, 100)
	n, _, err := at.ReadFromUDP(buffer)
	return err == nil && string(buffer[:n]) == source
}

func (w *world) sourceDestination(t *testing.T) {
	const foreign = "10.0.77.77"
	w.hostA.Run("ip", "addr", "add", foreign+"/32", "dev", "lo")
	if !w.receives(t, addressA) {
		t.Error("a datagram with the interface's own source does not arrive")
	}
	if w.receives(t, foreign) {
		t.Error("a datagram with a foreign source arrives though sources are checked")
	}
	w.call("ModifyInstanceAttribute", "InstanceId="+w.a, "SourceDestCheck.Value=false")
	w.lab().Eventually(20*time.Second, "an interface without the check may send for others", func() error {
		if !w.receives(t, foreign) {
			return fmt.Errorf("the datagram does not arrive")
		}
		return nil
	})
	w.call("ModifyInstanceAttribute", "InstanceId="+w.a, "SourceDestCheck.Value=true")
	w.lab().Eventually(20*time.Second, "the check is on again", func() error {
		if w.receives(t, foreign) {
			return fmt.Errorf("the datagram arrives")
		}
		return nil
	})
}

// A gateway knows the static routes of its connections and nothing else, in
// both directions, whatever the VPC's route tables say.
func (w *world) prefixes(t *testing.T) {
	w.call("CreateRoute", "RouteTableId="+w.table, "DestinationCidrBlock=172.16.0.0/12", "GatewayId="+w.join.gateway)
	time.Sleep(300 * time.Millisecond)
	silent(t, w.hostB, "no connection has the prefix", w.alsoElsewhere)
	silent(t, w.site.host, "no connection has the prefix", "-I", w.alsoElsewhere, addressB)
	w.call("CreateVpnConnectionRoute", "VpnConnectionId="+w.join.connection, "DestinationCidrBlock=172.16.0.0/12")
	reaches(t, w.lab(), w.hostB, w.alsoElsewhere, 20*time.Second)
	w.call("DeleteVpnConnectionRoute", "VpnConnectionId="+w.join.connection, "DestinationCidrBlock=172.16.0.0/12")
	w.lab().Eventually(20*time.Second, "the prefix is forgotten", func() error {
		if _, err := w.hostB.Try("ping", "-n", "-c", "1", "-W", "0.3", w.alsoElsewhere); err == nil {
			return fmt.Errorf("a ping is answered")
		}
		return nil
	})
	w.call("DeleteRoute", "RouteTableId="+w.table, "DestinationCidrBlock=172.16.0.0/12")
}

func (w *world) routes() string {
	var all []string
	for _, r := range w.call("DescribeRouteTables", "RouteTableId.1="+w.table).all("routeTableSet/item/routeSet/item") {
		all = append(all, r.get("destinationCidrBlock")+" "+r.get("gatewayId")+" "+r.get("origin")+" "+r.get("state"))
	}
	return strings.Join(all, ", ")
}

func (w *world) propagation(t *testing.T) {
	propagated := siteCIDR + " " + w.join.gateway + " EnableVgwRoutePropagation active"
	if got := w.routes(); !strings.Contains(got, propagated) {
		t.Errorf("the routes are %s, want %s among them", got, propagated)
	}
	w.call("DisableVgwRoutePropagation", "RouteTableId="+w.table, "GatewayId="+w.join.gateway)
	if got := w.routes(); strings.Contains(got, siteCIDR) {
		t.Errorf("the routes are %s without propagation", got)
	}
	w.lab().Eventually(20*time.Second, "the route has gone", func() error {
		if _, err := w.hostB.Try("ping", "-n", "-c", "1", "-W", "0.3", siteHost); err == nil {
			return fmt.Errorf("a ping is answered")
		}
		return nil
	})
	w.call("CreateRoute", "RouteTableId="+w.table, "DestinationCidrBlock="+siteCIDR, "GatewayId="+w.join.gateway)
	reaches(t, w.lab(), w.hostB, siteHost, 20*time.Second)
	w.call("EnableVgwRoutePropagation", "RouteTableId="+w.table, "GatewayId="+w.join.gateway)
	if got := w.routes(); !strings.Contains(got, siteCIDR+" "+w.join.gateway+" CreateRoute active") {
		t.Errorf("the routes are %s: one's own route precedes a propagated one", got)
	}
	w.call("DeleteRoute", "RouteTableId="+w.table, "DestinationCidrBlock="+siteCIDR)
	reaches(t, w.lab(), w.hostB, siteHost, 20*time.Second)
}

// orderOfDeletion takes the world down. It comes last.
func (w *world) orderOfDeletion(t *testing.T) {
	i := w.installation
	i.refused("DependencyViolation", "DeleteVpc", "VpcId="+w.vpc)
	i.refused("DependencyViolation", "DeleteSubnet", "SubnetId="+w.subnet)
	i.refused("DependencyViolation", "DeleteSecurityGroup", "GroupId="+w.group)
	i.refused("DependencyViolation", "DeleteRouteTable", "RouteTableId="+w.table)
	i.refused("IncorrectState", "DeleteVpnGateway", "VpnGatewayId="+w.join.gateway)
	i.refused("IncorrectState", "DeleteCustomerGateway", "CustomerGatewayId="+w.join.customer)
	i.refused("UnsupportedOperation", "CreateTransitGateway")
	i.refused("InvalidAction", "CreateCastle")

	i.call("DetachVpnGateway", "VpnGatewayId="+w.join.gateway, "VpcId="+w.vpc)
	i.refused("IncorrectState", "DeleteVpnGateway", "VpnGatewayId="+w.join.gateway) // it still has the connection
	i.call("DeleteVpnConnection", "VpnConnectionId="+w.join.connection)
	i.call("DeleteVpnGateway", "VpnGatewayId="+w.join.gateway)
	i.call("DeleteCustomerGateway", "CustomerGatewayId="+w.join.customer)
	i.call("TerminateInstances", "InstanceId.1="+w.a, "InstanceId.2="+w.b)
	i.waitForInstance(w.a, "terminated")
	i.waitForInstance(w.b, "terminated")
	i.call("DeleteSecurityGroup", "GroupId="+w.group)
	i.refused("DependencyViolation", "DeleteVpc", "VpcId="+w.vpc)
	i.call("DeleteSubnet", "SubnetId="+w.subnet)
	i.refused("DependencyViolation", "DeleteVpc", "VpcId="+w.vpc)
	i.call("DeleteSecurityGroup", "GroupId="+w.openGroup)
	i.call("DeleteVpc", "VpcId="+w.vpc)
}

// metrics: what was carried, and what somebody threw at a gateway, can be seen.
func (w *world) metrics(t *testing.T) {
	w.internet.Run("bash", "-c", "echo junk >/dev/udp/$0/500", w.outside(1))
	wanted := []string{
		fmt.Sprintf("causeway_tunnel_up{tunnel=%q} 1", w.join.connection+"/1"),
		fmt.Sprintf("causeway_tunnel_up{tunnel=%q} 1", w.join.connection+"/2"),
		fmt.Sprintf("causeway_tunnel_packets_total{direction=\"in\",tunnel=%q}", w.join.connection+"/1"),
		`causeway_outside_drops_total{layer="endpoint",reason="malformed-ike"} 1`,
	}
	w.lab().Eventually(20*time.Second, "the metrics show it", func() error {
		answer, err := http.Get(w.endpoint + "/metrics")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		for _, line := range wanted {
			if !strings.Contains(string(text), line) {
				return fmt.Errorf("%s is not among them", line)
			}
		}
		return nil
	})
}

// outside is our outside address of tunnel 1 or 2.
func (w *world) outside(number int) string {
	w.t.Helper()
	telemetry := w.call("DescribeVpnConnections", "VpnConnectionId.1="+w.join.connection).all("vpnConnectionSet/item/vgwTelemetry/item")
	return telemetry[number-1].get("outsideIpAddress")
}
