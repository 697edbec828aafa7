package bench

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
)

var profileDir = flag.String("profile", "", "let BenchmarkProfile write CPU profiles to this directory")

// profiles are the files of gateway A, which seals, and of B, which opens.
var profiles = [2]string{"profile-sender.pprof", "profile-receiver.pprof"}

const profileDuration = 5 * time.Second

// BenchmarkProfile has one TCP stream pass our tunnel and says where the
// gateways' processor time goes: by Go's profiler, and with the kernel's part
// by perf where that is installed.
func BenchmarkProfile(b *testing.B) {
	if *profileDir == "" {
		b.Skip("-profile names no directory")
	}
	lab := netlab.New(b, "iperf3", "ethtool", "ping")
	w := newWorkshop(lab.Dir())
	sweep := newSweeper(b, lab.Dir())
	k := kind{name: "causeway-profile", peer: gateways{tunnels: 1, esp: gcm128, profile: *profileDir}}
	if err := k.peer.prepare(w); err != nil {
		b.Fatal(err)
	}
	s := newBed(b, lab, w, sweep, 0, k)
	var recording *netlab.Process
	data := filepath.Join(*profileDir, "profile.perf")
	if _, err := exec.LookPath("perf"); err == nil {
		pids := strconv.Itoa(s.processes[0]) + "," + strconv.Itoa(s.processes[1])
		recording = lab.Start("perf", "perf", "record", "-q", "-g", "-o", data, "-p", pids, "--", "sleep", fmt.Sprint(profileDuration.Seconds()))
	}
	b.ResetTimer()
	stream := s.tcp(b, profileDuration)
	b.ReportMetric(stream.gbitPerSecond, "Gbit/s")
	if recording != nil {
		recording.Stop()
		show(b, "perf", "report", "-i", data, "--no-children", "-g", "none", "--sort", "symbol", "--stdio")
	}
	s.stop()
	for _, file := range profiles {
		show(b, "go", "tool", "pprof", "-top", "-nodecount=25", filepath.Join(*profileDir, file))
	}
}

// show prints the first lines of what a command says.
func show(b *testing.B, argv ...string) {
	b.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		b.Fatalf("%s: %v", strings.Join(argv, " "), err)
	}
	fmt.Printf("\n%s\n", strings.Join(argv, " "))
	count := 0
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		fmt.Fprint(os.Stdout, line)
		if count++; count == 32 {
			break
		}
	}
}
