package packet

// ECN is the explicit congestion notification field: the low two bits of the
// type of service or traffic class. RFC 3168 section 5.
type ECN = uint8

// Codepoints.
const (
	ECNMask ECN = 3
	NotECT  ECN = 0
	ECT1    ECN = 1
	ECT0    ECN = 2
	CE      ECN = 3 // congestion experienced
)

// DecapsulateECN brings the outer header's ECN field into the inner packet p,
// which must have been parsed. It returns false if the packet is to be
// dropped. RFC 6040 section 4.2, figure 4:
//
//	inner \ outer   Not-ECT   ECT(0)   ECT(1)   CE
//	Not-ECT         Not-ECT   Not-ECT  Not-ECT  drop
//	ECT(0)          ECT(0)    ECT(0)   ECT(1)   CE
//	ECT(1)          ECT(1)    ECT(1)   ECT(1)   CE
//	CE              CE        CE       CE       CE
func DecapsulateECN(p []byte, outer uint8) bool {
	outer &= ECNMask
	if outer == NotECT || outer == ECT0 {
		return true
	}
	tos := TOS(p)
	inner := tos & ECNMask
	switch {
	case inner == NotECT:
		return outer != CE
	case inner == CE, inner == outer:
		return true
	}
	tos = tos&^ECNMask | outer
	if Version(p) == 4 {
		IPv4(p).SetTOS(tos)
	} else {
		IPv6(p).SetTrafficClass(tos)
	}
	return true
}

// TOS returns DSCP and ECN of an IPv4 or IPv6 packet that has been parsed.
func TOS(p []byte) uint8 {
	if Version(p) == 4 {
		return IPv4(p).TOS()
	}
	return IPv6(p).TrafficClass()
}
