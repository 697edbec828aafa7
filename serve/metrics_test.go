package serve

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"causeway.dev/bgp/rib"
	"causeway.dev/bgp/session"
	"causeway.dev/bgp/speaker"
)

// sessionCollector shows sessions alone.
type sessionCollector []speaker.Status

func (sessionCollector) Describe(to chan<- *prometheus.Desc)   { nodeMetrics{}.Describe(to) }
func (c sessionCollector) Collect(to chan<- prometheus.Metric) { collectSessions(c, to) }

func TestSessionsAreCounted(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(sessionCollector{
		{ID: "vpn-1/1", Established: true, Routes: make([]rib.Route, 3), Advertised: 2, Refused: 1, Sent: 10, Received: 20, Notifications: session.Notifications{Sent: 4, Received: 5}},
		{ID: "vpn-1/2"},
	})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			line := strings.TrimPrefix(f.GetName(), "causeway_bgp_")
			for _, l := range m.GetLabel() {
				line += " " + l.GetValue()
			}
			got = append(got, fmt.Sprint(line, " ", m.GetGauge().GetValue()+m.GetCounter().GetValue()))
		}
	}
	slices.Sort(got)
	want := []string{
		"messages_total in vpn-1/1 20", "messages_total in vpn-1/2 0", "messages_total out vpn-1/1 10", "messages_total out vpn-1/2 0",
		"notifications_total in vpn-1/1 5", "notifications_total in vpn-1/2 0", "notifications_total out vpn-1/1 4", "notifications_total out vpn-1/2 0",
		"routes advertised vpn-1/1 2", "routes advertised vpn-1/2 0", "routes ignored vpn-1/1 1", "routes ignored vpn-1/2 0", "routes learned vpn-1/1 3", "routes learned vpn-1/2 0",
		"session_up vpn-1/1 1", "session_up vpn-1/2 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
