package node

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"causeway.dev/metadata/listen"
	"causeway.dev/netfabric"
	"causeway.dev/netfabric/netns"
	"causeway.dev/nodespec"
)

// told is an instance's interface with what the instance is told, in a network without
// any group, whose ACL denies everything.
func told(n *nodespec.Network, instance, address string) *nodespec.Interface {
	a := netip.MustParseAddr(address)
	n.Interfaces = append(n.Interfaces, nodespec.Interface{
		ID: "eni-" + instance, MAC: fmt.Sprintf("02:00:00:00:00:%02x", a.As4()[3]), Address: a, Subnet: netip.MustParsePrefix("10.0.1.0/24"), Table: "rtb-1", Instance: instance,
	})
	n.Metadata = append(n.Metadata, nodespec.HostMetadata{
		Instance: instance, Sources: []netip.Addr{a}, HopLimit: 1, Items: []nodespec.MetadataItem{{Path: "meta-data/instance-id", Value: instance}},
	})
	return &n.Interfaces[len(n.Interfaces)-1]
}

func networkToTell(id string) nodespec.Network {
	subnet := netip.MustParsePrefix("10.0.1.0/24")
	return nodespec.Network{
		ID: id, Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, Services: []netip.Addr{listen.Address}, Tables: []nodespec.RouteTable{{ID: "rtb-1"}},
		Borders: []nodespec.Border{{Subnet: subnet, ACL: "acl-1"}}, ACLs: []nodespec.ACL{{ID: "acl-1"}},
	}
}

// TestMetadataIsOnesOwn has instances ask for what they are told: each gets its own,
// whatever groups and ACLs say, and nobody gets another's: not under its address, and
// not in another network in which somebody has the same one.
func TestMetadataIsOnesOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed")
	}
	random := make([]byte, 4)
	crand.Read(random)
	prefix := "cwt" + hex.EncodeToString(random)
	if err := netns.Create(prefix + "-probe"); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := netfabric.Clean(context.Background(), prefix); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	one, two := networkToTell("vpc-1"), networkToTell("vpc-2")
	told(&one, "i-a", "10.0.1.4")
	told(&one, "i-b", "10.0.1.5")
	told(&one, "i-router", "10.0.1.6").AnySource = true
	told(&two, "i-other", "10.0.1.4")
	// By IPv6 only who may.
	two.Local = append(two.Local, netip.MustParsePrefix("2001:db8::/56"))
	two.Services = append(two.Services, listen.Address6)
	for _, a := range []string{"10.0.1.7", "10.0.1.8"} {
		i := told(&two, "i-six-"+a[len(a)-1:], a)
		i.Subnet6, i.Others = netip.MustParsePrefix("2001:db8:0:1::/64"), []netip.Addr{netip.MustParseAddr("2001:db8:0:1::" + a[len(a)-1:])}
	}
	may := &two.Metadata[1]
	may.Sources = append(may.Sources, netip.MustParseAddr("2001:db8:0:1::7"))
	desired := nodespec.Desired{Networks: []nodespec.Network{one, two}}
	if err := netfabric.New(netfabric.Options{}).Apply(t.Context(), FabricConfig(prefix, netfabric.Underlay{}, desired)); err != nil {
		t.Fatal(err)
	}
	service := listen.New(listen.Config{})
	t.Cleanup(func() { service.Close() })
	if err := service.Set([]listen.Network{*metadataNetwork(prefix, one), *metadataNetwork(prefix, two)}, true); err != nil {
		t.Fatal(err)
	}
	for _, instance := range []string{"i-a", "i-b", "i-router", "i-other"} {
		if got, err := askMetadata(prefix, instance, "", 20*time.Second); err != nil || got != instance {
			t.Errorf("%s is told that it is %q, %v", instance, got, err)
		}
	}
	const six = "[fd00:ec2::254]"
	if got, err := askMetadataAt(six, prefix, "i-six-7", "", 20*time.Second); err != nil || got != "i-six-7" {
		t.Errorf("by IPv6 i-six-7 is told that it is %q, %v", got, err)
	}
	if got, err := askMetadataAt(six, prefix, "i-six-8", "", 20*time.Second); err == nil {
		t.Errorf("one that may not ask by IPv6 is told that it is %q", got)
	}
	// One that may send under any address pretends to be another.
	if err := netns.Do(netfabric.NamespaceName(prefix, "i-router"), exec.Command("ip", "address", "add", "10.0.1.4/32", "dev", "lo").Run); err != nil {
		t.Fatal(err)
	}
	if got, err := askMetadata(prefix, "i-router", "10.0.1.4", 300*time.Millisecond); err == nil {
		t.Errorf("i-router pretends to be i-a and is told %q", got)
	}
	if got, err := askMetadata(prefix, "i-a", "", 20*time.Second); err != nil || got != "i-a" {
		t.Errorf("then i-a is told that it is %q, %v", got, err)
	}
	// What an instance is told is not at its own address.
	err := netns.Do(netfabric.NamespaceName(prefix, "i-b"), func() error {
		conn, err := net.DialTimeout("tcp", "10.0.1.4:80", 300*time.Millisecond)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err == nil {
		t.Error("i-b has reached port 80 of i-a, which no group admits")
	}
}

// askMetadata asks for a token and then for the id of the instance, under an address of
// the instance where one is given.
func askMetadata(prefix, instance, source string, timeout time.Duration) (string, error) {
	return askMetadataAt(listen.Address.String(), prefix, instance, source, timeout)
}

// askMetadataAt does so at one of the service's addresses, as URLs have it.
func askMetadataAt(address, prefix, instance, source string, timeout time.Duration) (string, error) {
	dialer := net.Dialer{}
	if source != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	client := http.Client{Timeout: timeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			err = netns.Do(netfabric.NamespaceName(prefix, instance), func() error {
				conn, err = dialer.DialContext(ctx, network, address)
				return err
			})
			return conn, err
		},
	}}
	ask := func(method, path string, header ...string) (string, error) {
		request, err := http.NewRequest(method, "http://"+address+path, nil)
		if err != nil {
			return "", err
		}
		request.Header.Set(header[0], header[1])
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", response.Status, body)
		}
		return string(body), err
	}
	token, err := ask(http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if err != nil {
		return "", err
	}
	return ask(http.MethodGet, "/latest/meta-data/instance-id", "X-aws-ec2-metadata-token", token)
}
