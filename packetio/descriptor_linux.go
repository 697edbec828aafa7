package packetio

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A descriptor is a non-blocking file descriptor that may be closed while
// others use it. It is kept from the runtime's poller on purpose: that one asks
// for writability too and would be woken by each packet that the kernel has
// taken from us.
type descriptor struct {
	mu       sync.RWMutex
	fd       int  // guarded by mu
	isClosed bool // guarded by mu
}

// Descriptor implements Source.
func (d *descriptor) Descriptor() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.isClosed {
		return -1
	}
	return d.fd
}

// hold keeps the descriptor from being closed until release. It returns
// os.ErrClosed if it is closed already.
func (d *descriptor) hold() (fd uintptr, err error) {
	d.mu.RLock()
	if d.isClosed {
		d.mu.RUnlock()
		return 0, os.ErrClosed
	}
	return uintptr(d.fd), nil
}

func (d *descriptor) release() { d.mu.RUnlock() }

// Close closes the descriptor when nobody uses it any more. Closing it twice
// does nothing.
func (d *descriptor) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isClosed {
		return nil
	}
	d.isClosed = true
	return unix.Close(d.fd)
}
