package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"causeway.dev/resource"
)

// idDigits is the number of hexadecimal digits of an id. Ids from before 2016
// had 8, and are still well-formed.
const (
	idDigits    = 17
	idDigitsOld = 8
)

// newID makes up an id: "vpc-0123456789abcdef0" for the prefix "vpc".
func (s *Service) newID(prefix string) string {
	return prefix + "-" + hex.EncodeToString(s.random((idDigits + 1) / 2))[:idDigits]
}

// random returns n random bytes.
func (s *Service) random(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.rand, b); err != nil {
		panic(fmt.Sprintf("read %d random bytes: %v", n, err)) // crypto/rand never fails
	}
	return b
}

// wellFormed reports whether id is the prefix with 8 or 17 lower-case
// hexadecimal digits.
func wellFormed(prefix, id string) bool {
	digits, ok := strings.CutPrefix(id, prefix+"-")
	return ok && (len(digits) == idDigits || len(digits) == idDigitsOld) && strings.Trim(digits, "0123456789abcdef") == ""
}

// clientTokenLengthMax is AWS's bound, in characters.
const clientTokenLengthMax = 64

// A creation is a request that a client may repeat without creating twice: what
// it creates has ids that follow from the client token, so that a repetition
// finds it by its id. Without a token ids are random and each request is new.
type creation struct {
	token, hash string
	newID       func(prefix string, index int) string
}

// idempotent reads the client token of a request. The parameters are the input,
// with the token and DryRun left out.
func (s *Service) idempotent(r reader, action string, token *string, parameters any) (creation, error) {
	if val(token) == "" {
		return creation{newID: func(prefix string, _ int) string { return s.newID(prefix) }}, nil
	}
	if len(*token) > clientTokenLengthMax || strings.ContainsFunc(*token, func(c rune) bool { return c < ' ' || c > '~' }) {
		return creation{}, resource.InvalidValue("ClientToken", *token, fmt.Sprintf("A client token has at most %d ASCII characters.", clientTokenLengthMax))
	}
	encoded, err := json.Marshal(parameters)
	if err != nil {
		return creation{}, fmt.Errorf("digest the parameters of %s: %w", action, err)
	}
	digest := sha256.Sum256(encoded)
	return creation{
		token: *token,
		hash:  hex.EncodeToString(digest[:]),
		newID: func(prefix string, index int) string {
			digest := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %d", r.scope.Account, r.scope.Region, action, *token, prefix, index))
			return prefix + "-" + hex.EncodeToString(digest[:])[:idDigits]
		},
	}, nil
}

// mark notes in what is created which request created it.
func (c creation) mark(m *resource.Meta) { m.ClientToken, m.ClientTokenHash = c.token, c.hash }

// check refuses a repetition with other parameters than those that created what
// was found.
func (c creation) check(found *resource.Meta) error {
	if found.ClientTokenHash != c.hash {
		return resource.Errorf(resource.CodeIdempotentParameterMismatch, "The client token %s was used before with other parameters. Use another token for another request", c.token)
	}
	return nil
}
