package esp

import "math"

// A Window is the anti-replay window of RFC 4303 section 3.4.3 and appendix A,
// as a ring of words (the idea of RFC 6479): moving it clears whole words and
// shifts nothing.
type Window struct {
	size uint64 // packets
	top  uint64 // highest sequence number marked
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
	return Window{size: uint64(size), bits: make([]uint64, words)}
}

// Extended returns the number of 64 bits whose lower half is low: of those that are
// not left of the window, the lowest. RFC 4303 appendix A2.2.
func (w *Window) Extended(low uint32) uint64 {
	var edge uint64 // the window's left one
	if w.top >= w.size {
		edge = w.top - w.size + 1
	}
	sequence := edge&^math.MaxUint32 | uint64(low)
	if sequence < edge {
		sequence += 1 << 32 // beyond the last number it wraps to what is not fresh
	}
	return sequence
}

// Fresh reports whether sequence could be accepted.
func (w *Window) Fresh(sequence uint64) bool {
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
func (w *Window) Mark(sequence uint64) {
	if sequence > w.top {
		skipped := int(min(sequence/64-w.top/64, uint64(len(w.bits))))
		for i := range skipped {
			w.bits[w.place(sequence-64*uint64(i))] = 0
		}
		w.top = sequence
	}
	w.bits[w.place(sequence)] |= 1 << (sequence % 64)
}

func (w *Window) place(sequence uint64) int { return int(sequence/64) & (len(w.bits) - 1) }
