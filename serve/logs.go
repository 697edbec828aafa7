package serve

import (
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"causeway.dev/control/flowlogs"
	"causeway.dev/control/tunnellog"
	"causeway.dev/logs"
)

// logsFile, in the data directory, holds what the CloudWatch Logs actions show.
const logsFile = "logs.db"

// openLogs opens the log store.
func openLogs(cfg Config, log *slog.Logger) (*logs.Store, error) {
	return logs.Open(filepath.Join(cfg.DataDir, logsFile), logs.Options{BytesMax: int64(cfg.Logs.MaxMiB) << 20, Logger: log})
}

// logGroupExists lets the EC2 API look for log groups.
func logGroupExists(s *logs.Store) func(account, region, name string) (bool, error) {
	return func(account, region, name string) (bool, error) {
		_, err := s.Group(logs.Scope{Account: account, Region: region}, name)
		if errors.Is(err, logs.ErrNoGroup) {
			return false, nil
		}
		return err == nil, err
	}
}

// writtenLogs are the log store with those who write to it on their own.
type writtenLogs struct {
	store   *logs.Store
	tunnels *tunnellog.Log
	flows   *flowlogs.Log
}

// logsMetrics shows Prometheus how much the log store holds.
type logsMetrics struct{ writtenLogs }

var (
	logsBytes      = prometheus.NewDesc("causeway_logs_bytes", "Bytes of the log events that are stored.", nil, nil)
	tunnelLogDrops = prometheus.NewDesc("causeway_tunnel_log_drops_total", "Entries of tunnels' logs that were not written.", []string{"reason"}, nil)
	flowLogDrops   = prometheus.NewDesc("causeway_flow_log_drops_total", "Flows, or records of flow logs, that were not written.", []string{"reason"}, nil)
	logsSpoilt     = prometheus.NewDesc("causeway_logs_spoilt_total", "Times since the start, the start included, that the log store was spoilt, moved aside and begun anew.", nil, nil)
	logsEvicted    = prometheus.NewDesc("causeway_logs_evicted_total", "Log events removed for lack of room since the start.", nil, nil)
)

// Describe implements prometheus.Collector.
func (logsMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- logsBytes
	to <- logsEvicted
	to <- logsSpoilt
	to <- tunnelLogDrops
	to <- flowLogDrops
}

// Collect implements prometheus.Collector.
func (m logsMetrics) Collect(to chan<- prometheus.Metric) {
	u := m.store.Usage()
	to <- prometheus.MustNewConstMetric(logsBytes, prometheus.GaugeValue, float64(u.Bytes))
	to <- prometheus.MustNewConstMetric(logsEvicted, prometheus.CounterValue, float64(u.Evicted))
	to <- prometheus.MustNewConstMetric(logsSpoilt, prometheus.CounterValue, float64(u.Spoilt))
	for desc, log := range map[*prometheus.Desc]interface {
		Drops() (overflown, undelivered uint64)
	}{tunnelLogDrops: m.tunnels, flowLogDrops: m.flows} {
		overflown, undelivered := log.Drops()
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(overflown), "queue full")
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(undelivered), "not delivered")
	}
}
