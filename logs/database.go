package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

const (
	// lockMax bounds the wait for another process that has the file open, which is
	// looked for every lockRetry.
	lockMax   = 500 * time.Millisecond
	lockRetry = 20 * time.Millisecond

	// spoiltMax is how many spoilt files are kept, the newest.
	spoiltMax = 3

	// spoiltName is between a file's name and when it was moved aside.
	spoiltName = ".spoilt-"

	// reopenEvery is how often a database is opened that can't be.
	reopenEvery = 10 * time.Second
)

// errSpoilt is of a file that holds something else than a store, or one that a disk, a
// crash of the machine or another program has spoilt.
var errSpoilt = errors.New("the file is no log store, or is spoilt")

// A database is bbolt's with the file that it is in.
type database struct {
	*bbolt.DB
	file *os.File
}

// openDatabase opens a file that no other process has open, if it is sound.
func openDatabase(name string, options Options) (*database, error) {
	d := &database{}
	var err error
	d.DB, err = bbolt.Open(name, 0o600, &bbolt.Options{
		NoSync: options.NoSync, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
		// Addresses for the file as large as it gets: to map more of it, a
		// writer would have to wait for all readers.
		InitialMmapSize: int(fileGrowth * options.BytesMax),
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			d.file, err = openSound(name, flag, mode)
			return d.file, err
		},
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// openSound opens a file, locks it as bbolt does, and looks at every page.
func openSound(name string, flag int, mode os.FileMode) (file *os.File, err error) {
	file, err = os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
			file = nil
		}
	}()
	if err := lock(file); err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > 0 { // or else bbolt begins it
		if err := checkFile(file, info.Size()); err != nil {
			return nil, fmt.Errorf("%w: %w", errSpoilt, err)
		}
	}
	return file, nil
}

func lock(file *os.File) error {
	for until := time.Now().Add(lockMax); ; time.Sleep(lockRetry) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock it: %w", err)
		case time.Now().After(until):
			return fmt.Errorf("lock it, which another process has open: %w", bbolterrors.ErrTimeout)
		}
	}
}

// transact runs a transaction, and keeps what f did unless it returns an error. Where
// the database panics, or its file can't be read where it is mapped, that is the error,
// errBroken, and stuck says that a lock of the database may never be let go.
func (d *database) transact(writable bool, f func(*bbolt.Tx) error) (stuck bool, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var tx *bbolt.Tx
	stuck = true
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("%w: %v\n%s", errBroken, problem, debug.Stack())
			stuck = tx == nil || !rolledBack(tx)
		}
	}()
	if tx, err = d.Begin(writable); err != nil {
		return false, err
	}
	if err = f(tx); err == nil && writable {
		return false, tx.Commit()
	}
	if ended := tx.Rollback(); err == nil {
		err = ended
	}
	return false, err
}

// errBroken is of a database that has panicked.
var errBroken = errors.New("the log store's database broke off")

// rolledBack reports whether a transaction that has panicked could be ended.
func rolledBack(tx *bbolt.Tx) (ended bool) {
	defer func() {
		if recover() != nil {
			ended = false
		}
	}()
	err := tx.Rollback()
	return err == nil || errors.Is(err, bbolterrors.ErrTxClosed)
}

// abandon lets go of a database whose locks are stuck: its memory is lost, its file can
// be opened again.
func (d *database) abandon() error { return unix.Flock(int(d.file.Fd()), unix.LOCK_UN) }

// moveAside gives a spoilt file another name, and removes the oldest of those before.
func moveAside(name string) (aside string, err error) {
	aside = name + spoiltName + time.Now().UTC().Format("20060102T150405.000000Z")
	if err := os.Rename(name, aside); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(filepath.Dir(name)) // sorted, and so by their time
	if err != nil {
		return "", err
	}
	var all []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(name)+spoiltName) {
			all = append(all, filepath.Join(filepath.Dir(name), e.Name()))
		}
	}
	for _, old := range all[:max(0, len(all)-spoiltMax)] {
		if err := os.Remove(old); err != nil {
			return "", err
		}
	}
	return aside, nil
}
