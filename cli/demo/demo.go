// Package demo does Causeway's main job on one machine and shows it: a VPC
// joined to a site by a VPN connection, driven by the real AWS CLI through the
// public API, with a real customer gateway, and packets to prove it.
//
//	            the internet: namespace …-inet, the gateways' underlay
//	           ┌─────────────────────────────────────────────────────┐
//	instance ──┤ VPC ── VPN gateway 203.0.113.1 ═══ tunnel 1 ═══╗     │ 192.0.2.10           192.168.0.10
//	10.0.1.x   │                    203.0.113.2 ═══ tunnel 2 ═══╩═════╪═ customer gateway ── host at the site
//	           └─────────────────────────────────────────────────────┘   …-cgw                …-site
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// Addresses of the demonstration: documentation ranges outside, private inside.
const (
	vpcCIDR         = "10.0.0.0/16"
	subnetCIDR      = "10.0.1.0/24"
	siteCIDR        = "192.168.0.0/16"
	siteHost        = "192.168.0.10"
	siteRouter      = "192.168.0.1"
	customerAddress = "192.0.2.10"
	internetAddress = "192.0.2.1"
	region          = "us-east-1"
	instanceAddress = "10.0.1.10"
	webPage         = "hello from the VPC"

	hostImage = "ami-00000000000000001" // this host's root file system, the only image there is
)

// deviceTypes are ids that `aws ec2 get-vpn-connection-device-types` lists.
var deviceTypes = map[string]string{
	"strongswan": "5a0e4c12", // Strongswan, Linux with IPsec in user space
	"causeway":   "c6a5e0a1", // Causeway, appliance
}

// Options say how to demonstrate.
type Options struct {
	Once   bool   // end after the last step instead of staying up
	Device string // "strongswan", "causeway" or "auto"
	Keep   string // directory that logs and configurations are kept in; empty for none
	Out    io.Writer
}

// Run demonstrates. The error names the step that failed. All that it makes is
// removed before it returns.
func Run(ctx context.Context, o Options) (err error) {
	s, err := newStage(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"build a site and an internet", s.buildNetworks},
		{"start causeway", s.startServer},
		{"join the VPC and the site", s.join},
		{"show both tunnels up", s.showTunnels},
		{"ping the site from the instance", s.pingFromInstance},
		{"fetch a web page from the instance", s.fetchPage},
		{"take tunnel 1 down and bring it back", s.failOver},
	} {
		s.heading(step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("step %q: %w", step.name, err)
		}
	}
	if o.Once {
		s.say("\nEvery step held.")
		return nil
	}
	s.howToLookAround()
	<-ctx.Done()
	s.say("\nCleaning up …")
	return nil
}

// join makes the VPC, the gateways and the connection, and starts the device.
func (s *stage) join(ctx context.Context) error {
	s.say("  The commands start together; one that needs another's answer reads it from a file: file://NAME.")
	list := `["%s"]`
	customer := &call{action: "create-customer-gateway", query: "CustomerGateway.CustomerGatewayId",
		arguments: []any{"--type", "ipsec.1", "--ip-address", customerAddress, "--bgp-asn", "65000"}}
	gateway := &call{action: "create-vpn-gateway", query: "VpnGateway.VpnGatewayId", arguments: []any{"--type", "ipsec.1"}}
	vpc := &call{action: "create-vpc", query: "Vpc.VpcId", arguments: []any{"--cidr-block", vpcCIDR}}
	connection := &call{action: "create-vpn-connection", query: "VpnConnection.VpnConnectionId",
		arguments: []any{"--customer-gateway-id", ref{of: customer}, "--vpn-gateway-id", ref{of: gateway}, "--type", "ipsec.1", "--options", "StaticRoutesOnly=true"},
		then: func(_ context.Context, id string) error {
			s.connection = id
			return nil
		}}
	attached := &call{action: "attach-vpn-gateway", arguments: []any{"--vpc-id", ref{of: vpc}, "--vpn-gateway-id", ref{of: gateway}}}
	download := &call{action: "get-vpn-connection-device-sample-configuration", query: "VpnConnectionDeviceSampleConfiguration",
		arguments: []any{"--vpn-connection-id", ref{of: connection}, "--vpn-connection-device-type-id", deviceTypes[s.device], "--internet-key-exchange-version", "ikev2"},
		needs:     []*call{attached}, // the download names the ranges of the attached VPC
		then:      s.startDevice}

	// The way by the connection to the device is the longest: all else steps aside.
	subnet := &call{action: "create-subnet", query: "Subnet.SubnetId", aside: true, arguments: []any{"--vpc-id", ref{of: vpc}, "--cidr-block", subnetCIDR}}
	group := &call{action: "create-security-group", query: "GroupId", aside: true,
		arguments: []any{"--vpc-id", ref{of: vpc}, "--group-name", "from-site", "--description", "SSH, RDP, HTTP and ICMP from the site"}}
	table := &call{action: "describe-route-tables", query: "RouteTables[0].RouteTableId", aside: true,
		arguments: []any{"--filters", ref{of: vpc, format: `[{"Name":"vpc-id","Values":["%s"]},{"Name":"association.main","Values":["true"]}]`}}}
	instance := &call{action: "run-instances", query: "Instances[0].InstanceId", aside: true,
		arguments: []any{"--subnet-id", ref{of: subnet}, "--security-group-ids", ref{of: group, format: list}, "--image-id", hostImage, "--instance-type", "t3.micro",
			"--private-ip-address", instanceAddress, "--user-data", "file://" + s.userData},
		then: func(_ context.Context, id string) error {
			s.instance = id
			return nil
		}}
	err := s.callAll(ctx, connection, attached, download, subnet, group, table, instance,
		&call{action: "authorize-security-group-ingress", aside: true, arguments: []any{"--group-id", ref{of: group}, "--ip-permissions", siteRules()}},
		&call{action: "enable-vgw-route-propagation", aside: true, arguments: []any{"--route-table-id", ref{of: table}, "--gateway-id", ref{of: gateway}}, needs: []*call{attached}},
		&call{action: "create-vpn-connection-route", aside: true, arguments: []any{"--vpn-connection-id", ref{of: connection}, "--destination-cidr-block", siteCIDR}},
		customer, gateway, vpc)
	if err != nil {
		return err
	}
	return s.firstPing(ctx)
}

// siteRules admit SSH, RDP, a web page and ICMP from the site, as --ip-permissions
// takes them.
func siteRules() string {
	var rules []string
	for _, r := range [][3]string{{"tcp", "22", "22"}, {"tcp", "3389", "3389"}, {"tcp", "80", "80"}, {"icmp", "-1", "-1"}} {
		rules = append(rules, fmt.Sprintf(`{"IpProtocol":"%s","FromPort":%s,"ToPort":%s,"IpRanges":[{"CidrIp":"%s"}]}`, r[0], r[1], r[2], siteCIDR))
	}
	return "[" + strings.Join(rules, ",") + "]"
}

// firstPing waits for the first answer of the instance to the host at the site.
func (s *stage) firstPing(ctx context.Context) error {
	s.command("ip", "netns", "exec", s.site, "ping", "-c", "1", instanceAddress)
	if err := s.awaitPing(ctx, 45*time.Second); err != nil {
		return err
	}
	answered := time.Now()
	first, err := s.firstCall()
	if err != nil {
		return err
	}
	s.say("  The instance answers %.1f s after the API got its first call; the %d runs of the AWS CLI took %.1f s of the %d processors, most of it before that.",
		answered.Sub(first).Seconds(), s.cliCalls.Load(), time.Duration(s.cliTime.Load()).Seconds(), runtime.NumCPU())
	return nil
}

// awaitPing waits until the instance answers the host at the site.
func (s *stage) awaitPing(ctx context.Context, most time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for waiting.Err() == nil {
		if s.quiet(waiting, "ip", "netns", "exec", s.site, "ping", "-n", "-c", "1", "-W", "0.2", instanceAddress) == nil {
			return nil
		}
		select {
		case <-waiting.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the instance did not answer within %v", most)
}

// showTunnels shows the telemetry once both tunnels are up.
func (s *stage) showTunnels(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	query := "VpnConnections[0].VgwTelemetry[].[OutsideIpAddress,Status,StatusMessage]"
	for {
		out, err := s.aws(waiting, "describe-vpn-connections", "--vpn-connection-ids", s.connection, "--query", query, "--output", "text")
		if err != nil {
			return err
		}
		if strings.Count(out, "\tUP\t") == 2 {
			s.say("%s", indent(out))
			return nil
		}
		select {
		case <-waiting.Done():
			return fmt.Errorf("both tunnels are not up after 30 s:\n%s", out)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func (s *stage) pingFromInstance(ctx context.Context) error {
	return s.show(ctx, s.program, "exec", "--config", s.config, s.instance, "--", "ping", "-n", "-c", "3", "-i", "0.2", siteHost)
}

// fetchPage waits for the instance's user data to have started the web server.
func (s *stage) fetchPage(ctx context.Context) error {
	argv := []string{"ip", "netns", "exec", s.site, "curl", "-sS", "--max-time", "3", "--retry", "20", "--retry-delay", "1", "--retry-connrefused", "http://10.0.1.10/"}
	s.command(argv...)
	out, err := s.output(ctx, argv...)
	if err != nil {
		return err
	}
	s.say("%s", indent(out))
	if !strings.Contains(out, webPage) {
		return fmt.Errorf("the page does not say %q", webPage)
	}
	return nil
}

// failOver pings through the loss and the return of tunnel 1.
func (s *stage) failOver(ctx context.Context) error {
	p, err := s.startPing(ctx, 50*time.Millisecond)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := s.takeTunnel1Down(ctx); err != nil {
		return err
	}
	if err := s.waitForTunnel(ctx, 1, "DOWN", 60*time.Second); err != nil {
		return err
	}
	if err := s.awaitPing(ctx, 20*time.Second); err != nil { // the device notices in its own time
		return err
	}
	if err := s.show(ctx, "ip", "netns", "exec", s.site, "ping", "-n", "-c", "3", "-i", "0.2", instanceAddress); err != nil {
		return fmt.Errorf("traffic does not go on through tunnel 2: %w", err)
	}
	if err := s.bringTunnel1Back(ctx); err != nil {
		return err
	}
	if err := s.waitForTunnel(ctx, 1, "UP", 60*time.Second); err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond) // let the route come back before the count
	sent, received, err := p.stop()
	if err != nil {
		return err
	}
	s.say("  The ping went on: %d sent, %d answered, %d lost.", sent, received, sent-received)
	if received == 0 {
		return errors.New("no ping was answered")
	}
	return nil
}

// waitForTunnel waits until the telemetry says UP or DOWN of tunnel 1 or 2.
func (s *stage) waitForTunnel(ctx context.Context, number int, want string, most time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	query := fmt.Sprintf("VpnConnections[0].VgwTelemetry[%d].[OutsideIpAddress,Status,StatusMessage]", number-1)
	var last string
	for {
		out, err := s.aws(waiting, "describe-vpn-connections", "--vpn-connection-ids", s.connection, "--query", query, "--output", "text")
		if err != nil {
			return errors.Join(err, fmt.Errorf("tunnel %d is not %s after %v: %s", number, want, most, last))
		}
		if strings.Contains(out, "\t"+want+"\t") {
			s.say("%s", indent(out))
			return nil
		}
		last = out
		select {
		case <-waiting.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func (s *stage) howToLookAround() {
	s.say(`
It stays up until you press Ctrl-C. To look around, in another shell:

  export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_DEFAULT_REGION=%s
  aws --endpoint-url %s ec2 describe-vpn-connections
  %s exec --config %s %s -- bash     # inside the instance
  ip netns exec %s ping 10.0.1.10         # the host at the site
  ip netns exec %s bash                   # the customer gateway
  ip netns list                           # all networks
  logs: %s`,
		accessKey, accessSecret, region, s.endpoint, s.program, s.config, s.instance, s.site, s.customer, s.dir)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

// exists reports whether a file is there.
func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
