package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// LibreswanDir is where scripts/setup unpacks Debian's package of Libreswan, which
// can't be installed beside strongSwan.
const LibreswanDir = "/opt/causeway-libreswan"

// A Pluto is a real Libreswan inside a host (4.10 of Debian 12). It needs ESP in
// the kernel: where that has none, it authenticates, negotiates, and can't install
// what comes of it.
type Pluto struct {
	host    *Host
	dir     string
	process *Process
}

// plutoScript shows pluto its own programs where it expects them.
const plutoScript = `mount -t overlay overlay -o lowerdir="$1/usr/libexec:/usr/libexec" /usr/libexec &&
exec "$1/usr/libexec/ipsec/pluto" --nofork --stderrlog --no-dnssec --config "$2/ipsec.conf" --secretsfile "$2/ipsec.secrets" --rundir "$2" --ipsecdir "$2" --nssdir "sql:$2/nss"`

// PlutoFiles is what a Pluto reads.
type PlutoFiles struct {
	Conf    string // ipsec.conf; its connections have to say auto=add
	Secrets string // ipsec.secrets

	// Root is a trusted authority; Chain, the leaf first, and Key are pluto's own
	// certificate, whose name is "own". All in PEM; empty for none.
	Root, Chain, Key string
}

// StartPluto runs pluto inside the host; the test is skipped where Libreswan is not
// unpacked.
func (h *Host) StartPluto(files PlutoFiles) *Pluto {
	t := h.lab.t
	t.Helper()
	if _, err := os.Stat(LibreswanDir + "/usr/libexec/ipsec/pluto"); err != nil {
		t.Skip("Libreswan is not unpacked: make setup")
	}
	t.Attr("peer", strings.Join(strings.Fields(h.lab.run(LibreswanDir+"/usr/libexec/ipsec/pluto", "--version"))[:2], " "))
	dir, err := os.MkdirTemp(h.lab.dir, "pluto-")
	if err != nil {
		t.Fatal(err)
	}
	p := &Pluto{host: h, dir: dir}
	for name, content := range map[string]string{
		"ipsec.conf": files.Conf, "ipsec.secrets": files.Secrets, "root.pem": files.Root, "chain.pem": files.Chain, "key.pem": files.Key,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.fillDatabase(files.Chain != "")
	p.process = h.Start("pluto", "unshare", "-m", "--propagation", "private", "sh", "-c", plutoScript, "sh", LibreswanDir, dir)
	t.Cleanup(func() {
		p.process.Stop()
		if t.Failed() {
			_, said, _ := strings.Cut(p.Log(), "listening for IKE messages")
			t.Logf("pluto in %s:\n%s", h.Name, said)
		}
	})
	h.lab.Eventually(15*time.Second, "pluto has its secrets", func() error {
		if !strings.Contains(p.Log(), "loading secrets from") {
			return errors.New(tail(p.Log(), 3))
		}
		return nil
	})
	return p
}

// fillDatabase makes the database of NSS that pluto has its certificates in.
func (p *Pluto) fillDatabase(certificate bool) {
	p.host.lab.t.Helper()
	in := func(name string) string { return filepath.Join(p.dir, name) }
	if err := os.Mkdir(in("nss"), 0o700); err != nil {
		p.host.lab.t.Fatal(err)
	}
	run, database := p.host.lab.run, "sql:"+in("nss")
	run("certutil", "-N", "-d", database, "--empty-password")
	if certificate {
		run("certutil", "-A", "-d", database, "-n", "root", "-t", "CT,,", "-i", in("root.pem"))
		run("openssl", "pkcs12", "-export", "-passout", "pass:", "-name", "own", "-in", in("chain.pem"), "-inkey", in("key.pem"), "-out", in("own.p12"))
		run("pk12util", "-i", in("own.p12"), "-d", database, "-W", "")
	}
}

// Initiate has pluto begin a connection, and does not wait for what comes of it.
func (p *Pluto) Initiate(connection string) error {
	_, err := p.host.Try(LibreswanDir+"/usr/libexec/ipsec/whack", "--rundir", p.dir, "--initiate", "--asynchronous", "--name", connection)
	if err != nil {
		return fmt.Errorf("whack --initiate: %w", err)
	}
	return nil
}

// Log is what pluto has logged.
func (p *Pluto) Log() string { return p.process.Log() }
