package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// The page is what the results and the template say. internal/arch holds the tests
// that it names against those that there are.
func TestPageIsOfTheResults(t *testing.T) {
	t.Chdir("../..")
	kept, err := load(resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	want, err := kept.page()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != want {
		t.Errorf("%s is not what %s says: go run ./tools/interop", pageFile, resultsFile)
	}
}

// A stream of events becomes outcomes; a test in pieces that failed once has failed.
func TestRead(t *testing.T) {
	const stream = `{"Action":"run","Package":"causeway.dev/test/interop","Test":"TestA"}
{"Action":"attr","Package":"causeway.dev/test/interop","Test":"TestA/x","Key":"peer","Value":"strongSwan 5.9.8"}
{"Action":"attr","Package":"causeway.dev/test/interop","Test":"TestA/x","Key":"combination","Value":"ikev2 aes128-sha1-group2 esp aes128gcm16 psk we begin nat none"}
{"Action":"attr","Package":"causeway.dev/test/interop","Test":"TestA/y","Key":"combination","Value":"ikev2 aes128-sha1-group2 esp aes128gcm16 psk we begin nat none"}
{"Action":"attr","Package":"causeway.dev/test/interop","Test":"TestA/y","Key":"reached","Value":"half of it"}
{"Action":"pass","Package":"causeway.dev/test/interop","Test":"TestA/x"}
{"Action":"pass","Package":"causeway.dev/test/interop","Test":"TestA/y"}
{"Action":"pass","Package":"causeway.dev/test/interop","Test":"TestA"}
{"Action":"output","Package":"causeway.dev/tunnel","Test":"TestB","Output":"    b_test.go:7: needs root\n"}
{"Action":"skip","Package":"causeway.dev/tunnel","Test":"TestB"}
{"Action":"output","Package":"causeway.dev/tunnel","Test":"TestC/z","Output":"it broke\n"}
{"Action":"fail","Package":"causeway.dev/tunnel","Test":"TestC/z"}
{"Action":"fail","Package":"causeway.dev/tunnel","Test":"TestC"}
{"Action":"pass","Package":"causeway.dev/tunnel","Test":"TestC"}
{"Action":"pass","Package":"causeway.dev/tunnel"}
`
	var log strings.Builder
	r := newResults()
	if err := r.read(strings.NewReader(stream), &log); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"test/interop.TestA": "2 passed: half of it",
		"tunnel.TestB":       "skipped: needs root",
		"tunnel.TestC":       "0 passed, failed: z",
		"tunnel.TestD":       "not recorded",
	} {
		if got := r.Tests[name].String(); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	if r.Matrix.IKE["ikev2 aes128-sha1-group2"] != 1 || r.Matrix.ESP["ikev2 aes128gcm16-group2"] != 1 || r.Matrix.Ways["ikev2 psk we begin nat none"] != 1 {
		t.Errorf("%+v", r.Matrix)
	}
	if !strings.Contains(log.String(), "it broke") {
		t.Errorf("what failed is not told: %s", log.String())
	}
	if want := "| | 2 |\n|---|---|\n| aes128-sha1 | 1 |"; grid(r.Matrix.IKE, "ikev2") != want {
		t.Error(grid(r.Matrix.IKE, "ikev2"))
	}
	if err := r.read(strings.NewReader("FAIL\n"), io.Discard); err == nil {
		t.Error("what is no event is read")
	}
}
