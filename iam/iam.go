// Package iam says who calls: accounts, their users, roles and access keys.
package iam

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"sync"
)

// A Secret is the secret half of an access key. It prints as a mark only.
type Secret string

// String hides the secret.
func (Secret) String() string { return "(secret)" }

// GoString hides the secret.
func (Secret) GoString() string { return "(secret)" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// An AccessKey signs requests in the name of an account's root, of a user, or of a
// session.
type AccessKey struct {
	ID      string `json:"id"` // 4 to 128 word characters (AWS's have 20): "AKIAIOSFODNN7EXAMPLE"
	Secret  Secret `json:"secret"`
	Account string `json:"account"`          // 12 digits
	User    string `json:"user,omitempty"`   // empty: the account's root
	UserID  string `json:"userId,omitempty"` // AWS's unique id of the user: "AIDA…"; empty for root
	Path    string `json:"path,omitempty"`   // of the user or role: "/team/"; empty means "/"

	// Session is what temporary keys were given out for; nil for lasting ones.
	Session *Session `json:"session,omitempty"`
}

// LogValue is the id, as the rest follows from it.
func (k AccessKey) LogValue() slog.Value { return slog.StringValue(k.ID) }

// ARN names who signs with the key.
func (k AccessKey) ARN() string {
	switch {
	case k.Session != nil && k.Session.Role != "":
		return "arn:aws:sts::" + k.Account + ":assumed-role/" + k.Session.Role + "/" + k.Session.Name
	case k.User == "":
		return "arn:aws:iam::" + k.Account + ":root"
	}
	return "arn:aws:iam::" + k.Account + ":user" + k.path() + k.User
}

func (k AccessKey) path() string {
	if k.Path == "" {
		return "/"
	}
	return k.Path
}

// PrincipalARN is what the condition key aws:PrincipalArn has: ARN, but for a
// session of a role the role's.
func (k AccessKey) PrincipalARN() string {
	if k.Session != nil && k.Session.Role != "" {
		return "arn:aws:iam::" + k.Account + ":role" + k.path() + k.Session.Role
	}
	return k.ARN()
}

// CallerID is the unique id of who signs with the key: that of the user, that of
// the role with the session's name, or the account's number for root.
func (k AccessKey) CallerID() string {
	switch {
	case k.Session != nil && k.Session.Role != "":
		return k.Session.RoleID + ":" + k.Session.Name
	case k.User == "":
		return k.Account
	}
	return k.UserID
}

// Root reports whether the key is the account's own, which no policy limits.
func (k AccessKey) Root() bool {
	return k.User == "" && (k.Session == nil || k.Session.Role == "")
}

// The forms that AWS's API reference of IAM and STS gives.
var (
	accessKeyIDForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\w{4,128}$`) })
	accountForm     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{12}$`) })
	userForm        = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\w+=,.@-]{1,64}$`) })
	userIDForm      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^AIDA[A-Z2-7]{12,124}$`) })
)

// Check says what is wrong with the key.
func (k AccessKey) Check() error {
	switch {
	case !accessKeyIDForm().MatchString(k.ID):
		return fmt.Errorf("access key id %q: want 4 to 128 letters, digits or underscores", k.ID)
	case len(k.Secret) < secretLengthMin:
		return fmt.Errorf("access key %s: the secret has less than %d characters", k.ID, secretLengthMin)
	case !accountForm().MatchString(k.Account):
		return fmt.Errorf("access key %s: account %q is not 12 digits", k.ID, k.Account)
	case k.User != "" && !userForm().MatchString(k.User):
		return fmt.Errorf("access key %s: user name %q: want 1 to 64 letters, digits or _+=,.@-", k.ID, k.User)
	case k.User != "" && !userIDForm().MatchString(k.UserID):
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

// HasUser reports whether a key of an account is that of the user of a unique id.
func (d Directory) HasUser(account, userID string) bool {
	for _, k := range d.keys {
		if k.Account == account && k.UserID == userID && userID != "" {
			return true
		}
	}
	return false
}

// Prefixes of ids, which say what they are of.
const (
	PrefixAccessKey       = "AKIA"
	PrefixTemporaryKey    = "ASIA"
	PrefixUser            = "AIDA"
	PrefixGroup           = "AGPA"
	PrefixRole            = "AROA"
	PrefixPolicy          = "ANPA"
	PrefixInstanceProfile = "AIPA"
)

// NewAccessKey makes a key with an id and a secret of AWS's form from random
// bytes. A key of a user gets a new user id.
func NewAccessKey(random io.Reader, account, user string) (AccessKey, error) {
	k := AccessKey{Account: account, User: user}
	var err error
	if k.ID, k.Secret, err = NewCredentials(random, PrefixAccessKey, account); err != nil {
		return AccessKey{}, err
	}
	if user != "" {
		if k.UserID, err = NewUniqueID(random, PrefixUser); err != nil {
			return AccessKey{}, err
		}
	}
	return k, k.Check()
}

// secretBytes make 40 characters of base 64.
const secretBytes = 30

// NewCredentials makes the id and the secret of a key of an account.
func NewCredentials(random io.Reader, prefix, account string) (id string, secret Secret, err error) {
	b := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", "", fmt.Errorf("read random bytes of an access key: %w", err)
	}
	id, err = newKeyID(random, prefix, account)
	return id, Secret(base64.StdEncoding.EncodeToString(b)), err
}

// The 80 bits of an access key's id, as AWS's are, so that a key tells its account:
//
//	[ 1 | account 40 | random 39 ]
const (
	keyIDBytes  = 10
	accountBits = 40
	randomBits  = keyIDBytes*8 - 1 - accountBits
)

func newKeyID(random io.Reader, prefix, account string) (string, error) {
	number, err := strconv.ParseUint(account, 10, accountBits)
	if err != nil {
		return "", fmt.Errorf("account %q is not a number of %d bits", account, accountBits)
	}
	b := make([]byte, keyIDBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read random bytes of an access key's id: %w", err)
	}
	const low = randomBits - 16 // random bits among the first 64; the last 16 are all random
	head := binary.BigEndian.Uint64(b)
	head = 1<<63 | number<<low | head&(1<<low-1)
	binary.BigEndian.PutUint64(b, head)
	return prefix + base32.StdEncoding.EncodeToString(b), nil
}

// KeyAccount returns the account that the id of an access key tells. ok is false
// for ids that tell none, as those that somebody made up.
func KeyAccount(id string) (account string, ok bool) {
	if len(id) != len(PrefixAccessKey)+keyIDBytes*8/5 {
		return "", false
	}
	b, err := base32.StdEncoding.DecodeString(id[len(PrefixAccessKey):])
	if err != nil || b[0]&0x80 == 0 {
		return "", false
	}
	number := binary.BigEndian.Uint64(b) >> (randomBits - 16) & (1<<accountBits - 1)
	account = fmt.Sprintf("%012d", number)
	return account, accountForm().MatchString(account)
}

// NewUniqueID makes up the unique id of a user, group, role or policy.
func NewUniqueID(random io.Reader, prefix string) (string, error) {
	b := make([]byte, keyIDBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read random bytes of an id: %w", err)
	}
	return prefix + base32.StdEncoding.EncodeToString(b), nil
}
