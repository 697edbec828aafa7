package serve

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/resource"
)

const keysAccount = "123456789012"

// Without a word about keys none is fetched; a directory and Vault each add a kind of
// reference that can be followed.
func TestKeyStores(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"pre_shared_keys: {refresh: 5s}", nil},
		{"pre_shared_keys: {directory: /keys}", []string{resource.KeyReferenceFile}},
		{"pre_shared_keys: {vault: {address: 'https://vault:8200', token_file: /token}}", []string{resource.KeyReferenceVault}},
		{"pre_shared_keys: {directory: /keys, vault: {address: 'http://127.0.0.1:8200', token_file: /token}}", []string{resource.KeyReferenceFile, resource.KeyReferenceVault}},
	} {
		cfg, err := ParseConfig([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		sources, err := cfg.Keys.sources()
		if err != nil || len(sources) != len(c.want) || !slices.Equal(cfg.Keys.references(), c.want) {
			t.Errorf("%s: %d sources, references %v, %v", c.text, len(sources), cfg.Keys.references(), err)
		}
		for _, kind := range c.want {
			if sources[kind] == nil {
				t.Errorf("%s: nobody fetches from a %s", c.text, kind)
			}
		}
	}
	cfg, err := ParseConfig([]byte("pre_shared_keys: {vault: {address: 'https://vault:8200', token_file: /token}}"))
	if err != nil || cfg.Keys.Refresh != time.Minute || cfg.Keys.Vault.Mount != "secret" || cfg.Keys.Vault.Path != "causeway" {
		t.Errorf("defaults: %+v, %v", cfg.Keys, err)
	}
}

// A server that could be anybody is not given the token, and its authorities are there.
func TestVaultThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"{address: 'http://vault.example:8200', token_file: /token}":             "is not https",
		"{address: 'vault.example', token_file: /token}":                         "is not https://HOST:PORT",
		"{address: 'https://a:word@vault', token_file: /token}":                  "is not https://HOST:PORT",
		"{address: 'https://vault', token_file: /token, ca_cert: /is/not/there}": "no such file",
		"{address: 'https://vault', token_file: /token, ca_cert: " + empty + "}": "no certificate",
	} {
		cfg, err := ParseConfig([]byte("pre_shared_keys: {vault: " + text + "}"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := cfg.Keys.sources(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "word") {
			t.Errorf("%s: %v, want …%s", text, err, want)
		}
	}
}

// What the configuration names is where keys are read: each store, and only by those who
// may.
func TestKeysAreReadWhereConfigured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/kv/data/site/"+keysAccount+"/branch" && r.Header.Get("X-Vault-Token") == "hvs.token" && r.Header.Get("X-Vault-Namespace") == "network" {
			w.Write([]byte(`{"data":{"data":{"pre_shared_key":"the.key.of.vault"}}}`))
			return
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(vault.Close)
	for name, text := range map[string]string{"token": "hvs.token\n", keysAccount + "/branch": "the.key.of.file\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := ParseConfig([]byte("pre_shared_keys: {directory: " + dir + ", vault: {address: '" + vault.URL + "', token_file: " + dir + "/token, mount: kv, path: site, namespace: network}}"))
	if err != nil {
		t.Fatal(err)
	}
	sources, err := cfg.Keys.sources()
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(kind string) (string, error) {
		return sources[kind].Fetch(context.Background(), keysAccount, "branch")
	}
	for kind, want := range map[string]string{resource.KeyReferenceFile: "the.key.of.file", resource.KeyReferenceVault: "the.key.of.vault"} {
		if key, err := fetch(kind); err != nil || key != want {
			t.Errorf("from a %s: %v", kind, err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, keysAccount, "branch"), 0o604); err != nil {
		t.Fatal(err)
	}
	if key, err := fetch(resource.KeyReferenceFile); err == nil || key != "" || !strings.Contains(err.Error(), "open to everybody") {
		t.Errorf("a file that everybody can read: %v", err)
	}
}
