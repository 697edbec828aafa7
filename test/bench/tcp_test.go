package bench

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// tcpDuration is how long a TCP stream lasts.
const tcpDuration = 2 * time.Second

// segment is how many bytes a full packet of TCP carries: less IPv4's header
// and TCP's with the timestamp option.
const segment = innerMTU - 20 - 32

// A transfer is what one TCP stream did.
type transfer struct {
	gbitPerSecond float64
	retransmits   int
	packets       float64 // full ones that carry as many bytes
}

// tcp runs one stream of iperf3 from host A to host B, or with "--reverse" from
// B to A. Its start counts too: it takes milliseconds.
func (s *bed) tcp(tb testing.TB, during time.Duration, more ...string) transfer {
	tb.Helper()
	argv := append([]string{"iperf3", "--client", addressB.String(), "--time", fmt.Sprintf("%.0f", during.Seconds()), "--congestion", *congestion, "--connect-timeout", "3000", "--json"}, more...)
	out, err := s.a.Try(argv...)
	if err != nil {
		tb.Fatalf("%s: %v", s.kind.name, err)
	}
	t, err := parseTransfer(out)
	if err != nil {
		tb.Fatalf("%s: %v", s.kind.name, err)
	}
	return t
}

// bitrate is a rate in iperf3's notation.
func bitrate(gbitPerSecond float64) string { return fmt.Sprintf("%.0fK", gbitPerSecond*1e6) }

func parseTransfer(out string) (transfer, error) {
	var report struct {
		End struct {
			Sent     struct{ Retransmits int } `json:"sum_sent"`
			Received struct {
				Bytes         float64
				BitsPerSecond float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.End.Received.Bytes == 0 {
		return transfer{}, fmt.Errorf("iperf3 reports %v: %s", err, out)
	}
	return transfer{
		gbitPerSecond: report.End.Received.BitsPerSecond / 1e9,
		retransmits:   report.End.Sent.Retransmits,
		packets:       report.End.Received.Bytes / segment,
	}, nil
}
