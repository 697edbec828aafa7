package packetio

import (
	"fmt"
	"slices"
	"sync"
)

// A doorbell is the readability of an in-memory source. It is a descriptor too,
// once the kernel is asked to poll it, so that a lane may have both kinds.
type doorbell struct {
	mu       sync.Mutex
	rings    bool          // guarded by mu
	isClosed bool          // guarded by mu
	kernel   *eventfd      // guarded by mu; nil until Descriptor
	poller   *memoryPoller // guarded by mu; whom to tell
}

func (d *doorbell) bell() *doorbell { return d }

// Descriptor implements Source.
func (d *doorbell) Descriptor() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isClosed {
		return -1
	}
	if d.kernel == nil {
		kernel := &eventfd{}
		if kernel.open() != nil {
			return -1
		}
		d.kernel = kernel
		if d.rings {
			kernel.ring()
		}
	}
	return d.kernel.Descriptor()
}

func (d *doorbell) closed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.isClosed
}

func (d *doorbell) ringing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rings && !d.isClosed
}

func (d *doorbell) ring() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rings = true
	if d.kernel != nil {
		d.kernel.ring()
	}
	if d.poller != nil {
		d.poller.Wake()
	}
}

func (d *doorbell) silence() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rings = false
	if d.kernel != nil {
		d.kernel.silence()
	}
}

// Close implements Device and Socket.
func (d *doorbell) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isClosed = true
	if d.kernel == nil {
		return nil
	}
	return d.kernel.Close()
}

// A memoryPoller polls in-memory sources without the kernel: it waits as other
// Go code does, also in a test whose clock stands still meanwhile.
type memoryPoller struct {
	wake chan struct{}

	mu    sync.Mutex
	bells []*doorbell // by key; guarded by mu
}

// NewMemoryPoller returns a Poller of in-memory devices and sockets.
func NewMemoryPoller() (Poller, error) { return &memoryPoller{wake: make(chan struct{}, 1)}, nil }

// bellOf looks through what is wrapped around an in-memory source.
func bellOf(s Source) (*doorbell, error) {
	for {
		switch x := s.(type) {
		case interface{ bell() *doorbell }:
			return x.bell(), nil
		case interface{ Unwrap() Socket }:
			s = x.Unwrap()
		default:
			return nil, fmt.Errorf("poll %T in memory: it is not there", s)
		}
	}
}

func (p *memoryPoller) Add(s Source, key int) error {
	bell, err := bellOf(s)
	if err != nil {
		return err
	}
	p.mu.Lock()
	for len(p.bells) <= key {
		p.bells = append(p.bells, nil)
	}
	p.bells[key] = bell
	p.mu.Unlock()
	bell.mu.Lock()
	bell.poller = p
	bell.mu.Unlock()
	p.Wake() // it may ring already
	return nil
}

func (p *memoryPoller) Remove(s Source) error {
	bell, err := bellOf(s)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if key := slices.Index(p.bells, bell); key >= 0 {
		p.bells[key] = nil
	}
	p.mu.Unlock()
	bell.mu.Lock()
	defer bell.mu.Unlock()
	bell.poller = nil
	return nil
}

func (p *memoryPoller) Wait(keys []int) ([]int, error) {
	if readable := p.readable(keys); len(readable) > len(keys) {
		return readable, nil
	}
	<-p.wake
	return p.readable(keys), nil
}

func (p *memoryPoller) readable(keys []int) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, bell := range p.bells {
		if bell != nil && bell.ringing() {
			keys = append(keys, key)
		}
	}
	return keys
}

func (p *memoryPoller) Wake() {
	select {
	case p.wake <- struct{}{}:
	default: // one waits to be noticed
	}
}

func (p *memoryPoller) Close() error { return nil }
