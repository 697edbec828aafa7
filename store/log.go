package store

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zapLogger returns a logger for etcd that writes to ours. etcd's warnings and
// errors are ours of the same level; what it says of its daily life is for
// debugging only.
func zapLogger(to *slog.Logger) *zap.Logger { return zap.New(slogCore{to.With("component", "etcd")}) }

type slogCore struct{ to *slog.Logger }

func (c slogCore) Enabled(level zapcore.Level) bool {
	return c.to.Enabled(context.Background(), slogLevel(level))
}

func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	return slogCore{c.to.With(attributes(fields)...)}
}

func (c slogCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c slogCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	c.to.Log(context.Background(), slogLevel(entry.Level), entry.Message, attributes(fields)...)
	return nil
}

func (slogCore) Sync() error { return nil }

func attributes(fields []zapcore.Field) []any {
	encoded := zapcore.NewMapObjectEncoder()
	for _, field := range fields {
		field.AddTo(encoded)
	}
	attributes := make([]any, 0, len(encoded.Fields))
	for name, value := range encoded.Fields {
		attributes = append(attributes, slog.Any(name, value))
	}
	return attributes
}

func slogLevel(level zapcore.Level) slog.Level {
	switch {
	case level <= zapcore.InfoLevel:
		return slog.LevelDebug
	case level == zapcore.WarnLevel:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}
