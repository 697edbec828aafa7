package ike

import (
	"fmt"
	"strings"
)

// The notation of proposals is the one that Linux administrators know:
// algorithms joined by '-', "aes128-sha256-group14" and, for an AEAD cipher of
// the IKE SA, with its PRF: "aes256gcm16-prfsha256-group14".

var encryptionNames = map[Encryption]string{
	AES128CBC: "aes128", AES256CBC: "aes256", AES128GCM16: "aes128gcm16", AES256GCM16: "aes256gcm16",
}

var integrityNames = map[Integrity]string{
	HMACSHA1: "sha1", HMACSHA256: "sha256", HMACSHA384: "sha384", HMACSHA512: "sha512",
}

var prfNames = map[PRF]string{
	PRFHMACSHA1: "prfsha1", PRFHMACSHA256: "prfsha256", PRFHMACSHA384: "prfsha384", PRFHMACSHA512: "prfsha512",
}

// groupAliases are other tools' names of the groups that have one.
var groupAliases = map[string]Group{
	"modp1024": Group2, "modp1536": Group5, "modp2048": Group14, "modp3072": Group15, "modp4096": Group16,
	"modp6144": Group17, "modp8192": Group18, "ecp256": Group19, "ecp384": Group20, "ecp521": Group21,
}

// String is the algorithm's name in the notation of proposals.
func (e Encryption) String() string { return nameOf(encryptionNames, e) }

// String is the algorithm's name in the notation of proposals.
func (i Integrity) String() string { return nameOf(integrityNames, i) }

// String is the function's name in the notation of proposals.
func (p PRF) String() string { return nameOf(prfNames, p) }

// String is "group14".
func (g Group) String() string {
	if g == GroupNone {
		return "none"
	}
	return fmt.Sprintf("group%d", uint16(g))
}

// String is the proposal in the notation that ParseIKEProposal takes.
func (p IKEProposal) String() string {
	if p.Encryption.AEAD() {
		return fmt.Sprintf("%v-%v-%v", p.Encryption, p.PRF, p.Group)
	}
	return fmt.Sprintf("%v-%v-%v", p.Encryption, p.Integrity, p.Group)
}

// String is the proposal in the notation that ParseESPProposal takes.
func (p ESPProposal) String() string {
	parts := []string{p.Encryption.String()}
	if !p.Encryption.AEAD() {
		parts = append(parts, p.Integrity.String())
	}
	if p.Group != GroupNone {
		parts = append(parts, p.Group.String())
	}
	return strings.Join(parts, "-")
}

// ParseIKEProposal reads "aes128-sha256-group14" or
// "aes256gcm16-prfsha384-group20". The PRF of a cipher with an integrity
// algorithm uses the same hash.
func ParseIKEProposal(s string) (IKEProposal, error) {
	parts, err := parseAlgorithms(s)
	switch {
	case err != nil:
		return IKEProposal{}, err
	case parts.encryption == EncryptionNone:
		return IKEProposal{}, fmt.Errorf("proposal %q names no encryption", s)
	case parts.group == GroupNone:
		return IKEProposal{}, fmt.Errorf("proposal %q names no Diffie-Hellman group", s)
	case parts.encryption.AEAD() && parts.integrity != IntegrityNone:
		return IKEProposal{}, fmt.Errorf("proposal %q: %v authenticates by itself; name a PRF such as prf%v instead of %[3]v", s, parts.encryption, parts.integrity)
	case parts.encryption.AEAD() && parts.prf == PRFNone:
		return IKEProposal{}, fmt.Errorf("proposal %q names no PRF, such as prfsha256", s)
	case !parts.encryption.AEAD() && parts.integrity == IntegrityNone:
		return IKEProposal{}, fmt.Errorf("proposal %q names no integrity algorithm, such as sha256", s)
	}
	if parts.prf == PRFNone {
		parts.prf = PRF(parts.integrity)
	}
	return IKEProposal{parts.encryption, parts.integrity, parts.prf, parts.group}, nil
}

// ParseESPProposal reads "aes128-sha256-group14", "aes128gcm16-group14", or
// either without a group for no perfect forward secrecy.
func ParseESPProposal(s string) (ESPProposal, error) {
	parts, err := parseAlgorithms(s)
	switch {
	case err != nil:
		return ESPProposal{}, err
	case parts.encryption == EncryptionNone:
		return ESPProposal{}, fmt.Errorf("proposal %q names no encryption", s)
	case parts.prf != PRFNone:
		return ESPProposal{}, fmt.Errorf("proposal %q: ESP uses no PRF", s)
	case parts.encryption.AEAD() && parts.integrity != IntegrityNone:
		return ESPProposal{}, fmt.Errorf("proposal %q: %v authenticates by itself; leave %v out", s, parts.encryption, parts.integrity)
	case !parts.encryption.AEAD() && parts.integrity == IntegrityNone:
		return ESPProposal{}, fmt.Errorf("proposal %q names no integrity algorithm, such as sha256", s)
	}
	return ESPProposal{parts.encryption, parts.integrity, parts.group}, nil
}

type algorithms struct {
	encryption Encryption
	integrity  Integrity
	prf        PRF
	group      Group
}

func parseAlgorithms(s string) (algorithms, error) {
	var a algorithms
	for part := range strings.SplitSeq(s, "-") {
		switch {
		case pick(encryptionNames, part, &a.encryption), pick(integrityNames, part, &a.integrity), pick(prfNames, part, &a.prf):
		case groupAliases[part] != GroupNone:
			a.group = groupAliases[part]
		default:
			group, ok := parseGroup(part)
			if !ok {
				return a, fmt.Errorf("proposal %q: %q is not an algorithm that is known here", s, part)
			}
			a.group = group
		}
	}
	return a, nil
}

func parseGroup(s string) (Group, bool) {
	for _, g := range groupAliases {
		if g.String() == s {
			return g, true
		}
	}
	return GroupNone, false
}

func pick[T comparable](names map[T]string, s string, into *T) bool {
	for value, name := range names {
		if name == s {
			*into = value
			return true
		}
	}
	return false
}

func nameOf[T ~uint8](names map[T]string, value T) string {
	if name, ok := names[value]; ok {
		return name
	}
	return fmt.Sprintf("unknown(%d)", uint8(value))
}
