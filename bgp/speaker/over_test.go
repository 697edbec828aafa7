package speaker

import (
	"testing"
	"time"
)

func TestTunnelIsUpWithItsSession(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	for _, c := range []struct {
		name     string
		up       bool
		since    time.Time
		s        Status
		wantUp   bool
		wantTime time.Time
		want     string
	}{
		{"no path", false, early, Status{Since: late, Message: "the path is down"}, false, early, "no answer"},
		{"no session", true, early, Status{Since: late, Message: "nobody listens"}, false, late, "IPsec is up, BGP is not: nobody listens"},
		{"both", true, late, Status{Since: early, Established: true, Message: "BGP with AS 64512"}, true, late, "no answer; BGP with AS 64512"},
		{"awaited anew", true, early, Status{Since: late, Pending: true, Message: "BGP begins anew"}, true, late, "no answer; BGP begins anew"},
	} {
		up, since, sentence := c.s.Over(c.up, c.since, "no answer")
		if up != c.wantUp || !since.Equal(c.wantTime) || sentence != c.want {
			t.Errorf("%s: %v since %v: %q", c.name, up, since, sentence)
		}
	}
}
