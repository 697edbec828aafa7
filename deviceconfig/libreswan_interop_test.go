package deviceconfig

import (
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

// TestLibreswanSampleLoads runs the downloaded script and has a real pluto read what
// it writes: both connections are added. They can't come up here, where the kernel
// has neither IPsec nor its interfaces, which are left out therefore.
func TestLibreswanSampleLoads(t *testing.T) {
	if testing.Short() {
		t.Skip("real Libreswan takes seconds")
	}
	t.Parallel()
	device, ok := Find("5a0e4c13")
	if !ok {
		t.Fatal("Libreswan has another id")
	}
	for _, version := range resource.IKEVersions {
		config, err := newConfig(t, nil).For(version)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []SampleType{Recommended, Compatible} {
			sample, err := device.Sample(config, kind)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(version+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				lab := netlab.New(t, "unshare", "certutil", "bash")
				cgw, internet := lab.Host("cgw"), lab.Host("net")
				lab.Connect(cgw, "wan0", "198.51.100.7/24", internet, "cgw", "198.51.100.1/24")
				cgw.Run("ip", "route", "add", "default", "via", "198.51.100.1")
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
				conf := interfaces.ReplaceAllString(strings.ReplaceAll(read(".conf"), "auto=start", "auto=add"), "")
				pluto := cgw.StartPluto(netlab.PlutoFiles{Conf: "config setup\n    ikev1-policy=accept\n" + conf, Secrets: read(".secrets")})
				want := "added " + strings.Replace(version, "ikev", "IKEv", 1) + " connection"
				lab.Eventually(10*time.Second, "both connections are added", func() error {
					if log := pluto.Log(); strings.Count(log, want) != 2 {
						return errLog(log)
					}
					return nil
				})
			})
		}
	}
}

var interfaces = regexp.MustCompile(`(?m)^    ipsec-interface=.*\n`)

// errLog is a log as an error.
type errLog string

func (e errLog) Error() string { return string(e) }

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
