package esp

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"causeway.dev/ike"
)

// A State is one direction of a security association with which it can go on in
// another process, exactly where it was. It holds keys: it is never written to a
// disk or a log.
type State struct {
	SPI               ike.SPI
	Encryption        ike.Encryption
	Integrity         ike.Integrity
	Key, IntegrityKey []byte // as in Params
	StandardAES       bool   `json:",omitempty"`
	ExtendedSequence  bool   `json:",omitempty"`

	// Sequence is the number of the packet that was sealed last, or the highest
	// that was opened.
	Sequence uint64

	// ReplayWindow is the window's width in packets and Seen its ring of words;
	// both are an Opener's alone.
	ReplayWindow int
	Seen         []uint64

	Counters Counters
}

var errTooLong = errors.New("esp: sequence number of a State has more than 32 bits")

// Wipe overwrites the keys.
func (s *State) Wipe() {
	clear(s.Key)
	clear(s.IntegrityKey)
}

// String leaves out the keys.
func (s State) String() string { return fmt.Sprintf("SA %08x at %d", uint32(s.SPI), s.Sequence) }

// Format hides the keys from every verb.
func (s State) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

func (s State) params() Params {
	return Params{SPI: s.SPI, Encryption: s.Encryption, Integrity: s.Integrity, Key: s.Key, IntegrityKey: s.IntegrityKey, StandardAES: s.StandardAES, ExtendedSequence: s.ExtendedSequence, ReplayWindow: s.ReplayWindow}
}

func (t *transform) state() State {
	p := t.params
	return State{SPI: p.SPI, Encryption: p.Encryption, Integrity: p.Integrity, Key: slices.Clone(p.Key), IntegrityKey: slices.Clone(p.IntegrityKey), StandardAES: p.StandardAES, ExtendedSequence: p.ExtendedSequence}
}

// Freeze closes the Sealer and returns how it was. A sequence number that was used
// is never used again, as an AEAD demands, as long as one Sealer only is thawed.
func (s *Sealer) Freeze() (State, error) {
	if s.isClosed {
		return State{}, ErrClosed
	}
	state := s.state()
	state.Sequence, state.Counters = s.sequence, s.counters
	s.Close()
	return state, nil
}

// ThawSealer returns a Sealer that goes on where another was frozen.
func ThawSealer(state State) (*Sealer, error) {
	s, err := NewSealer(state.params())
	if err != nil {
		return nil, err
	}
	if state.Sequence > s.last {
		return nil, errTooLong
	}
	s.sequence, s.counters = state.Sequence, state.Counters
	return s, nil
}

// Freeze closes the Opener and returns how it was.
func (o *Opener) Freeze() (State, error) {
	if o.isClosed {
		return State{}, ErrClosed
	}
	state := o.state()
	state.Sequence, state.Counters = o.window.top, o.counters
	state.ReplayWindow, state.Seen = int(o.window.size), slices.Clone(o.window.bits)
	o.Close()
	return state, nil
}

// ThawOpener returns an Opener that goes on where another was frozen: it accepts
// no packet that the other has accepted.
func ThawOpener(state State) (*Opener, error) {
	o, err := NewOpener(state.params())
	if err != nil {
		return nil, err
	}
	if state.Sequence > math.MaxUint32 && !state.ExtendedSequence {
		return nil, errTooLong
	}
	if len(state.Seen) != len(o.window.bits) {
		return nil, errors.New("esp: replay window is not as wide as it says")
	}
	copy(o.window.bits, state.Seen)
	o.window.top, o.counters = state.Sequence, state.Counters
	return o, nil
}
