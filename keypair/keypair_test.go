package keypair

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// program runs one, or skips the test where it is not installed.
func program(t *testing.T, input, name string, arguments ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.CommandContext(t.Context(), name, arguments...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		t.Fatalf("%s %q: %v", name, arguments, err)
	}
	return string(out)
}

func generate(t *testing.T, kind Type) (*Private, Public) {
	t.Helper()
	private, public, err := Generate(kind, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// Fingerprints are those that AWS's documentation has users compute with openssl
// and ssh-keygen.
func TestFingerprints(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	for kind, command := range map[Type]string{
		RSA:     "openssl pkcs8 -in %s -inform PEM -outform DER -topk8 -nocrypt | openssl sha1 -c | sed 's/.*= *//'",
		Ed25519: "ssh-keygen -l -f %s | sed 's/.*SHA256:\\([^ ]*\\) .*/\\1=/'",
	} {
		private, public := generate(t, kind)
		text, err := private.PEM()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSpace(program(t, "", "sh", "-c", fmt.Sprintf(command, file))); public.Fingerprint != want {
			t.Errorf("%s: fingerprint %s, want %s", kind, public.Fingerprint, want)
		}
		if want := strings.TrimSpace(program(t, "", "ssh-keygen", "-y", "-f", file)); public.Text != want {
			t.Errorf("%s: public key %s, want %s", kind, public.Text, want)
		}
	}
	private, public := generate(t, RSA)
	text, _ := private.PEM()
	imported, err := Parse([]byte(public.Text))
	if err != nil {
		t.Fatal(err)
	}
	want := program(t, text, "sh", "-c", "openssl rsa -pubout -outform DER 2>/dev/null | openssl md5 -c | sed 's/.*= *//'")
	if imported.Fingerprint != strings.TrimSpace(want) {
		t.Errorf("imported: fingerprint %s, want %s", imported.Fingerprint, want)
	}
}

func TestParseTakesAllForms(t *testing.T) {
	for _, kind := range []Type{RSA, Ed25519} {
		_, public := generate(t, kind)
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public.Text))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "key.pub")
		if err := os.WriteFile(file, []byte(public.Text+" me@example\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		forms := map[string]string{
			"authorized_keys": public.Text + " me@example.com\n",
			"RFC 4716":        program(t, "", "ssh-keygen", "-e", "-f", file),
			"RFC 4716 with a long header": rfc4716Begin + "\nComment: \"one \\\ntwo\"\nx-y: z\n" +
				base64.StdEncoding.EncodeToString(key.Marshal()) + "\n" + rfc4716End + "\n",
		}
		if kind == RSA {
			forms["PEM"] = program(t, "", "ssh-keygen", "-e", "-m", "PKCS8", "-f", file)
			block, _ := pem.Decode([]byte(forms["PEM"]))
			forms["base64 of DER"] = base64.StdEncoding.EncodeToString(block.Bytes)
		}
		for name, text := range forms {
			if got, err := Parse([]byte(text)); err != nil || got.Type != kind || got.Text != public.Text {
				t.Errorf("%s, %s: %+v, %v", kind, name, got, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	_, public := generate(t, Ed25519)
	for name, text := range map[string]string{
		"nothing":     "",
		"words":       "this is no key",
		"options":     `command="x" ` + public.Text,
		"two keys":    public.Text + "\n" + public.Text,
		"cut off":     public.Text[:40],
		"another":     "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLjoYZc1WmIeTbmpcXkCwBeGWRk4dY6pQ5uKP8XaVEtxsJ4sFZbYwHTRqLNgVqcUZzHyXkGkUyTtIU5YKe9hJ0k=",
		"RFC 4716":    rfc4716Begin + "\nAAAA\n" + rfc4716End,
		"without end": rfc4716Begin + "\nAAAA\n",
		"too long":    strings.Repeat("A", importLengthMax+1),
	} {
		if got, err := Parse([]byte(text)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// PuTTY's own program reads what is made for it, and finds the same key.
func TestPPK(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.ppk")
	for _, kind := range []Type{RSA, Ed25519} {
		private, public := generate(t, kind)
		text, err := private.PPK("my-key")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(program(t, "", "puttygen", file, "-L")); got != public.Text+" my-key" {
			t.Errorf("%s: puttygen reads %q, want %q", kind, got, public.Text)
		}
		pem, _ := private.PEM()
		ours, err := ssh.ParseRawPrivateKey([]byte(pem))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := ssh.ParseRawPrivateKey([]byte(program(t, "", "puttygen", file, "-O", "private-openssh-new", "-o", "/dev/stdout")))
		if err != nil || !equal(ours, theirs) {
			t.Errorf("%s: puttygen finds another private key: %v", kind, err)
		}
	}
}

func equal(a, b any) bool {
	x, errX := ssh.NewSignerFromKey(a)
	y, errY := ssh.NewSignerFromKey(b)
	return errX == nil && errY == nil && bytes.Equal(x.PublicKey().Marshal(), y.PublicKey().Marshal())
}

func TestPrivateKeysPrintNothing(t *testing.T) {
	private, _ := generate(t, Ed25519)
	if got := fmt.Sprintf("%v %+v %#v %s", private, private, private, private); got != strings.TrimSpace(strings.Repeat("[private key] ", 4)) {
		t.Error(got)
	}
	if _, _, err := Generate("dsa", rand.Reader); err == nil {
		t.Error("a key of an unknown type was made")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHvVb5jvyQ1Hx5cOEzEu7mGvXxGjFFQ0Ez2G3iJm8p9y me"))
	f.Add([]byte(rfc4716Begin + "\nComment: x\\\ny\nAAAAC3NzaC1lZDI1NTE5\n" + rfc4716End))
	f.Add([]byte("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		public, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse([]byte(public.Text)); err != nil || again != public {
			t.Errorf("%q is read as %+v, and that as %+v, %v", text, public, again, err)
		}
	})
}
