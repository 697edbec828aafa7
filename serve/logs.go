package serve

import (
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"causeway.dev/logs"
)

// logsFile, in the data directory, holds what the CloudWatch Logs actions show.
const logsFile = "logs.db"

func openLogs(cfg Config, log *slog.Logger) (*logs.Store, error) {
	return logs.Open(filepath.Join(cfg.DataDir, logsFile), logs.Options{BytesMax: int64(cfg.Logs.MaxMiB) << 20, Logger: log})
}

// logsMetrics shows Prometheus how much the log store holds.
type logsMetrics struct{ store *logs.Store }

var (
	logsBytes   = prometheus.NewDesc("causeway_logs_bytes", "Bytes of the log events that are stored.", nil, nil)
	logsEvicted = prometheus.NewDesc("causeway_logs_evicted_total", "Log events removed for lack of room since the start.", nil, nil)
)

// Describe implements prometheus.Collector.
func (logsMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- logsBytes
	to <- logsEvicted
}

// Collect implements prometheus.Collector.
func (m logsMetrics) Collect(to chan<- prometheus.Metric) {
	u := m.store.Usage()
	to <- prometheus.MustNewConstMetric(logsBytes, prometheus.GaugeValue, float64(u.Bytes))
	to <- prometheus.MustNewConstMetric(logsEvicted, prometheus.CounterValue, float64(u.Evicted))
}
