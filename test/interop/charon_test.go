package interop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

// charonProgram is strongSwan's IKE daemon where Debian has it.
const charonProgram = "/usr/lib/ipsec/charon"

// A charon is a real strongSwan inside a host, with ESP in user space by its
// plugin kernel-libipsec (strongSwan 5.9.8 of Debian 12), which always
// encapsulates in UDP 4500 and pretends a NAT in its detection hashes. The
// plugin has to stand before kernel-netlink in the list, else charon ends where
// the kernel has no XFRM. Everything that is compiled in below /run is hidden
// by a mount namespace of its own.
type charon struct {
	t    testing.TB
	lab  *netlab.Lab
	host *netlab.Host
	dir  string
	p    *netlab.Process
}

const charonPlugins = "random nonce pem openssl aes sha1 sha2 hmac gcm gmp kdf kernel-libipsec kernel-netlink socket-default vici updown"

// startCharon runs charon inside the host; swanctl is its configuration. More
// lines for strongswan.conf go into its section "charon".
func startCharon(t testing.TB, lab *netlab.Lab, host *netlab.Host, swanctl string, more ...string) *charon {
	t.Helper()
	if _, err := os.Stat(charonProgram); err != nil {
		t.Skip("strongSwan is not installed: make setup")
	}
	c := &charon{t: t, lab: lab, host: host, dir: filepath.Join(lab.Dir(), "charon-"+host.Name)}
	for _, d := range []string{"run", "swanctl"} {
		if err := os.MkdirAll(filepath.Join(c.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.write("strongswan.conf", fmt.Sprintf(`charon {
  load_modular = no
  load = %s
  retransmit_timeout = 1.0
  retransmit_base = 1.3
  filelog {
    main {
      path = %s/charon.log
      default = 1
      flush_line = yes
    }
  }
  plugins {
    vici { socket = unix://%[2]s/vici }
    kernel-libipsec { allow_peer_ts = yes }
    kernel-netlink { fwmark = !0x42 }
    socket-default { fwmark = 0x42 }
  }
  %s
}
`, charonPlugins, c.dir, strings.Join(more, "\n  ")))
	c.write("swanctl/swanctl.conf", swanctl)
	c.p = host.Start("charon", "env", "STRONGSWAN_CONF="+c.dir+"/strongswan.conf", "unshare", "-m", "--propagation", "private",
		"sh", "-c", `mount --bind "$0/run" /run && exec "$1"`, c.dir, charonProgram)
	t.Cleanup(func() {
		c.p.Stop()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(c.dir, "charon.log"))
			t.Logf("charon in %s:\n%s", host.Name, log)
		}
	})
	lab.Eventually(10*time.Second, "charon opens its control socket", func() error {
		_, err := os.Stat(filepath.Join(c.dir, "vici"))
		return err
	})
	c.load()
	return c
}

func (c *charon) write(name, content string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// configure replaces the connections.
func (c *charon) configure(swanctl string) {
	c.t.Helper()
	c.write("swanctl/swanctl.conf", swanctl)
	c.load()
}

// load makes charon read its connections. swanctl exits with 0 even where
// nothing was loaded.
func (c *charon) load() {
	c.t.Helper()
	out, err := c.ctl("--load-all", "--clear", "--file", c.dir+"/swanctl/swanctl.conf")
	if err != nil || !strings.Contains(out, "successfully loaded 1 connections") {
		c.t.Fatalf("swanctl --load-all: %v\n%s", err, out)
	}
}

// ctl runs swanctl against this charon.
func (c *charon) ctl(arguments ...string) (string, error) {
	argv := append([]string{"env", "STRONGSWAN_CONF=" + c.dir + "/strongswan.conf", "SWANCTL_DIR=" + c.dir + "/swanctl", "timeout", "20", "swanctl", arguments[0], "--uri", "unix://" + c.dir + "/vici"}, arguments[1:]...)
	return c.host.Try(argv...)
}

// initiate starts the child and waits for it.
func (c *charon) initiate() error {
	out, err := c.ctl("--initiate", "--child", "net", "--timeout", "10")
	if err != nil {
		return errors.New(out)
	}
	return nil
}

// log is what charon has logged.
func (c *charon) log() string {
	text, err := os.ReadFile(filepath.Join(c.dir, "charon.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// A connection is what tests vary of charon's side.
type connection struct {
	local, remote      string
	ike, esp           string // proposals in strongSwan's notation
	localTS, remoteTS  string // default 0.0.0.0/0
	key                string
	rekeyIKE, rekeyESP string // default never
	start              bool
	more               string // in the connection's section
}

func (c connection) String() string {
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	action := "none"
	if c.start {
		action = "start"
	}
	return fmt.Sprintf(`connections {
  gw {
    version = 2
    local_addrs = %s
    remote_addrs = %s
    proposals = %s
    rekey_time = %s
    over_time = 60s
    rand_time = 0
    keyingtries = 0
    mobike = no
    %s
    local { auth = psk
            id = %[1]s }
    remote { auth = psk
             id = %[2]s }
    children {
      net {
        local_ts = %[6]s
        remote_ts = %[7]s
        esp_proposals = %[8]s
        rekey_time = %[9]s
        life_time = 60s
        rand_time = 0
        start_action = %[10]s
      }
    }
  }
}
secrets {
  ike-gw {
    id-1 = %[1]s
    id-2 = %[2]s
    secret = "%[11]s"
  }
}
`, c.local, c.remote, c.ike, or(c.rekeyIKE, "0"), c.more, or(c.localTS, "0.0.0.0/0"), or(c.remoteTS, "0.0.0.0/0"), c.esp, or(c.rekeyESP, "0"), action, c.key)
}
