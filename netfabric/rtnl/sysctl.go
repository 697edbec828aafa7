package rtnl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/plan"
)

// Sysctls compares the sysctls of the calling thread's network namespace. Those
// of a protocol that the kernel does not have, as of IPv6 where that is
// switched off, are left out.
func Sysctls(want plan.Namespace) ([]Change, error) {
	if len(want.Sysctls) == 0 {
		return nil, nil
	}
	// The kernel finds what is a namespace's own by trying that of all namespaces, so
	// each directory is looked for once.
	dirs := directories{}
	defer dirs.close()
	var changes []Change
	for _, s := range want.Sysctls {
		path := strings.ReplaceAll(s.Key, ".", "/")
		is, err := dirs.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read sysctl net.%s: %w", s.Key, err)
		}
		if string(bytes.TrimSpace(is)) == s.Value {
			continue
		}
		changes = append(changes, Change{"set " + s.String(), func() error {
			return os.WriteFile("/proc/sys/net/"+path, []byte(s.Value), 0)
		}})
	}
	return changes, nil
}

// directories of sysctls are the first ones that were read from, by their path below
// net. They stay open; those of devices, of which there may be many, come last.
type directories map[string]int

const directoriesMax = 8

// read reads a sysctl of at most 64 bytes; a value that is longer is none of ours.
func (d directories) read(path string) ([]byte, error) {
	dir, name := filepath.Split(path)
	at, ok := d[dir]
	if !ok {
		var err error
		at, err = unix.Open("/proc/sys/net/"+dir, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil, err
		}
		if len(d) < directoriesMax {
			d[dir] = at
		} else {
			defer unix.Close(at)
		}
	}
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	content := make([]byte, 64)
	n, err := unix.Read(fd, content)
	return content[:max(n, 0)], err
}

func (d directories) close() {
	for _, at := range d {
		unix.Close(at)
	}
}
