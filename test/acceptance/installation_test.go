package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/serve"
)

const (
	accountID    = "123456789012"
	accessKey    = "AKIAACCEPTANCETESTS0"
	accessSecret = "acceptance.secret.of.a.test.only.0000000"
	region       = "us-east-1"

	// Of another account in the same installation.
	otherAccountID    = "210987654321"
	otherAccessKey    = "AKIAACCEPTANCETESTS1"
	otherAccessSecret = "acceptance.secret.of.another.account.000"

	// testAddresses are the gateways' where a test has one installation.
	testAddresses = "203.0.113.0/24"

	// startMax bounds how long the API may take to come up on a busy machine.
	startMax = 30 * time.Second
)

// An installation is one `causeway serve` with its data. Its process may come
// and go.
type installation struct {
	t         testing.TB
	lab       *netlab.Lab
	config    string       // file
	data      string       // directory
	prefix    string       // of its names in the kernel
	addresses netip.Prefix // of its gateways, outside
	region    string       // that is called
	endpoint  string       // of the API while it is served
	signer    [2]string    // access key and its secret that calls are signed with
	program   string       // file of the executable
	server    *netlab.Process
	cleaned   bool
}

// install starts an installation whose underlay is the host given, and whose
// gateways have addresses of a range, with more lines of configuration. At the end
// of the test it is removed, and nothing of it may be left.
func install(t testing.TB, lab *netlab.Lab, underlay *netlab.Host, tunnelAddresses string, more ...string) *installation {
	t.Helper()
	name := "data-" + strings.Split(tunnelAddresses, "/")[0]
	i := &installation{t: t, lab: lab, program: program, data: filepath.Join(lab.Dir(), name), addresses: netip.MustParsePrefix(tunnelAddresses), region: region, signer: [2]string{accessKey, accessSecret}}
	text := fmt.Sprintf(`data_dir: %s
listen: 127.0.0.1:0
accounts:
  - id: %q
    access_keys: [{ id: %s, secret: %s }]
  - id: %q
    access_keys: [{ id: %s, secret: %s }]
outside:
  namespace: %s
  tunnel_addresses: [%s]
%s
`, i.data, accountID, accessKey, accessSecret, otherAccountID, otherAccessKey, otherAccessSecret, underlay.Name, tunnelAddresses, strings.Join(more, "\n"))
	i.config = lab.File(name+".yaml", text)
	cfg, err := serve.ParseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	i.prefix = cfg.Prefix()
	t.Cleanup(func() {
		if !i.cleaned {
			i.stop()
			i.clean(true)
		}
		i.assertNothingLeft(underlay)
	})
	i.start()
	return i
}

// start starts the server and waits until its API answers.
func (i *installation) start() {
	i.t.Helper()
	i.startWithoutWaiting()
	i.waitForAPI()
}

// startWithoutWaiting starts the server. A file that a killed one has left does
// not mislead those who wait.
func (i *installation) startWithoutWaiting() {
	i.t.Helper()
	if err := os.Remove(i.endpointFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		i.t.Fatal(err)
	}
	i.server = i.lab.Start("serve", i.program, "serve", "--config", i.config)
}

func (i *installation) endpointFile() string { return filepath.Join(i.data, "endpoint") }

func (i *installation) waitForAPI() {
	i.t.Helper()
	i.lab.Eventually(startMax, "the API is served", func() error {
		text, err := os.ReadFile(i.endpointFile())
		if err != nil {
			return fmt.Errorf("%w\n%s", err, i.server.Log())
		}
		i.endpoint = strings.TrimSpace(string(text))
		if i.endpoint == "" {
			return errors.New("the address is not written yet")
		}
		return nil
	})
}

// stop ends the server as an operator does.
func (i *installation) stop() { i.server.Stop() }

// kill ends the server as a crash does.
func (i *installation) kill() { i.server.Kill() }

// causeway runs a command of the program on this installation.
func (i *installation) causeway(command string, more ...string) (string, error) {
	cmd := exec.Command(program, append([]string{command, "--config", i.config}, more...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// inside runs a command in an instance; the test ends if it fails.
func (i *installation) inside(instance string, argv ...string) string {
	i.t.Helper()
	out, err := i.causeway("exec", append([]string{instance, "--"}, argv...)...)
	if err != nil {
		i.t.Fatalf("%s in %s: %v\n%s", strings.Join(argv, " "), instance, err, out)
	}
	return out
}

// clean removes what the installation made in the kernel, and its records with
// data.
func (i *installation) clean(data bool) {
	i.t.Helper()
	var more []string
	if i.cleaned = data; data {
		more = append(more, "--data")
	}
	if out, err := i.causeway("clean", more...); err != nil {
		i.t.Errorf("clean: %v\n%s", err, out)
	}
}

// host is the namespace of a VPC, a gateway or an instance.
func (i *installation) host(id string) *netlab.Host { return i.lab.Find(i.prefix + "-" + id) }

// namespaces lists those of the installation.
func (i *installation) namespaces() []string {
	entries, err := os.ReadDir("/run/netns")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), i.prefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// initOf is the process id of an instance's first process, as the host counts.
func (i *installation) initOf(instance string) string {
	i.t.Helper()
	text, err := os.ReadFile(filepath.Join(i.data, "instances", instance, "init"))
	if err != nil {
		i.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// assertNothingLeft looks for what carries the installation's prefix or lives in
// its data directory.
func (i *installation) assertNothingLeft(underlay *netlab.Host) {
	i.t.Helper()
	if left := i.namespaces(); len(left) > 0 {
		i.t.Errorf("namespaces are left: %v", left)
	}
	for _, look := range [][]string{{"ip", "-o", "addr"}, {"ip", "-o", "link"}, {"ip", "rule"}, {"ip", "route", "show", "table", "all"}, {"nft", "list", "ruleset"}} {
		in, err := underlay.Try(look...)
		if err != nil {
			i.t.Errorf("look for what is left: %v", err)
		}
		out, err := exec.Command(look[0], look[1:]...).Output()
		if err != nil {
			i.t.Errorf("look for what is left: %v", err)
		}
		for line := range strings.Lines(in + string(out)) {
			if strings.Contains(line, i.prefix) {
				i.t.Errorf("%s shows what is left: %s", strings.Join(look, " "), line)
			}
		}
	}
	if left := i.outsideAddresses(underlay); len(left) > 0 {
		i.t.Errorf("outside addresses are left: %v", left)
	}
	if left := i.keepers(); len(left) > 0 {
		i.t.Errorf("keepers are left: %v", left)
	}
	for _, kind := range []string{"cmdline", "mountinfo"} {
		for _, name := range glob(i.t, "/proc/[0-9]*/"+kind) {
			text, err := os.ReadFile(name)
			if err == nil && strings.Contains(string(text), i.data+"/") { // else it has ended meanwhile
				i.t.Errorf("%s still names %s", name, i.data)
			}
		}
	}
	if _, err := os.Stat(i.data); !errors.Is(err, os.ErrNotExist) {
		i.t.Errorf("the data directory is left: %v", err)
	}
}

// outsideAddresses are those of the installation's range that the underlay has.
func (i *installation) outsideAddresses(underlay *netlab.Host) (all []string) {
	i.t.Helper()
	out, err := underlay.Try("ip", "-o", "-4", "addr", "show", "dev", "lo")
	if err != nil {
		i.t.Error(err)
	}
	for _, word := range strings.Fields(out) {
		if p, err := netip.ParsePrefix(word); err == nil && i.addresses.Contains(p.Addr()) {
			all = append(all, word)
		}
	}
	return all
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A site is a customer gateway on an internet, with a host behind it.
type site struct {
	lab                      *netlab.Lab
	internet, customer, host *netlab.Host
	address                  string // of the customer gateway, outside
	appliance                *netlab.Process
}

const (
	siteCIDR = "192.168.0.0/16"
	siteHost = "192.168.0.10"
)

// newSite makes an internet and a site on it.
func newSite(t testing.TB, tools ...string) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a whole installation")
	}
	lab := netlab.New(t, append([]string{"nft", "ping"}, tools...)...)
	return addSite(lab, lab.Host("inet"), 2)
}

// addSite makes a site on an internet, in 192.0.N.0/24. All sites have the same
// addresses inside.
func addSite(lab *netlab.Lab, internet *netlab.Host, n int) *site {
	return addSiteBehind(lab, internet, n, "192.168.0.")
}

// addSiteBehind makes one whose addresses inside begin as it is given.
func addSiteBehind(lab *netlab.Lab, internet *netlab.Host, n int, lan string) *site {
	outside := fmt.Sprintf("192.0.%d.", n)
	s := &site{
		lab: lab, internet: internet, address: outside + "10",
		customer: lab.Host(fmt.Sprintf("cgw%d", n)).Forward(), host: lab.Host(fmt.Sprintf("site%d", n)),
	}
	lab.Connect(s.customer, "wan", s.address+"/24", internet, fmt.Sprintf("cgw%d", n), outside+"1/24")
	lab.Connect(s.customer, "lan", lan+"1/24", s.host, "eth0", lan+"10/24")
	s.customer.Run("ip", "route", "add", "default", "via", outside+"1")
	s.host.Run("ip", "route", "add", "default", "via", lan+"1")
	return s
}

// connect runs the customer gateway with a configuration as it was downloaded.
func (s *site) connect(configuration string) {
	file := s.lab.File(s.customer.Name+".yaml", configuration)
	s.appliance = s.customer.Start("appliance", program, "appliance", "--status", "--config", file)
}

// reaches waits until a ping from a host is answered.
func reaches(t testing.TB, lab *netlab.Lab, from *netlab.Host, target string, most time.Duration) time.Duration {
	t.Helper()
	begin := time.Now()
	lab.Eventually(most, from.Name+" reaches "+target, func() error {
		_, err := from.Try("ping", "-n", "-c", "1", "-W", "0.3", target)
		return err
	})
	return time.Since(begin)
}

// silent checks that nothing answers a ping.
func silent(t testing.TB, from *netlab.Host, why string, arguments ...string) {
	t.Helper()
	if out, err := from.Try(append([]string{"ping", "-n", "-c", "2", "-i", "0.1", "-W", "0.5"}, arguments...)...); err == nil {
		t.Errorf("%s: a ping %v is answered:\n%s", why, arguments, out)
	}
}
