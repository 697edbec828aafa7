package netns

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A Place is one namespace as its name was found to mean it: another namespace that
// is made by the same name is another place. Places compare by ==, as long as
// something is open in them.
type Place struct {
	name string
	id   uint64
}

// Settle does f as Do does, and returns where that was.
func Settle(name string, f func() error) (p Place, err error) {
	p.name = name
	err = Do(name, func() error {
		if p.id, err = Current(); err != nil {
			return err
		}
		return f()
	})
	return p, err
}

// Name is what the namespace was called.
func (p Place) Name() string { return p.name }

// Stands reports whether the name still means this namespace.
func (p Place) Stands() bool {
	id, err := ID(p.name)
	return err == nil && id == p.id
}

// Current identifies the namespace of the calling thread, as ID does.
func Current() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return 0, fmt.Errorf("look at own network namespace: %w", err)
	}
	return st.Ino, nil
}
