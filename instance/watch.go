package instance

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// watched is the init process of an instance that runs. That it still does is one
// question about all of them; to read every instance's files would take the longer
// the more there are.
type watched struct {
	process *os.File // a pidfd
	boot    int64
}

// watch remembers the init process of an instance. One that ends meanwhile is not
// remembered.
func (d *Namespaces) watch(id string, p process) {
	fd, err := p.open()
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if before, ok := d.watched[id]; ok {
		before.process.Close()
	}
	d.watched[id] = watched{os.NewFile(uintptr(fd), "init process of "+id), p.boot}
}

// alive returns the boots of the watched instances that still run, and forgets the
// others.
func (d *Namespaces) alive() (map[string]int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids, fds := make([]string, 0, len(d.watched)), make([]unix.PollFd, 0, len(d.watched))
	for id, w := range d.watched {
		ids, fds = append(ids, id), append(fds, unix.PollFd{Fd: int32(w.process.Fd()), Events: unix.POLLIN})
	}
	for {
		if _, err := unix.Poll(fds, 0); err == unix.EINTR {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("look at %d init processes: %w", len(fds), err)
		}
		break
	}
	boots := make(map[string]int64, len(ids))
	for i, id := range ids {
		if fds[i].Revents != 0 {
			d.watched[id].process.Close()
			delete(d.watched, id)
			continue
		}
		boots[id] = d.watched[id].boot
	}
	return boots, nil
}
