package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"

	"causeway.dev/ike"
)

// A Sealer is the outbound half of a security association. It is not safe for
// concurrent use.
type Sealer struct {
	transform
	sequence uint64 // of the packet sealed last
	last     uint64 // that may be used
	counters Counters

	cbc      blockMode
	ivBlock  cipher.Block // makes vectors for CBC
	ivInput  [aes.BlockSize]byte
	isClosed bool
}

// NewSealer returns a Sealer whose first packet has sequence number 1.
func NewSealer(p Params) (*Sealer, error) {
	t, block, err := newTransform(p)
	if err != nil {
		return nil, err
	}
	s := &Sealer{transform: t, last: math.MaxUint32}
	if p.ExtendedSequence {
		s.last = math.MaxUint64
	}
	if t.aead != nil {
		return s, nil
	}
	s.cbc = cipher.NewCBCEncrypter(block, s.ivInput[:]).(blockMode)
	// RFC 3602 section 3: the vector must be unpredictable. The cipher of a
	// counter under a key of its own is, and costs one block instead of a
	// read of the kernel's random numbers for each packet.
	h := hmac.New(sha256.New, t.params.Key)
	h.Write([]byte("ESP CBC initialization vector"))
	h.Write(t.params.IntegrityKey)
	ivKey := h.Sum(nil)
	s.ivBlock, err = aes.NewCipher(ivKey)
	clear(ivKey)
	return s, err
}

// SPI returns the association's index.
func (s *Sealer) SPI() ike.SPI { return s.params.SPI }

// Counters returns the use so far.
func (s *Sealer) Counters() Counters { return s.counters }

// Sequence returns the sequence number of the packet sealed last.
func (s *Sealer) Sequence() uint64 { return s.sequence }

// Headroom is the room in bytes that Seal needs before the payload.
func (s *Sealer) Headroom() int { return headerLen + s.ivLen }

// SealedLen returns the length of the ESP packet for a payload of n bytes.
func (s *Sealer) SealedLen(n int) int {
	return headerLen + s.ivLen + n + s.padding(n) + trailerLen + s.icvLen
}

// Inside returns the largest payload in bytes whose ESP packet has at most room
// bytes: what is left between IV and ICV is rounded down to the cipher's block
// (16 for CBC, 4 for others: RFC 4303 section 2.4), less the 2 bytes of the
// trailer. In IPv4 of 1500 bytes that gives AWS's table: GCM 1446, in UDP 1438;
// CBC with SHA1 or SHA2-256 1438 and 1422, SHA2-384 1422 and 1422, SHA2-512 1422
// and 1406.
func (s *Sealer) Inside(room int) int {
	room -= headerLen + s.ivLen + s.icvLen
	return max(room-room%s.block-trailerLen, 0)
}

// padding is the shortest that fills payload and trailer to whole blocks. RFC
// 4303 section 2.4.
func (s *Sealer) padding(n int) int {
	over := (n + trailerLen) % s.block
	if over == 0 {
		return 0
	}
	return s.block - over
}

// Seal turns the n bytes at slot[offset:] into an ESP packet in place and
// returns it, a part of slot:
//
//	[ SPI 4 | sequence number 4 | IV | payload n | padding | pad length 1 | next header 1 | ICV ]
//
// It needs Headroom bytes before the payload and SealedLen(n) in all. Each
// call that succeeds takes one sequence number; when all 2^32-1, or 2^64-1 extended ones, are used it
// returns ErrSequenceExhausted: RFC 4303 section 3.3.3.
func (s *Sealer) Seal(slot []byte, offset, n int, nextHeader byte) ([]byte, error) {
	start, sealed := offset-s.Headroom(), s.SealedLen(n)
	switch {
	case s.isClosed:
		return nil, ErrClosed
	case start < 0 || n < 0 || start+sealed > len(slot):
		return nil, ErrRoom
	case s.sequence == s.last:
		return nil, ErrSequenceExhausted
	}
	s.sequence++
	packet := slot[start : start+sealed : start+sealed]
	binary.BigEndian.PutUint32(packet, uint32(s.params.SPI))
	binary.BigEndian.PutUint32(packet[4:], uint32(s.sequence))
	ivEnd := headerLen + s.ivLen
	bodyEnd := sealed - s.icvLen
	// RFC 4303 section 2.4: padding counts 1, 2, 3, ...
	pad := bodyEnd - trailerLen - ivEnd - n
	for i := range pad {
		packet[ivEnd+n+i] = byte(i + 1)
	}
	packet[bodyEnd-2] = byte(pad)
	packet[bodyEnd-1] = nextHeader

	body := packet[ivEnd:bodyEnd]
	if s.aead != nil {
		// RFC 4106 section 3.1: the vector only has to be unique.
		binary.BigEndian.PutUint64(packet[headerLen:], s.sequence)
		copy(s.nonce[4:], packet[headerLen:ivEnd])
		s.aead.Seal(body[:0], s.nonce[:], body, s.associated(packet[:headerLen], s.sequence))
	} else {
		binary.BigEndian.PutUint64(s.ivInput[8:], s.sequence)
		s.ivBlock.Encrypt(packet[headerLen:ivEnd], s.ivInput[:])
		s.cbc.SetIV(packet[headerLen:ivEnd])
		s.cbc.CryptBlocks(body, body)
		copy(packet[bodyEnd:], s.icv(packet[:bodyEnd], s.sequence))
	}
	s.counters.Packets++
	s.counters.Bytes += uint64(n)
	return packet, nil
}

// Close wipes the keys; later calls of Seal return ErrClosed.
func (s *Sealer) Close() {
	s.isClosed = true
	s.wipe()
	s.cbc, s.ivBlock = nil, nil
}
