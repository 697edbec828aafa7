package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/netlab"
)

var resultsFile = flag.String("results", "", "write the figures of BenchmarkTunnel to this file, as JSON")

// kinds are compared. What a tunnel's figure is a share of is the plain kind
// with the same underlay, before it in the list.
var kinds = []kind{
	{name: "plain forwarding"},
	{name: "AES-128-GCM, UDP 4500", esp: "aes128gcm16-group19", encap: "always"},
	{name: "plain forwarding, wire", wire: true},
	{name: "AES-128-GCM, UDP 4500, wire", esp: "aes128gcm16-group19", encap: "always", wire: true},
	{name: "AES-256-GCM, UDP 4500, wire", esp: "aes256gcm16-group19", encap: "always", wire: true},
	{name: "AES-128-CBC SHA2-256, UDP 4500, wire", esp: "aes128-sha256-group19", encap: "always", wire: true},
	{name: "AES-128-CBC SHA-1, UDP 4500, wire", esp: "aes128-sha1-group19", encap: "always", wire: true},
	{name: "AES-128-GCM, plain ESP, wire", esp: "aes128gcm16-group19", encap: "auto", wire: true},
}

// headline is the kind whose figures are the benchmark's own.
const headline = "AES-128-GCM, UDP 4500, wire"

// A spread is a figure over all rounds.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) spread {
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	median := values[middle]
	if len(values)%2 == 0 {
		median = (values[middle-1] + median) / 2
	}
	return spread{median, values[0], values[len(values)-1]}
}

// A figure is what is measured of each kind in each round.
type figure struct {
	Name   string `json:"name"`
	Head   string `json:"-"` // of its column
	Digits int    `json:"-"` // after the point, in the table
}

var figures = []figure{
	{"tcp_gbit_per_second", "TCP, Gbit/s", 2},
	{"tcp_of_plain", "of plain", 2},
	{"tcp_retransmits", "resent", 0},
	{"gateway_cpu_us_per_packet", "CPU µs/packet/gateway", 2},
	{"kpps_64_bytes", "64 B, kpps", 0},
	{"kpps_64_bytes_of_plain", "of plain", 2},
	{"kpps_1400_bytes", "1400 B, kpps", 0},
	{"delay_p50_us", "delay p50, µs", 0},
	{"delay_p99_us", "p99, µs", 0},
}

// A result is one kind's figures by name.
type result struct {
	Kind    string            `json:"kind"`
	Figures map[string]spread `json:"figures"`
}

// A report is one run.
type report struct {
	Started     time.Time `json:"started"`
	Commit      string    `json:"commit"`
	Machine     string    `json:"machine"`
	Rounds      int       `json:"rounds"`
	LoadAverage [2]string `json:"load_average"` // before and after
	Quietness   spread    `json:"quietness"`    // share of the processors that was ours
	Results     []result  `json:"results"`
}

// BenchmarkTunnel measures all kinds by turns, so that all meet the same
// machine; one iteration is one round. It takes a minute a round:
//
//	go test -run '^$' -bench Tunnel -benchtime 5x ./test/bench -args -results FILE
func BenchmarkTunnel(b *testing.B) {
	lab := netlab.New(b, "iperf3", "ethtool", "ping")
	program, err := netlab.BuildProgram(lab.Dir())
	if err != nil {
		b.Fatal(err)
	}
	run := report{Started: time.Now().UTC().Truncate(time.Second), Commit: commit(), Machine: machine(), LoadAverage: [2]string{loadAverage()}}
	var beds []*bed
	for i, k := range kinds {
		s := newBed(lab, program, i, k)
		s.b.Start("iperf3", "iperf3", "--server")
		beds = append(beds, s)
	}
	var quiet quietness
	all := make([]map[string][]float64, len(kinds))
	for i := range all {
		all[i] = map[string][]float64{}
	}
	for b.Loop() {
		var plain map[string]float64
		for i, s := range beds {
			quiet.measure()
			measured := s.measure(b)
			if !s.kind.tunnel() {
				plain = measured
			}
			measured["tcp_of_plain"] = measured["tcp_gbit_per_second"] / plain["tcp_gbit_per_second"]
			measured["kpps_64_bytes_of_plain"] = measured["kpps_64_bytes"] / plain["kpps_64_bytes"]
			for name, value := range measured {
				all[i][name] = append(all[i][name], value)
			}
		}
		run.Rounds++
	}
	run.LoadAverage[1], run.Quietness = loadAverage(), quiet.share()
	for i, k := range kinds {
		r := result{k.name, map[string]spread{}}
		for name, values := range all[i] {
			r.Figures[name] = spreadOf(values)
		}
		run.Results = append(run.Results, r)
		if k.name == headline {
			b.ReportMetric(r.Figures["tcp_gbit_per_second"].Median, "Gbit/s")
			b.ReportMetric(r.Figures["tcp_of_plain"].Median, "of-plain")
			b.ReportMetric(r.Figures["kpps_64_bytes"].Median, "kpps")
		}
	}
	run.print(os.Stdout)
	if *resultsFile != "" {
		run.write(b, *resultsFile)
	}
}

// measure takes all figures of one bed once.
func (s *bed) measure(tb testing.TB) map[string]float64 {
	tb.Helper()
	cpu := s.gatewayCPU(tb)
	stream := s.tcp(tb)
	cpu = s.gatewayCPU(tb) - cpu
	load := newBlaster(tb, s)
	defer load.close()
	p50, p99 := load.delay()
	return map[string]float64{
		"tcp_gbit_per_second":       stream.gbitPerSecond,
		"tcp_retransmits":           float64(stream.retransmits),
		"gateway_cpu_us_per_packet": float64(cpu.Microseconds()) / stream.packets / 2,
		"kpps_64_bytes":             load.rate(64) / 1e3,
		"kpps_1400_bytes":           load.rate(innerMTU) / 1e3,
		"delay_p50_us":              float64(p50.Microseconds()),
		"delay_p99_us":              float64(p99.Microseconds()),
	}
}

// print writes a table: the median of each figure, and the range if there was
// more than one round.
func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s, commit %s, %s\n%d rounds, load average %s before and %s after, %.0f %% of the processors ours [%.0f-%.0f]\n\n",
		r.Started.Format("2006-01-02 15:04 MST"), r.Commit, r.Machine, r.Rounds, r.LoadAverage[0], r.LoadAverage[1], 100*r.Quietness.Median, 100*r.Quietness.Min, 100*r.Quietness.Max)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "kind")
	for _, f := range figures {
		fmt.Fprintf(table, "\t%s", f.Head)
	}
	fmt.Fprintln(table)
	for _, of := range r.Results {
		fmt.Fprint(table, of.Kind)
		for _, f := range figures {
			v := of.Figures[f.Name]
			fmt.Fprintf(table, "\t%.*f", f.Digits, v.Median)
			if r.Rounds > 1 {
				fmt.Fprintf(table, " [%.*f-%.*f]", f.Digits, v.Min, f.Digits, v.Max)
			}
		}
		fmt.Fprintln(table)
	}
	table.Flush()
	fmt.Fprintln(w)
}

func (r report) write(tb testing.TB, file string) {
	tb.Helper()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		tb.Fatal(err)
	}
}

// commit is what is measured, "-dirty" if files have changed since.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machine() string {
	model := "processor unknown"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return model
	}
	return fmt.Sprintf("%d × %s, Linux %s, %s", runtime.NumCPU(), model, unix.ByteSliceToString(name.Release[:]), runtime.Version())
}
