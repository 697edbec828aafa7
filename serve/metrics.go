package serve

import (
	"github.com/prometheus/client_golang/prometheus"

	"causeway.dev/bgp/speaker"
	"causeway.dev/ipsec"
	"causeway.dev/node"
	"causeway.dev/tunnel"
)

// nodeMetrics shows Prometheus what a node counts. It asks when it is asked.
type nodeMetrics struct{ node *node.Node }

var (
	tunnelUp      = prometheus.NewDesc("causeway_tunnel_up", "1 while a child SA of the tunnel is in use, else 0.", []string{"tunnel"}, nil)
	tunnelPackets = prometheus.NewDesc("causeway_tunnel_packets_total", "Inner packets carried.", []string{"tunnel", "direction"}, nil)
	tunnelBytes   = prometheus.NewDesc("causeway_tunnel_bytes_total", "Bytes of inner packets carried.", []string{"tunnel", "direction"}, nil)
	tunnelMTU     = prometheus.NewDesc("causeway_tunnel_path_mtu_bytes", "Largest datagram that has arrived whole at the peer when the path was measured, with its IP header; absent where it could not be measured.", []string{"tunnel"}, nil)
	tunnelDrops   = prometheus.NewDesc("causeway_tunnel_drops_total", "Packets of the tunnel dropped.", []string{"tunnel", "reason"}, nil)
	sessionUp     = prometheus.NewDesc("causeway_bgp_session_up", "1 while the BGP session over the tunnel is established, else 0; absent for a tunnel without one.", []string{"tunnel"}, nil)
	sessionRoutes = prometheus.NewDesc("causeway_bgp_routes", "Routes of the tunnel's BGP session: learned from the peer, advertised to it, and told by it but ignored.", []string{"tunnel", "routes"}, nil)
	bgpMessages   = prometheus.NewDesc("causeway_bgp_messages_total", "BGP messages since the tunnel came up.", []string{"tunnel", "direction"}, nil)
	notifications = prometheus.NewDesc("causeway_bgp_notifications_total", "BGP NOTIFICATION messages, each of which has ended a session, since the tunnel came up.", []string{"tunnel", "direction"}, nil)
	natExhausted  = prometheus.NewDesc("causeway_nat_gateway_port_allocation_errors_total", "Connections that the NAT gateway had no port for.", []string{"nat_gateway"}, nil)
	dhcpMessages  = prometheus.NewDesc("causeway_dhcp_messages_total", "DHCP messages and solicitations of hosts behind attached interfaces, by what became of them, and advertisements that nobody asked for.", []string{"outcome"}, nil)
	nat64Drops    = prometheus.NewDesc("causeway_nat64_drops_total", "Packets between IPv6 and IPv4 that NAT gateways did not translate.", []string{"reason"}, nil)
	outsideDrops  = prometheus.NewDesc("causeway_outside_drops_total", "Packets from outside that no tunnel can claim.", []string{"layer", "reason"}, nil)
)

// Describe implements prometheus.Collector.
func (nodeMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{tunnelUp, tunnelPackets, tunnelBytes, tunnelMTU, tunnelDrops, sessionUp, sessionRoutes, bgpMessages, notifications, outsideDrops, natExhausted, nat64Drops, dhcpMessages} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m nodeMetrics) Collect(to chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for _, s := range m.node.Tunnels() {
		id, up := string(s.ID), 0.0
		if s.Up {
			up = 1
		}
		to <- prometheus.MustNewConstMetric(tunnelUp, prometheus.GaugeValue, up, id)
		if s.PathMTU.State == ipsec.PathMTUMeasured {
			to <- prometheus.MustNewConstMetric(tunnelMTU, prometheus.GaugeValue, float64(s.PathMTU.Outside), id)
		}
		counter(tunnelPackets, s.Counters.InboundPackets, id, "in")
		counter(tunnelPackets, s.Counters.OutboundPackets, id, "out")
		counter(tunnelBytes, s.Counters.InboundBytes, id, "in")
		counter(tunnelBytes, s.Counters.OutboundBytes, id, "out")
		for reason, n := range s.Counters.Drops {
			if n > 0 {
				counter(tunnelDrops, n, id, tunnel.Drop(reason).String())
			}
		}
	}
	collectSessions(m.node.Sessions(), to)
	for gateway, n := range m.node.Exhaustion() {
		counter(natExhausted, n, gateway)
	}
	for reason, n := range m.node.Untranslated() {
		counter(nat64Drops, n, reason)
	}
	for outcome, n := range m.node.DHCP() {
		counter(dhcpMessages, n, outcome)
	}
	for what, n := range m.node.Drops() {
		counter(outsideDrops, n, what[0], what[1])
	}
}

// collectSessions shows BGP's. Each tunnel with BGP has them all, from the beginning.
func collectSessions(sessions []speaker.Status, to chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	for _, s := range sessions {
		up := 0.0
		if s.Established {
			up = 1
		}
		show(sessionUp, prometheus.GaugeValue, up, s.ID)
		show(sessionRoutes, prometheus.GaugeValue, float64(len(s.Routes)), s.ID, "learned")
		show(sessionRoutes, prometheus.GaugeValue, float64(s.Advertised), s.ID, "advertised")
		show(sessionRoutes, prometheus.GaugeValue, float64(s.Refused), s.ID, "ignored")
		show(bgpMessages, prometheus.CounterValue, float64(s.Received), s.ID, "in")
		show(bgpMessages, prometheus.CounterValue, float64(s.Sent), s.ID, "out")
		show(notifications, prometheus.CounterValue, float64(s.Notifications.Received), s.ID, "in")
		show(notifications, prometheus.CounterValue, float64(s.Notifications.Sent), s.ID, "out")
	}
}
