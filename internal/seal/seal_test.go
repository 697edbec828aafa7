package seal

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsSealedOpensInItsPlaceOnly(t *testing.T) {
	ring := Generate()
	sealed := ring.Seal("a secret", "vpn-1")
	if strings.Contains(sealed, "secret") || !Sealed(sealed) || !ring.Current(sealed) {
		t.Errorf("sealed: %q", sealed)
	}
	if again := ring.Seal("a secret", "vpn-1"); again == sealed {
		t.Error("the same secret is sealed to the same text twice")
	}
	if got, err := ring.Open(sealed, "vpn-1"); got != "a secret" || err != nil {
		t.Errorf("opened: %q, %v", got, err)
	}
	if _, err := ring.Open(sealed, "vpn-2"); err == nil {
		t.Error("it opens in another place")
	}
	if _, err := Generate().Open(sealed, "vpn-1"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("another keyring: %v", err)
	}
	damaged := []byte(sealed)
	damaged[len(damaged)-4] ^= 1
	if _, err := ring.Open(string(damaged), "vpn-1"); err == nil {
		t.Error("it opens though it is damaged")
	}
	for _, text := range []string{"", "a secret", "sealed:1:", "sealed:1:00000000", sealed[:len(sealed)-30]} {
		if _, err := ring.Open(text, "vpn-1"); err == nil {
			t.Errorf("%q opens", text)
		}
	}
}

func TestLoadMakesAKeyOnceAndReadsSeveral(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	first, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	sealed := first.Seal("a secret", "x")
	again, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(sealed, "x"); got != "a secret" || err != nil {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	// A new key is put in front; what the old one sealed still opens.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	next := base64.StdEncoding.EncodeToString(randomKey()) + "\n"
	if err := os.WriteFile(path, append([]byte(next), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	rotated, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := rotated.Open(sealed, "x"); got != "a secret" || err != nil || rotated.Current(sealed) {
		t.Errorf("after rotation: %q, %v, sealed with the first key: %v", got, err, rotated.Current(sealed))
	}
	if fresh := rotated.Seal("a secret", "x"); !rotated.Current(fresh) || first.Current(fresh) {
		t.Error("after rotation the old key still seals")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil {
		t.Error("a file that others can read is taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("# comment\n" + base64.StdEncoding.EncodeToString(make([]byte, keyBytes)) + "\n"))
	f.Add([]byte("AAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := parse(text)
		if err != nil {
			return
		}
		if got, err := ring.Open(ring.Seal("x", "y"), "y"); got != "x" || err != nil {
			t.Errorf("a keyring that was parsed does not open what it sealed: %q, %v", got, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	ring := Generate()
	f.Add(ring.Seal("secret", "place"))
	f.Add("sealed:1:00000000:AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := ring.Open(text, "elsewhere"); err == nil {
			t.Errorf("%q opens to %q", text, got)
		}
	})
}
