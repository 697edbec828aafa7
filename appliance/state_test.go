package appliance

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/speaker"
	"causeway.dev/ipsec"
)

// Each change of a tunnel or its session is a line, with what of the session's routes is
// taken; what has not changed is none.
func TestEachChangeIsALine(t *testing.T) {
	var out strings.Builder
	c, err := ParseConfig([]byte(dynamicExample))
	if err != nil {
		t.Fatal(err)
	}
	a := &running{config: c, said: map[string]State{}, status: &out, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	tunnel := ipsec.Status{ID: "vpn1", Up: true, Since: time.Unix(100, 0), Message: "IKEv2"}
	network := netip.MustParsePrefix("10.0.0.0/16")
	over := map[netip.Prefix]string{network: "vpn1"}
	session := speaker.Status{ID: "vpn1", Since: time.Unix(200, 0), Message: "nobody answers"}
	last := func() (s State) {
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	say := func(lines int) {
		t.Helper()
		a.say(tunnel, map[string]speaker.Status{"vpn1": session}, over)
		if got := strings.Count(out.String(), "\n"); got != lines {
			t.Errorf("%d lines, want %d:\n%s", got, lines, out.String())
		}
	}
	say(1)
	if s := last(); s.Up || s.Message != "IPsec is up, BGP is not: nobody answers" || s.Remote != "203.0.113.1" {
		t.Errorf("%+v", s)
	}
	say(1)
	session.Established, session.Message = true, "routes are learned"
	say(2)
	session.Routes = []rib.Route{{Destination: network}, {Destination: netip.MustParsePrefix("10.9.0.0/16")}}
	say(3)
	if s := last(); !s.Up || s.BGP.Routes != 2 || s.BGP.Taken != 1 || !s.Since.Equal(time.Unix(200, 0)) {
		t.Errorf("%+v %+v", s, s.BGP)
	}
	delete(over, network)
	say(4)
	if s := last(); s.BGP.Taken != 0 {
		t.Errorf("%+v", s.BGP)
	}
	say(4)
}
