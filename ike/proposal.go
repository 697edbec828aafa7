package ike

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The notation of proposals is the one that Linux administrators know:
// algorithms joined by '-', "aes128-sha256-group14" and, for an AEAD cipher of
// the IKE SA, with its PRF: "aes256gcm16-prfsha256-group14". Additional key
// exchanges follow the group: "aes256gcm16-prfsha384-group19+mlkem768".
//
// AWS's words are taken too ("AES256-GCM-16-SHA2-384-group20"), and other
// names that strongSwan has for an algorithm.

var encryptionNames = map[Encryption]string{
	AES128CBC: "aes128", AES256CBC: "aes256", AES128GCM16: "aes128gcm16", AES256GCM16: "aes256gcm16",
	ChaCha20Poly1305: "chacha20poly1305",
}

var integrityNames = map[Integrity]string{
	HMACSHA1: "sha1", HMACSHA256: "sha256", HMACSHA384: "sha384", HMACSHA512: "sha512",
}

var prfNames = map[PRF]string{
	PRFHMACSHA1: "prfsha1", PRFHMACSHA256: "prfsha256", PRFHMACSHA384: "prfsha384", PRFHMACSHA512: "prfsha512",
}

// kemNames are the key exchange methods that are no Diffie-Hellman groups.
var kemNames = map[Group]string{MLKEM768: "mlkem768", MLKEM1024: "mlkem1024"}

// groupNames are other tools' names of the groups.
var groupNames = map[string]Group{
	"modp1024": Group2, "modp1536": Group5, "modp2048": Group14, "modp3072": Group15, "modp4096": Group16,
	"modp6144": Group17, "modp8192": Group18, "ecp256": Group19, "ecp384": Group20, "ecp521": Group21,
	"modp1024s160": Group22, "modp2048s224": Group23, "modp2048s256": Group24,
	"curve25519": Group31, "x25519": Group31, "curve448": Group32, "x448": Group32,
}

// synonyms turn AWS's words and strongSwan's other ones into those above.
var synonyms = strings.NewReplacer(
	"-gcm-16", "gcm16", "gcm128", "gcm16", "sha2_", "sha", "sha2-", "sha", "chacha20-poly1305", "chacha20poly1305", "+", "-",
)

// String is the algorithm's name in the notation of proposals.
func (e Encryption) String() string { return nameOf(encryptionNames, e) }

// String is the algorithm's name in the notation of proposals.
func (i Integrity) String() string { return nameOf(integrityNames, i) }

// String is the function's name in the notation of proposals.
func (p PRF) String() string { return nameOf(prfNames, p) }

// String is "group14", or "mlkem768".
func (g Group) String() string {
	if g == GroupNone {
		return "none"
	}
	if name, ok := kemNames[g]; ok {
		return name
	}
	return fmt.Sprintf("group%d", uint16(g))
}

// KEM reports whether g is a key encapsulation mechanism, which only additional
// key exchanges use.
func (g Group) KEM() bool { return kemNames[g] != "" }

// All are the methods up to the last that is set.
func (a AdditionalGroups) All() []Group {
	n := slices.Index(a[:], GroupNone)
	if n < 0 {
		n = len(a)
	}
	return slices.Clone(a[:n])
}

// String is "+mlkem768", or empty.
func (a AdditionalGroups) String() string {
	var b strings.Builder
	for _, g := range a.All() {
		b.WriteString("+" + g.String())
	}
	return b.String()
}

// KeyExchange is the key exchange as it was negotiated: "19", "19+mlkem768".
func (p IKEProposal) KeyExchange() string { return fmt.Sprintf("%d%v", uint16(p.Group), p.Additional) }

// String is the proposal in the notation that ParseIKEProposal takes.
func (p IKEProposal) String() string {
	if p.Encryption.AEAD() {
		return fmt.Sprintf("%v-%v-%v%v", p.Encryption, p.PRF, p.Group, p.Additional)
	}
	return fmt.Sprintf("%v-%v-%v%v", p.Encryption, p.Integrity, p.Group, p.Additional)
}

// String is the proposal in the notation that ParseESPProposal takes.
func (p ESPProposal) String() string {
	parts := []string{p.Encryption.String()}
	if !p.Encryption.AEAD() {
		parts = append(parts, p.Integrity.String())
	}
	if p.Group != GroupNone {
		parts = append(parts, p.Group.String()+p.Additional.String())
	}
	if p.ExtendedSequence {
		parts = append(parts, extendedName)
	}
	return strings.Join(parts, "-")
}

// ParseIKEProposal reads "aes128-sha256-group14" or
// "aes256gcm16-prfsha384-group20+mlkem768". The PRF of a cipher with an integrity
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
	return IKEProposal{
		Encryption: parts.encryption, Integrity: parts.integrity, PRF: parts.prf, Group: parts.group, Additional: parts.additional,
	}, nil
}

// extendedName says that sequence numbers are extended ones.
const extendedName = "esn"

// ParseESPProposal reads "aes128-sha256-group14", "aes128gcm16-group14", or
// either without a group for no perfect forward secrecy; with "-esn" behind for
// extended sequence numbers.
func ParseESPProposal(s string) (ESPProposal, error) {
	rest, extended := strings.CutSuffix(strings.ToLower(s), "-"+extendedName)
	parts, err := parseAlgorithms(rest)
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
	case parts.group == GroupNone && parts.additional != AdditionalGroups{}:
		return ESPProposal{}, fmt.Errorf("proposal %q names an additional key exchange, but no Diffie-Hellman group that it adds to", s)
	}
	return ESPProposal{Encryption: parts.encryption, Integrity: parts.integrity, Group: parts.group, Additional: parts.additional, ExtendedSequence: extended}, nil
}

type algorithms struct {
	encryption Encryption
	integrity  Integrity
	prf        PRF
	group      Group
	additional AdditionalGroups
}

func parseAlgorithms(s string) (algorithms, error) {
	var a algorithms
	for part := range strings.SplitSeq(synonyms.Replace(strings.ToLower(s)), "-") {
		switch {
		case pick(encryptionNames, part, &a.encryption), pick(integrityNames, part, &a.integrity), pick(prfNames, part, &a.prf):
			continue
		}
		group, ok := parseGroup(part)
		if !ok {
			return a, fmt.Errorf("proposal %q: %q is not an algorithm that is known here", s, part)
		}
		if !group.KEM() {
			a.group = group
			continue
		}
		if err := a.add(group); err != nil {
			return a, fmt.Errorf("proposal %q: %w", s, err)
		}
	}
	return a, nil
}

// add puts another key exchange behind those there are.
func (a *algorithms) add(g Group) error {
	have := a.additional.All()
	switch {
	case slices.Contains(have, g):
		return fmt.Errorf("%v comes twice", g)
	case len(have) == AdditionalGroupsMax:
		return errors.New("too many additional key exchanges")
	}
	a.additional[len(have)] = g
	return nil
}

// parseGroup reads "group14", "modp2048", "mlkem768", and "ke1_mlkem768", as
// strongSwan says it of additional key exchanges.
func parseGroup(s string) (Group, bool) {
	if g, ok := groupNames[s]; ok {
		return g, true
	}
	for _, g := range groupNames {
		if g.String() == s {
			return g, true
		}
	}
	if number, kem, found := strings.Cut(s, "_"); found && len(number) == 3 && number >= "ke1" && number <= "ke7" {
		s = kem
	}
	var g Group
	known := pick(kemNames, s, &g)
	return g, known
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
