package bench

import (
	"testing"
	"time"
)

// A figure is what is measured of each kind in each round.
type figure struct {
	Name   string
	Head   string // of its column; empty: in the JSON only
	Digits int    // after the point, in the table
}

var figures = []figure{
	{"tcp_gbit_per_second", "TCP, Gbit/s", 2},
	{"tcp_reverse_gbit_per_second", "reverse", 2},
	{"tcp_retransmits", "", 0},
	{"cpu_us_per_packet", "CPU µs/packet/gateway", 2},
	{"kpps_64_bytes", "64 B, kpps", 0},
	{"kpps_1400_bytes", "1400 B, kpps", 0},
	{"kpps_64_bytes_flood", "flood 64 B, kpps", 0},
	{"delay_p50_us", "delay p50, µs", 0},
	{"delay_p99_us", "p99, µs", 0},
	{"cpu_us_per_packet_at_10_kpps", "CPU µs/packet at 10 kpps", 1},
	{"resident_mib", "RSS, MiB", 0},
	{"idle_cpu_ms_per_second", "idle, ms/s", 2},
	{"cpu_falls", "", 2},
	{"cpu_ns_per_byte_at_1_percent", "", 2},
	{"cpu_ns_per_byte_at_10_percent", "", 2},
	{"cpu_ns_per_byte_at_50_percent", "", 2},
	{"cpu_ns_per_byte_at_100_percent", "", 2},
}

// severalFigures are those of kinds with several tunnels.
var severalFigures = []figure{
	{tcpRate, "TCP of all, Gbit/s", 2},
	{"tcp_fairness", "slowest of fastest", 2},
	{"fairness", "flooded: least of most", 2},
	{"established_seconds", "established, s", 1},
	{"resident_mib", "RSS, MiB", 0},
	{"idle_cpu_ms_per_second", "idle, ms/s", 2},
}

// measured is one bed's figures of one round, by name.
type measured map[string]float64

// measure takes all figures of one bed once.
func (s *bed) measure(tb testing.TB) measured {
	tb.Helper()
	if s.kind.several > 0 {
		return s.measureSeveral(tb)
	}
	m := measured{}
	before := s.processorTime(tb)
	stream := s.tcp(tb, tcpDuration)
	perGateway := float64(s.processorTime(tb)-before) / 2
	m["tcp_gbit_per_second"] = stream.gbitPerSecond
	m["tcp_retransmits"] = float64(stream.retransmits)
	m["tcp_reverse_gbit_per_second"] = s.tcp(tb, tcpDuration, "--reverse").gbitPerSecond
	if s.kind.peer != nil {
		m["cpu_us_per_packet"] = perGateway / 1e3 / stream.packets
		m["cpu_ns_per_byte_at_100_percent"] = perGateway / (stream.packets * segment)
		m["resident_mib"] = s.residentMiB(tb)
	}
	if s.kind.loads {
		s.measureLoads(tb, m)
	}
	if s.kind.tcpOnly {
		return m
	}

	load := newBlaster(tb, s)
	defer load.close()
	before = s.processorTime(tb)
	p50, p99, arrived := load.delays()
	if s.kind.peer != nil {
		m["cpu_us_per_packet_at_10_kpps"] = float64(s.processorTime(tb)-before) / 2 / 1e3 / float64(arrived)
	}
	m["delay_p50_us"], m["delay_p99_us"] = float64(p50)/1e3, float64(p99)/1e3
	flood := load.flood(64)
	m["kpps_64_bytes_flood"] = flood / 1e3
	small := load.rate(64, max(flood, 20_000))
	m["kpps_64_bytes"] = small / 1e3
	m["kpps_1400_bytes"] = load.rate(innerMTU, max(small, 20_000)) / 1e3
	return m
}

// measureLoads has one TCP stream use a part of what it reached.
func (s *bed) measureLoads(tb testing.TB, m measured) {
	tb.Helper()
	for name, part := range map[string]float64{"1": 0.01, "10": 0.1, "50": 0.5} {
		before := s.processorTime(tb)
		stream := s.tcp(tb, time.Second, "--bitrate", bitrate(part*m["tcp_gbit_per_second"]))
		m["cpu_ns_per_byte_at_"+name+"_percent"] = float64(s.processorTime(tb)-before) / 2 / (stream.packets * segment)
	}
	m["cpu_falls"] = m["cpu_ns_per_byte_at_100_percent"] / m["cpu_ns_per_byte_at_1_percent"]
}

// idleDuration is how long all beds are left alone, once a round.
const idleDuration = 5 * time.Second

// idle returns the processor time that each bed's gateway takes for nothing, in
// milliseconds a second.
func idle(tb testing.TB, beds []*bed) []float64 {
	tb.Helper()
	used := make([]time.Duration, len(beds))
	for i, s := range beds {
		used[i] = s.processorTime(tb)
	}
	time.Sleep(idleDuration)
	all := make([]float64, len(beds))
	for i, s := range beds {
		all[i] = float64(s.processorTime(tb)-used[i]) / 2 / 1e6 / idleDuration.Seconds()
	}
	return all
}
