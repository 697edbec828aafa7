package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// ServiceEC2 is what roles of instances name as who may take them on.
const ServiceEC2 = "ec2.amazonaws.com"

// A Session is what STS gave temporary keys for.
type Session struct {
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`

	// Of a role that was taken on; all empty where a user has keys for a time.
	Role           string            `json:"role,omitempty"`
	RoleID         string            `json:"roleId,omitempty"` // "AROA…"
	Name           string            `json:"name,omitempty"`   // that the session was given
	SourceIdentity string            `json:"sourceIdentity,omitempty"`
	Instance       string            `json:"instance,omitempty"` // ARN of the instance that the keys were handed to, if any
	Tags           map[string]string `json:"tags,omitempty"`

	// Policies bound what the session may, if it was given any: documents, and
	// ARNs of managed ones.
	Policies   []string `json:"policies,omitempty"`
	PolicyARNs []string `json:"policyArns,omitempty"`
}

// Limited reports whether the session was given policies of its own.
func (s *Session) Limited() bool { return len(s.Policies)+len(s.PolicyARNs) > 0 }

// A Sealer encrypts what only we shall read, for a place that it can't be moved
// from.
type Sealer interface {
	Seal(secret, place string) string
	Open(sealed, place string) (string, error)
}

// A token has everything about temporary keys in itself, so nothing is kept of
// them: what a process has given out, another one takes.
const tokenPlace = "session token of "

// SealToken returns the session token of temporary keys.
func SealToken(s Sealer, k AccessKey) (string, error) {
	text, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("write a session token: %w", err)
	}
	return s.Seal(string(text), tokenPlace+k.ID), nil
}

// Issue makes temporary keys in the name of somebody for a session that begins now, and
// their session token.
func Issue(random io.Reader, s Sealer, k AccessKey, session Session, now time.Time, life time.Duration) (AccessKey, string, error) {
	var err error
	if k.ID, k.Secret, err = NewCredentials(random, PrefixTemporaryKey, k.Account); err != nil {
		return AccessKey{}, "", err
	}
	session.Issued = now.UTC().Truncate(time.Second)
	session.Expires = session.Issued.Add(life)
	k.Session = &session
	token, err := SealToken(s, k)
	return k, token, err
}

// Errors of OpenToken.
var (
	ErrTokenInvalid = errors.New("the session token is not one that was given out with this access key")
	ErrTokenExpired = errors.New("the session token has expired")
)

// OpenToken returns the temporary keys of a session token.
func OpenToken(s Sealer, accessKeyID, token string, now time.Time) (AccessKey, error) {
	var k AccessKey
	text, err := s.Open(token, tokenPlace+accessKeyID)
	if err != nil || json.Unmarshal([]byte(text), &k) != nil || k.ID != accessKeyID || k.Session == nil {
		return AccessKey{}, ErrTokenInvalid
	}
	if !now.Before(k.Session.Expires) {
		return AccessKey{}, ErrTokenExpired
	}
	return k, nil
}
