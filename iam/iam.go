// Package iam says who calls: accounts, their users and access keys.
package iam

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"regexp"
)

// A Secret is the secret half of an access key. It prints as a mark only.
type Secret string

// String hides the secret.
func (Secret) String() string { return "(secret)" }

// GoString hides the secret.
func (Secret) GoString() string { return "(secret)" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// An AccessKey signs requests in the name of an account's root or of a user.
type AccessKey struct {
	ID      string `json:"id"` // 4 to 128 word characters (AWS's have 20): "AKIAIOSFODNN7EXAMPLE"
	Secret  Secret `json:"secret"`
	Account string `json:"account"`          // 12 digits
	User    string `json:"user,omitempty"`   // empty: the account's root
	UserID  string `json:"userId,omitempty"` // AWS's unique id of the user: "AIDA…"; empty for root
}

// LogValue is the id, as the rest follows from it.
func (k AccessKey) LogValue() slog.Value { return slog.StringValue(k.ID) }

// ARN names who signs with the key.
func (k AccessKey) ARN() string {
	if k.User == "" {
		return "arn:aws:iam::" + k.Account + ":root"
	}
	return "arn:aws:iam::" + k.Account + ":user/" + k.User
}

// CallerID is the unique id of who signs with the key: that of the user, or the
// account's number for root.
func (k AccessKey) CallerID() string {
	if k.User == "" {
		return k.Account
	}
	return k.UserID
}

// The forms that AWS's API reference of IAM and STS gives.
var (
	accessKeyIDForm = regexp.MustCompile(`^\w{4,128}$`)
	accountForm     = regexp.MustCompile(`^[0-9]{12}$`)
	userForm        = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	userIDForm      = regexp.MustCompile(`^AIDA[A-Z2-7]{12,124}$`)
)

// Check says what is wrong with the key.
func (k AccessKey) Check() error {
	switch {
	case !accessKeyIDForm.MatchString(k.ID):
		return fmt.Errorf("access key id %q: want 4 to 128 letters, digits or underscores", k.ID)
	case len(k.Secret) < secretLengthMin:
		return fmt.Errorf("access key %s: the secret has less than %d characters", k.ID, secretLengthMin)
	case !accountForm.MatchString(k.Account):
		return fmt.Errorf("access key %s: account %q is not 12 digits", k.ID, k.Account)
	case k.User != "" && !userForm.MatchString(k.User):
		return fmt.Errorf("access key %s: user name %q: want 1 to 64 letters, digits or _+=,.@-", k.ID, k.User)
	case k.User != "" && !userIDForm.MatchString(k.UserID):
		return fmt.Errorf("access key %s: user id %q: want AIDA and 12 to 124 upper-case letters or digits", k.ID, k.UserID)
	case k.User == "" && k.UserID != "":
		return fmt.Errorf("access key %s: it has user id %s, but no user", k.ID, k.UserID)
	}
	return nil
}

// secretLengthMin is ours, not AWS's, whose secrets have 40 characters: "test" is
// what people write for an API on their own loopback. Whoever opens it to other
// machines is warned elsewhere.
const secretLengthMin = 4

// A Directory finds access keys. It never changes, so any number of goroutines
// may use it. The zero Directory has none.
type Directory struct{ keys map[string]AccessKey }

// NewDirectory returns a directory of the given keys. It fails if one is
// malformed or if two have the same id.
func NewDirectory(keys ...AccessKey) (Directory, error) {
	d := Directory{keys: make(map[string]AccessKey, len(keys))}
	for _, k := range keys {
		if err := k.Check(); err != nil {
			return Directory{}, err
		}
		if _, ok := d.keys[k.ID]; ok {
			return Directory{}, fmt.Errorf("access key %s is given twice", k.ID)
		}
		d.keys[k.ID] = k
	}
	return d, nil
}

// Lookup returns the access key of that id.
func (d Directory) Lookup(accessKeyID string) (AccessKey, bool) {
	k, ok := d.keys[accessKeyID]
	return k, ok
}

// NewAccessKey makes a key with an id and a secret of AWS's form from random
// bytes. A key of a user gets a new user id.
func NewAccessKey(random io.Reader, account, user string) (AccessKey, error) {
	// 16 characters of base 32 and 40 of base 64.
	b := make([]byte, 10+30+10)
	if _, err := io.ReadFull(random, b); err != nil {
		return AccessKey{}, fmt.Errorf("read random bytes of an access key: %w", err)
	}
	k := AccessKey{
		ID:      "AKIA" + base32.StdEncoding.EncodeToString(b[:10]),
		Secret:  Secret(base64.StdEncoding.EncodeToString(b[10:40])),
		Account: account,
		User:    user,
	}
	if user != "" {
		k.UserID = "AIDA" + base32.StdEncoding.EncodeToString(b[40:])
	}
	return k, k.Check()
}
