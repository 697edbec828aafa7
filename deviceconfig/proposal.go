package deviceconfig

import (
	"slices"
	"strconv"

	"causeway.dev/resource"
)

// A proposal is one combination of algorithms, in AWS's names. With an AEAD as
// encryption, Integrity is the PRF in phase 1 and means nothing in phase 2.
type proposal struct {
	Encryption string
	Integrity  string
	Group      int32
}

// A preference is the order in which a device should take what is allowed.
type preference struct {
	encryption, integrity []string
	groups                []int32
}

// The orders in use. Each contains all that resource names.
var (
	// weakestFirst is what AWS's own samples do: any device can do it.
	weakestFirst = preference{
		encryption: resource.EncryptionAlgorithms,
		integrity:  resource.IntegrityAlgorithms,
		groups:     resource.Phase2DHGroups,
	}

	// cbcFirst is the strongest that strongSwan's basic packages can do
	// everywhere: GCM and the elliptic curves are in packages of their own.
	cbcFirst = preference{
		encryption: []string{"AES256", "AES128", "AES256-GCM-16", "AES128-GCM-16"},
		integrity:  []string{"SHA2-256", "SHA2-384", "SHA2-512", "SHA1"},
		groups:     []int32{14, 15, 16, 17, 18, 19, 20, 21, 24, 23, 22, 5, 2},
	}

	// gcmFirst is for devices that surely have GCM and elliptic curves, which
	// are both stronger and faster.
	gcmFirst = preference{
		encryption: []string{"AES256-GCM-16", "AES128-GCM-16", "AES256", "AES128"},
		integrity:  []string{"SHA2-256", "SHA2-384", "SHA2-512", "SHA1"},
		groups:     []int32{19, 20, 21, 14, 15, 16, 17, 18, 24, 23, 22, 5, 2},
	}
)

func (p preference) phase1(o resource.TunnelOptions) proposal {
	return proposal{first(p.encryption, o.Phase1EncryptionAlgorithms), first(p.integrity, o.Phase1IntegrityAlgorithms), first(p.groups, o.Phase1DHGroupNumbers)}
}

func (p preference) phase2(o resource.TunnelOptions) proposal {
	return proposal{first(p.encryption, o.Phase2EncryptionAlgorithms), first(p.integrity, o.Phase2IntegrityAlgorithms), first(p.groups, o.Phase2DHGroupNumbers)}
}

// first returns the first of order that is allowed. Effective options allow
// something, and order contains everything.
func first[T comparable](order, allowed []T) T {
	for _, v := range order {
		if slices.Contains(allowed, v) {
			return v
		}
	}
	panic("deviceconfig: options that allow nothing")
}

// AEAD says that the encryption protects integrity as well.
func (p proposal) AEAD() bool {
	return p.Encryption == "AES128-GCM-16" || p.Encryption == "AES256-GCM-16"
}

// isWeak says that the proposal would not be chosen today: SHA-1 and the groups
// below 2048 bits (RFC 8247 sections 2.3 and 2.4).
func (p proposal) isWeak(phase int) bool {
	return p.Group == 2 || p.Group == 5 || p.Group == 22 || p.Integrity == "SHA1" && (phase == 1 || !p.AEAD())
}

// inside returns the largest packet that fits into a tunnel over an underlay of
// 1500 bytes with NAT traversal. The outer headers are IPv4, UDP and ESP; the
// padding fills up to the cipher's block.
//
//	[ IPv4 20 | UDP 8 | ESP 8 | IV 8 or 16 | packet, padding, 2 | ICV 12 to 32 ]
func (p proposal) inside() int {
	const underlay, outer, trailer = 1500, 20 + 8 + 8, 2
	iv, block, icv := 16, 16, map[string]int{"SHA1": 12, "SHA2-256": 16, "SHA2-384": 24, "SHA2-512": 32}[p.Integrity]
	if p.AEAD() {
		iv, block, icv = 8, 4, 16
	}
	return (underlay-outer-iv-icv)/block*block - trailer
}

// Names of algorithms in the proposals of strongSwan and of Causeway.
var (
	shortEncryption = map[string]string{"AES128": "aes128", "AES256": "aes256", "AES128-GCM-16": "aes128gcm16", "AES256-GCM-16": "aes256gcm16"}
	shortIntegrity  = map[string]string{"SHA1": "sha1", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"}
)

// short writes the proposal as both strongSwan and Causeway do, but for the
// names of groups: "aes256-sha256-modp2048", "aes256gcm16-prfsha256-group19".
func (p proposal) short(phase int, group func(int32) string) string {
	s := shortEncryption[p.Encryption]
	switch {
	case !p.AEAD():
		s += "-" + shortIntegrity[p.Integrity]
	case phase == 1:
		s += "-prf" + shortIntegrity[p.Integrity]
	}
	return s + "-" + group(p.Group)
}

func groupNumber(n int32) string { return "group" + strconv.Itoa(int(n)) }
