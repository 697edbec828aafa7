package netns

import (
	"fmt"
	"os"
	"strings"
)

// Command returns the name of the namespace that "ip netns exec" has started the
// process in, "" if it has not. Mounts of such a process are its own, and end with it:
// so do the names that Create makes. Those of a program that was started by another one
// which was started so, as by a shell, are that one's.
func Command() (string, error) {
	if own, err := os.Readlink("/proc/thread-self/ns/mnt"); err != nil {
		return "", fmt.Errorf("look at own mounts: %w", err)
	} else if parents, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid())); err == nil && parents == own {
		return "", nil
	}
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("look at own mounts: %w", err)
	}
	own, err := ID("")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		if name, ok := sysfsOf(line); ok {
			if there, err := ID(name); err == nil && there == own {
				return name, nil
			}
		}
	}
	return "", nil
}

// sysfsOf returns what is mounted at /sys, if a line of mountinfo is about that. "ip
// netns exec" calls what it mounts there by the namespace's name.
//
//	36 35 0:21 / /sys rw,relatime optional fields - sysfs NAME rw
func sysfsOf(line string) (name string, ok bool) {
	mount, system, ok := strings.Cut(line, " - ")
	where, what := strings.Fields(mount), strings.Fields(system)
	if !ok || len(where) < 5 || where[4] != "/sys" || len(what) < 2 || what[0] != "sysfs" || checkName(what[1]) != nil {
		return "", false
	}
	return what[1], true
}
