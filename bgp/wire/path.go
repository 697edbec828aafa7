package wire

import "encoding/binary"

// A segment is one of an AS_PATH, RFC 4271 section 4.3:
//
//	[ type 1 | count 1 | ASNs, of 2 or 4 octets each ]
type segment struct {
	set  bool
	asns []uint32
}

// length is what a segment counts for where paths are compared, RFC 4271 section 9.1.2.2.
func (s segment) length() int {
	if s.set {
		return 1
	}
	return len(s.asns)
}

// parsePath reads an AS_PATH or AS4_PATH. The problem completes "the attribute has …".
func parsePath(value []byte, four bool) (path []segment, problem string) {
	size := 2
	if four {
		size = 4
	}
	for len(value) > 0 {
		if len(value) < 2 || len(value) < 2+int(value[1])*size {
			return nil, "a segment that is longer than its place"
		}
		kind, count := value[0], int(value[1])
		switch {
		case kind == segmentConfedSequence || kind == segmentConfedSet: // RFC 5065 section 5
			return nil, "a segment of a confederation, of which the peer is none"
		case kind != segmentSet && kind != segmentSequence:
			return nil, "a segment of an unknown type"
		case count == 0:
			return nil, "an empty segment"
		}
		s := segment{set: kind == segmentSet, asns: make([]uint32, count)}
		for i := range s.asns {
			if four {
				s.asns[i] = binary.BigEndian.Uint32(value[2+i*size:])
			} else {
				s.asns[i] = uint32(binary.BigEndian.Uint16(value[2+i*size:]))
			}
			if s.asns[i] == 0 { // RFC 7607 section 2
				return nil, "the ASN 0"
			}
		}
		path = append(path, s)
		value = value[2+count*size:]
	}
	return path, ""
}

// mergePaths is the path that a peer of two-octet ASNs has passed on: its AS4_PATH,
// and before it what AS_PATH has more. RFC 6793 section 4.2.3.
func mergePaths(path, as4 []segment) []segment {
	surplus := 0
	for _, s := range path {
		surplus += s.length()
	}
	for _, s := range as4 {
		surplus -= s.length()
	}
	if surplus < 0 {
		return path
	}
	var merged []segment
	for _, s := range path {
		if surplus <= 0 {
			break
		}
		if !s.set && len(s.asns) > surplus {
			s.asns = s.asns[:surplus]
		}
		merged = append(merged, s)
		surplus -= s.length()
	}
	return append(merged, as4...)
}

// flatten is a path with 0 in place of its sets, and the members of these.
func flatten(path []segment) (asns, sets []uint32) {
	for _, s := range path {
		if s.set {
			asns, sets = append(asns, 0), append(sets, s.asns...)
		} else {
			asns = append(asns, s.asns...)
		}
	}
	return asns, sets
}

// wide reports whether a path holds ASNs that do not fit into two octets.
func wide(path []uint32) bool {
	for _, asn := range path {
		if asn > 0xffff {
			return true
		}
	}
	return false
}

// appendPath appends the segments of a path that has no sets.
func appendPath(dst []byte, path []uint32, four bool) []byte {
	for len(path) > 0 {
		n := min(len(path), segmentMax)
		dst = append(dst, segmentSequence, byte(n))
		for _, asn := range path[:n] {
			switch {
			case four:
				dst = binary.BigEndian.AppendUint32(dst, asn)
			case asn > 0xffff:
				dst = binary.BigEndian.AppendUint16(dst, ASTrans)
			default:
				dst = binary.BigEndian.AppendUint16(dst, uint16(asn))
			}
		}
		path = path[n:]
	}
	return dst
}
