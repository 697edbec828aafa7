package keysource

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway.dev/resource"
)

// Whatever a caller of the API writes as a reference, it leads to nothing but the
// account's own folder.
func FuzzReferences(f *testing.F) {
	for _, reference := range []string{
		"file:branch-7", "file:../210987654321/other", "file:link/other", "file:.hidden", "vault:sites/branch#key", "vault:..", "vault:a/../../b",
		"vault:%2e%2e/b", "vault:a?b", "vault:/a", "vault://host/a", "vault:a#b#c", "vault:a//b", "other:a", ":", "key.without.a.colon", "file:a\nb", "vault:a\n",
	} {
		f.Add(reference)
	}
	dir := f.TempDir()
	const secret = "the.key.of.another"
	for name, key := range map[string]string{"210987654321/other": secret, "other": secret, account + "/own": "the.own.key"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(key), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	if err := os.Symlink("..", filepath.Join(dir, account, "link")); err != nil {
		f.Fatal(err)
	}
	files := NewFiles(dir)
	vault, err := NewVault(VaultConfig{Address: "https://vault.example:8200/below", Mount: "kv", Path: "vpn/keys"})
	if err != nil {
		f.Fatal(err)
	}
	const folder = "https://vault.example:8200/below/v1/kv/data/vpn/keys/" + account + "/"
	f.Fuzz(func(t *testing.T, reference string) {
		// Files lead nowhere else by themselves, whoever asks for what.
		if key, err := files.Fetch(t.Context(), account, reference); key == secret || err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q shows another account's key", reference)
		}
		kind, name, err := resource.ParseKeyReference(reference)
		if err != nil {
			return
		}
		if kind+":"+name != reference {
			t.Errorf("%q is read as %q of %q", reference, name, kind)
		}
		switch kind {
		case resource.KeyReferenceFile:
			if filepath.Base(name) != name || strings.HasPrefix(name, ".") {
				t.Errorf("%q is no plain file", reference)
			}
		case resource.KeyReferenceVault:
			place, field := vault.place(account, name)
			path, _, _ := strings.Cut(name, "#")
			if place.String() != folder+path || field == "" {
				t.Errorf("%q is asked for at %s, field %q", reference, place, field)
			}
		}
	})
}
