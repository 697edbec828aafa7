package acceptance

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	i.waitForTunnels(j.connection, 2, time.Minute)
	reaches(t, s.lab, s.host, "10.0.1.10", time.Minute)

	dir := t.TempDir()
	capturing := s.lab.Start("capture", program, "capture", "--config", i.config, j.connection, "--write", dir, "--keys")
	names := func(what string) []string { return glob(t, filepath.Join(dir, "*-"+what)) }
	s.lab.Eventually(time.Minute, "keys of both tunnels are written", func() error {
		if len(names("esp_sa")) == 2 && len(names("ikev2_decryption_table")) == 2 {
			return nil
		}
		return os.ErrNotExist
	})
	const mark = "causeway"
	s.host.Run("ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", "-p", hex.EncodeToString([]byte(mark)), "10.0.1.10")
	s.lab.Eventually(time.Minute, "the pings are written", func() error {
		marked := 0
		for _, name := range names("inner.pcap") {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			marked += strings.Count(string(text), mark+mark)
		}
		if marked < 6 { // there and back
			return fmt.Errorf("%d marks", marked)
		}
		return nil
	})
	capturing.Stop()
	if !strings.Contains(capturing.Log(), "CREATE_CHILD_SA") {
		t.Errorf("the capture printed\n%s", capturing.Log())
	}

	tables := append(wiresharkTable(t, "esp_sa", names("esp_sa")), wiresharkTable(t, "ikev2_decryption_table", names("ikev2_decryption_table"))...)
	var inner, outer string
	atOnce(func() { inner = dissect(t, dir, names("inner.pcap")) }, func() { outer = dissect(t, dir, names("outer.pcap"), tables...) })
	for what, shown := range map[string]struct{ in, form string }{
		"a ping inside":              {inner, `(?m)^\S*:icmp\S*\t\S*10\.0\.1\.10\t`},
		"a CREATE_CHILD_SA in clear": {inner, `(?m)^\S*:isakmp\t\S*\t36\t\S*\b44\b`}, // with traffic selectors
		"a ping in ESP opened":       {outer, `(?m)^\S*:esp:ip:icmp\S*\t\S*\b10\.0\.1\.10\t`},
		"an encrypted IKE message opened, of a child SA or a deletion": {outer, `(?m)^\S*:isakmp\t\S*\t\d+\t46,\S*\b(44|42)\b`},
	} {
		if !regexp.MustCompile(shown.form).MatchString(shown.in) {
			t.Errorf("Wireshark does not show %s:\n%s", what, shown.in)
		}
	}
}

// dissect returns a line for each packet of some captures, as Wireshark reads it:
// protocols, destinations, type of the IKE exchange, types of IKE payloads.
func dissect(t *testing.T, home string, files []string, options ...string) (lines string) {
	arguments := append([]string{"-T", "fields", "-e", "frame.protocols", "-e", "ip.dst", "-e", "isakmp.exchangetype", "-e", "isakmp.typepayload",
		"-o", "esp.enable_encryption_decode:TRUE"}, options...)
	texts := make([]string, len(files))
	var all []func()
	for i, file := range files {
		all = append(all, func() {
			cmd := exec.Command("tshark", append([]string{"-n", "-r", file}, arguments...)...)
			cmd.Env = append(os.Environ(), "HOME="+home)
			text, err := cmd.Output()
			if err != nil {
				t.Errorf("tshark %s: %v", file, err)
			}
			texts[i] = string(text)
		})
	}
	atOnce(all...)
	return strings.Join(texts, "")
}

// wiresharkTable gives the lines of files to Wireshark as one of its tables.
func wiresharkTable(t *testing.T, table string, files []string) (options []string) {
	t.Helper()
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			options = append(options, "-o", "uat:"+table+":"+strings.TrimSpace(line))
		}
	}
	return options
}
