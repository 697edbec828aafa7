package serve

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	c, err := ParseConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/var/lib/causeway" || c.Listen != "127.0.0.1:4599" || len(c.Regions[0].Zones) != 2 ||
		c.Outside.Interface != "lo" || c.Outside.TunnelAddresses[0].String() != "203.0.113.0/24" {
		t.Errorf("defaults: %+v", c)
	}
}

// Elastic addresses have a default only where the tunnels leave it to them; what
// is given twice is refused.
func TestElasticAddressesLeaveTheTunnels(t *testing.T) {
	c, err := ParseConfig([]byte("outside: { tunnel_addresses: [198.51.100.0/25] }"))
	if err != nil || len(c.Outside.ElasticAddresses) != 0 {
		t.Errorf("elastic addresses %v, %v", c.Outside.ElasticAddresses, err)
	}
	if _, err := ParseConfig([]byte("outside: { tunnel_addresses: [198.51.100.0/25], elastic_addresses: [198.51.100.0/24] }")); err == nil {
		t.Error("addresses of both are taken")
	}
}

func TestExampleIsTaken(t *testing.T) {
	c, err := ParseConfig([]byte(`
data_dir: /tmp/x
listen: 127.0.0.1:4599
store: { etcd: [] }
regions:
  - name: eu-central-1
    zones: [eu-central-1a, eu-central-1b]
accounts:
  - id: "123456789012"
    access_keys: [{ id: test, secret: test }]
    limits: { vpcs: 2 }
outside:
  tunnel_addresses: [203.0.113.0/24]
  elastic_addresses: [198.51.100.0/24]
  interface: lo
logs: { max_mib: 100 }
billing: { currency: EUR, connection_hour: "0.06", regions: { eu-west-1: "0.07" }, tax: { name: VAT, percent: "19" } }
limits: { vpcs: 20, vpn_connections: 500 }
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Accounts[0].AccessKeys[0].ID != "test" || c.Regions[0].Name != "eu-central-1" || c.Limits.VPNConnections != 500 || c.accountLimits()["123456789012"].VPCs != 2 {
		t.Errorf("got %+v", c)
	}
}

func TestPrefixNamesTheInstallation(t *testing.T) {
	a, _ := ParseConfig([]byte("data_dir: /tmp/a"))
	b, _ := ParseConfig([]byte("data_dir: /tmp/b"))
	if a.Prefix() == b.Prefix() || len(a.Prefix()) != 8 {
		t.Errorf("prefixes %q and %q", a.Prefix(), b.Prefix())
	}
}

func TestBadValuesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"data_dri: /tmp":                                                        "unknown field",
		"listen: localhost":                                                     "ADDRESS:PORT",
		"tls_cert: a.pem":                                                       "tls_key",
		"regions: [{name: moon, zones: [a,b]}]":                                 "not a region name",
		"regions: [{name: us-east-1, zones: [us-east-1a]}]":                     "two zones",
		"regions: [{name: us-east-1, zones: [us-east-1a, eu-west-1a]}]":         "eu-west-1a",
		"accounts: [{id: 12}]":                                                  "12 digits",
		"accounts: [{id: '123456789012', access_keys: [{id: test}]}]":           "no secret",
		"accounts: [{id: '123456789012', access_keys: [{id: 'a', secret: b}]}]": "4 to 128",
		"outside: {tunnel_addresses: [203.0.113.1/24]}":                         "not an IPv4 range",
		"outside: {tunnel_addresses: [banana]}":                                 "banana",
		"former_key_lifetime: 721h":                                             "720h",
		"former_key_lifetime: -1s":                                              "-1s",
		"hand_over: 11m":                                                        "hand_over: 11m0s",
		"hand_over: -1s":                                                        "hand_over: -1s",
		"billing: { currency: dollars }":                                        "three capital letters",
		"billing: { connection_hour: free }":                                    "billing: connection_hour:",
		"billing: { regions: { eu-west-1: \"-1\" } }":                           "billing: regions: eu-west-1:",
		"billing: { tax: { name: VAT } }":                                       "both a name and a percent",
		"billing: { tax: { name: VAT, percent: much } }":                        "billing: tax: percent:",
		"lanes: 257":                         "lanes: 257",
		"lanes: -1":                          "lanes: -1",
		"images: [{ id: ami-1, name: abc }]": `images: id "ami-1": want ami- and`,
		"images: [{ id: ami-00000000, name: abc }, { id: ami-00000000, name: abd }]": "images: ami-00000000 is given twice",
		"offloads_off: [tso]":                                                             `no offload is called "tso"`,
		"pre_shared_keys: {directory: keys}":                                              "no absolute path",
		"pre_shared_keys: {folder: /keys}":                                                "unknown field",
		"pre_shared_keys: {refresh: 999ms}":                                               "not from 1s to 1h",
		"pre_shared_keys: {refresh: 61m}":                                                 "not from 1s to 1h",
		"pre_shared_keys: {refresh: soon}":                                                "soon",
		"pre_shared_keys: {vault: {address: 'https://vault', token_file: token}}":         "token_file is no absolute path",
		"pre_shared_keys: {vault: {address: 'https://vault'}}":                            "token_file is no absolute path",
		"pre_shared_keys: {vault: {address: 'https://vault', token: hvs.token}}":          "unknown field",
		"pre_shared_keys: {vault: {token_file: /t, mount: ../sys}}":                       "are to be names",
		"pre_shared_keys: {vault: {token_file: /t, path: 'a//b'}}":                        "are to be names",
		"resolver: {forwarders: [ns.example.com]}":                                        "ADDRESS:PORT",
		"resolver: {forwarders: ['192.0.2.1:0']}":                                         "ADDRESS:PORT",
		"resolver: {forwarders: [192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5]}": "at most 4",
		"pki: {revocation: maybe}":                                                        "neither soft nor hard",
		"pki: {url: 'ftp://host'}":                                                        "http://HOST:PORT",
		"pki: {tunnel_certificate_lifetime: 1s}":                                          "less than 10s",
		"logs: {max_mib: -1}":                                                             "max_mib",
		"outside: {interface: 'a name that is too long for the kernel'}":                  "interface name",
	} {
		if _, err := ParseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n\tgot %v, want %q", text, err, want)
		}
	}
}

func TestErrorsShowNoSecrets(t *testing.T) {
	_, err := ParseConfig([]byte("accounts: [{id: '123456789012', access_keys: [{id: test, secret: hunter22, colour: red}]}]"))
	if err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("got %v", err)
	}
}

func TestHandOverIsOnUnlessSwitchedOff(t *testing.T) {
	for text, want := range map[string]time.Duration{"": handOverDefault, "hand_over: 0s": 0, "hand_over: 2m": 2 * time.Minute} {
		c, err := ParseConfig([]byte(text))
		if err != nil || c.handOver() != want {
			t.Errorf("%q: %v, %v, want %v", text, c.handOver(), err, want)
		}
	}
}

func TestForwarders(t *testing.T) {
	c, err := ParseConfig([]byte("resolver: {forwarders: [192.0.2.1, '192.0.2.2:5353', '2001:db8::1', '[2001:db8::2]:5353']}"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Resolver.forwarders()); got != "[192.0.2.1:53 192.0.2.2:5353 [2001:db8::1]:53 [2001:db8::2]:5353]" {
		t.Errorf("forwarders %s", got)
	}
}
