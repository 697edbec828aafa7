package instance

import (
	"strings"
	"testing"
)

// life tells when the instance's processes began.
func (l *lab) life(id string) process {
	l.t.Helper()
	p, err := findProcess(l.dirOf(id))
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

// dirOf is an instance's directory.
func (l *lab) dirOf(id string) string { return l.Namespaces.dir(id) }

// The disk outlives a stop and a restart, processes don't, and user data is run
// once.
func TestStopKeepsTheDisk(t *testing.T) {
	l := newLab(t)
	c := l.config("i-1", "#!/bin/sh\necho boot >> /var/boots\nsleep 1000\n")
	c.Boot = 1
	l.ensure(c)
	l.eventually("user data runs", func() bool { return l.sh("i-1", "cat /var/boots 2>/dev/null || true") == "boot" })
	first := l.life("i-1")
	for range 2 { // the second finds nothing to do
		if err := l.Stop(t.Context(), "i-1", false); err != nil {
			t.Fatal(err)
		}
	}
	if s, there := l.status("i-1"); !there || s.Running || s.Reason != reasonStopped || s.Boot != 1 || s.PoweredOff || s.Restarting {
		t.Errorf("stopped: %+v, %v", s, there)
	}
	l.newLife()
	c.Boot, c.Hostname = 2, "ip-10-0-1-5"
	l.ensure(c)
	if got := l.sh("i-1", "cat /var/boots; hostname; pgrep -c sleep || true"); got != "boot\nip-10-0-1-5\n0" {
		t.Errorf("after a stop and a start: %q", got)
	}
	second := l.life("i-1")
	if second == first || second.boot != 2 {
		t.Errorf("it lives as %+v, and before as %+v", second, first)
	}
	c.Boot = 3 // a reboot
	l.ensure(c)
	if third := l.life("i-1"); third.start == second.start || third.boot != 3 {
		t.Errorf("rebooted it lives as %+v, and before as %+v", third, second)
	}
	l.ensure(c)
	if got := l.sh("i-1", "cat /var/boots"); got != "boot" {
		t.Errorf("after a reboot: %q", got)
	}
}

// A forced stop gives nobody time to say goodbye.
func TestForcedStop(t *testing.T) {
	l := newLab(t)
	l.ensure(l.config("i-1", "#!/bin/sh\ntrap 'echo goodbye' TERM\necho ready\nwhile :; do sleep 0.01; done\n"))
	l.eventually("user data is ready", func() bool {
		text, _ := l.Console("i-1")
		return strings.Contains(string(text), "ready")
	})
	if err := l.Stop(t.Context(), "i-1", true); err != nil {
		t.Fatal(err)
	}
	if text, err := l.Console("i-1"); err != nil || strings.Contains(string(text), "goodbye") {
		t.Errorf("console: %q, %v", text, err)
	}
	if s, _ := l.status("i-1"); s.Running || s.Reason != reasonKilled {
		t.Errorf("stopped: %+v", s)
	}
}

// An instance that has powered itself off stays off until it is asked to start
// again; one that restarts itself is to be started.
func TestEndsFromInside(t *testing.T) {
	l := newLab(t)
	c := l.config("i-1", "")
	for _, step := range []struct {
		script              string
		poweredOff, restart bool
	}{
		{"poweroff", true, false},
		{"halt", true, false},
		{"shutdown -h now", true, false},
		{"kill -s 38 1", true, false}, // systemd's for power off
		{"reboot", false, true},
		{"shutdown -r now", false, true},
	} {
		c.Boot++
		l.ensure(c)
		l.Exec(t.Context(), "i-1", []string{"sh", "-c", step.script}, nil, nil, nil, false)
		l.eventually(step.script+" ends it", func() bool { return !l.running("i-1") })
		if s, _ := l.status("i-1"); s.PoweredOff != step.poweredOff || s.Restarting != step.restart || s.Boot != c.Boot {
			t.Errorf("after %s: %+v", step.script, s)
		}
		l.newLife()
		l.ensure(c)
		if running := l.running("i-1"); running == step.poweredOff {
			t.Errorf("after %s, asked for the same start again, it runs: %v", step.script, running)
		}
	}
	if got := l.sh("i-1", "shutdown +5 2>&1 || true"); !strings.Contains(got, "at once") {
		t.Errorf("shutdown at a time says %q", got)
	}
}

func TestStateOfOlderVersionsIsRead(t *testing.T) {
	for text, want := range map[string]process{
		"12 345\n":   {pid: 12, start: 345},
		"12 345 6\n": {pid: 12, start: 345, boot: 6},
	} {
		if got, err := parseProcess([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "12", "12 345", "12\n", "12 345 6", "x y\n"} {
		if got, err := parseProcess([]byte(text)); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
