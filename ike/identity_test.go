package ike

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

// Given an identity as an operator writes it, then its type is the one that the
// peer will compare, and it is shown as it was written.
func TestParseIdentity(t *testing.T) {
	for text, want := range map[string]IDType{
		"192.0.2.1":                         IDIPv4Addr,
		"2001:db8::1":                       IDIPv6Addr,
		"gateway.example.com":               IDFQDN,
		"branch@example.com":                IDRFC822,
		"C=DE, O=Example Corp, CN=branch":   IDDERASN1DN,
		"CN=only":                           IDDERASN1DN,
		`O=Example\, Inc., CN=a`:            IDDERASN1DN,
		"DC=com, DC=example, CN=Zoë":        IDDERASN1DN,
		"CN=x, EMAILADDRESS=me@example.com": IDDERASN1DN,
		"key=value":                         IDFQDN, // no attribute of that name
	} {
		id := ParseIdentity(text)
		if id.Type != want || id.String() != text {
			t.Errorf("%q is of type %d and shown as %q", text, id.Type, id)
		}
	}
}

// RFC 5280 section 7.1: the encoding of a name does not make it another.
func TestSameIdentity(t *testing.T) {
	encoded := func(values ...any) Identity {
		var name pkix.RDNSequence
		kinds := []asn1.ObjectIdentifier{attributeTypes["O"], attributeTypes["CN"]}
		for i, v := range values {
			name = append(name, pkix.RelativeDistinguishedNameSET{{Type: kinds[i], Value: v}})
		}
		der, err := asn1.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		return Identity{Type: IDDERASN1DN, Data: string(der)}
	}
	utf8 := func(s string) any { return asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(s)} }
	name := encoded("Example", "branch")
	for _, c := range []struct {
		a, b Identity
		want bool
	}{
		{name, encoded(utf8("Example"), utf8("branch")), true},
		{name, encoded(utf8("example"), utf8("  Branch ")), true},
		{name, ParseIdentity("CN=branch, O=Example"), true},
		{name, encoded("Example", "branch 2"), false},
		{name, encoded("Example"), false},
		{name, Identity{Type: IDDERASN1DN, Data: "no DER"}, false},
		{Identity{Type: IDDERASN1DN, Data: "no DER"}, Identity{Type: IDDERASN1DN, Data: "no DER"}, true},
		{name, Identity{Type: IDFQDN, Data: name.Data}, false},
		{ParseIdentity("Gateway.Example"), ParseIdentity("gateway.example"), true},
		{ParseIdentity("192.0.2.1"), ParseIdentity("192.0.2.2"), false},
		{Identity{Type: IDKeyID, Data: "A"}, Identity{Type: IDKeyID, Data: "a"}, false},
	} {
		if got := c.a.Same(c.b); got != c.want || c.b.Same(c.a) != got {
			t.Errorf("%v and %v are the same: %v", c.a, c.b, got)
		}
	}
}
