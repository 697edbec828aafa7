package resource

import "strings"

// A KeyPair is the public half of a key that users enter instances with. Nobody
// keeps the private half but the user.
type KeyPair struct {
	Meta
	Name        string `json:"name"` // unique in its region
	Type        string `json:"type"` // "rsa" or "ed25519"
	Fingerprint string `json:"fingerprint"`
	PublicKey   string `json:"publicKey"` // "ssh-ed25519 AAAA…", without a comment
}

// keyPairNameLengthMax is AWS's bound, in characters.
const keyPairNameLengthMax = 255

// ValidateKeyPairName refuses what cannot be the name of a key pair: it has ASCII
// characters only, and no space at its ends.
func ValidateKeyPairName(name string) error {
	if name == "" {
		return Missing("KeyName")
	}
	odd := strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c > '~' })
	if len(name) > keyPairNameLengthMax || odd || strings.TrimSpace(name) != name {
		return InvalidValue("KeyName", name, "It has up to 255 ASCII characters, and no space at either end.")
	}
	return nil
}
