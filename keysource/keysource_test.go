package keysource

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const account = "123456789012"

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, account, name) }
	write(t, in("branch"), "the.key.of.branch\r\n", 0o640)
	write(t, in("open"), "the.key.of.branch", 0o644)
	write(t, in("large"), strings.Repeat("k", keyMax+1), 0o600)
	write(t, filepath.Join(dir, "210987654321", "other"), "the.key.of.another", 0o600)
	for link, target := range map[string]string{"link": "branch", "out": "../210987654321/other", "far": filepath.Join(dir, "210987654321", "other")} {
		if err := os.Symlink(target, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(syscall.Mkfifo(in("pipe"), 0o600), os.Mkdir(in("folder"), 0o700)); err != nil {
		t.Fatal(err)
	}
	files := NewFiles(dir)
	for _, name := range []string{"branch", "link"} {
		if key, err := files.Fetch(t.Context(), account, name); err != nil || key != "the.key.of.branch" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, words := range map[string]string{
		"missing": "no such file", "open": "open to everybody (mode 0644)", "large": "too large", "pipe": "is no file", "folder": "is no file",
		"out": "escapes", "far": "escapes", "../210987654321/other": "escapes",
	} {
		key, err := files.Fetch(t.Context(), account, name)
		if err == nil || key != "" || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "the.key") {
			t.Errorf("%s: %v, want …%s", name, err, words)
		}
	}
	if _, err := files.Fetch(t.Context(), "000000000000", "branch"); err == nil {
		t.Error("another account has the key too")
	}
}

// vaultServer answers as Vault does, for one token.
func vaultServer(t *testing.T, token string) (*httptest.Server, VaultConfig) {
	t.Helper()
	const folder = "/v1/kv/data/vpn/keys/" + account + "/"
	mux := http.NewServeMux()
	answer := func(path string, status int, body string) {
		mux.HandleFunc("GET "+folder+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Vault-Token") != token || r.Header.Get("X-Vault-Namespace") != "network" {
				status, body = http.StatusForbidden, `{"errors":["permission denied"]}`
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	answer("sites/branch", http.StatusOK, `{"data":{"data":{"pre_shared_key":"the.key.of.branch","second":"the.second.key","number":7},"metadata":{"version":3}}}`)
	answer("deleted", http.StatusNotFound, `{"data":{"data":null,"metadata":{}}}`)
	answer("sealed", http.StatusServiceUnavailable, `{"errors":["Vault is sealed"]}`)
	answer("elsewhere", http.StatusTemporaryRedirect, "")
	answer("text", http.StatusOK, "the.key.of.branch")
	answer("large", http.StatusOK, `{"data":{"data":{"pre_shared_key":"`+strings.Repeat("k", answerMax)+`"}}}`)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, token+"\n", 0o600)
	return server, VaultConfig{Address: server.URL, Mount: "kv", Path: "vpn/keys", Namespace: "network", TokenFile: file}
}

func TestVault(t *testing.T) {
	t.Parallel()
	server, config := vaultServer(t, "hvs.token")
	vault, err := NewVault(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"sites/branch": "the.key.of.branch", "sites/branch#second": "the.second.key"} {
		if key, err := vault.Fetch(t.Context(), account, name); err != nil || key != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused := func(name, words string, unavailable bool) {
		t.Helper()
		key, err := vault.Fetch(t.Context(), account, name)
		if err == nil || key != "" || !strings.Contains(err.Error(), words) || errors.Is(err, ErrUnavailable) != unavailable || strings.Contains(err.Error(), "the.key") || strings.Contains(err.Error(), "hvs.") {
			t.Errorf("%s: %v, want …%s", name, err, words)
		}
	}
	refused("missing", "has no secret", false)
	refused("deleted", "has no secret", false)
	refused("sites/branch#number", `no field "number" with a text`, false)
	refused("sealed", "Vault is sealed", true)
	refused("elsewhere", "answers 307", false)
	refused("text", "is no secret of the key-value store", false)
	refused("large", "too large", false)
	write(t, config.TokenFile, "another", 0o600)
	refused("sites/branch", "refuses", false)
	server.Close()
	refused("sites/branch", "ask Vault at", true)
	if err := os.Remove(config.TokenFile); err != nil {
		t.Fatal(err)
	}
	refused("sites/branch", "token", true)
}

func TestVaultAddresses(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"https://vault.example:8200": true, "http://127.0.0.1:8200": true, "http://[::1]:8200": true, "http://localhost:8200": true,
		"http://vault.example:8200": false, "http://127.0.0.1.example": false, "vault.example": false, "": false,
		"https://user:word@vault.example": false, "file:///etc": false, "https://vault.example/?q": false,
	} {
		if _, err := NewVault(VaultConfig{Address: address}); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}
