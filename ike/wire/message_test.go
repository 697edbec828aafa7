package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway.dev/ike"
)

// unhex reads octets; white space and what follows a '#' on a line are comments.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var diffOptions = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}),
	cmp.Comparer(func(a, b ike.Secret) bool { return bytes.Equal(a, b) }),
}

// saInit is an IKE_SA_INIT request put together by hand from the pictures of RFC
// 7296 section 3.
const saInit = `
	1122334455667788 0000000000000000 21 20 22 08 00000000 000000a4
	22 00 0054                      # SA, KE follows
	  02 00 0028 01 01 00 03        # proposal 1: IKE, another follows
	    03 00 000c 01 00 0014 800e 0100   # ENCR AES-GCM-16, 256 bits
	    03 00 0008 02 00 0006             # PRF HMAC-SHA2-384
	    00 00 000c 04 00 0014 0007 0000   # group 20 with an attribute nobody knows, empty
	  00 00 0028 02 01 00 03        # proposal 2
	    03 00 000c 01 00 000c 800e 0080   # ENCR AES-CBC, 128 bits
	    03 00 0008 02 00 0002             # PRF HMAC-SHA1
	    00 00 000c 04 00 0002 8007 0001   # group 2 with another one, short
	28 00 000c 0014 0000 a1a2a3a4   # KE, group 20
	29 00 0014 000102030405060708090a0b0c0d0e0f   # Nonce
	2b 00 0010 00 00 4006 c0c1c2c3c4c5c6c7        # N(COOKIE)
	00 00 0004                                    # V, empty
`

var saInitMessage = Message{
	Header: Header{SPIi: 0x1122334455667788, NextPayload: PayloadSA, Major: 2, Exchange: IKESAInit, Flags: FlagInitiator, Length: 164},
	Payloads: []Payload{
		&SA{Proposals: []Proposal{
			{Number: 1, Protocol: ProtocolIKE, Transforms: []Transform{
				{Type: TransformEncryption, ID: EncryptionAESGCM16, KeyLength: 256},
				{Type: TransformPRF, ID: PRFHMACSHA2384},
				{Type: TransformGroup, ID: 20, Unrecognized: []Attribute{{Type: 7}}},
			}},
			{Number: 2, Protocol: ProtocolIKE, Transforms: []Transform{
				{Type: TransformEncryption, ID: EncryptionAESCBC, KeyLength: 128},
				{Type: TransformPRF, ID: PRFHMACSHA1},
				{Type: TransformGroup, ID: 2, Unrecognized: []Attribute{{Type: 7, Short: true, Value: []byte{0, 1}}}},
			}},
		}},
		&KE{Group: ike.Group20, Data: []byte{0xa1, 0xa2, 0xa3, 0xa4}},
		&Nonce{Data: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		&Notify{Type: CookieNotify, Data: []byte{0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7}},
		&VendorID{},
	},
}

// inside is a chain as an Encrypted payload of IKE_AUTH or CREATE_CHILD_SA holds
// it, one payload of each remaining kind.
const inside = `
	27 00 000c 01 000000 c0000201                 # IDi 192.0.2.1, AUTH follows
	24 00 000c 02 000000 d1d2d3d4                 # AUTH, shared key
	21 00 000f 02 a0b0c0 6769702e6e6574           # IDr gip.net, RESERVED not zero
	2c 00 0028                                    # SA
	  00 00 0024 01 03 04 02 e1e2e3e4             #   ESP
	    03 00 000c 01 00 000c 800e 0080
	    00 00 000c 05 00 0000 800e 0000           #   ESN with a key length of zero
	2d 00 0018 01 000000 07 00 0010 0000 ffff 0a000000 0a00ffff        # TSi 10.0.0.0/16
	29 00 0030 01 000000 08 06 0028 0050 0050                          # TSr, TCP port 80
	   20010db8000000000000000000000001 20010db8000000000000000000000003
	2a 00 000c 03 04 4009 f1f2f3f4                # N(REKEY_SA) of ESP
	2a 00 0010 03 04 0002 01020304 05060708       # D, two SPIs
	25 00 0008 01 00 0000                         # D, the IKE SA
	26 00 0007 04 3000                            # CERT, X.509
	2f 00 0019 04 000102030405060708090a0b0c0d0e0f10111213             # CERTREQ, one authority
	fa 80 0008 01000000                           # CP: understood, so critical is no error
	00 00 0006 beef                               # a type nobody knows, not critical
`

var insidePayloads = []Payload{
	&ID{Role: PayloadIDi, Identity: ike.AddressIdentity(netip.MustParseAddr("192.0.2.1"))},
	&Auth{Method: AuthSharedKey, Data: []byte{0xd1, 0xd2, 0xd3, 0xd4}},
	&ID{Role: PayloadIDr, Identity: ike.Identity{Type: ike.IDFQDN, Data: "gip.net"}, Reserved: [3]byte{0xa0, 0xb0, 0xc0}},
	&SA{Proposals: []Proposal{{Number: 1, Protocol: ProtocolESP, SPI: []byte{0xe1, 0xe2, 0xe3, 0xe4}, Transforms: []Transform{
		{Type: TransformEncryption, ID: EncryptionAESCBC, KeyLength: 128},
		{Type: TransformESN, Unrecognized: []Attribute{{Type: attributeKeyLength, Short: true, Value: []byte{0, 0}}}},
	}}}},
	&TS{Role: PayloadTSi, Selectors: []TrafficSelector{PrefixSelector(netip.MustParsePrefix("10.0.0.0/16"))}},
	&TS{Role: PayloadTSr, Selectors: []TrafficSelector{{
		Protocol: 6, StartPort: 80, EndPort: 80,
		Start: netip.MustParseAddr("2001:db8::1"), End: netip.MustParseAddr("2001:db8::3"),
	}}},
	&Notify{Type: RekeySA, Protocol: ProtocolESP, SPI: []byte{0xf1, 0xf2, 0xf3, 0xf4}},
	&Delete{Protocol: ProtocolESP, SPIs: []ike.SPI{0x01020304, 0x05060708}},
	&Delete{Protocol: ProtocolIKE},
	&Cert{Encoding: CertificateX509Signature, Data: []byte{0x30, 0x00}},
	&CertReq{Encoding: CertificateX509Signature, Data: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
	&Raw{Type: PayloadCP, Critical: true, Body: []byte{1, 0, 0, 0}},
	&Raw{Type: 250, Body: []byte{0xbe, 0xef}},
}

func TestMessage(t *testing.T) {
	octets := unhex(t, saInit)
	got, err := Parse(octets)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(saInitMessage, got, diffOptions); d != "" {
		t.Errorf("Parse (-want +got):\n%s", d)
	}
	if again := saInitMessage.Append([]byte("before")); !bytes.Equal(again, append([]byte("before"), octets...)) {
		t.Errorf("Append =\n%x, want the octets that were parsed\n%x", again, octets)
	}
	const drawn = "IKE_SA_INIT request 0 from the initiator, SPIs 1122334455667788 0000000000000000: " +
		"SA(IKE: ENCR 20/256, PRF 6, D-H 20; IKE: ENCR 12/128, PRF 2, D-H 2), KE(20), Nonce, N(COOKIE), V(\"\")"
	if got.String() != drawn {
		t.Errorf("String = %s, want %s", got, drawn)
	}
}

func TestPayloadsInside(t *testing.T) {
	octets := unhex(t, inside)
	got, err := ParsePayloads(PayloadIDi, octets)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(insidePayloads, got, diffOptions); d != "" {
		t.Errorf("ParsePayloads (-want +got):\n%s", d)
	}
	if again := AppendPayloads(nil, insidePayloads); !bytes.Equal(again, octets) {
		t.Errorf("AppendPayloads =\n%x, want the octets that were parsed\n%x", again, octets)
	}
	const drawn = `IDi("192.0.2.1"), AUTH(shared key), IDr("gip.net"), SA(ESP: ENCR 12/128, ESN 0), TSi(10.0.0.0/16), ` +
		`TSr(2001:db8::1-2001:db8::3[6/80-80]), N(REKEY_SA), D(ESP[01020304 05060708]), D(IKE), CERT(4), CERTREQ(4), CP, payload 250`
	if s := (Message{Payloads: got}).String(); !strings.HasSuffix(s, ": "+drawn) {
		t.Errorf("String = %s, want at its end %s", s, drawn)
	}
}

// RFC 7296 section 3.14: the Next Payload field of an Encrypted payload is the
// type of what is inside, and no payload follows it.
func TestEncryptedIsLast(t *testing.T) {
	octets := unhex(t, `1122334455667788 99aabbccddeeff00 2b 20 23 20 00000001 0000002b
		2e 00 0004
		23 00 000b 01020304050607`)
	got, err := Parse(octets)
	if err != nil {
		t.Fatal(err)
	}
	want := []Payload{&VendorID{}, &Encrypted{Next: PayloadIDi, Body: []byte{1, 2, 3, 4, 5, 6, 7}}}
	if d := cmp.Diff(want, got.Payloads); d != "" {
		t.Errorf("Parse (-want +got):\n%s", d)
	}
	if again := got.Append(nil); !bytes.Equal(again, octets) {
		t.Errorf("Append = %x, want %x", again, octets)
	}
	if got.Header.Flags.Initiator() || !got.Header.Flags.Response() {
		t.Errorf("flags %#x read as those of a request or of the initiator", got.Header.Flags)
	}

	octets[offsetLength+3]++
	if _, err := Parse(append(octets, 0)); err == nil {
		t.Error("Parse took a message with an octet behind its Encrypted payload")
	}
	if _, err := ParsePayloads(PayloadSK, []byte{0, 0, 0, 4}); err == nil {
		t.Error("ParsePayloads took an Encrypted payload inside of another")
	}
}

// Every message that is cut short is refused, wherever the cut is, with the
// header's length telling the truth or not.
func TestTruncation(t *testing.T) {
	whole := unhex(t, saInit)
	for n := range whole {
		if _, err := Parse(whole[:n]); err == nil {
			t.Errorf("Parse took the first %d of %d octets", n, len(whole))
		}
		if n < HeaderLength {
			continue
		}
		honest := bytes.Clone(whole[:n])
		honest[offsetLength+3] = byte(n)
		if _, err := Parse(honest); err == nil {
			t.Errorf("Parse took a message of %d octets whose payloads are cut", n)
		}
	}
	chain := unhex(t, inside)
	for n := range chain {
		if _, err := ParsePayloads(PayloadIDi, chain[:n]); err == nil {
			t.Errorf("ParsePayloads took the first %d of %d octets", n, len(chain))
		}
	}
}

// RFC 7383 section 2.5.
func TestFragment(t *testing.T) {
	message := func(body string) []byte {
		octets := unhex(t, "1122334455667788 99aabbccddeeff00 35 20 23 08 00000001 00000000"+body)
		octets[offsetLength+3] = byte(len(octets))
		return octets
	}
	octets := message("23 00 000c 0001 0003 d1d2d3d4")
	got, err := Parse(octets)
	if err != nil {
		t.Fatal(err)
	}
	want := []Payload{&Fragment{Next: PayloadIDi, Number: 1, Total: 3, Body: []byte{0xd1, 0xd2, 0xd3, 0xd4}}}
	if d := cmp.Diff(want, got.Payloads, diffOptions); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if again := got.Append(nil); !bytes.Equal(again, octets) {
		t.Errorf("Append = %x, want %x", again, octets)
	}
	for name, body := range map[string]string{
		"too short":         "00 00 0007 000102",
		"number 0":          "00 00 0008 0000 0003",
		"number behind all": "00 00 0008 0004 0003",
		"not the last":      "2b 00 0008 0001 0003 00 00 0004",
	} {
		if m, err := Parse(message(body)); err == nil {
			t.Errorf("%s: taken as %v", name, m)
		}
	}
}

// transforms are n of them in hexadecimal.
func transforms(n int) string {
	return strings.Repeat("03 00 0008 01 00 0003", n-1) + "00 00 0008 01 00 0003"
}

func TestParsePayloadsRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		first  PayloadType
		octets string
		notify NotifyType
		data   []byte
	}{
		{"critical payload of an unknown type", 200, "00 80 0004", UnsupportedCriticalPayload, []byte{200}},
		{"payload shorter than its header", PayloadVendorID, "00 00 0003", InvalidSyntax, nil},
		{"payload longer than the message", PayloadVendorID, "00 00 0009 01020304", InvalidSyntax, nil},
		{"octets after the last payload", PayloadVendorID, "00 00 0004 00", InvalidSyntax, nil},
		{"announced payload is missing", PayloadVendorID, "2b 00 0004", InvalidSyntax, nil},
		{"65 payloads", PayloadVendorID, strings.Repeat("2b 00 0004", 64) + "00 00 0004", InvalidSyntax, nil},
		{"SA without proposals", PayloadSA, "00 00 0004", InvalidSyntax, nil},
		{"proposal with a last-substructure of 1", PayloadSA, "00 00 000c 01 00 0008 01 01 00 00", InvalidSyntax, nil},
		{"proposal shorter than its header", PayloadSA, "00 00 000c 00 00 0007 01 01 00 00", InvalidSyntax, nil},
		{"announced proposal is missing", PayloadSA, "00 00 000c 02 00 0008 01 01 00 00", InvalidSyntax, nil},
		{"proposal behind the last", PayloadSA, "00 00 0014 00 00 0008 01 01 00 00 00 00 0008 02 01 00 00", InvalidSyntax, nil},
		{"SPI longer than the proposal", PayloadSA, "00 00 000c 00 00 0008 01 01 01 00", InvalidSyntax, nil},
		{"fewer transforms than counted", PayloadSA, "00 00 0014 00 00 0010 01 01 00 02 00 00 0008 01 00 0003", InvalidSyntax, nil},
		{"more transforms than counted", PayloadSA, "00 00 0014 00 00 0010 01 01 00 01 03 00 0008 01 00 0003", InvalidSyntax, nil},
		{"transform behind the last", PayloadSA, "00 00 001c 00 00 0018 01 01 00 01 00 00 0008 01 00 0003 00 00 0008 01 00 0003", InvalidSyntax, nil},
		{"attribute longer than its transform", PayloadSA, "00 00 0018 00 00 0014 01 01 00 01 00 00 000c 01 00 0003 0007 0001", InvalidSyntax, nil},
		{"nine attributes", PayloadSA, "00 00 0038 00 00 0034 01 01 00 01 00 00 002c 01 00 0003" + strings.Repeat("8007 0001", 9), InvalidSyntax, nil},
		{"three proposals with 513 transforms in all", PayloadSA,
			"00 00 1024" + "02 00 0800 01 01 00 ff" + transforms(255) + "02 00 0800 02 01 00 ff" + transforms(255) + "00 00 0020 03 01 00 03" + transforms(3), InvalidSyntax, nil},
		{"KE without a value", PayloadKE, "00 00 0008 000e 0000", InvalidSyntax, nil},
		{"nonce of 15 octets", PayloadNonce, "00 00 0013" + strings.Repeat("00", 15), InvalidSyntax, nil},
		{"nonce of 257 octets", PayloadNonce, "00 00 0105" + strings.Repeat("00", 257), InvalidSyntax, nil},
		{"ID with an IPv4 address of 5 octets", PayloadIDi, "00 00 000d 01 000000 0102030405", InvalidSyntax, nil},
		{"ID with an IPv6 address of 4 octets", PayloadIDr, "00 00 000c 05 000000 01020304", InvalidSyntax, nil},
		{"CERT without an encoding", PayloadCert, "00 00 0004", InvalidSyntax, nil},
		{"CERTREQ without an encoding", PayloadCertReq, "00 00 0004", InvalidSyntax, nil},
		{"fragment inside of an Encrypted payload", PayloadSKF, "00 00 0008 0001 0001", InvalidSyntax, nil},
		{"AUTH of 3 octets", PayloadAuth, "00 00 0007 02 0000", InvalidSyntax, nil},
		{"notification whose SPI does not fit", PayloadNotify, "00 00 000b 03 04 4009 010203", InvalidSyntax, nil},
		{"delete of the IKE SA with an SPI", PayloadDelete, "00 00 000c 01 04 0001 01020304", InvalidSyntax, nil},
		{"delete with SPIs of 8 octets", PayloadDelete, "00 00 0010 03 08 0001 0102030405060708", InvalidSyntax, nil},
		{"delete of fewer SPIs than counted", PayloadDelete, "00 00 000c 03 04 0002 01020304", InvalidSyntax, nil},
		{"delete of 1025 SPIs", PayloadDelete, "00 00 100c 03 04 0401" + strings.Repeat("00000001", 1025), InvalidSyntax, nil},
		{"delete for an unknown protocol", PayloadDelete, "00 00 0008 09 04 0000", InvalidSyntax, nil},
		{"fewer selectors than counted", PayloadTSi, "00 00 0018 02 000000 07 00 0010 0000 ffff 0a000000 0a00ffff", InvalidSyntax, nil},
		{"selector behind the last", PayloadTSi, "00 00 0018 00 000000 07 00 0010 0000 ffff 0a000000 0a00ffff", InvalidSyntax, nil},
		{"selector from high to low", PayloadTSr, "00 00 0018 01 000000 07 00 0010 0000 ffff 0a000001 0a000000", InvalidSyntax, nil},
		{"IPv4 selector with addresses of IPv6", PayloadTSr, "00 00 0030 01 000000 07 00 0028 0000 ffff" + strings.Repeat("00", 32), InvalidSyntax, nil},
	} {
		payloads, err := ParsePayloads(c.first, unhex(t, c.octets))
		var owed *Error
		if !errors.As(err, &owed) {
			t.Errorf("%s: taken as %v", c.name, payloads)
			continue
		}
		if owed.Notify != c.notify || !bytes.Equal(owed.Data, c.data) {
			t.Errorf("%s: owes %v with data %x, want %v with %x", c.name, owed.Notify, owed.Data, c.notify, c.data)
		}
	}
}

// RFC 7296 section 2.5: only a higher major version is told so; any other than 2
// is not ours to parse, and a higher minor version is.
func TestVersion(t *testing.T) {
	for version, want := range map[byte]NotifyType{0x10: InvalidMajorVersion, 0x30: InvalidMajorVersion, 0x2f: 0} {
		octets := unhex(t, saInit)
		octets[offsetVersion] = version
		m, err := Parse(octets)
		var owed *Error
		switch {
		case want == 0 && err != nil:
			t.Errorf("version %#x: %v", version, err)
		case want == 0 && (m.Header.Major != 2 || m.Header.Minor != 15):
			t.Errorf("version %#x read as %d.%d", version, m.Header.Major, m.Header.Minor)
		case want != 0 && (!errors.As(err, &owed) || owed.Notify != want):
			t.Errorf("version %#x: %v, want %v", version, err, want)
		}
		if _, err := ParseHeader(octets); err != nil {
			t.Errorf("version %#x: ParseHeader: %v", version, err)
		}
	}
}

// RFC 7296 section 2.9: selectors of unknown types do not count.
func TestUnknownSelectorTypesAreLeftOut(t *testing.T) {
	payloads, err := ParsePayloads(PayloadTSi, unhex(t, `00 00 0024 02 000000
		09 00 000c 0000 ffff 01020304
		07 00 0010 0000 ffff 0a000000 0a0000ff`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Payload{&TS{Role: PayloadTSi, Selectors: []TrafficSelector{PrefixSelector(netip.MustParsePrefix("10.0.0.0/24"))}}}
	if d := cmp.Diff(want, payloads, diffOptions); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestSelectorPrefixes(t *testing.T) {
	for _, c := range []struct{ start, end, want string }{
		{"0.0.0.0", "255.255.255.255", "[0.0.0.0/0]"},
		{"10.0.0.0", "10.0.255.255", "[10.0.0.0/16]"},
		{"10.0.0.7", "10.0.0.7", "[10.0.0.7/32]"},
		{"10.0.0.1", "10.0.0.6", "[10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32]"},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[::/0]"},
		{"2001:db8::", "2001:db8::2", "[2001:db8::/127 2001:db8::2/128]"},
	} {
		s := TrafficSelector{EndPort: 0xffff, Start: netip.MustParseAddr(c.start), End: netip.MustParseAddr(c.end)}
		var b strings.Builder
		b.WriteByte('[')
		for i, p := range s.Prefixes() {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(p.String())
		}
		b.WriteByte(']')
		if b.String() != c.want {
			t.Errorf("%v = %s, want %s", s, b.String(), c.want)
		}
	}
	worst := TrafficSelector{Start: netip.MustParseAddr("0.0.0.1"), End: netip.MustParseAddr("255.255.255.254")}
	if n := len(worst.Prefixes()); n != 62 {
		t.Errorf("worst range of IPv4 makes %d prefixes, want 62", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, saInit))
	f.Fuzz(func(t *testing.T, octets []byte) {
		m, err := Parse(octets)
		if err != nil {
			return
		}
		again, err := Parse(m.Append(nil))
		if err != nil {
			t.Fatalf("%v does not parse once appended: %v", m, err)
		}
		m.Header.Length = again.Header.Length // fields that nobody understands are not kept
		if d := cmp.Diff(m, again, diffOptions); d != "" {
			t.Fatalf("changed by Append and Parse (-before +after):\n%s", d)
		}
	})
}

func FuzzParsePayloads(f *testing.F) {
	f.Add(uint8(PayloadIDi), unhex(f, inside))
	f.Fuzz(func(t *testing.T, first uint8, octets []byte) {
		payloads, err := ParsePayloads(PayloadType(first), octets)
		if err != nil {
			return
		}
		_ = Message{Payloads: payloads}.String()
		again, err := ParsePayloads(FirstPayload(payloads), AppendPayloads(nil, payloads))
		if err != nil {
			t.Fatalf("%v do not parse once appended: %v", payloads, err)
		}
		if d := cmp.Diff(payloads, again, diffOptions); d != "" {
			t.Fatalf("changed by Append and Parse (-before +after):\n%s", d)
		}
	})
}
