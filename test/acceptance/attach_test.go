package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
)

var (
	shellExample = regexp.MustCompile("(?s)```sh\n(.*?)```")
	namesOnPage  = regexp.MustCompile(`(netns |add |del |exec |-n )(web|vm|machine)\b`)
)

// TestAttachAsDocumented runs the examples of docs/attach.md, in order. They name
// network namespaces, which are all of the host: here they have names of their own.
func TestAttachAsDocumented(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws", "nsenter", "dhclient", "rdisc6")
	i := install(t, s.lab, s.internet, testAddresses)
	vpc := i.createVPC("10.0.0.0/16")
	subnet, group := i.createSubnet(vpc, "10.0.1.0/24"), i.createOpenGroup(vpc)
	i.speakIPv6(vpc, subnet, group)
	peer := i.runInstance(subnet, group, "10.0.1.10", "Ipv6AddressCount=1")
	i.waitForInstance(peer, "running")
	peer6 := i.call("DescribeInstances", "InstanceId.1="+peer).get("reservationSet/item/instancesSet/item/ipv6Address")

	page, err := os.ReadFile("../../docs/attach.md")
	if err != nil {
		t.Fatal(err)
	}
	names := func(text string) string { return namesOnPage.ReplaceAllString(text, "${1}"+s.internet.Name+"-${2}") }
	for _, name := range []string{"web", "vm", "machine"} {
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", s.internet.Name+"-"+name).Run() })
	}
	shell := func(script string) string {
		t.Helper()
		cmd := exec.Command("sh", "-ec", fmt.Sprintf("causeway() { c=$1; shift; %s $c --config %s \"$@\"; }\n%s", program, i.config, names(script)))
		cmd.Env = append(os.Environ(), "SUBNET="+subnet, "GROUP="+group, "PEER=10.0.1.10", "PEER6="+peer6, "ENI="+i.interfaceAt("10.0.1.50"),
			"AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+accessSecret, "AWS_DEFAULT_REGION="+region, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
			"PATH="+withAWS(t, s, i)+":"+os.Getenv("PATH"))
		var out []byte
		err := s.internet.Do(func() (err error) { // as "ip netns exec" does, but that names that are added are seen by all
			out, err = cmd.CombinedOutput()
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v\n%s\n%s", script, err, out, i.server.Log())
		}
		return string(out)
	}
	for _, example := range shellExample.FindAllStringSubmatch(string(page), -1) {
		out := shell(example[1])
		if !strings.Contains(example[1], "--netns web") {
			continue
		}
		nic := i.call("DescribeNetworkInterfaces", "Filter.1.Name=attachment.instance-owner-id", "Filter.1.Value.1=causeway-attach").all("networkInterfaceSet/item")
		if len(nic) != 1 || nic[0].get("status") != "in-use" || nic[0].get("attachment/status") != "attached" || !strings.Contains(out, "address  10.0.1.50/24") {
			t.Errorf("%d interfaces are attached, %+v; it said\n%s", len(nic), nic, out)
		}
		web := s.lab.Find(s.internet.Name + "-web")
		i.stop()
		reaches(t, s.lab, web, "10.0.1.10", 20*time.Second) // while causeway is away
		i.start()
		reaches(t, s.lab, web, "10.0.1.10", 20*time.Second)
		refusedToAttach(t, i, "in use already", i.interfaceAt("10.0.1.50"), "--netns", s.internet.Name+"-web")
	}
	getsLease(t, shell)
	i.getsIPv6Only(t, shell, vpc, group)
	eni := i.interfaceAt("10.0.1.50")
	if status := i.call("DescribeNetworkInterfaces", "NetworkInterfaceId.1="+eni).get("networkInterfaceSet/item/status"); status != "available" {
		t.Errorf("at the end the interface is %s", status)
	}
	for says, place := range map[string][]string{
		"there is no network namespace": {"--netns", "nowhere"}, "there is no process": {"--netns", "2147483646"}, "causeway's own": {"--netns", i.prefix + "-" + peer},
		"there is no device br7": {"--bridge", "br7"}, "carries no Ethernet": {"--interface", "lo"}, "host's own": {"--netns", fmt.Sprint(os.Getppid())},
	} {
		refusedToAttach(t, i, says, append([]string{eni}, place...)...)
	}
	refusedToAttach(t, i, "there is no network interface", "eni-00000000000000000", "--bridge", "br0")
	if out, err := i.causeway("detach", eni); err == nil || !strings.Contains(out, "is not attached") {
		t.Errorf("detached again: %v\n%s", err, out)
	}
}

// getsLease lets a machine behind a bridge ask for its address, by Debian's client, and
// use it.
func getsLease(t *testing.T, shell func(string) string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "lease")
	text := `#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add $ip/$mask dev $interface
ip route add default via $router
echo "$ip/$mask $router $dns $domain $mtu"
`
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	out := shell(`ip link add br1 up type bridge
ip netns add vm
ip link add vm1 up master br1 type veth peer name eth0 netns vm
mac=$(causeway attach "$ENI" --bridge br1 | awk '$1 == "mac" { print $2 }')
ip -n vm link set eth0 address "$mac"
ip -n vm link set eth0 up
ip netns exec vm busybox udhcpc -f -q -n -i eth0 -t 30 -T 1 -O mtu -s ` + script + `
ip netns exec vm ping -c 3 "$PEER"
causeway detach "$ENI"
ip netns del vm
ip link del br1`)
	if want := "10.0.1.50/24 10.0.1.1 10.0.0.2 ec2.internal 1500\n"; !strings.Contains(out, want) {
		t.Errorf("it has learnt\n%s\nwant %s", out, want)
	}
}

// getsIPv6Only lets a machine behind a bridge ask for the addresses of an interface that
// has no IPv4, and use one.
func (i *installation) getsIPv6Only(t *testing.T, shell func(string) string, vpc, group string) {
	t.Helper()
	subnet := i.createIPv6Only(vpc)
	nic := i.call("CreateNetworkInterface", "SubnetId="+subnet, "SecurityGroupId.1="+group)
	eni, address := nic.get("networkInterface/networkInterfaceId"), nic.get("networkInterface/ipv6Address")
	at := t.TempDir()
	client := "-sf " + at + "/script -lf " + at + "/leases -pf " + at + "/pid eth0"
	text := "#!/bin/sh\n[ \"$reason\" != BOUND6 ] || ip addr add \"$new_ip6_address/128\" dev \"$interface\" nodad\n"
	if err := os.WriteFile(filepath.Join(at, "script"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	out := shell(`ip link add br2 up type bridge
ip netns add vm
ip link add vm2 up master br2 type veth peer name eth0 netns vm
causeway attach ` + eni + ` --bridge br2 > ` + at + `/told
cat ` + at + `/told
ip -n vm link set eth0 address "$(awk '$1 == "mac" { print $2 }' ` + at + `/told)"
ip -n vm link set eth0 up
until ip -n vm -6 addr show dev eth0 scope link -tentative | grep -q fe80; do sleep 0.1; done
ip netns exec vm rdisc6 -1 -r 30 eth0
ip netns exec vm dhclient -6 -1 ` + client + `
ip -n vm -6 addr show dev eth0 scope global
ip netns exec vm ping -c 1 -w 60 "$PEER6"
ip netns exec vm dhclient -6 -x ` + client + `
causeway detach ` + eni + `
ip netns del vm
ip link del br2`)
	if !strings.Contains(out, "address  "+address+"/128\n  gateway  fe80::1\n  mac") || !strings.Contains(out, "inet6 "+address+"/128") {
		t.Errorf("the machine, which shall have %s, says\n%s", address, out)
	}
	i.call("DeleteNetworkInterface", "NetworkInterfaceId="+eni)
}

// speakIPv6 gives a VPC and its subnet IPv6, which the group admits.
func (i *installation) speakIPv6(vpc, subnet, group string) {
	i.t.Helper()
	i.call("AssociateVpcCidrBlock", "VpcId="+vpc, "AmazonProvidedIpv6CidrBlock=true")
	ipv6 := i.call("DescribeVpcs", "VpcId.1="+vpc).get("vpcSet/item/ipv6CidrBlockAssociationSet/item/ipv6CidrBlock")
	i.call("AssociateSubnetCidrBlock", "SubnetId="+subnet, "Ipv6CidrBlock="+strings.Replace(ipv6, "::/56", "::/64", 1))
	i.call("AuthorizeSecurityGroupIngress", "GroupId="+group, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0")
	i.call("AuthorizeSecurityGroupEgress", "GroupId="+group, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0")
}

func refusedToAttach(t *testing.T, i *installation, says string, arguments ...string) {
	t.Helper()
	if out, err := i.causeway("attach", arguments...); err == nil || !strings.Contains(out, says) {
		t.Errorf("attach %v: %v, want %q\n%s", arguments, err, says, out)
	}
}

// interfaceAt returns the id of the network interface with an address, or "".
func (i *installation) interfaceAt(address string) string {
	i.t.Helper()
	return i.call("DescribeNetworkInterfaces", "Filter.1.Name=private-ip-address", "Filter.1.Value.1="+address).get("networkInterfaceSet/item/networkInterfaceId")
}

// withAWS returns a directory with a program "aws" that knows the endpoint, which older
// ones do not take from the environment, and calls from where the API is served.
func withAWS(t *testing.T, s *site, i *installation) string {
	t.Helper()
	dir := filepath.Join(s.lab.Dir(), "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// Any thread of this process, also the first one, which "nsenter -t" would ask, may be
	// elsewhere for a moment.
	home, err := netns.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(home) })
	if err := os.WriteFile(filepath.Join(dir, "aws"), fmt.Appendf(nil, "#!/bin/sh\nexec nsenter --net=/proc/%d/fd/%d %s --endpoint-url %s \"$@\"\n", os.Getpid(), home, awsProgram(t), i.endpoint), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
