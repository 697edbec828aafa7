// Package arch states the import rules of the module as a test.
package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "causeway.dev/"

// worldly is what an engine never imports: sockets, files, processes, the kernel.
var worldly = []string{"net", "os", "os/exec", "syscall", "golang.org/x/sys/unix", "net/http"}

// A rule says what packages below a prefix must not import directly, and why.
type rule struct {
	prefix string
	except []string // packages below prefix that the rule spares
	bad    []string // "net" means exactly that package; "causeway.dev/api/" anything below
	why    string
}

var rules = []rule{
	{"resource", nil, []string{module}, "the nouns are a leaf: they import only the standard library"},
	{"nodespec", nil, []string{module}, "the contract of control and data plane is a leaf"},
	{"packet", nil, append([]string{module}, worldly...), "views of packets are pure"},
	{"esp", nil, worldly, "ESP is an engine: no I/O"},
	{"ike", []string{"ike/daemon"}, worldly, "the IKE engines are values without I/O"},
	{"ike/wire", nil, []string{module + "ike/ikev", module + "ike/daemon", module + "ike/keys"}, "bytes know no state"},
	{"ike/ikev2", nil, []string{module + "ike/daemon", module + "ike/ikev1", module + "tunnel", module + "node"}, "an engine does not know its driver, nor the other version"},
	{"ike/ikev1", nil, []string{module + "ike/daemon", module + "ike/ikev2", module + "tunnel", module + "node"}, "an engine does not know its driver, nor the other version"},
	{"ike/engine", nil, []string{module + "ike/daemon", module + "ike/ikev"}, "what engines are built from knows none of them"},
	{"ike/diagnosis", nil, []string{module + "ike/daemon", module + "ike/ikev", module + "ike/wire", module + "ike/engine"}, "sentences know no messages"},
	{"ike", nil, []string{module + "node", module + "plan", module + "store", module + "resource", module + "api/", module + "nodespec"}, "the data plane's mechanisms have not heard of AWS"},
	{"bgp", []string{"bgp/speaker"}, worldly, "the machine of BGP and its tables are values without I/O"},
	{"bgp", nil, []string{"github.com/osrg/gobgp/v4/pkg/packet/bgp"}, "what judges our codec shares no code with it"},
	{"bgp/wire", nil, []string{module}, "bytes know no state"},
	{"bgp/session", nil, []string{module + "bgp/speaker", module + "bgp/rib"}, "a session knows no routes, nor its driver"},
	{"bgp/rib", nil, []string{module + "bgp/speaker", module + "bgp/session"}, "a table knows no sessions"},
	{"bgp", nil, []string{module + "node", module + "plan", module + "store", module + "resource", module + "api/", module + "nodespec", module + "control", module + "ike", module + "tunnel"}, "BGP has not heard of AWS, nor of what carries it"},
	{"pki", []string{"pki/revocation"}, worldly, "judging certificates is pure: what is fetched comes from outside"},
	{"pki", nil, []string{module + "node", module + "plan", module + "store", module + "resource", module + "api/", module + "nodespec", module + "control"}, "certificates have not heard of AWS"},
	{"tunnel", nil, []string{module + "ike/", module + "node", module + "store", module + "resource", module + "api/", module + "nodespec"}, "the hot path knows SAs, not negotiations"},
	{"keeper", nil, []string{module + "ike/", module + "ipsec", module + "node", module + "store", module + "resource", module + "api/", module + "nodespec"}, "a keeper carries packets and negotiates nothing"},
	{"packetio", nil, []string{module + "tunnel", module + "ike", module + "esp", module + "node"}, "devices know no protocol"},
	{"netfabric", nil, []string{module + "node", module + "plan", module + "store", module + "resource", module + "api/", module + "instance", module + "nodespec"}, "netfabric has a configuration of its own, so that it can be read and tested alone"},
	{"metadata", []string{"metadata/listen"}, []string{module, "net", "os", "os/exec", "syscall", "golang.org/x/sys/unix"}, "the metadata service answers values with values"},
	{"metadata", nil, []string{module + "node", module + "plan", module + "store", module + "resource", module + "api/", module + "instance", module + "nodespec"}, "the metadata service has not heard of AWS's nouns"},
	{"dhcp", []string{"dhcp/listen"}, append([]string{module}, worldly...), "leases are answered by bytes for bytes"},
	{"dhcp/dhcp6", nil, []string{module + "dhcp/listen"}, "an engine does not know its driver"},
	{"dhcp", nil, []string{module + "node", module + "plan", module + "store", module + "resource", module + "api/", module + "instance", module + "nodespec"}, "DHCP has not heard of AWS's nouns"},
	{"nat64", []string{"nat64/carry"}, worldly, "packets are translated by bytes for bytes"},
	{"nat64", nil, []string{module + "node", module + "plan", module + "store", module + "resource", module + "api/", module + "instance", module + "nodespec"}, "the translator has not heard of AWS"},
	{"resolver", []string{"resolver/listen"}, worldly, "the resolver answers bytes with bytes"},
	{"resolver", nil, []string{module + "node", module + "plan", module + "store", module + "resource", module + "api/", module + "instance", module + "nodespec"}, "the resolver has not heard of AWS's nouns"},
	{"instance", nil, []string{module + "node", module + "plan", module + "store", module + "resource", module + "api/", module + "nodespec"}, "instances have not heard of AWS"},
	{"node", nil, []string{module + "resource", module + "store", module + "api/", module + "control", module + "plan"}, "a node meets the control plane in nodespec only"},
	{"plan", nil, append([]string{module + "node/", module + "netfabric", module + "ike", module + "bgp", module + "tunnel", module + "esp", module + "api/"}, worldly...), "the plan is a pure function into nodespec"},
	{"control", nil, []string{module + "node/", module + "netfabric", module + "ike", module + "bgp", module + "tunnel", module + "esp", module + "api/"}, "the control plane knows no engine"},
	{"internal/aesgcm", nil, append([]string{module}, worldly...), "a cipher is a leaf without I/O"},
	{"internal/oracle", nil, []string{module}, "what judges the hot path shares no code with it"},
	{"logs", nil, []string{module}, "the log store knows text, not who wrote it"},
	{"flowlog", nil, append([]string{module + "store", module + "resource", module + "api/", module + "control", module + "node/", module + "netfabric"}, worldly...), "formats and records of flows are pure"},
	{"logs/filter", nil, worldly, "filter patterns are pure"},
	{"capture", nil, []string{module + "store", module + "resource", module + "api/", module + "node", module + "ipsec"}, "a capture knows packets and IKE, not whose they are"},
	{"vpnlog", nil, append([]string{module + "store", module + "resource", module + "api/", module + "control", module + "node/", module + "ipsec", module + "ike"}, worldly...), "lines of tunnels' logs are made from values"},
	{"doctor", nil, []string{module + "store", module + "resource", module + "api/", module + "node", module + "serve"}, "a diagnosis is shown without knowing whose tunnel it is of"},
	{"internal/servers", nil, []string{module}, "who keeps servers knows none of them"},
	{"internal/localapi", nil, []string{module + "serve", module + "node", module + "ipsec", module + "api/"}, "the control socket knows no command"},
	{"store", nil, []string{module + "api/", module + "control", module + "plan", module + "node"}, "the store knows nouns, not their users"},
	{"api/wire", nil, []string{module + "store", module + "api/ec2", module + "api/server", module + "control"}, "bytes and values know no VPC"},
	{"iam/policy", nil, append([]string{module}, worldly...), "decisions are pure, and know no service"},
	{"iam", nil, []string{module + "store", module + "api/", module + "resource", module + "control"}, "who calls is a value"},
	{"api/sigv4", []string{"api/sigv4/sigv4test"}, []string{module + "store", module + "api/", "net/http", "net"}, "the signature check is pure"},
	{"api/model", nil, []string{module + "store", module + "api/ec2", module + "api/server"}, "generated shapes are a leaf"},
	{"api", nil, []string{module + "node", module + "netfabric", module + "ike", module + "bgp", module + "tunnel", module + "esp", module + "instance"}, "AWS's callers never reach the data plane directly"},
	{"deviceconfig", nil, append([]string{module + "store", module + "api/"}, worldly...), "device configurations are made from a model, purely"},
	{"keypair", nil, append([]string{module}, worldly...), "key pairs are made and read purely"},
	{"keysource", nil, []string{module}, "where keys are kept knows nobody who needs them"},
	{"billing", nil, append([]string{module}, worldly...), "a bill is reckoned from values"},
	{"cli", nil, []string{module + "store", module + "control", module + "plan", module + "node"}, "commands are API clients like any other"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestImportsGoDownwards(t *testing.T) {
	checked := 0
	for _, p := range packages(t) {
		for _, r := range rules {
			if !below(p.ImportPath, r.prefix) || spared(p.ImportPath, r.except) {
				continue
			}
			checked++
			for _, imported := range p.Imports {
				for _, bad := range r.bad {
					if matches(imported, bad) && !below(imported, r.prefix) {
						t.Errorf("%s imports %s: %s", p.ImportPath, imported, r.why)
					}
				}
			}
		}
	}
	if checked == 0 {
		t.Fatal("no package was checked: the rules name none that exists")
	}
}

// Every package says in one place what it is.
func TestEveryPackageHasADocSentence(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{if .GoFiles}}{{.ImportPath}}\t{{.Doc}}{{end}}", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		path, doc, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if path != "" && doc == "" {
			t.Errorf("%s has no package comment", path)
		}
	}
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []listed
	for dec := json.NewDecoder(out); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return all
}

// below reports whether path is the package or under the folder of prefix.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, module+prefix)
	return ok && (rest == "" || rest[0] == '/')
}

func spared(path string, except []string) bool {
	for _, e := range except {
		if below(path, e) {
			return true
		}
	}
	return false
}

// matches compares an import with a rule's word: a standard package exactly,
// one of ours by folder or by the start of its name.
func matches(imported, bad string) bool {
	if strings.HasPrefix(bad, module) {
		return strings.HasPrefix(imported, bad)
	}
	return imported == bad
}
