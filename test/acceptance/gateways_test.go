package acceptance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

// greet accepts TCP connections inside a host until the test ends, and tells each
// as whom it is seen.
func greet(t *testing.T, host *netlab.Host, port string) {
	t.Helper()
	answer(t, host, port, func(c net.Conn) string { return c.RemoteAddr().String() })
}

// answer accepts TCP connections inside a host until the test ends, and tells each
// something.
func answer(t *testing.T, host *netlab.Host, port string, tell func(net.Conn) string) {
	t.Helper()
	err := host.Do(func() error {
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(c, tell(c))
				c.Close()
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// seenAs connects from a host and returns as whom the other side sees it.
func seenAs(host *netlab.Host, target string, most time.Duration) (as string, err error) {
	err = host.Do(func() error {
		c, err := net.DialTimeout("tcp", target, most)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		text, err := io.ReadAll(c)
		if seen, malformed := netip.ParseAddrPort(string(text)); malformed == nil {
			as = seen.Addr().String()
		}
		return err
	})
	return as, err
}

// wantSeenAs waits until a host is seen as somebody.
func wantSeenAs(t *testing.T, lab *netlab.Lab, host *netlab.Host, target, want string) {
	t.Helper()
	lab.Eventually(time.Minute, host.Name+" is seen as "+want, func() error {
		as, err := seenAs(host, target, time.Second)
		if err == nil && as != want {
			err = fmt.Errorf("it is seen as %s", as)
		}
		return err
	})
}

// wantUnreachable waits until a host is not answered any more, and stays so.
func wantUnreachable(t *testing.T, lab *netlab.Lab, host *netlab.Host, target string) {
	t.Helper()
	lab.Eventually(time.Minute, host.Name+" does not reach "+target, func() error {
		for range 2 {
			if _, err := seenAs(host, target, 250*time.Millisecond); err == nil {
				return errors.New("it does")
			}
		}
		return nil
	})
}

func (i *installation) publicAddress(instance string) string {
	i.t.Helper()
	return i.call("DescribeInstances", "InstanceId.1="+instance).get("reservationSet/item/instancesSet/item/ipAddress")
}

func (i *installation) waitForNAT(id, state string) {
	i.t.Helper()
	i.lab.Eventually(time.Minute, id+" is "+state, func() error {
		if got := i.call("DescribeNatGateways", "NatGatewayId.1="+id).get("natGatewaySet/item/state"); got != state {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}

// What a new account launches without naming anything is on the internet; and a
// VPC with a public and a private subnet is as its tables and addresses say.
//
//	world 192.0.2.10 --- internet === igw --- VPC --- public  10.0.1.10
//	                                              |--- NAT     10.0.1.x
//	                                               \-- private 10.7.1.10, of the VPC's second range
func TestGateways(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i := install(t, s.lab, s.internet, "203.0.113.64/27", "  elastic_addresses: [198.51.100.64/27]")
	world := s.customer
	const worldWeb = "192.0.2.10:80"
	greet(t, world, "80")

	first := i.call("RunInstances", "ImageId="+hostImage, "MinCount=1", "MaxCount=1").get("instancesSet/item/instanceId")

	vpc := i.createVPC("10.0.0.0/16")
	i.call("AssociateVpcCidrBlock", "VpcId="+vpc, "CidrBlock=10.7.0.0/16")
	public, private := i.createSubnet(vpc, "10.0.1.0/24"), i.createSubnet(vpc, "10.7.1.0/24")
	open := i.createOpenGroup(vpc)
	web := i.call("CreateSecurityGroup", "VpcId="+vpc, "GroupName=web", "GroupDescription=admits the world to port 80").get("groupId")
	i.call("AuthorizeSecurityGroupIngress", "GroupId="+web, "IpPermissions.1.IpProtocol=tcp", "IpPermissions.1.FromPort=80", "IpPermissions.1.ToPort=80", "IpPermissions.1.IpRanges.1.CidrIp=192.0.2.0/24")
	a, b := i.runInstance(public, web, "10.0.1.10"), i.runInstance(private, open, "10.7.1.10")
	gateway := i.call("CreateInternetGateway").get("internetGateway/internetGatewayId")
	i.call("AttachInternetGateway", "InternetGatewayId="+gateway, "VpcId="+vpc)
	i.call("CreateRoute", "RouteTableId="+i.mainTable(vpc), "DestinationCidrBlock=0.0.0.0/0", "GatewayId="+gateway)
	behind := i.call("CreateRouteTable", "VpcId="+vpc).get("routeTable/routeTableId")
	i.call("AssociateRouteTable", "RouteTableId="+behind, "SubnetId="+private)
	ours, nats := i.call("AllocateAddress"), i.call("AllocateAddress")
	i.call("AssociateAddress", "AllocationId="+ours.get("allocationId"), "InstanceId="+a)
	nat := i.call("CreateNatGateway", "SubnetId="+public, "AllocationId="+nats.get("allocationId")).get("natGateway/natGatewayId")
	i.waitForNAT(nat, "available")
	i.call("CreateRoute", "RouteTableId="+behind, "DestinationCidrBlock=0.0.0.0/0", "NatGatewayId="+nat)
	for _, instance := range []string{first, a, b} {
		i.waitForInstance(instance, "running")
		greet(t, i.host(instance), "80")
		greet(t, i.host(instance), "81")
	}

	t.Run("the default VPC", func(t *testing.T) {
		address := i.publicAddress(first)
		wantSeenAs(t, s.lab, i.host(first), worldWeb, address)
		wantUnreachable(t, s.lab, world, address+":80") // the default group admits its members only
		group := i.call("DescribeSecurityGroups", "GroupName.1=default").get("securityGroupInfo/item/groupId")
		i.call("AuthorizeSecurityGroupIngress", "GroupId="+group, "IpProtocol=tcp", "FromPort=80", "ToPort=80", "CidrIp=0.0.0.0/0")
		wantSeenAs(t, s.lab, world, address+":80", "192.0.2.10")
		i.call("TerminateInstances", "InstanceId.1="+first)
		i.waitForInstance(first, "terminated")
		if got := s.internet.Run("ip", "route", "show", address); got != "" {
			t.Errorf("an address that went with its instance is still led to somebody: %s", got)
		}
	})
	t.Run("an elastic address", func(t *testing.T) {
		address := ours.get("publicIp")
		wantSeenAs(t, s.lab, i.host(a), worldWeb, address)
		wantSeenAs(t, s.lab, world, address+":80", "192.0.2.10")
		wantUnreachable(t, s.lab, world, address+":81") // no rule admits it
	})
	t.Run("a NAT gateway", func(t *testing.T) {
		wantSeenAs(t, s.lab, i.host(b), worldWeb, nats.get("publicIp"))
		wantUnreachable(t, s.lab, world, nats.get("publicIp")+":80")
		wantSeenAs(t, s.lab, i.host(a), "10.7.1.10:80", "10.0.1.10") // within the VPC nothing is translated
		answer, err := http.Get(i.endpoint + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if text, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(text), fmt.Sprintf("causeway_nat_gateway_port_allocation_errors_total{nat_gateway=%q} 0", nat)) {
			t.Errorf("the metrics do not show the gateway: %v", err)
		}
	})
	t.Run("a NAT gateway for IPv6", func(t *testing.T) { i.nat64(t, s, vpc, private, open, behind, nat, b, nats.get("publicIp")) })
	t.Run("public access is blocked", func(t *testing.T) {
		block := func(mode string) { i.call("ModifyVpcBlockPublicAccessOptions", "InternetGatewayBlockMode="+mode) }
		block("block-ingress")
		wantUnreachable(t, s.lab, i.host(a), worldWeb)
		wantUnreachable(t, s.lab, world, ours.get("publicIp")+":80")
		wantSeenAs(t, s.lab, i.host(b), worldWeb, nats.get("publicIp")) // a NAT gateway lets nobody in
		block("block-bidirectional")
		wantUnreachable(t, s.lab, i.host(b), worldWeb)
		wantSeenAs(t, s.lab, i.host(a), "10.7.1.10:80", "10.0.1.10") // within the VPC nothing is blocked
		exclusion := i.call("CreateVpcBlockPublicAccessExclusion", "SubnetId="+public, "InternetGatewayExclusionMode=allow-egress").get("vpcBlockPublicAccessExclusion/exclusionId")
		wantSeenAs(t, s.lab, i.host(b), worldWeb, nats.get("publicIp"))
		wantUnreachable(t, s.lab, i.host(a), worldWeb)
		i.call("ModifyVpcBlockPublicAccessExclusion", "ExclusionId="+exclusion, "InternetGatewayExclusionMode=allow-bidirectional")
		wantSeenAs(t, s.lab, world, ours.get("publicIp")+":80", "192.0.2.10")
		i.call("DeleteVpcBlockPublicAccessExclusion", "ExclusionId="+exclusion)
		wantUnreachable(t, s.lab, world, ours.get("publicIp")+":80")
		block("off")
		wantSeenAs(t, s.lab, i.host(a), worldWeb, ours.get("publicIp"))
		wantSeenAs(t, s.lab, i.host(b), worldWeb, nats.get("publicIp"))
	})
	t.Run("names", func(t *testing.T) { i.resolver(t, vpc, a, b, ours.get("publicIp")) })
	t.Run("IPv6 only", func(t *testing.T) { i.ipv6Only(t, s, vpc, open, behind, b, nats.get("publicIp")) })
	t.Run("while the daemon is away", func(t *testing.T) {
		ping := startSteadyPing(i.host(b), "192.0.2.10")
		i.kill()
		i.start()
		i.waitForNAT(nat, "available")
		wantSeenAs(t, s.lab, i.host(b), worldBy6, nats.get("publicIp"))
		ping.lostNone(t, s.lab, 100)
	})
	t.Run("what is taken away", func(t *testing.T) {
		i.refused("DependencyViolation", "DetachInternetGateway", "InternetGatewayId="+gateway, "VpcId="+vpc)
		i.call("DisassociateAddress", "PublicIp="+ours.get("publicIp"))
		wantUnreachable(t, s.lab, i.host(a), worldWeb)
		wantUnreachable(t, s.lab, world, ours.get("publicIp")+":80")
		wantSeenAs(t, s.lab, i.host(b), worldWeb, nats.get("publicIp")) // nobody else notices
		i.call("DeleteNatGateway", "NatGatewayId="+nat)
		i.waitForNAT(nat, "deleted")
		wantUnreachable(t, s.lab, i.host(b), worldWeb)
		table := i.call("DescribeRouteTables", "Filter.1.Name=route.nat-gateway-id", "Filter.1.Value.1="+nat)
		if got := table.all("routeTableSet/item/routeSet/item"); len(got) == 0 || !strings.Contains(fmt.Sprint(got), "blackhole") {
			t.Errorf("the route to it is not a black hole: %v", got)
		}
		i.call("AssociateAddress", "AllocationId="+nats.get("allocationId"), "InstanceId="+a)
		wantSeenAs(t, s.lab, i.host(a), worldWeb, nats.get("publicIp"))
	})
	t.Run("a NAT instance", func(t *testing.T) {
		i.host(a).Run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
		i.host(a).Run("nft", "add table ip nat; add chain ip nat out { type nat hook postrouting priority srcnat; }; add rule ip nat out ip saddr 10.7.1.0/24 masquerade")
		i.call("AuthorizeSecurityGroupIngress", "GroupId="+web, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.IpRanges.1.CidrIp=10.7.0.0/16")
		i.call("ReplaceRoute", "RouteTableId="+behind, "DestinationCidrBlock=0.0.0.0/0", "InstanceId="+a)
		wantUnreachable(t, s.lab, i.host(b), worldWeb) // sources and destinations are checked
		i.call("ModifyInstanceAttribute", "InstanceId="+a, "SourceDestCheck.Value=false")
		wantSeenAs(t, s.lab, i.host(b), worldWeb, nats.get("publicIp"))
	})
}
