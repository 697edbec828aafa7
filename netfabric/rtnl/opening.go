package rtnl

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/plan"
)

const forwardingIPv6 = "/proc/sys/net/ipv6/conf/all/forwarding"

// Values of accept_ra.
const (
	acceptAsHost = "1"
	acceptAlways = "2" // though the host forwards
)

func acceptRA(device string) string { return "/proc/sys/net/ipv6/conf/" + device + "/accept_ra" }

// ForwardsIPv6 reports whether the calling thread's network namespace forwards IPv6.
// No device does for itself.
func ForwardsIPv6() (bool, error) { return isValue(forwardingIPv6, "1") }

// isValue reports whether a file has a value; one that is not there has none.
func isValue(path, value string) (bool, error) {
	is, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return string(bytes.TrimSpace(is)) == value, nil
}

// setValue writes a file; one that is gone needs nothing.
func setValue(text, path, value string) Change {
	return Change{text, func() error {
		err := os.WriteFile(path, []byte(value), 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}}
}

// Advised returns the devices of an underlay that learn addresses and routes from
// routers' advertisements, as they would not do in a router.
func (h *Handle) Advised() ([]string, error) {
	var advised []string
	for device, link := range h.devices {
		if link.Attrs().RawFlags&unix.IFF_LOOPBACK != 0 || plan.IsOutsideName(device) {
			continue
		}
		accepts, err := isValue(acceptRA(device), acceptAsHost)
		if err != nil {
			return nil, err
		}
		if accepts {
			advised = append(advised, device)
		}
	}
	slices.Sort(advised)
	return advised, nil
}

// Opening lets devices forward IPv4, and the calling thread's network namespace
// IPv6, where they don't. Those that are advised are told to go on listening before
// they stand in a router, or they would forget what they have learned.
func Opening(devices, advised []string, ipv6 bool) ([]Change, error) {
	var changes []Change
	set := func(text, path, value string) error {
		is, err := isValue(path, value)
		if err == nil && !is {
			changes = append(changes, setValue(text, path, value))
		}
		return err
	}
	for _, device := range devices {
		if err := set("set forwarding of "+device+" to 1", forwarding(device), "1"); err != nil {
			return nil, err
		}
	}
	if !ipv6 {
		return changes, nil
	}
	for _, device := range advised {
		if err := set("let "+device+" go on taking advertisements", acceptRA(device), acceptAlways); err != nil {
			return nil, err
		}
	}
	return changes, set("forward IPv6", forwardingIPv6, "1")
}

// CloseIPv6 takes back what Opening did for IPv6.
func CloseIPv6(advised []string) []Change {
	changes := []Change{setValue("forward IPv6 no more", forwardingIPv6, "0")}
	for _, device := range advised {
		changes = append(changes, setValue("let "+device+" take advertisements as a host", acceptRA(device), acceptAsHost))
	}
	return changes
}
