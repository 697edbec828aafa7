package listen

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"causeway.dev/metadata"
	"causeway.dev/netfabric/netns"
)

// newPlace makes a network namespace that has, on its loopback, a host's address, a
// stranger's and the service's.
func newPlace(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	random := make([]byte, 4)
	rand.Read(random)
	name := "cwt" + hex.EncodeToString(random)
	if err := netns.Create(name); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() { netns.Delete(name) })
	for _, command := range []string{
		"link set lo up", "address add 10.0.1.4/32 dev lo", "address add 10.0.1.66/32 dev lo", "address add 169.254.169.254/32 dev lo",
	} {
		if err := netns.Do(name, func() error { return exec.Command("ip", strings.Fields(command)...).Run() }); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// curl asks the service in a place from one of its addresses; the answer ends in
// the status.
func curl(t *testing.T, place, from string, arguments ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "curl", append([]string{"-s", "--max-time", "20", "--interface", from, "-w", " %{http_code}"}, arguments...)...)
	var out strings.Builder
	cmd.Stdout = &out
	if err := netns.Do(place, cmd.Start); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String()
}

func TestHostsAreKnownByTheirAddresses(t *testing.T) {
	place := newPlace(t)
	host := metadata.Host{Instance: "i-1", HopLimit: 1, Items: []metadata.Item{{Path: "meta-data/instance-id", Value: "i-1"}}}
	network := Network{ID: "vpc-1", Namespace: place, Hosts: map[netip.Addr]metadata.Host{netip.MustParseAddr("10.0.1.4"): host}}
	s := New(Config{})
	defer s.Close()
	if err := s.Set([]Network{network}, false); err != nil {
		t.Fatal(err)
	}
	const url = "http://169.254.169.254/latest/"
	token, ok := strings.CutSuffix(curl(t, place, "10.0.1.4", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", url+"api/token"), " 200")
	if !ok {
		t.Fatalf("the token is %q", token)
	}
	held := "X-aws-ec2-metadata-token: " + token
	for _, c := range []struct{ name, from, header, want string }{
		{"with the token", "10.0.1.4", held, "i-1 200"},
		{"without it", "10.0.1.4", "X-none: 1", "401 - Unauthorized 401"},
		{"a stranger", "10.0.1.66", held, " 403"},
	} {
		if got := curl(t, place, c.from, "-H", c.header, url+"meta-data/instance-id"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := curl(t, place, "10.0.1.4", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", "-H", "X-Forwarded-For: 10.0.1.9", url+"api/token"); !strings.HasSuffix(got, " 403") {
		t.Errorf("a proxy gets %q", got)
	}
	host.Items = []metadata.Item{{Path: "meta-data/instance-id", Value: "changed"}}
	network.Hosts = map[netip.Addr]metadata.Host{netip.MustParseAddr("10.0.1.4"): host}
	if err := s.Set([]Network{network}, true); err != nil {
		t.Fatal(err)
	}
	if got := curl(t, place, "10.0.1.4", "-H", held, url+"meta-data/instance-id"); got != "changed 200" {
		t.Errorf("after a change: %q", got)
	}
	if err := s.Set(nil, false); err != nil {
		t.Fatal(err)
	}
	if got := curl(t, place, "10.0.1.4", "-H", held, url+"meta-data/instance-id"); got != " 000" {
		t.Errorf("of a network that is no more: %q", got)
	}
}

// A host is told credentials of its role, or why it gets none; one without a role has
// no place where it could ask.
func TestHostsAreGivenCredentials(t *testing.T) {
	place := newPlace(t)
	const path = "meta-data/iam/security-credentials/web"
	host := metadata.Host{
		Instance: "i-1", HopLimit: 1, TokensOptional: true, Role: metadata.Role{ARN: "arn:aws:iam::1:role/web", Host: "arn:aws:ec2:r:1:instance/i-1"},
		Items: []metadata.Item{{Path: path, Credentials: true}},
	}
	bare := metadata.Host{Instance: "i-2", HopLimit: 1, TokensOptional: true}
	network := Network{ID: "vpc-1", Namespace: place, Hosts: map[netip.Addr]metadata.Host{netip.MustParseAddr("10.0.1.4"): host, netip.MustParseAddr("10.0.1.66"): bare}}
	answers := make(chan error, 1)
	s := New(Config{Credentials: func(h metadata.Host) (metadata.Credentials, error) {
		if h.Role != host.Role || h.Instance != "i-1" {
			return metadata.Credentials{}, errors.New("asked for " + h.Instance)
		}
		return metadata.Credentials{AccessKeyID: "ASIA1", Secret: "hidden"}, <-answers
	}})
	defer s.Close()
	if err := s.Set([]Network{network}, false); err != nil {
		t.Fatal(err)
	}
	const url = "http://169.254.169.254/latest/" + path
	answers <- nil
	if got := curl(t, place, "10.0.1.4", url); !strings.Contains(got, `"AccessKeyId": "ASIA1"`) || !strings.HasSuffix(got, " 200") {
		t.Errorf("credentials: %q", got)
	}
	answers <- errors.New("not trusted")
	if got := curl(t, place, "10.0.1.4", url); !strings.Contains(got, `"Code": "AssumeRoleUnauthorizedAccess"`) || strings.Contains(got, "hidden") {
		t.Errorf("none: %q", got)
	}
	if got := curl(t, place, "10.0.1.66", url); !strings.HasSuffix(got, " 404") {
		t.Errorf("one without a role: %q", got)
	}
}
