package rtnl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	// The kernel finds a namespace's own directory by trying those of all namespaces,
	// so it is looked for once.
	net, err := os.Open("/proc/sys/net")
	if err != nil {
		return nil, fmt.Errorf("read sysctls: %w", err)
	}
	defer net.Close()
	var changes []Change
	for _, s := range want.Sysctls {
		path := strings.ReplaceAll(s.Key, ".", "/")
		is, err := readBelow(net, path)
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

// readBelow reads a file of at most 64 bytes below a directory; a value that is longer is
// none of ours.
func readBelow(dir *os.File, path string) ([]byte, error) {
	fd, err := unix.Openat(int(dir.Fd()), path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	content := make([]byte, 64)
	n, err := unix.Read(fd, content)
	return content[:max(n, 0)], err
}
