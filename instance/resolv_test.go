package instance

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// TestResolvConfFollows shows what an instance is told, at its start and as it
// changes, and that what the instance makes of its own file stays inside.
func TestResolvConfFollows(t *testing.T) {
	l := newLab(t)
	c := l.config("i-1", "")
	c.Resolvers, c.Domain = []netip.Addr{netip.MustParseAddr("10.0.0.2")}, "ec2.internal"
	l.ensure(c)
	const read = "grep -v '^#' /etc/resolv.conf | tr '\\n' ' '"
	if got := l.sh("i-1", read); got != "search ec2.internal nameserver 10.0.0.2" {
		t.Errorf("at first it has %q", got)
	}
	p, err := findProcess(l.Namespaces.dir("i-1"))
	if err != nil {
		t.Fatal(err)
	}
	l.sh("i-1", "echo its own > /etc/resolv.conf")
	l.ensure(c)
	l.newLife()
	l.ensure(c)
	if got := l.sh("i-1", "cat /etc/resolv.conf"); got != "its own" {
		t.Errorf("what it has written is gone, though nothing has changed: %q", got)
	}
	// A link to what the host has, too.
	victim := filepath.Join(filepath.Dir(l.hidden), "victim")
	if err := os.WriteFile(victim, []byte("of the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	l.sh("i-1", "ln -sf "+victim+" /etc/resolv.conf; ln -sf "+victim+" /etc/.resolv.conf.causeway")
	c.Resolvers, c.Domain = []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fd00::9")}, "example.com corp.example.com"
	l.ensure(c)
	if got := l.sh("i-1", read); got != "search example.com corp.example.com nameserver 10.0.0.9 nameserver fd00::9" {
		t.Errorf("then it has %q", got)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "of the host" {
		t.Errorf("a file of the host holds %q, %v", text, err)
	}
	c.Resolvers, c.Domain = nil, ""
	l.ensure(c)
	if got := l.sh("i-1", read); got != "" {
		t.Errorf("told nothing, it has %q", got)
	}
	if after, err := findProcess(l.Namespaces.dir("i-1")); err != nil || after != p {
		t.Errorf("process is %v, %v, want %v as before", after, err, p)
	}
}
