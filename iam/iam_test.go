package iam_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"causeway.dev/iam"
)

const secret = iam.Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")

var (
	root  = iam.AccessKey{ID: "AKIAIOSFODNN7EXAMPLE", Secret: secret, Account: "123456789012"}
	alice = iam.AccessKey{ID: "AKIAI44QH8DHBEXAMPLE", Secret: secret, Account: "123456789012", User: "alice", UserID: "AIDACKCEVSQ6C2EXAMPLE"}
)

func TestDirectory(t *testing.T) {
	d, err := iam.NewDirectory(root, alice)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []iam.AccessKey{root, alice} {
		if got, ok := d.Lookup(want.ID); !ok || got != want {
			t.Errorf("Lookup(%s) = %v, %v", want.ID, got, ok)
		}
	}
	for _, id := range []string{"", "akiaiosfodnn7example", "AKIAIOSFODNN7EXAMPL"} {
		if _, ok := d.Lookup(id); ok {
			t.Errorf("Lookup(%q) found a key", id)
		}
	}
	if _, ok := (iam.Directory{}).Lookup(root.ID); ok {
		t.Error("the zero Directory has a key")
	}
	if _, err := iam.NewDirectory(root, alice, root); err == nil {
		t.Error("a key was accepted twice")
	}
}

func TestNames(t *testing.T) {
	if got := root.ARN() + " " + root.CallerID(); got != "arn:aws:iam::123456789012:root 123456789012" {
		t.Errorf("root is %s", got)
	}
	if got := alice.ARN() + " " + alice.CallerID(); got != "arn:aws:iam::123456789012:user/alice AIDACKCEVSQ6C2EXAMPLE" {
		t.Errorf("alice is %s", got)
	}
}

func TestCheck(t *testing.T) {
	for name, change := range map[string]func(*iam.AccessKey){
		"short id":             func(k *iam.AccessKey) { k.ID = "AKI" },
		"id with a slash":      func(k *iam.AccessKey) { k.ID = "AKIAIOSFODNN7/EXAMPLE" },
		"no secret":            func(k *iam.AccessKey) { k.Secret = "" },
		"account of 11 digits": func(k *iam.AccessKey) { k.Account = "12345678901" },
		"account of letters":   func(k *iam.AccessKey) { k.Account = "12345678901a" },
		"user with a space":    func(k *iam.AccessKey) { k.User = "al ice" },
		"user with a slash":    func(k *iam.AccessKey) { k.User = "x/alice" },
		"user without id":      func(k *iam.AccessKey) { k.UserID = "" },
		"id of a role":         func(k *iam.AccessKey) { k.UserID = "AROACKCEVSQ6C2EXAMPLE" },
		"id without user":      func(k *iam.AccessKey) { k.User = "" },
	} {
		k := alice
		change(&k)
		err := k.Check()
		if err == nil || strings.Contains(err.Error(), string(secret)) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := iam.NewDirectory(k); err == nil {
			t.Errorf("%s: NewDirectory took it", name)
		}
	}
}

func TestNewAccessKey(t *testing.T) {
	seen := map[string]bool{}
	for _, user := range []string{"", "alice", "alice"} {
		k, err := iam.NewAccessKey(rand.Reader, "123456789012", user)
		if err != nil {
			t.Fatal(err)
		}
		if len(k.ID) != 20 || len(k.Secret) != 40 || (user != "") != (len(k.UserID) == 20) {
			t.Errorf("the key is %s, its secret has %d characters, its user id is %q", k.ID, len(k.Secret), k.UserID)
		}
		for _, part := range []string{k.ID, string(k.Secret), k.UserID} {
			if part != "" && seen[part] {
				t.Errorf("%s came twice", part)
			}
			seen[part] = true
		}
	}
	if _, err := iam.NewAccessKey(bytes.NewReader(make([]byte, 10)), "123456789012", ""); err == nil {
		t.Error("a key was made of too few random bytes")
	}
	if _, err := iam.NewAccessKey(rand.Reader, "1234", ""); err == nil {
		t.Error("a key was made for a malformed account")
	}
}

// TestSecretsDoNotPrint: neither by a verb of fmt nor by the logger.
func TestSecretsDoNotPrint(t *testing.T) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %+v %#v %s %q %x", root, root, root, root.Secret, root.Secret, root.Secret)
	slog.New(slog.NewTextHandler(&b, nil)).Info("key", "key", root, "secret", root.Secret)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("key", "key", root, "secret", root.Secret)
	if text := b.String(); strings.Contains(text, string(secret)) || strings.Contains(text, fmt.Sprintf("%x", string(secret))) {
		t.Error(text)
	}
	// A file of keys has it, though.
	text, err := json.Marshal(root)
	if err != nil || !strings.Contains(string(text), string(secret)) {
		t.Errorf("%s, %v", text, err)
	}
}
