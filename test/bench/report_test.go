package bench

import (
	"encoding/json"
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
)

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

// text has the range if there was more than one round.
func (s spread) text(digits int) string {
	if s.Min == s.Max {
		return fmt.Sprintf("%.*f", digits, s.Median)
	}
	return fmt.Sprintf("%.*f [%.*f-%.*f]", digits, s.Median, digits, s.Min, digits, s.Max)
}

// A result is one kind's figures by name.
type result struct {
	Kind    string            `json:"kind"`
	Figures map[string]spread `json:"figures"`
	several bool              // tunnels
}

// A report is one run.
type report struct {
	Started     time.Time         `json:"started"`
	Took        string            `json:"took"`
	Commit      string            `json:"commit"`
	Machine     string            `json:"machine"`
	Congestion  string            `json:"congestion"` // control of the hosts' TCP
	Peers       map[string]string `json:"peers"`      // versions
	LeftOut     []string          `json:"left_out,omitempty"`
	Rounds      int               `json:"rounds"`
	LoadAverage [2]string         `json:"load_average"` // before and after
	Quietness   spread            `json:"quietness"`    // share of the processors that was ours
	Results     []result          `json:"results"`
	Ratios      []ratio           `json:"ratios"`
}

// add is called for one kind when all its rounds are there.
func (r *report) add(k kind, rounds []measured) {
	values := map[string][]float64{}
	for _, m := range rounds {
		for name, v := range m {
			values[name] = append(values[name], v)
		}
	}
	of := result{k.name, map[string]spread{}, k.several > 0}
	for name, v := range values {
		of.Figures[name] = spreadOf(v)
	}
	r.Results = append(r.Results, of)
}

// print writes tables: the median of each figure, and the range if there was
// more than one round.
func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s, commit %s, %s\n%d rounds in %s, load average %s before and %s after, %.0f %% of the processors ours [%.0f-%.0f], TCP by %s\n\n",
		r.Started.Format("2006-01-02 15:04 MST"), r.Commit, r.Machine, r.Rounds, r.Took, r.LoadAverage[0], r.LoadAverage[1],
		100*r.Quietness.Median, 100*r.Quietness.Min, 100*r.Quietness.Max, r.Congestion)
	for _, missing := range r.LeftOut {
		fmt.Fprintf(w, "left out: %s\n", missing)
	}
	r.printFigures(w, "kind", figures, false)
	r.printFigures(w, "several tunnels", severalFigures, true)
	r.printRatios(w)
}

// printFigures writes the figures that have a column, of kinds with several
// tunnels or of those with one.
func (r report) printFigures(w io.Writer, title string, columns []figure, several bool) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := []string{title}
	for _, f := range columns {
		if f.Head != "" {
			line = append(line, f.Head)
		}
	}
	count := 0
	for _, of := range r.Results {
		if of.several != several {
			continue
		}
		if count == 0 {
			fmt.Fprintln(table, strings.Join(line, "\t"))
		}
		count++
		line = []string{of.Kind}
		for _, f := range columns {
			v, ok := of.Figures[f.Name]
			switch {
			case f.Head == "":
			case !ok:
				line = append(line, "-")
			default:
				line = append(line, v.text(f.Digits))
			}
		}
		fmt.Fprintln(table, strings.Join(line, "\t"))
	}
	if count > 0 {
		fmt.Fprintln(table)
	}
	table.Flush()
}

func (r report) printRatios(w io.Writer) {
	if len(r.Ratios) == 0 {
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "requirement\twanted\tmeasured\treached\n")
	for _, of := range r.Ratios {
		var wanted string
		if of.Least != nil {
			wanted = fmt.Sprintf("at least %.3g", *of.Least)
		} else {
			wanted = fmt.Sprintf("at most %.3g", *of.Most)
		}
		reached := "no"
		if of.Reached {
			reached = "yes"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", of.What, wanted, of.Ratio.text(2), reached)
	}
	fmt.Fprintln(table)
	table.Flush()
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

// loadAverage is the system's, of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	var one string
	fmt.Sscan(string(text), &one)
	return one
}
