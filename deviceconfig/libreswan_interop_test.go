package deviceconfig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
	"causeway.dev/resource"
)

// TestLibreswanSample runs the downloaded script and has a real pluto read what it
// writes and begin both connections with gateways that allow nothing but what the
// recommended sample says. No packets pass here, where the kernel has neither ESP
// nor the interfaces for it, which are left out therefore.
func TestLibreswanSample(t *testing.T) {
	if testing.Short() {
		t.Skip("real Libreswan takes seconds")
	}
	device, ok := Find("5a0e4c13")
	if !ok {
		t.Fatal("Libreswan has another id")
	}
	for _, c := range []struct {
		version string
		change  func(*resource.VPNConnection)
	}{{resource.IKEv1, nil}, {resource.IKEv2, nil}, {resource.IKEv2, withBGP}} {
		config, err := newConfig(t, c.change).For(c.version)
		if err != nil {
			t.Fatal(err)
		}
		sample, err := device.Sample(config, Recommended)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(c.version+", "+config.routing(), func(t *testing.T) {
			t.Parallel()
			lab := netlab.New(t, "unshare", "certutil", "bash", "swanctl")
			cgw, internet := lab.Host("cgw"), lab.Host("net").Forward()
			lab.Connect(cgw, "wan0", "198.51.100.7/24", internet, "cgw", "198.51.100.1/24")
			cgw.Run("ip", "route", "add", "default", "via", "198.51.100.1")
			var gateways [2]*netlab.Charon
			for i, tunnel := range config.Tunnels {
				gateways[i] = libreswanGateway(lab, internet, config, tunnel)
			}
			cgw.StartPluto(writtenByScript(t, lab, cgw, config, sample))
			for i, gateway := range gateways {
				lab.Eventually(20*time.Second, fmt.Sprintf("tunnel %d is negotiated", i+1), func() error {
					for _, want := range []string{"IKE_SA tunnel[1] established", "selected proposal: ESP:AES_CBC_256/HMAC_SHA2_256_128"} {
						if log := gateway.Log(); !strings.Contains(log, want) {
							return fmt.Errorf("no %q in\n%s", want, log)
						}
					}
					return nil
				})
			}
		})
	}
}

var interfaces = regexp.MustCompile(`(?m)^    ipsec-interface=.*\n`)

// writtenByScript runs the script in a directory of its own.
func writtenByScript(t *testing.T, lab *netlab.Lab, cgw *netlab.Host, config Config, sample string) netlab.PlutoFiles {
	t.Helper()
	directory := t.TempDir()
	cgw.Run("env", "IPSEC_DIR="+directory, "bash", lab.File("vpn.sh", sample), "write")
	read := func(ending string) string {
		content, err := os.ReadFile(filepath.Join(directory, config.Connection+ending))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	if out, err := exec.Command("sh", "-n", filepath.Join(directory, config.Connection+".updown")).CombinedOutput(); err != nil {
		t.Errorf("the program for the routes: %v\n%s", err, out)
	}
	conf := interfaces.ReplaceAllString(read(".conf"), "")
	if conf == read(".conf") {
		t.Error("the configuration has no interfaces")
	}
	return netlab.PlutoFiles{Conf: "config setup\n    ikev1-policy=accept\n" + conf, Secrets: read(".secrets")}
}

// libreswanGateway is the other end of a tunnel, which waits to be asked.
func libreswanGateway(lab *netlab.Lab, internet *netlab.Host, config Config, tunnel Tunnel) *netlab.Charon {
	name := fmt.Sprintf("gw%d", tunnel.Number)
	g := lab.Host(name)
	lab.Connect(g, "wan0", tunnel.CloudOutside.String()+"/32", internet, name, "203.0.113.1/32")
	internet.Run("ip", "route", "add", tunnel.CloudOutside.String(), "dev", name)
	g.Run("ip", "route", "add", "203.0.113.1", "dev", "wan0")
	g.Run("ip", "route", "add", "default", "via", "203.0.113.1")
	return g.StartCharon(fmt.Sprintf(`connections { tunnel {
  version = %[4]s
  local_addrs = %[1]s
  proposals = aes256-sha256-modp2048
  local { auth = psk
    id = %[1]s }
  remote { auth = psk
    id = %[2]s }
  children { tunnel {
    local_ts = 0.0.0.0/0
    remote_ts = 0.0.0.0/0
    esp_proposals = aes256-sha256-modp2048
  } }
} }
secrets { ike { id = %[2]s
  secret = "%[3]s" } }
`, tunnel.CloudOutside, config.CustomerAddress, tunnel.PreSharedKey.Reveal(), strings.TrimPrefix(config.Tunnels[0].IKEVersion, "ikev")))
}

// TestLibreswanKnowsItsWords has Libreswan's parser read every proposal that the
// dialect can write.
func TestLibreswanKnowsItsWords(t *testing.T) {
	parser := netlab.LibreswanDir + "/usr/libexec/ipsec/algparse"
	if _, err := os.Stat(parser); err != nil {
		t.Skip("Libreswan is not unpacked: make setup")
	}
	for version, has := range libreswan.abilities {
		arguments := []string{"-v2", "-pfs"}
		if version == resource.IKEv1 {
			arguments[0] = "-v1"
		}
		for key, phase := range map[string]vocabulary{"ike=": has.phase1, "esp=": has.phase2} {
			for name, cipher := range phase.encryption {
				for _, hash := range phase.integrity {
					for _, group := range phase.groups {
						if key == "esp=" && (proposal{Encryption: name}).AEAD() {
							hash = "null"
						}
						arguments = append(arguments, key+cipher+"-"+hash+";"+group)
					}
				}
			}
		}
		if out, err := exec.Command(parser, arguments...).CombinedOutput(); err != nil || strings.Contains(string(out), "ERROR") {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
	}
}
