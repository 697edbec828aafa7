package isakmp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// everything is a message with each payload that there is.
func everything() Message {
	return Message{
		Header: wire.Header{SPIi: 1, SPIr: 2, Major: 1, Exchange: MainMode},
		Payloads: []Payload{
			&SA{Proposals: []Proposal{
				{Number: 1, Protocol: wire.ProtocolIKE, Transforms: []Transform{
					{Number: 1, ID: TransformKeyIKE, Attributes: []Attribute{
						ShortAttribute(AttributeEncryption, uint16(EncryptionAESCBC)), ShortAttribute(AttributeKeyLength, 256),
						ShortAttribute(AttributeHash, uint16(HashSHA256)), ShortAttribute(AttributeGroup, 14), ShortAttribute(AttributeAuthMethod, uint16(AuthPreSharedKey)),
						ShortAttribute(AttributeLifeType, uint16(LifeSeconds)), LongAttribute(AttributeLifeDuration, 28800),
					}},
					{Number: 2, ID: TransformKeyIKE},
				}},
				{Number: 2, Protocol: wire.ProtocolESP, SPI: []byte{1, 2, 3, 4}, Transforms: []Transform{{Number: 1, ID: TransformESPAESGCM16}}},
			}},
			&KE{Data: []byte("public value")}, &Nonce{Data: []byte("a nonce of octets")},
			NewID(ike.ParseIdentity("site.example")), NewTrafficID(netip.MustParsePrefix("10.1.0.0/20")), NewTrafficID(netip.MustParsePrefix("2001:db8::/33")),
			&Hash{Data: []byte("hash")}, &Signature{Data: []byte("signature")},
			&Cert{Type: PayloadCert, Encoding: CertX509Signature, Data: []byte("der")}, &Cert{Type: PayloadCertReq, Encoding: CertX509Signature},
			&Notify{Type: RUThere, Protocol: wire.ProtocolIKE, SPI: make([]byte, 16), Data: []byte{0, 0, 0, 1}},
			&Delete{Protocol: wire.ProtocolESP, SPIs: [][]byte{{1, 2, 3, 4}, {5, 6, 7, 8}}},
			&VendorID{Data: []byte("vendor")}, &NATD{Type: PayloadNATD, Hash: []byte("hash")}, &NATD{Type: PayloadNATDDraft, Hash: []byte("hash")},
			&Raw{Type: PayloadAttributes, Body: []byte("attributes")},
		},
	}
}

func TestMessage(t *testing.T) {
	m := everything()
	b := m.Append(nil)
	parsed, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(parsed.Payloads, m.Payloads) || !bytes.Equal(parsed.Append(nil), b) {
		t.Errorf("parsed to\n%v, want\n%v", parsed, m)
	}
	for _, words := range []string{"main mode", "SA(IKE x 2; ESP x 1)", "ID(10.1.0.0/20)", "ID(2001:db8::/33)", `ID("site.example")`, "N(R-U-THERE)", "D(ESP [01020304 05060708])"} {
		if !strings.Contains(m.String(), words) {
			t.Errorf("%q does not show %s", m, words)
		}
	}
	if body := Body(First(m.Payloads), AppendPayloads(nil, m.Payloads), PayloadNonce); string(body) != "a nonce of octets" {
		t.Errorf("body of the nonce: %q", body)
	}
}

// TestOffer: a first message, octet by octet as RFC 2408 draws it.
func TestOffer(t *testing.T) {
	b, err := hex.DecodeString("d4b3a5a1c0ffee010000000000000000" + "01100200" + "00000000" + "00000068" +
		"0d00003800000001000000010000002c" + "01010001" + "00000024" + "01010000" + "80010007800e0080800200048004000e80030001800b0001800c1c20" +
		"00000014" + "4a131c81070358455c5728f20e95452f")
	if err != nil {
		t.Fatal(err)
	}
	b[27] = byte(len(b))
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	transform := m.Payloads[0].(*SA).Proposals[0].Transforms[0]
	for kind, want := range map[uint16]uint64{
		AttributeEncryption: EncryptionAESCBC, AttributeKeyLength: 128, AttributeHash: HashSHA256, AttributeGroup: 14,
		AttributeAuthMethod: uint64(AuthPreSharedKey), AttributeLifeType: LifeSeconds, AttributeLifeDuration: 7200,
	} {
		if got, ok := transform.Value(kind); !ok || got != want {
			t.Errorf("attribute %d is %d, want %d", kind, got, want)
		}
	}
}

// TestTruncation: no part of a message is read beyond its end.
func TestTruncation(t *testing.T) {
	m := everything()
	chain := AppendPayloads(nil, m.Payloads)
	for length := range chain {
		var malformed *Error
		if _, _, err := ParsePayloads(First(m.Payloads), chain[:length]); !errors.As(err, &malformed) {
			t.Fatalf("%d of %d octets: %v", length, len(chain), err)
		}
	}
	payloads, length, err := ParsePayloads(First(m.Payloads), append(chain, 0, 0, 0))
	if err != nil || length != len(chain) || len(payloads) != len(m.Payloads) {
		t.Errorf("with padding: %d payloads, %d octets, %v", len(payloads), length, err)
	}
}

// TestBounds: lists that are longer than any that means something.
func TestBounds(t *testing.T) {
	many := make([]Payload, payloadsMax+1)
	for i := range many {
		many[i] = &VendorID{Data: []byte{1}}
	}
	transforms := make([]Transform, transformsMax)
	attributes := make([]Attribute, attributesMax+1)
	for i := range attributes {
		attributes[i] = ShortAttribute(1, 1)
	}
	for name, payloads := range map[string][]Payload{
		"payloads":   many,
		"transforms": {&SA{Proposals: []Proposal{{Transforms: transforms}, {Transforms: transforms[:1]}}}},
		"proposals":  {&SA{Proposals: make([]Proposal, proposalsMax+1)}},
		"attributes": {&SA{Proposals: []Proposal{{Transforms: []Transform{{Attributes: attributes}}}}}},
		"SPIs":       {&Delete{SPIs: spis(deletedMax + 1)}},
		"nonce":      {&Nonce{Data: make([]byte, nonceLengthMax+1)}},
	} {
		if _, _, err := ParsePayloads(First(payloads), AppendPayloads(nil, payloads)); err == nil {
			t.Errorf("too many or too long %s are taken", name)
		}
	}
}

func spis(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = []byte{0, 0, 1, byte(i)}
	}
	return all
}

// TestRefusals: what is not the IPsec domain of interpretation's, with the
// notification that is owed.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		payload PayloadType
		body    string
		want    NotifyType
	}{
		"another domain":    {PayloadSA, "0000000200000001", DOINotSupported},
		"another situation": {PayloadSA, "0000000100000002", SituationNotSupported},
		"no proposal":       {PayloadSA, "0000000100000001", PayloadMalformed},
		"short address":     {PayloadID, "01000000c00002", InvalidIDInformation},
		"foreign notify":    {PayloadNotify, "0000000901000001", DOINotSupported},
	} {
		body, _ := hex.DecodeString(c.body)
		chain := AppendPayloads(nil, []Payload{&Raw{Type: c.payload, Body: body}})
		var problem *Error
		if _, _, err := ParsePayloads(c.payload, chain); !errors.As(err, &problem) || problem.Notify != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestSelector: every form of traffic, and masks with holes.
func TestSelector(t *testing.T) {
	for want, id := range map[string]*ID{
		"192.0.2.1/32":   NewID(ike.ParseIdentity("192.0.2.1")),
		"10.0.0.0/8":     NewTrafficID(netip.MustParsePrefix("10.9.9.9/8")),
		"0.0.0.0/0":      NewTrafficID(netip.MustParsePrefix("0.0.0.0/0")),
		"2001:db8::/127": NewTrafficID(netip.MustParsePrefix("2001:db8::/127")),
		"10.0.0.0/15":    {Type: idIPv4Range, Data: []byte{10, 0, 0, 0, 10, 1, 255, 255}},
	} {
		s, ok := id.Selector()
		if p := s.Prefixes(); !ok || len(p) != 1 || p[0].String() != want {
			t.Errorf("%v: %v, want %s", id, s, want)
		}
	}
	for _, id := range []*ID{
		{Type: idIPv4Subnet, Data: []byte{10, 0, 0, 0, 255, 0, 255, 0}},
		{Type: idIPv4Range, Data: []byte{10, 0, 0, 9, 10, 0, 0, 1}},
		NewID(ike.ParseIdentity("site.example")),
	} {
		if s, ok := id.Selector(); ok {
			t.Errorf("%v is taken for %v", id, s)
		}
	}
	if s, _ := (&ID{Type: ike.IDIPv4Addr, Protocol: 6, Port: 22, Data: []byte{10, 0, 0, 1}}).Selector(); s.AllTraffic() {
		t.Error("a single port is taken for all traffic")
	}
}

// FuzzParse: nothing panics, and what is parsed says the same when it is written.
func FuzzParse(f *testing.F) {
	whole := everything()
	f.Add(whole.Append(nil))
	for _, p := range whole.Payloads {
		f.Add(Message{Header: whole.Header, Payloads: []Payload{p}}.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		_ = m.String()
		for _, p := range m.Payloads {
			if id, ok := p.(*ID); ok {
				id.Selector()
			}
		}
		again, err := Parse(m.Append(nil))
		if err != nil || !reflect.DeepEqual(again.Payloads, m.Payloads) {
			t.Fatalf("%v became %v: %v", m, again, err)
		}
	})
}
