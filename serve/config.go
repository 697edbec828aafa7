package serve

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"causeway.dev/api/ec2"
	iamapi "causeway.dev/api/iam"
	"causeway.dev/control/certificates"
	"causeway.dev/flowlog"
	"causeway.dev/keeper"
	"causeway.dev/node"
	"causeway.dev/packetio"
	"causeway.dev/resource"
	"causeway.dev/tunnel"
)

// Config is what `causeway serve --config FILE` reads. Every value is optional;
// keys that are not listed here are refused.
type Config struct {
	// DataDir holds everything that outlasts the process. Default
	// /var/lib/causeway. It also names the installation: two with different
	// directories can run side by side on one machine.
	DataDir string `yaml:"data_dir"`

	// Listen is the address of the API; port 0 takes a free one, and
	// data_dir/endpoint says which. Default 127.0.0.1:4599.
	Listen string `yaml:"listen"`

	// TLSCert and TLSKey are PEM files; with both, the API speaks https.
	TLSCert string `yaml:"tls_cert"`
	TLSKey  string `yaml:"tls_key"`

	Store    StoreConfig    `yaml:"store"`
	Regions  []Region       `yaml:"regions"`
	Accounts []Account      `yaml:"accounts"`
	Outside  OutsideConfig  `yaml:"outside"`
	PKI      PKIConfig      `yaml:"pki"`
	Resolver ResolverConfig `yaml:"resolver"`
	Logs     LogsConfig     `yaml:"logs"`
	FlowLogs FlowLogConfig  `yaml:"flow_logs"`
	Billing  BillingConfig  `yaml:"billing"`
	Keys     KeysConfig     `yaml:"pre_shared_keys"`

	InstanceLimits InstanceLimits `yaml:"instance_limits"`

	// Images are further ids and names of the only image, the host's root file
	// system. Default none.
	Images []ec2.Image `yaml:"images"`

	// FormerKeyLifetime is how long a tunnel takes a pre-shared key that was
	// replaced, unless the customer gateway uses the new one before: "24h", the
	// default; 1s to 720h.
	FormerKeyLifetime time.Duration `yaml:"former_key_lifetime"`

	// HandOver is how long the tunnels that stand when the process gets SIGTERM
	// are carried by a keeper, for the next one to go on with: "15s", the default;
	// at most 10m. "0s": they end, and their peers are told.
	HandOver *time.Duration `yaml:"hand_over"`

	// OffloadsOff are those that are not to be used, though the kernel has them:
	// "tun-segmentation", "tun-udp-segmentation", "udp-segmentation",
	// "udp-coalescing" or "all". Default none.
	OffloadsOff []string `yaml:"offloads_off"`

	// Lanes is how many goroutines carry packets, tunnel.LanesMax at most; 0:
	// tunnel.DefaultLanes.
	Lanes int `yaml:"lanes"`

	// StandardAES leaves AES-GCM to the standard library, though the processor has
	// the instructions of ours. Default false.
	StandardAES bool `yaml:"standard_aes"`

	// DefaultVPCs gives each account a default VPC in each region, as AWS does,
	// when it first calls there. Default true.
	DefaultVPCs *bool `yaml:"default_vpcs"`

	// Limits are the quotas of accounts that have none of their own. Default AWS's.
	Limits ec2.Limits `yaml:"limits"`

	// IdentityLimits are those of each account's users, roles and policies.
	// Default AWS's.
	IdentityLimits iamapi.Limits `yaml:"identity_limits"`
}

// formerKeyLifetimeMax: a key that is not changed on a device in a month is not
// being changed.
const formerKeyLifetimeMax = 30 * 24 * time.Hour

// LogsConfig bounds what the CloudWatch Logs actions keep.
type LogsConfig struct {
	// MaxMiB is the room for all log events together; the file logs.db in
	// DataDir takes up to twice that. Beyond it the oldest events of the account
	// that has most go. 1 to 1048576. Default 1024.
	MaxMiB int `yaml:"max_mib"`
}

// FlowLogConfig says how the flows of network interfaces are recorded.
type FlowLogConfig struct {
	// Interval is how often what interfaces have carried is recorded: "60s", the
	// default and AWS's shortest; 1s to 600s.
	Interval time.Duration `yaml:"interval"`

	// Buckets are directories for flow logs that go to S3, by the name of the
	// bucket. Other buckets are below data_dir/buckets.
	Buckets map[string]string `yaml:"buckets"`

	// MaxMiB is the room of one account below data_dir/buckets, 1 to 1048576.
	// What finds none is not written. Default 1024.
	MaxMiB int `yaml:"max_mib"`
}

func (c FlowLogConfig) validate() error {
	if i := c.Interval; i < time.Second || i > 10*time.Minute {
		return fmt.Errorf("flow_logs: interval %v is not from 1s to 10m", i)
	}
	if m := c.MaxMiB; m < 1 || m > 1<<20 {
		return fmt.Errorf("flow_logs: max_mib %d is not from 1 to %d", m, 1<<20)
	}
	for bucket, dir := range c.Buckets {
		if d, err := flowlog.ParseDestination("arn:aws:s3:::" + bucket); err != nil || d.Bucket != bucket || !filepath.IsAbs(dir) {
			return fmt.Errorf("flow_logs: %s: %s is not the name of a bucket with an absolute path", bucket, dir)
		}
	}
	return nil
}

// StoreConfig says where records are kept.
type StoreConfig struct {
	// Etcd are the endpoints of an external cluster, "https://host:2379".
	// Empty: a one-member server inside this process, in DataDir.
	Etcd []string `yaml:"etcd"`

	// CACert, Cert and Key are PEM files for TLS to an external cluster.
	CACert string `yaml:"ca_cert"`
	Cert   string `yaml:"cert"`
	Key    string `yaml:"key"`

	// KeyFile seals the secrets in the records: private and pre-shared keys.
	// It is made at the first start. Several processes on one cluster need
	// the same. Default data_dir/seal.key.
	KeyFile string `yaml:"key_file"`
}

// A Region is a name with its zones. Default us-east-1 with two zones.
type Region struct {
	Name  string   `yaml:"name"`
	Zones []string `yaml:"zones"` // at least two: the tunnels of a connection prefer two
}

// An Account owns resources. Where none is given, one is made, and its key is
// written to data_dir/credentials.
type Account struct {
	ID         string      `yaml:"id"` // 12 digits
	AccessKeys []AccessKey `yaml:"access_keys"`

	// Limits are the quotas of this account. What is left out is as in the
	// configuration's Limits.
	Limits ec2.Limits `yaml:"limits"`
}

// An AccessKey signs calls for its account.
type AccessKey struct {
	ID     string `yaml:"id"`
	Secret string `yaml:"secret"`
}

// OutsideConfig is where gateways meet the internet, or what stands for it.
type OutsideConfig struct {
	// TunnelAddresses are the gateways' own, taken as needed, two a
	// connection. Default 203.0.113.0/24.
	TunnelAddresses []netip.Prefix `yaml:"tunnel_addresses"`

	// ElasticAddresses are those that accounts allocate and that instances are
	// launched with. Routes of the underlay lead them to us. Default
	// 198.51.100.0/24, or none where TunnelAddresses has some of these.
	ElasticAddresses []netip.Prefix `yaml:"elastic_addresses"`

	// IPv6Addresses are those that VPCs are given a /56 of where they ask for
	// IPv6; default 2001:db8::/32, which is for documentation. They must be
	// routed here.
	IPv6Addresses []netip.Prefix `yaml:"ipv6_addresses"`

	// Interface carries the tunnels' addresses, and questions for elastic ones
	// that come in by it are answered. With lo, the default, the world comes in
	// by any interface, and elastic addresses must be routed here.
	Interface string `yaml:"interface"`

	// Namespace is the named network namespace (as `ip netns` lists them) that
	// is the underlay. Default: the one that the process is started in.
	Namespace string `yaml:"namespace"`
}

// PKIConfig says how certificates are issued and judged.
type PKIConfig struct {
	// URL is where devices reach the API's address, "http://host:4599", for
	// certificates to name their revocation list. Empty: they name none.
	URL string `yaml:"url"`

	// Revocation says what becomes of a device whose certificate names a place
	// to look up its revocation where nothing could be learnt: "soft" lets it
	// connect and shows why, "hard" refuses it. Default soft.
	Revocation string `yaml:"revocation"`

	// TunnelCertificateLifetime is how long our side's certificate in a tunnel
	// is valid, at least 10s; it is replaced at two thirds. Default 2160h.
	TunnelCertificateLifetime time.Duration `yaml:"tunnel_certificate_lifetime"`
}

// Values of PKIConfig.Revocation.
const (
	revocationSoft = "soft"
	revocationHard = "hard"
)

// LoadConfig reads a file. An empty name gives the defaults.
func LoadConfig(name string) (Config, error) {
	var text []byte
	if name != "" {
		var err error
		if text, err = os.ReadFile(name); err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
	}
	c, err := ParseConfig(text)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", cmp.Or(name, "(defaults)"), err)
	}
	return c, nil
}

// ParseConfig reads YAML, fills in defaults and checks every value.
func ParseConfig(text []byte) (Config, error) {
	var c Config
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField()).Decode(&c)
	if err != nil && !errors.Is(err, io.EOF) {
		return Config{}, errors.New(yaml.FormatError(err, false, false)) // without the lines around it, which may hold secrets
	}
	c.setDefaults()
	return c, c.validate()
}

func (c *Config) setDefaults() {
	c.DataDir = cmp.Or(c.DataDir, "/var/lib/causeway")
	if abs, err := filepath.Abs(c.DataDir); err == nil {
		c.DataDir = abs
	}
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:4599")
	c.Outside.Interface = cmp.Or(c.Outside.Interface, "lo")
	c.PKI.Revocation = cmp.Or(c.PKI.Revocation, revocationSoft)
	c.PKI.TunnelCertificateLifetime = cmp.Or(c.PKI.TunnelCertificateLifetime, certificates.TunnelLifetimeDefault)
	c.Logs.MaxMiB = cmp.Or(c.Logs.MaxMiB, 1024)
	c.FlowLogs.Interval = cmp.Or(c.FlowLogs.Interval, node.FlowIntervalDefault)
	c.FlowLogs.MaxMiB = cmp.Or(c.FlowLogs.MaxMiB, 1024)
	c.InstanceLimits.setDefaults()
	c.FormerKeyLifetime = cmp.Or(c.FormerKeyLifetime, ec2.FormerKeyLifetimeDefault)
	c.Keys.setDefaults()
	if c.DefaultVPCs == nil {
		c.DefaultVPCs = new(true)
	}
	if len(c.Regions) == 0 {
		c.Regions = []Region{{Name: "us-east-1", Zones: []string{"us-east-1a", "us-east-1b"}}}
	}
	if len(c.Outside.TunnelAddresses) == 0 {
		c.Outside.TunnelAddresses = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	}
	if len(c.Outside.IPv6Addresses) == 0 {
		c.Outside.IPv6Addresses = []netip.Prefix{ipv6AddressesDefault}
	}
	if len(c.Outside.ElasticAddresses) == 0 {
		// Not where the tunnels have been given some of them.
		if usual := netip.MustParsePrefix("198.51.100.0/24"); !slices.ContainsFunc(c.Outside.TunnelAddresses, usual.Overlaps) {
			c.Outside.ElasticAddresses = []netip.Prefix{usual}
		}
	}
}

// ipv6AddressesDefault is RFC 3849's range for documentation. Hosts take it for
// addresses of the internet, unlike unique local ones, and nobody routes it there.
var ipv6AddressesDefault = netip.MustParsePrefix("2001:db8::/32")

var (
	regionName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`) })
	accountID  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{12}$`) })
	keyID      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_]{4,128}$`) })
)

func (c *Config) validate() error {
	if _, err := netip.ParseAddrPort(c.Listen); err != nil {
		return fmt.Errorf("listen: %q is not ADDRESS:PORT", c.Listen)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("tls_cert and tls_key go together: one of them is missing")
	}
	regions := map[string]bool{}
	for _, r := range c.Regions {
		switch {
		case !regionName().MatchString(r.Name):
			return fmt.Errorf("regions: %q is not a region name such as us-east-1", r.Name)
		case regions[r.Name]:
			return fmt.Errorf("regions: %s is given twice", r.Name)
		case len(r.Zones) < 2:
			return fmt.Errorf("regions: %s needs at least two zones, such as %[1]sa and %[1]sb", r.Name)
		}
		regions[r.Name] = true
		for _, z := range r.Zones {
			if len(z) != len(r.Name)+1 || !strings.HasPrefix(z, r.Name) {
				return fmt.Errorf("regions: zone %q is not %q with one letter after it", z, r.Name)
			}
		}
	}
	if f := c.FormerKeyLifetime; f < time.Second || f > formerKeyLifetimeMax {
		return fmt.Errorf("former_key_lifetime: %v is not between 1s and %v", f, formerKeyLifetimeMax)
	}
	if h := c.handOver(); h < 0 || h > keeper.WaitMax {
		return fmt.Errorf("hand_over: %v is not between 0s and %v", h, keeper.WaitMax)
	}
	if c.Lanes < 0 || c.Lanes > tunnel.LanesMax {
		return fmt.Errorf("lanes: %d is not between 0 and %d", c.Lanes, tunnel.LanesMax)
	}
	if _, err := packetio.Without(c.OffloadsOff); err != nil {
		return fmt.Errorf("offloads_off: %w", err)
	}
	if m := c.Logs.MaxMiB; m < 1 || m > 1<<20 {
		return fmt.Errorf("logs: max_mib %d is not from 1 to %d", m, 1<<20)
	}
	if _, err := c.Billing.prices(); err != nil {
		return err
	}
	return errors.Join(c.validateAccounts(), c.validateOutside(), c.validatePKI(), c.Resolver.validate(), c.FlowLogs.validate(), c.InstanceLimits.validate(), c.Keys.validate(), c.validateImages())
}

func (c *Config) validateImages() error {
	seen := map[string]bool{}
	for _, image := range c.Images {
		if err := image.Check(); err != nil {
			return fmt.Errorf("images: %w", err)
		}
		if seen[image.ID] {
			return fmt.Errorf("images: %s is given twice", image.ID)
		}
		seen[image.ID] = true
	}
	return nil
}

func (c *Config) validatePKI() error {
	if u, err := url.Parse(c.PKI.URL); c.PKI.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("pki: url %q is not http://HOST:PORT", c.PKI.URL)
	}
	if r := c.PKI.Revocation; r != revocationSoft && r != revocationHard {
		return fmt.Errorf("pki: revocation %q is neither %s nor %s", r, revocationSoft, revocationHard)
	}
	if l := c.PKI.TunnelCertificateLifetime; l < certificates.TunnelLifetimeMin {
		return fmt.Errorf("pki: tunnel_certificate_lifetime %v is less than %v", l, certificates.TunnelLifetimeMin)
	}
	return nil
}

func (c *Config) validateAccounts() error {
	seen := map[string]string{}
	for _, a := range c.Accounts {
		if !accountID().MatchString(a.ID) {
			return fmt.Errorf("accounts: %q is not an account id: 12 digits, quoted", a.ID)
		}
		for _, k := range a.AccessKeys {
			switch {
			case !keyID().MatchString(k.ID):
				return fmt.Errorf("accounts: access key id %q of account %s has not 4 to 128 letters, digits or '_'", k.ID, a.ID)
			case k.Secret == "":
				return fmt.Errorf("accounts: access key %s of account %s has no secret", k.ID, a.ID)
			case seen[k.ID] != "":
				return fmt.Errorf("accounts: access key id %s stands in account %s and in %s", k.ID, seen[k.ID], a.ID)
			}
			seen[k.ID] = a.ID
		}
	}
	return nil
}

func (c *Config) validateOutside() error {
	for _, pools := range [][]netip.Prefix{c.Outside.TunnelAddresses, c.Outside.ElasticAddresses} {
		for _, p := range pools {
			if !p.Addr().Is4() || p.Bits() > 31 || p.Masked() != p {
				return fmt.Errorf("outside: %v is not an IPv4 range such as 203.0.113.0/24", p)
			}
		}
	}
	for i, p := range c.Outside.IPv6Addresses {
		if !p.Addr().Is6() || p.Addr().Is4In6() || p.Bits() > resource.VPCIPv6Bits || p.Masked() != p {
			return fmt.Errorf("outside: %v is not an IPv6 range of /%d or more, such as %v", p, resource.VPCIPv6Bits, ipv6AddressesDefault)
		}
		if slices.ContainsFunc(c.Outside.IPv6Addresses[:i], p.Overlaps) {
			return fmt.Errorf("outside: %v of ipv6_addresses overlaps another range of them", p)
		}
	}
	for _, p := range c.Outside.TunnelAddresses {
		if at := slices.IndexFunc(c.Outside.ElasticAddresses, p.Overlaps); at >= 0 {
			return fmt.Errorf("outside: %v of tunnel_addresses overlaps %v of elastic_addresses: an address is one or the other", p, c.Outside.ElasticAddresses[at])
		}
	}
	if n := c.Outside.Interface; len(n) > 15 || strings.ContainsAny(n, "/ ") {
		return fmt.Errorf("outside: %q is not an interface name", n)
	}
	return nil
}

// handOverDefault is some times what a restart takes, and less than what peers need
// to take us for dead: 30 s by default.
const handOverDefault = 15 * time.Second

func (c Config) handOver() time.Duration {
	if c.HandOver == nil {
		return handOverDefault
	}
	return *c.HandOver
}

// keeper is the socket of the process that carries tunnels between two others.
func (c Config) keeper() string { return filepath.Join(c.DataDir, "keeper.sock") }

// KeyFile is the file of the key that seals secrets in the store.
func (c Config) KeyFile() string {
	return cmp.Or(c.Store.KeyFile, filepath.Join(c.DataDir, "seal.key"))
}

// Prefix begins the name of all that this installation makes in the kernel. It
// follows from DataDir, so that `causeway clean` finds everything without any
// other state.
func (c Config) Prefix() string {
	sum := sha256.Sum256([]byte(c.DataDir))
	return "cw" + hex.EncodeToString(sum[:3])
}
