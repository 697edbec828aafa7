package esp

// A Window is the anti-replay window of RFC 4303 section 3.4.3 and appendix A,
// as a ring of words (the idea of RFC 6479): moving it clears whole words and
// shifts nothing.
type Window struct {
	size uint32 // packets
	top  uint32 // highest sequence number marked
	bits []uint64
}

// NewWindow returns a window of size packets in which only 0 is stale: senders
// start at 1.
func NewWindow(size int) Window {
	// The ring holds one word more than the window, so that the word which is
	// being filled never shares its place with the oldest one still asked for;
	// a power of two, so that a mask finds the place.
	words := 1
	for words*64 < size+64 {
		words *= 2
	}
	return Window{size: uint32(size), bits: make([]uint64, words)}
}

// Fresh reports whether sequence could be accepted.
func (w *Window) Fresh(sequence uint32) bool {
	switch {
	case sequence == 0:
		return false
	case sequence > w.top:
		return true
	case w.top-sequence >= w.size:
		return false
	}
	return w.bits[w.place(sequence)]&(1<<(sequence%64)) == 0
}

// Mark records sequence, which must be Fresh and authenticated.
func (w *Window) Mark(sequence uint32) {
	if sequence > w.top {
		skipped := min(int(sequence/64-w.top/64), len(w.bits))
		for i := range skipped {
			w.bits[int(sequence/64-uint32(i))&(len(w.bits)-1)] = 0
		}
		w.top = sequence
	}
	w.bits[w.place(sequence)] |= 1 << (sequence % 64)
}

func (w *Window) place(sequence uint32) int { return int(sequence/64) & (len(w.bits) - 1) }
