package servers

import (
	"net/netip"
	"sync"
)

// Places are what the clients of a server share: so many at once, and so many of them
// for one address, so that no client takes those of all others. They are safe for
// concurrent use, and made by NewPlaces.
type Places struct {
	most, ofOne int

	mu    sync.Mutex
	taken int                // guarded by mu
	by    map[netip.Addr]int // guarded by mu
}

// NewPlaces returns so many free places, of which one address has ofOne at most.
func NewPlaces(most, ofOne int) *Places {
	return &Places{most: most, ofOne: ofOne, by: map[netip.Addr]int{}}
}

// Take gives a client a place if there is one for it. What free gives back is free the
// first time only.
func (p *Places) Take(client netip.Addr) (free func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == p.most || p.by[client] == p.ofOne {
		return nil, false
	}
	p.taken++
	p.by[client]++
	return sync.OnceFunc(func() { p.free(client) }), true
}

func (p *Places) free(client netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.by[client]--; p.by[client] == 0 {
		delete(p.by, client)
	}
}
