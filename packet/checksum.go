package packet

import (
	"encoding/binary"
	"math/bits"
)

// Sum returns the one's complement sum of b and initial: RFC 1071. The
// Internet checksum is its complement.
func Sum(b []byte, initial uint16) uint16 {
	// Eight bytes at a time: RFC 1071 section 2 (B), the sum does not depend
	// on the width of the words, only the final fold does.
	sum, carry := uint64(initial), uint64(0)
	for len(b) >= 32 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[8:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[16:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	// What is left fits a second accumulator without a carry.
	rest := uint64(0)
	for len(b) >= 4 {
		rest += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		rest += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		rest += uint64(b[0]) << 8
	}
	sum, carry = bits.Add64(sum, rest, carry)
	sum, carry = bits.Add64(sum, 0, carry) // all ones and a carry make another carry
	sum += carry
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// PseudoHeaderSum is the sum over the pseudo-header of a TCP, UDP or ICMPv6
// checksum: addresses are 4 or 16 bytes each, length is that of the header and
// payload. RFC 9293 section 3.1, RFC 8200 section 8.1.
func PseudoHeaderSum(source, destination []byte, protocol uint8, length int) uint16 {
	tail := [8]byte{3: byte(length), 2: byte(length >> 8), 1: byte(length >> 16), 7: protocol}
	return Sum(tail[:], Sum(destination, Sum(source, 0)))
}

// Adjust returns what checksum becomes when one aligned 16-bit word of what it
// covers changes. RFC 1624 section 3, equation 3.
func Adjust(checksum, before, after uint16) uint16 {
	sum := uint32(^checksum) + uint32(^before) + uint32(after)
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum)
}
