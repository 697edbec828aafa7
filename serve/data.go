package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/seal"
	"causeway.dev/logs"
	"causeway.dev/store"
)

// endpointFile, in the data directory, holds the URL of the API while it is
// served.
const endpointFile = "endpoint"

// storeOpenMax bounds the start of the embedded store: reading a large data
// directory back takes seconds.
const storeOpenMax = 60 * time.Second

// data is the open data directory: what lasts from one Run to the next.
type data struct {
	keyring *seal.Keyring // seals what is secret in the records
	records *store.Store
	logs    *logs.Store

	unlock func()
}

// openData makes the data directory if it is missing, and opens it for this process
// alone.
func openData(ctx context.Context, cfg Config, log *slog.Logger) (_ *data, err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	d := new(data)
	if d.unlock, err = lock(cfg.DataDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.close(log)
		}
	}()
	// What a killed process left would lead clients to an address of nobody.
	if err := os.Remove(filepath.Join(cfg.DataDir, endpointFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the last address of the API: %w", err)
	}
	if d.keyring, err = seal.Load(cfg.KeyFile()); err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(ctx, storeOpenMax)
	defer cancel()
	if d.records, err = openStore(opening, cfg, d.keyring, log); err != nil {
		return nil, err
	}
	if d.logs, err = openLogs(cfg, log); err != nil {
		return nil, err
	}
	return d, nil
}

// close closes what is open, the lock last.
func (d *data) close(log *slog.Logger) {
	if d.logs != nil {
		if err := d.logs.Close(); err != nil {
			log.Warn("close log store", "err", err)
		}
	}
	if d.records != nil {
		if err := d.records.Close(); err != nil {
			log.Warn("close store", "err", err)
		}
	}
	d.unlock()
}

// lock makes sure that one process at a time serves a data directory.
func lock(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock data directory %s: another causeway serves it (%w)", dir, err)
	}
	return func() { file.Close() }, nil
}

func openStore(ctx context.Context, cfg Config, keyring *seal.Keyring, log *slog.Logger) (*store.Store, error) {
	c := store.Config{Dir: filepath.Join(cfg.DataDir, "store"), Endpoints: cfg.Store.Etcd, Keyring: keyring, Logger: log}
	if len(cfg.Store.Etcd) > 0 {
		var err error
		if c.TLS, err = cfg.Store.tls(); err != nil {
			return nil, err
		}
	}
	return store.Open(ctx, c)
}
