package ike

import "testing"

// FuzzIdentity: what a peer says it is, of any kind, and what an operator writes, can be
// shown and compared; a name in clear is shown as one that means the same.
func FuzzIdentity(f *testing.F) {
	for _, text := range []string{"192.0.2.1", "gateway.example.com", "@", `C=DE, O=Example\, Inc., CN=Zoë`, "DC=com, E=me@example.com", "CN=", `CN=\`} {
		id := ParseIdentity(text)
		f.Add(uint8(id.Type), id.Data, text)
	}
	f.Add(uint8(IDDERASN1DN), "\x30\x80", "CN=a+b")
	f.Fuzz(func(t *testing.T, kind uint8, data, text string) {
		said := Identity{Type: IDType(kind), Data: data}
		if _ = said.String(); !said.Same(said) {
			t.Errorf("%v of type %d is another than itself", said, kind)
		}
		written := ParseIdentity(text)
		if !written.Same(written) || said.Same(written) != written.Same(said) {
			t.Errorf("%v and %v are compared one way", said, written)
		}
		if again := ParseIdentity(written.String()); written.Type == IDDERASN1DN && !again.Same(written) {
			t.Errorf("%q is shown as %q, which means %v", text, written, again)
		}
	})
}
