package appliance

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/pki"
)

const example = `
local: 198.51.100.7
tunnels:
  - name: vpn1
    remote: 203.0.113.1
    psk: "correct.horse"
    ike_versions: [ikev2]
    ike_proposals: [aes128-sha256-group14]
    esp_proposals: [aes128gcm16-group14]
    start: true
    encap: auto
    inside: 169.254.10.2/30
    mtu: 1400
    routes: [10.0.0.0/16]
`

func TestExampleBecomesAPeer(t *testing.T) {
	c, err := ParseConfig([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.peer(c.Tunnels[0])
	if err != nil {
		t.Fatal(err)
	}
	if p.ID != "vpn1" || !p.Start || p.LocalID.String() != "198.51.100.7" || p.RemoteID.String() != "203.0.113.1" ||
		string(p.PreSharedKey) != "correct.horse" || p.DPDAction != ike.DPDRestart || p.ESPProposals[0].Encryption != ike.AES128GCM16 {
		t.Errorf("peer = %+v", p)
	}
}

func TestAESIsLeftToTheStandardLibraryOnDemand(t *testing.T) {
	for text, want := range map[string]bool{example: false, "standard_aes: true" + example: true} {
		if c, err := ParseConfig([]byte(text)); err != nil || c.StandardAES != want {
			t.Errorf("StandardAES %v, %v, want %v", c.StandardAES, err, want)
		}
	}
}

// Two tunnels to one gateway differ in the identities of both sides.
func TestTunnelHasAnIdentityOfItsOwn(t *testing.T) {
	c, err := ParseConfig([]byte(strings.Replace(example, "    remote: ", "    id: left.example\n    remote_id: right.example\n    remote: ", 1)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.peer(c.Tunnels[0])
	if err != nil {
		t.Fatal(err)
	}
	if p.LocalID != ike.ParseIdentity("left.example") || p.RemoteID != ike.ParseIdentity("right.example") {
		t.Errorf("identities %v and %v", p.LocalID, p.RemoteID)
	}
}

func TestBadConfigurationsSayWhatIsWrong(t *testing.T) {
	for change, want := range map[[2]string]string{
		{"local: 198.51.100.7\n", ""}:                                       "own outside address is missing",
		{"local: 198.51.100.7", "local: 198.51.100.7\nmobile: true"}:        "leave local out",
		{"local: 198.51.100.7", "mobile: true"}:                             "id: the gateway needs a name",
		{"local: 198.51.100.7", "local: 2001:db8::1"}:                       "two IP versions",
		{"local: 198.51.100.7", "lanes: 300\nlocal: 198.51.100.7"}:          "lanes: 300",
		{"local: 198.51.100.7", "offloads_off: [gso]\nlocal: 198.51.100.7"}: `no offload is called "gso"`,
		{"local: 198.51.100.7", "hand_over: 11m\nlocal: 198.51.100.7"}:      "hand_over: 11m0s",
		{"[ikev2]", "[ikev3]"}:                                              `"ikev3" is neither ikev1 nor ikev2`,
		{"mtu: 1400", "mtu: 100"}:                                           "not between 576 and 9000",
		{"remote: 203.0.113.1", "remote: gw"}:                               "gw",
		{"encap: auto", "encap: never"}:                                     "neither auto nor always",
		{"start: true", "strat: true"}:                                      "unknown field",
		{`psk: "correct.horse"`, `psk: ""`}:                                 "pre-shared key is missing",
		{`psk:`, "certificate: a.pem\n    psk:"}:                            "one of them is enough",
		{`psk: "correct.horse"`, `certificate: a.pem`}:                      "needs its key and a ca",
		{`psk:`, "ca: a.pem\n    psk:"}:                                     "of no use without it",
		{"remote: 203.0.113.1", "remote_id: gw"}:                            "gateway's address is missing",
		{"mtu: 1400", "fragment_size: 100"}:                                 "not between 576 and 65535",
		{"inside: 169.254.10.2/30", "inside: 10.0.0.0/8"}:                   "range's own address",
		{"name: vpn1", "name: a/b"}:                                         "not an interface name",
	} {
		text := strings.Replace(example, change[0], change[1], 1)
		if text == example {
			t.Fatalf("%q does not stand in the example", change[0])
		}
		if _, err := ParseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q -> %q: got %v, want %q", change[0], change[1], err, want)
		} else if strings.Contains(err.Error(), "correct.horse") {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	c, err := ParseConfig([]byte(strings.Replace(example, "aes128-sha256-group14", "aes128-md5-group14", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.peer(c.Tunnels[0]); err == nil || !strings.Contains(err.Error(), "md5") {
		t.Errorf("got %v, want the algorithm's name", err)
	}
}

func TestFirstTunnelThatIsUpCarriesARoute(t *testing.T) {
	shared, own := netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("10.1.0.0/16")
	tunnels := []Tunnel{{Name: "a", Routes: []netip.Prefix{shared}}, {Name: "b", Routes: []netip.Prefix{shared, own}}}
	for _, c := range []struct {
		up   map[string]bool
		want map[netip.Prefix]string
	}{
		{map[string]bool{"a": true, "b": true}, map[netip.Prefix]string{shared: "a", own: "b"}},
		{map[string]bool{"b": true}, map[netip.Prefix]string{shared: "b", own: "b"}},
		{map[string]bool{"a": true}, map[netip.Prefix]string{shared: "a"}},
		{nil, map[netip.Prefix]string{}},
	} {
		got := wantedRoutes(tunnels, c.up, nil)
		if len(got) != len(c.want) {
			t.Errorf("up %v: %v, want %v", c.up, got, c.want)
		}
		for p, name := range c.want {
			if got[p] != name {
				t.Errorf("up %v: %v over %q, want %q", c.up, p, got[p], name)
			}
		}
	}
}

// A certificate replaces the key, its files are found beside the configuration,
// and a gateway that begins itself may come from anywhere.
func TestCertificatesFromFiles(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	root, err := pki.NewRoot(pki.Name("root"), "EC_prime256v1", now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.GenerateKey("EC_prime256v1")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := root.Issue(pki.Request{Subject: pki.Name("own.example"), Key: key.Public(), Lifetime: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := pki.KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	list, err := root.NewCRL(nil, 1, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	write("own.pem", pki.EncodePEM(leaf.Raw))
	write("own.key", text)
	write("ca.pem", pki.EncodePEM(root.Certificate.Raw))
	write("ca.crl", string(list))
	config := strings.Replace(example, `psk: "correct.horse"`, "certificate: own.pem\n    key: own.key\n    ca: ca.pem\n    crl: ca.crl\n    remote_id: CN=gateway, O=Example\n    fragment_size: 600", 1)
	config = strings.Replace(strings.Replace(config, "    remote: 203.0.113.1\n", "", 1), "start: true", "start: false", 1)
	write("config.yaml", config)
	c, err := LoadConfig(filepath.Join(folder, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.peer(c.Tunnels[0])
	if err != nil {
		t.Fatal(err)
	}
	if p.Certificate == nil || p.Verifier == nil || len(p.PreSharedKey) != 0 || p.LocalID.Type != ike.IDNone || p.Remote.IsValid() ||
		p.RemoteID.Type != ike.IDDERASN1DN || p.FragmentSize != 600 {
		t.Errorf("peer = %+v", p)
	}
	write("own.key", "no key")
	if _, err := c.peer(c.Tunnels[0]); err == nil || !strings.Contains(err.Error(), "own.key") {
		t.Errorf("without a key: %v", err)
	}
}
