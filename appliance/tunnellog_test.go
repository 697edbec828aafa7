package appliance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/ipsec"
	"causeway.dev/nodespec"
)

func TestTunnelLogConfiguration(t *testing.T) {
	for text, want := range map[string]TunnelLog{
		"":                              {Format: "json", MaxMiB: 16, Files: 4},
		"tunnel_log: { file: vpn.log }": {File: "vpn.log", Format: "json", MaxMiB: 16, Files: 4},
		"tunnel_log: { stderr: true, format: text, max_mib: 1, files: 2 }": {Stderr: true, Format: "text", MaxMiB: 1, Files: 2},
	} {
		c, err := ParseConfig([]byte(text + example))
		if err != nil || c.TunnelLog != want || c.TunnelLog.enabled() != (text != "") {
			t.Errorf("%q: %+v, %v", text, c.TunnelLog, err)
		}
	}
	for text, want := range map[string]string{
		"tunnel_log: { format: xml }":   `tunnel_log: format: "xml" is neither json nor text`,
		"tunnel_log: { max_mib: 1025 }": "tunnel_log: max_mib: 1025 is not between 1 and 1024",
		"tunnel_log: { max_mib: -1 }":   "tunnel_log: max_mib: -1 is not between 1 and 1024",
		"tunnel_log: { files: 101 }":    "tunnel_log: files: 101 is not between 1 and 100",
		"tunnel_log: { dir: /tmp }":     "unknown field",
	} {
		if _, err := ParseConfig([]byte(text + example)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	file := filepath.Join(t.TempDir(), "appliance.yaml")
	if err := os.WriteFile(file, []byte("tunnel_log: { file: vpn.log }"+example), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := LoadConfig(file); err != nil || c.TunnelLog.File != filepath.Join(filepath.Dir(file), "vpn.log") {
		t.Errorf("%q, %v: want it beside the configuration", c.TunnelLog.File, err)
	}
}

// TestTunnelLogLines: both outputs have each line, and one that takes none keeps
// nothing from the other; that is said once.
func TestTunnelLogLines(t *testing.T) {
	dir := t.TempDir()
	c, err := ParseConfig([]byte("tunnel_log: { file: " + filepath.Join(dir, "log") + ", stderr: true }" + example))
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	var said []string
	j := newJournal(c, &stderr, func(message string, args ...any) { said = append(said, fmt.Sprint(message, args)) })
	defer j.close()
	write := func() {
		j.take(ipsec.LogEntry{Tunnel: "vpn1", At: time.Unix(1772366400, 0), IKE: ipsec.SADown, Child: ipsec.SADown, Event: ipsec.LogKeyMismatch, Details: "why"})
		j.write([]nodespec.TunnelLogEntry{taken(t, j)})
	}
	const want = `{"tunnel":"vpn1","event_timestamp":1772366400,"timestamp":"2026-03-01T12:00:00.000Z","dpd_enabled":true,"nat_t_detected":false,` +
		`"ike_phase1_state":"down","ike_phase2_state":"down","details":"Tunnel detected a pre-shared key mismatch with gateway: 203.0.113.1: why"}` + "\n"
	write()
	if text := read(t, filepath.Join(dir, "log")); text != want || stderr.String() != want || len(said) > 0 {
		t.Errorf("file %q, standard error %q, want %q; said %v", text, stderr.String(), want, said)
	}
	if info, err := os.Stat(filepath.Join(dir, "log")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		write()
	}
	if len(said) != 1 || !strings.Contains(said[0], "no such file") || strings.Count(stderr.String(), want) != 4 {
		t.Errorf("said %q; standard error has %q", said, stderr.String())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write()
	if text := read(t, filepath.Join(dir, "log")); text != want || len(said) != 2 {
		t.Errorf("with the directory there again: %q, said %q", text, said)
	}
}

// taken returns what was taken.
func taken(t *testing.T, j *journal) (e nodespec.TunnelLogEntry) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = j.queue.Each(ctx, func(entries []nodespec.TunnelLogEntry) { e = entries[0] })
	return e
}

func TestRotatedFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	for _, count := range []int{1, 3} {
		f := &rotatedFile{name: name, bytesMax: 20, count: count}
		for i := range 9 {
			if _, err := fmt.Fprintf(f, "line %d..\n", i); err != nil { // two a file
				t.Fatal(err)
			}
		}
		want := []string{"line 8..\n", "line 6..\nline 7..\n", "line 4..\nline 5..\n"}[:count]
		for i, w := range want {
			if text := read(t, f.at(i)); text != w {
				t.Errorf("of %d: %s has %q, want %q", count, f.at(i), text, w)
			}
		}
		if all, _ := filepath.Glob(name + "*"); len(all) != count {
			t.Errorf("of %d there are %v", count, all)
		}
		// As logrotate does it, either way.
		if err := os.Rename(name, name+"-moved"); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(f, "after move")
		if text := read(t, name); text != "after move\n" {
			t.Errorf("where it was moved away: %q", text)
		}
		if err := os.Truncate(name, 0); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(f, "after cut")
		if text := read(t, name); text != "after cut\n" {
			t.Errorf("where it was cut: %q", text)
		}
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
		all, _ := filepath.Glob(name + "*")
		for _, each := range all {
			if err := os.Remove(each); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, put := range map[string]func() error{
		"a link":      func() error { return os.Symlink("/dev/null", name) },
		"a directory": func() error { return os.Mkdir(name, 0o700) },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(&rotatedFile{name: name, bytesMax: 20, count: 1}, "line"); err == nil {
			t.Errorf("a line went into %s", what)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
