package acceptance

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// debianAWS is where Debian's package awscli has it. A PATH may lead to another
// one, which is taken if that package is not there.
const debianAWS = "/usr/bin/aws"

func awsProgram(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(debianAWS); err == nil {
		return debianAWS
	}
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("aws is not installed: make setup")
	}
	return path
}

// exitRefused is the AWS CLI's exit code when the service answers with an error.
const exitRefused = 254

// A cli is the AWS CLI as it comes, pointed at an installation.
type cli struct {
	t       *testing.T
	i       *installation
	program string
	service string   // "" is ec2
	keys    []string // environment of another caller than root
}

// run runs `aws SERVICE …`.
func (c cli) run(arguments ...string) (out string, exitCode int) {
	c.t.Helper()
	cmd := exec.Command(c.program, append([]string{"--endpoint-url", c.i.endpoint, "--region", region, cmp.Or(c.service, "ec2")}, arguments...)...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+accessSecret,
		"AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	cmd.Env = append(cmd.Env, c.keys...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(both.String()), cmd.ProcessState.ExitCode()
}

// ok runs a command that must succeed.
func (c cli) ok(arguments ...string) string {
	c.t.Helper()
	out, code := c.run(arguments...)
	if code != 0 {
		c.t.Fatalf("aws %s: exit code %d: %s", strings.Join(arguments, " "), code, out)
	}
	return out
}

// query runs a command and returns what a JMESPath expression finds, as text.
func (c cli) query(expression string, arguments ...string) string {
	c.t.Helper()
	return c.ok(append(arguments, "--query", expression, "--output", "text")...)
}

// refused runs a command that must be refused with a code.
func (c cli) refused(code string, arguments ...string) {
	c.t.Helper()
	if out, exit := c.run(arguments...); exit != exitRefused || !strings.Contains(out, "("+code+")") {
		c.t.Errorf("aws %s: exit code %d, want %d with %s: %s", strings.Join(arguments, " "), exit, exitRefused, code, out)
	}
}

// wants runs a query and compares.
func (c cli) wants(want, expression string, arguments ...string) {
	c.t.Helper()
	if got := c.query(expression, arguments...); got != want {
		c.t.Errorf("aws %s --query %s: got %q, want %q", strings.Join(arguments, " "), expression, got, want)
	}
}

// The main job, from nothing and back to nothing, as the AWS CLI's manual has it.
func TestMainJobByTheAWSCLI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	program := awsProgram(t)
	i := install(t, s.lab, s.internet, testAddresses)
	aws := cli{t: t, i: i, program: program}

	vpc := aws.query("Vpc.VpcId", "create-vpc", "--cidr-block", "10.0.0.0/16", "--tag-specifications", "ResourceType=vpc,Tags=[{Key=Name,Value=the main job}]")
	aws.wants(vpc, "Vpcs[].VpcId", "describe-vpcs", "--filters", "Name=tag:Name,Values=the*job", "Name=cidr,Values=10.0.0.0/16")
	aws.refused("DryRunOperation", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.1.0/24", "--dry-run")
	subnet := aws.query("Subnet.SubnetId", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.1.0/24")
	group := aws.query("GroupId", "create-security-group", "--vpc-id", vpc, "--group-name", "from-site", "--description", "ICMP from the site")
	aws.ok("authorize-security-group-ingress", "--group-id", group, "--ip-permissions", `[{"IpProtocol":"icmp","FromPort":-1,"ToPort":-1,"IpRanges":[{"CidrIp":"192.168.0.0/16"}]}]`)
	userData := s.lab.File("user-data", "#!/bin/sh\necho user data has run on $(hostname)\n")
	instance := aws.query("Instances[0].InstanceId", "run-instances", "--image-id", hostImage, "--instance-type", "t3.micro", "--subnet-id", subnet,
		"--security-group-ids", group, "--private-ip-address", "10.0.1.10", "--user-data", "file://"+userData, "--tag-specifications", "ResourceType=instance,Tags=[{Key=role,Value=web}]")

	customer := aws.query("CustomerGateway.CustomerGatewayId", "create-customer-gateway", "--type", "ipsec.1", "--ip-address", s.address, "--bgp-asn", "65000")
	gateway := aws.query("VpnGateway.VpnGatewayId", "create-vpn-gateway", "--type", "ipsec.1")
	aws.wants("attached", "VpcAttachment.State", "attach-vpn-gateway", "--vpc-id", vpc, "--vpn-gateway-id", gateway)
	connection := aws.query("VpnConnection.VpnConnectionId", "create-vpn-connection", "--type", "ipsec.1",
		"--customer-gateway-id", customer, "--vpn-gateway-id", gateway, "--options", "StaticRoutesOnly=true")
	aws.ok("create-vpn-connection-route", "--vpn-connection-id", connection, "--destination-cidr-block", siteCIDR)
	table := i.mainTable(vpc)
	aws.ok("enable-vgw-route-propagation", "--route-table-id", table, "--gateway-id", gateway)
	aws.ok("wait", "vpn-connection-available", "--vpn-connection-ids", connection)
	aws.ok("wait", "instance-running", "--instance-ids", instance)

	device := i.deviceType()
	s.connect(aws.query("VpnConnectionDeviceSampleConfiguration", "get-vpn-connection-device-sample-configuration",
		"--vpn-connection-id", connection, "--vpn-connection-device-type-id", device, "--internet-key-exchange-version", "ikev2"))
	reaches(t, s.lab, s.host, "10.0.1.10", time.Minute)
	i.inside(instance, "ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", siteHost)
	i.waitForTunnels(connection, 2, time.Minute)
	aws.wants("UP\tUP", "VpnConnections[0].VgwTelemetry[].Status", "describe-vpn-connections", "--vpn-connection-ids", connection)
	aws.wants(gateway, "RouteTables[0].Routes[?Origin=='EnableVgwRoutePropagation'].GatewayId", "describe-route-tables", "--route-table-ids", table)
	if out := aws.query("Output", "get-console-output", "--instance-id", instance, "--latest"); !strings.Contains(out, "user data has run on ip-10-0-1-10") {
		t.Errorf("the console output is %q", out)
	}

	aws.ok("create-tags", "--resources", instance, connection, "--tags", "Key=stage,Value=test")
	aws.wants(connection, "VpnConnections[].VpnConnectionId", "describe-vpn-connections", "--filters", "Name=tag:stage,Values=test", "Name=state,Values=available")
	aws.wants("role\tstage", "sort(Tags[].Key)", "describe-tags", "--filters", "Name=resource-id,Values="+instance)

	aws.refused("IncorrectState", "delete-customer-gateway", "--customer-gateway-id", customer)
	aws.ok("delete-vpn-connection", "--vpn-connection-id", connection)
	aws.ok("wait", "vpn-connection-deleted", "--vpn-connection-ids", connection)
	silent(t, s.host, "the connection is deleted", "10.0.1.10")
	aws.ok("terminate-instances", "--instance-ids", instance)
	i.waitForInstance(instance, "terminated") // the CLI looks every 15 s only
	aws.ok("wait", "instance-terminated", "--instance-ids", instance)
	i.call("DetachVpnGateway", "VpcId="+vpc, "VpnGatewayId="+gateway) // each start of the CLI takes a second
	i.call("DeleteVpnGateway", "VpnGatewayId="+gateway)
	i.call("DeleteCustomerGateway", "CustomerGatewayId="+customer)
	i.call("DeleteSecurityGroup", "GroupId="+group)
	i.call("DeleteSubnet", "SubnetId="+subnet)
	aws.ok("delete-vpc", "--vpc-id", vpc)
	aws.refused("InvalidVpcID.NotFound", "describe-vpcs", "--vpc-ids", vpc)
	s.lab.Eventually(20*time.Second, "the kernel follows", func() error {
		if left := i.namespaces(); len(left) > 0 {
			return fmt.Errorf("left: %v", left)
		}
		return nil
	})
}
