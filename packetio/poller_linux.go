package packetio

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// An epollPoller is the kernel's epoll.
type epollPoller struct {
	epoll  int
	wake   eventfd
	events [pollEvents]unix.EpollEvent
}

// pollEvents bounds how many sources one Wait names.
const pollEvents = 64

// keyWake is the key of the poller's own doorbell.
const keyWake = -1

// NewPoller returns a Poller of sources that have descriptors, on the thread
// that calls Wait.
func NewPoller() (Poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make poller: %w", err)
	}
	p := &epollPoller{epoll: epoll}
	if err := p.wake.open(); err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("make poller: %w", err)
	}
	if err := p.Add(&p.wake, keyWake); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *epollPoller) Add(s Source, key int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(key)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, s.Descriptor(), &event); err != nil {
		return fmt.Errorf("poll descriptor %d: %w", s.Descriptor(), err)
	}
	return nil
}

func (p *epollPoller) Remove(s Source) error {
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, s.Descriptor(), nil); err != nil {
		return fmt.Errorf("poll descriptor %d no more: %w", s.Descriptor(), err)
	}
	return nil
}

func (p *epollPoller) Wait(keys []int) ([]int, error) {
	n, err := unix.EpollWait(p.epoll, p.events[:], -1)
	if errors.Is(err, unix.EINTR) {
		return keys, nil
	}
	if err != nil {
		return keys, fmt.Errorf("poll: %w", err)
	}
	for _, e := range p.events[:n] {
		if e.Fd == keyWake {
			p.wake.silence()
			continue
		}
		keys = append(keys, int(e.Fd))
	}
	return keys, nil
}

func (p *epollPoller) Wake() { p.wake.ring() }

func (p *epollPoller) Close() error { return errors.Join(p.wake.Close(), unix.Close(p.epoll)) }

// An eventfd is a descriptor that is readable from ring to silence.
type eventfd struct{ descriptor }

func (b *eventfd) open() (err error) {
	b.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return err
}

func (b *eventfd) ring() {
	fd, err := b.hold()
	if err != nil {
		return
	}
	defer b.release()
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(int(fd), one[:]) // full means that it rings
}

func (b *eventfd) silence() {
	fd, err := b.hold()
	if err != nil {
		return
	}
	defer b.release()
	var count [8]byte
	_, _ = unix.Read(int(fd), count[:]) // empty means that it is silent
}
