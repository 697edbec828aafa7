package server

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the API. Their labels have values from the models and
// from our own code only, so that no caller can make new series.
type metrics struct {
	requests *prometheus.CounterVec   // by service, action, code
	seconds  *prometheus.HistogramVec // by service, action
}

// unknown is the label for a service or action that no model has.
const unknown = "unknown"

// newMetrics makes the metrics and publishes them at r, unless that is nil.
func newMetrics(r prometheus.Registerer, inFlight func() int) metrics {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "causeway_api_requests_total",
			Help: "Requests to the API by service, action and error code (OK if there was none).",
		}, []string{"service", "action", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "causeway_api_request_seconds",
			Help:    "Time from reading a request to having written its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), // 0.5 ms to 8 s
		}, []string{"service", "action"}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.seconds, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "causeway_api_operations_in_flight",
			Help: "Operations that are running now.",
		}, func() float64 { return float64(inFlight()) }))
	}
	return m
}

// report ends an exchange: it gives its place to the next, counts it and writes
// its line to the log. Parameters never are in it, as they may be secrets.
func (x *exchange) report() {
	if x.admitted {
		<-x.inFlight
	}
	service, action, code := unknown, unknown, "OK"
	if x.service != nil {
		service = x.service.Model.Name
	}
	if x.action != "" {
		action = x.action
	}
	level := slog.LevelInfo
	if x.code != "" {
		code = string(x.code)
	}
	var denial *Denial
	if x.status >= 500 || errors.As(x.cause, &denial) && denial.Cause != nil {
		level = slog.LevelError
	}
	elapsed := x.cfg.Now().Sub(x.start)
	x.metrics.requests.WithLabelValues(service, action, code).Inc()
	x.metrics.seconds.WithLabelValues(service, action).Observe(elapsed.Seconds())

	attributes := []slog.Attr{
		slog.String("request", x.requestID),
		slog.String("remote", x.r.RemoteAddr),
		slog.String("account", x.caller.Account),
		slog.String("region", x.caller.Region),
		slog.String("service", service),
		slog.String("action", action),
		slog.Int("status", x.status),
		slog.String("code", code),
		slog.Duration("elapsed", elapsed),
	}
	if len(x.ignored) > 0 {
		attributes = append(attributes, slog.Any("ignored", x.ignored))
	}
	if x.cause != nil {
		attributes = append(attributes, slog.Any("error", x.cause))
	}
	x.log.LogAttrs(context.WithoutCancel(x.r.Context()), level, "api request", attributes...)
}
