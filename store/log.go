package store

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger returns a logger for etcd that writes to ours. etcd's warnings and
// errors are ours of the same level; what it says of its daily life is for
// debugging only. So is all that it says before loudFrom: at its start a server
// warns of listeners and tokens that the embedded one does not have, and it
// tries to note its version before there is a place for that. What really
// fails then fails Open.
func zapLogger(to *slog.Logger, loudFrom time.Time) *zap.Logger {
	return zap.New(slogCore{to.With("component", "etcd"), loudFrom})
}

type slogCore struct {
	to       *slog.Logger
	loudFrom time.Time
}

func (c slogCore) Enabled(level zapcore.Level) bool {
	return c.to.Enabled(context.Background(), c.level(level))
}

func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	return slogCore{c.to.With(attributes(fields)...), c.loudFrom}
}

func (c slogCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c slogCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	c.to.Log(context.Background(), c.level(entry.Level), entry.Message, attributes(fields)...)
	return nil
}

func (slogCore) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	encoded := zapcore.NewMapObjectEncoder()
	for _, field := range fields {
		field.AddTo(encoded)
	}
	attributes := make([]any, 0, len(encoded.Fields))
	for _, name := range slices.Sorted(maps.Keys(encoded.Fields)) {
		attributes = append(attributes, slog.Any(name, encoded.Fields[name]))
	}
	return attributes
}

func (c slogCore) level(level zapcore.Level) slog.Level {
	switch {
	case level <= zapcore.InfoLevel, time.Now().Before(c.loudFrom):
		return slog.LevelDebug
	case level == zapcore.WarnLevel:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}
