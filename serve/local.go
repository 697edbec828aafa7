package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"causeway.dev/keeper"
	"causeway.dev/netfabric"
)

// Clean removes all that Run made in the kernel: tunnels that are kept, instances, namespaces with
// their links and rules, and outside addresses; with data also the records.
func Clean(ctx context.Context, cfg Config, data bool, log *slog.Logger) error {
	if _, err := os.Stat(cfg.DataDir); err == nil {
		unlock, err := lock(cfg.DataDir)
		if err != nil {
			return err
		}
		defer unlock()
		// While its peers can still be told.
		if err := keeper.End(cfg.keeper()); err != nil {
			return err
		}
	}
	driver, err := newDriver(cfg, log)
	if err != nil {
		return err
	}
	instances, err := driver.List()
	errs := []error{err}
	for _, i := range instances {
		errs = append(errs, driver.Terminate(ctx, i.ID))
	}
	errs = append(errs, driver.Close(), netfabric.Clean(ctx, cfg.Prefix(), cfg.Underlay()), cfg.Underlay().SetAddresses(nil))
	if data {
		errs = append(errs, removeData(cfg.DataDir))
	}
	return errors.Join(errs...)
}

// removeData removes a data directory. Where it is a volume's mount point or a link,
// what it leads to is emptied.
func removeData(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err := os.Remove(dir); !errors.Is(err, unix.EBUSY) {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the records: %w", err)
	}
	return nil
}

// Exec runs a command inside an instance of this host and returns its exit
// code.
func Exec(ctx context.Context, cfg Config, instance string, argv []string, stdin, stdout, stderr *os.File, log *slog.Logger) (int, error) {
	driver, err := newDriver(cfg, log)
	if err != nil {
		return 0, err
	}
	code, err := driver.Exec(ctx, instance, argv, io.Reader(stdin), stdout, stderr, isTerminal(stdin) && isTerminal(stdout))
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("instance %s does not run on this host (data directory %s)", instance, cfg.DataDir)
	}
	return code, err
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
