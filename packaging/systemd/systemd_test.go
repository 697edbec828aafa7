package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnits: systemd knows every setting of the units, and their values.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	verify := func(name, unit string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
		// What it does not know it says, and ends well all the same.
		out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput()
		if err != nil {
			return err.Error() + ": " + string(out)
		}
		return string(out)
	}
	if complaint := verify("known-good.service", "[Service]\nExecStart=/bin/sh\n"); complaint != "" {
		t.Skipf("systemd-analyze does not work here: %s", complaint)
	}
	if verify("known-bad.service", "[Service]\nExecStart=/bin/sh\nNoSuchSetting=1\n") == "" {
		t.Fatal("systemd-analyze says nothing of a setting that there is not")
	}
	units, err := filepath.Glob("*.service")
	if err != nil || len(units) != 2 {
		t.Fatalf("units %v, %v", units, err)
	}
	for _, name := range units {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		unit := strings.ReplaceAll(string(text), "/usr/local/bin/causeway", "/bin/sh") // which is not installed where this is tested
		if complaint := verify(name, unit); complaint != "" {
			t.Errorf("%s: %s", name, complaint)
		}
	}
}
