package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCapture: Wireshark reads what is captured, inside and outside, and with the
// keys also what is encrypted.
func TestCapture(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	s := newSite(t)
	i := install(t, s.lab, s.internet, testAddresses)
	vpc := i.createVPC("10.0.0.0/16")
	i.runInstance(i.createSubnet(vpc, "10.0.1.0/24"), i.createOpenGroup(vpc), "10.0.1.10")
	j := i.joinSite(vpc, s, "add")
	s.connect(i.download(j.connection))
	i.waitForTunnels(j.connection, 2, 15*time.Second)
	reaches(t, s.lab, s.host, "10.0.1.10", 15*time.Second)

	dir := t.TempDir()
	capturing := s.lab.Start("capture", program, "capture", "--config", i.config, j.connection, "--write", dir, "--keys")
	names := func(what string) []string { return glob(t, filepath.Join(dir, "*-"+what)) }
	s.lab.Eventually(10*time.Second, "keys of both tunnels are written", func() error {
		if len(names("esp_sa")) == 2 && len(names("ikev2_decryption_table")) == 2 {
			return nil
		}
		return os.ErrNotExist
	})
	s.host.Run("ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", "10.0.1.10")
	time.Sleep(300 * time.Millisecond) // what is under way
	capturing.Stop()
	if !strings.Contains(capturing.Log(), "CREATE_CHILD_SA") {
		t.Errorf("the capture printed\n%s", capturing.Log())
	}

	shark := func(files []string, filter string, options ...string) (out string) {
		t.Helper()
		for _, file := range files {
			cmd := exec.Command("tshark", append([]string{"-r", file, "-Y", filter}, options...)...)
			cmd.Env = append(os.Environ(), "HOME="+dir)
			text, err := cmd.Output()
			if err != nil {
				t.Errorf("tshark %s %s: %v", file, filter, err)
			}
			out += string(text)
		}
		return out
	}
	tables := []string{"-o", "esp.enable_encryption_decode:TRUE"}
	for _, table := range []string{"esp_sa", "ikev2_decryption_table"} {
		for _, name := range names(table) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				tables = append(tables, "-o", "uat:"+table+":"+strings.TrimSpace(line))
			}
		}
	}
	if out := shark(names("inner.pcap"), "icmp && ip.dst == 10.0.1.10"); out == "" {
		t.Error("no ping is inside")
	}
	if out := shark(names("inner.pcap"), "isakmp.exchangetype == 36 && isakmp.typepayload == 44"); out == "" { // traffic selectors
		t.Error("no CREATE_CHILD_SA is readable")
	}
	if out := shark(names("outer.pcap"), "esp"); out == "" {
		t.Error("no ESP is outside")
	}
	if out := shark(names("outer.pcap"), "icmp && ip.dst == 10.0.1.10", tables...); out == "" {
		t.Errorf("the keys open no ESP: %v", tables)
	}
	if out := shark(names("outer.pcap"), "isakmp.typepayload == 46 && (isakmp.typepayload == 44 || isakmp.delete.protoid)", tables...); out == "" {
		t.Errorf("the keys open no IKE: %v", tables)
	}
}
