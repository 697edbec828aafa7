package resource

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Where a tunnel's pre-shared key is kept: AWS's PreSharedKeyStorage.
const (
	KeyStorageStandard       = "Standard"       // with the connection, whose answers show it
	KeyStorageSecretsManager = "SecretsManager" // in a KeySecret, which has permissions of its own
)

// A KeySecret keeps the pre-shared keys of a VPN connection apart from it: no answer
// about the connection shows them. Its id is the connection's.
type KeySecret struct {
	Meta
	Tunnels [2]KeySecretTunnel `json:"tunnels"`
	Version string             `json:"version"` // of what was put last
	Changed time.Time          `json:"changed"`
}

// A KeySecretTunnel has the key of one tunnel, or says where it is; zero for a tunnel
// whose key is not in the secret.
type KeySecretTunnel struct {
	// Reference is where the key is fetched, "file:…" or "vault:…"; empty: it is Key.
	Reference string `json:"reference,omitempty"`

	// Key, beside a Reference, is the one that is valid until the first was fetched.
	Key string `json:"key,omitempty"`

	// Former is what Key has replaced; it is valid beside it as
	// VPNTunnel.FormerPreSharedKey is.
	Former      string    `json:"former,omitempty"`
	FormerUntil time.Time `json:"formerUntil,omitzero"`
}

// Secrets are what the store seals.
func (s *KeySecret) Secrets() []*string {
	return []*string{&s.Tunnels[0].Key, &s.Tunnels[0].Former, &s.Tunnels[1].Key, &s.Tunnels[1].Former}
}

// A FetchedKey is what was found last where a KeySecretTunnel's Reference leads. Its
// id is the tunnel's. It goes on being valid while nothing new can be had.
type FetchedKey struct {
	Meta
	Key         string    `json:"key,omitempty"`
	Former      string    `json:"former,omitempty"`
	FormerUntil time.Time `json:"formerUntil,omitzero"`

	// Problem says why the last attempt has found no key, and Since from when on
	// none has: "", if it has.
	Problem string    `json:"problem,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// Secrets are what the store seals.
func (f *FetchedKey) Secrets() []*string { return []*string{&f.Key, &f.Former} }

// TunnelKeys are what a tunnel authenticates with: an empty Key is not known yet.
type TunnelKeys struct {
	Key, Former string
	FormerUntil time.Time
}

// Keys returns the keys of a tunnel that are valid. The last ones that were fetched
// count only for a reference.
func (t KeySecretTunnel) Keys(fetched FetchedKey) TunnelKeys {
	if t.Reference != "" && fetched.Key != "" {
		return TunnelKeys{fetched.Key, fetched.Former, fetched.FormerUntil}
	}
	return TunnelKeys{t.Key, t.Former, t.FormerUntil}
}

// Replace sets a key, and keeps the one before valid until a time.
func (k TunnelKeys) Replace(key string, formerUntil time.Time) TunnelKeys {
	switch {
	case key == k.Key:
		return k
	case k.Key == "":
		return TunnelKeys{Key: key}
	}
	return TunnelKeys{key, k.Key, formerUntil}
}

// Put makes the tunnel have a key or a reference, as ParseKeyValue takes it, after
// keys that it has now. A reference leaves these valid until something was fetched.
func (t *KeySecretTunnel) Put(value string, now TunnelKeys, formerUntil time.Time) {
	if IsKeyReference(value) {
		*t = KeySecretTunnel{value, now.Key, now.Former, now.FormerUntil}
		return
	}
	keys := now.Replace(value, formerUntil)
	*t = KeySecretTunnel{"", keys.Key, keys.Former, keys.FormerUntil}
}

// Value is what was put: the key, or the reference.
func (t KeySecretTunnel) Value() string {
	if t.Reference != "" {
		return t.Reference
	}
	return t.Key
}

// Kinds of references to keys.
const (
	KeyReferenceFile  = "file"  // a file that the operator keeps
	KeyReferenceVault = "vault" // HashiCorp Vault's key-value store, version 2
)

// IsKeyReference tells a reference from a key, which has no colon.
func IsKeyReference(value string) bool { return strings.Contains(value, ":") }

// keyNames are the forms of what references name. No part of a path begins with a
// dot, so that none leads elsewhere.
var keyNames = sync.OnceValue(func() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		KeyReferenceFile:  regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`),
		KeyReferenceVault: regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,63}){0,7}(#[A-Za-z0-9._-]{1,64})?$`),
	}
})

// ParseKeyReference reads "file:NAME" and "vault:PATH#FIELD"; the field may be left out.
func ParseKeyReference(value string) (kind, name string, err error) {
	kind, name, _ = strings.Cut(value, ":")
	form, ok := keyNames()[kind]
	if !ok {
		return "", "", Errorf(CodeInvalidParameterValue, "The value for parameter PreSharedKey is neither a key nor a reference to one: give file:NAME or vault:PATH#FIELD")
	}
	if !form.MatchString(name) {
		return "", "", Errorf(CodeInvalidParameterValue, "The value for parameter PreSharedKey refers to no %s: names consist of letters, digits, '.', '_' and '-', and begin with a letter, digit or '_'", kind)
	}
	return kind, name, nil
}

// ValidateKeyValue says whether a secret can have value for a tunnel: a key, or a
// reference to one, of one of the kinds that the installation can follow.
func ValidateKeyValue(value string, kinds []string) error {
	if !IsKeyReference(value) {
		return ValidatePreSharedKey(value)
	}
	kind, _, err := ParseKeyReference(value)
	if err == nil && !slices.Contains(kinds, kind) {
		return Errorf(CodeInvalidParameterValue, "The value for parameter PreSharedKey refers to a %s, and this installation fetches no keys from there: its operator has to say where, in pre_shared_keys of the configuration", kind)
	}
	return err
}

// keySecretPrefix begins the names of the secrets that Site-to-Site VPN makes.
const keySecretPrefix = "s2svpn!"

// KeySecretName is the name of the secret of a connection.
func KeySecretName(connection string) string { return keySecretPrefix + connection }

// KeySecretARN is the ARN of the secret of a connection. AWS ends it with six
// characters that nobody can guess; these are the id's last.
func KeySecretARN(account, region, connection string) string {
	return "arn:aws:secretsmanager:" + region + ":" + account + ":secret:" + KeySecretName(connection) + "-" + connection[max(0, len(connection)-6):]
}

// ParseKeySecretID returns the connection whose secret id names, by its name or ARN,
// the latter with or without its end. It is false for what names no such secret of
// the account and region.
func ParseKeySecretID(id, account, region string) (connection string, ok bool) {
	name := strings.TrimPrefix(id, "arn:aws:secretsmanager:"+region+":"+account+":secret:")
	connection, ok = strings.CutPrefix(name, keySecretPrefix)
	if !ok {
		return "", false
	}
	if id == name {
		return connection, true
	}
	if at := strings.LastIndexByte(connection, '-'); at > len("vpn") && KeySecretARN(account, region, connection[:at]) == id {
		connection = connection[:at]
	}
	return connection, true
}
