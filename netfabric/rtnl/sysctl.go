package rtnl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"causeway.dev/netfabric/plan"
)

// Sysctls compares the sysctls of the calling thread's network namespace. Those
// of a protocol that the kernel does not have, as of IPv6 where that is
// switched off, are left out.
func Sysctls(want plan.Namespace) ([]Change, error) {
	var changes []Change
	for _, s := range want.Sysctls {
		path := "/proc/sys/net/" + strings.ReplaceAll(s.Key, ".", "/")
		is, err := os.ReadFile(path)
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
			return os.WriteFile(path, []byte(s.Value), 0)
		}})
	}
	return changes, nil
}
