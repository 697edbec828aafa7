package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// CharonProgram is strongSwan's IKE daemon where Debian has it.
const CharonProgram = "/usr/lib/ipsec/charon"

// charonPlugins: kernel-libipsec has to stand before kernel-netlink, else charon
// ends where the kernel has no XFRM. aesni stands before openssl, since the first
// that has a cipher is asked for it, and aesni's are faster.
const charonPlugins = "random nonce pem aesni openssl aes sha1 sha2 hmac gcm gmp kdf x509 revocation constraints pubkey pkcs1 pkcs8 kernel-libipsec kernel-netlink socket-default vici updown"

// A Charon is a real strongSwan inside a host, with ESP in user space by its
// plugin kernel-libipsec (strongSwan 5.9.8 of Debian 12), which always
// encapsulates in UDP 4500 and pretends a NAT in its detection hashes.
// Everything that is compiled in below /run is hidden by a mount namespace of
// its own.
type Charon struct {
	host    *Host
	dir     string
	vici    string // its control socket, whose path must be short
	process *Process
}

// StartCharon runs charon inside the host with the connections that swanctl.conf
// has, and further settings of its own, which override others; the test is skipped where strongSwan is
// not installed.
func (h *Host) StartCharon(swanctl string, settings ...string) *Charon {
	t := h.lab.t
	t.Helper()
	if _, err := os.Stat(CharonProgram); err != nil {
		t.Skip("strongSwan is not installed: make setup")
	}
	t.Attr("peer", strings.TrimPrefix(strings.TrimSpace(h.lab.run(CharonProgram, "--version")), "Linux "))
	c := &Charon{host: h, dir: filepath.Join(h.lab.dir, "charon-"+h.Name)}
	// A test's own directory may be named by a test of a long name.
	short, err := os.MkdirTemp("", "vici-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	c.vici = filepath.Join(short, "socket")
	for _, d := range []string{"run", "swanctl", "swanctl/x509", "swanctl/x509ca", "swanctl/private"} {
		if err := os.MkdirAll(filepath.Join(c.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.write("strongswan.conf", fmt.Sprintf(`charon {
  load_modular = no
  load = %[1]s
  retransmit_timeout = 1.0
  retransmit_base = 1.3
  filelog {
    main {
      path = %[2]s/charon.log
      default = 1
      flush_line = yes
    }
  }
  plugins {
    vici { socket = unix://%[4]s }
    kernel-libipsec { allow_peer_ts = yes }
    kernel-netlink { fwmark = !0x42 }
    socket-default { fwmark = 0x42 }
  }
  %[3]s
}
`, charonPlugins, c.dir, strings.Join(settings, "\n  "), c.vici))
	p := h.Start("charon", "env", "STRONGSWAN_CONF="+c.dir+"/strongswan.conf", "unshare", "-m", "--propagation", "private",
		"sh", "-c", `mount --bind "$0/run" /run && exec "$1"`, c.dir, CharonProgram)
	c.process = p
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("charon in %s:\n%s", h.Name, c.Log())
		}
	})
	h.lab.Eventually(10*time.Second, "charon opens its control socket", func() error {
		_, err := os.Stat(c.vici)
		return err
	})
	c.Configure(swanctl)
	return c
}

func (c *Charon) write(name, content string) {
	t := c.host.lab.t
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// File writes a file that the next Configure finds, such as "x509/own.pem".
func (c *Charon) File(name, content string) { c.write(filepath.Join("swanctl", name), content) }

var (
	loaded  = regexp.MustCompile(`successfully loaded [1-9][0-9]* connections`)
	refused = regexp.MustCompile(`loading connection .* failed`)
)

// Configure replaces the connections. swanctl exits with 0 even where nothing was
// loaded, so what it says counts.
func (c *Charon) Configure(swanctl string) {
	t := c.host.lab.t
	t.Helper()
	c.write("swanctl/swanctl.conf", swanctl)
	out, err := c.Control("--load-all", "--clear", "--file", c.dir+"/swanctl/swanctl.conf")
	if err != nil || !loaded.MatchString(out) || refused.MatchString(out) {
		t.Fatalf("swanctl --load-all: %v\n%s", err, out)
	}
}

// Control runs swanctl against this charon.
func (c *Charon) Control(arguments ...string) (string, error) {
	argv := append([]string{
		"env", "STRONGSWAN_CONF=" + c.dir + "/strongswan.conf", "SWANCTL_DIR=" + c.dir + "/swanctl",
		"timeout", "30", "swanctl", arguments[0], "--uri", "unix://" + c.vici,
	}, arguments[1:]...)
	return c.host.Try(argv...)
}

// Pid is charon's process id.
func (c *Charon) Pid() int { return c.process.Pid() }

// Initiate starts a child and waits for it.
func (c *Charon) Initiate(child string) error {
	out, err := c.Control("--initiate", "--child", child, "--timeout", "20")
	if err != nil {
		return errors.New(out)
	}
	return nil
}

// Log is what charon has logged.
func (c *Charon) Log() string {
	text, err := os.ReadFile(filepath.Join(c.dir, "charon.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
