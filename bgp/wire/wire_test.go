package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// owed checks that an error is what the peer is owed.
func owed(t *testing.T, err error, code Code, subcode Subcode, data []byte) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("error %v, want a NOTIFICATION %d/%d", err, code, subcode)
		return
	}
	if e.Notification.Code != code || e.Notification.Subcode != subcode || !bytes.Equal(e.Notification.Data, data) {
		t.Errorf("owed %v with data %x, want %d/%d with %x: %v", e.Notification, e.Notification.Data, code, subcode, data, e)
	}
	if e.Problem == "" {
		t.Error("nothing is said to people")
	}
}

const marker = "ffffffff ffffffff ffffffff ffffffff"

// RFC 4271 section 6.1: headers.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		what, stream string
		code         Code
		subcode      Subcode
		data         string
	}{
		{"the marker", "ffffffff ffff00ff", CodeHeader, ConnectionNotSynchronized, ""},
		{"shorter than a header", marker + "0012 04", CodeHeader, BadMessageLength, "0012"},
		{"longer than a message", marker + "1001 02", CodeHeader, BadMessageLength, "1001"},
		{"a KEEPALIVE with a body", marker + "0014 04", CodeHeader, BadMessageLength, "0014"},
		{"a short OPEN", marker + "001c 01", CodeHeader, BadMessageLength, "001c"},
		{"a short UPDATE", marker + "0016 02", CodeHeader, BadMessageLength, "0016"},
		{"a short NOTIFICATION", marker + "0014 03", CodeHeader, BadMessageLength, "0014"},
		{"a long ROUTE-REFRESH", marker + "0018 05", CodeHeader, BadMessageLength, "0018"},
		{"an unknown type", marker + "0013 06", CodeHeader, BadMessageType, "06"},
		{"an unknown type of a wrong length", marker + "0000 09", CodeHeader, BadMessageLength, "0000"},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, _, taken, err := Next(octets(t, c.stream))
			if taken != 0 {
				t.Errorf("took %d octets", taken)
			}
			owed(t, err, c.code, c.subcode, octets(t, c.data))
		})
	}
	stream := AppendKeepalive(Cease(AdministrativeReset).Append(nil))
	for i := range 21 {
		if _, _, taken, err := Next(stream[:i]); taken != 0 || err != nil {
			t.Errorf("of %d octets it took %d, %v", i, taken, err)
		}
	}
	typ, body, taken, err := Next(stream)
	if typ != TypeNotification || taken != 21 || err != nil || ParseNotification(body).Subcode != AdministrativeReset {
		t.Errorf("%v of %d octets, %v", typ, taken, err)
	}
	if typ, _, taken, err := Next(stream[taken:]); typ != TypeKeepalive || taken != 19 || err != nil {
		t.Errorf("%v of %d octets, %v", typ, taken, err)
	}
}

// body is that of the only message.
func body(t testing.TB, message []byte, want Type) []byte {
	t.Helper()
	typ, b, taken, err := Next(message)
	if err != nil || taken != len(message) || typ != want {
		t.Fatalf("%v of %d of %d octets, %v", typ, taken, len(message), err)
	}
	return b
}

// What is said in an OPEN is read again, and another implementation reads and says the
// same. RFC 4271 section 4.2, RFC 5492, RFC 6793, RFC 4724.
func TestOpen(t *testing.T) {
	for _, o := range []Open{
		{ASN: 64512, HoldTime: 30 * time.Second, Identifier: netip.MustParseAddr("169.254.10.1"), FourOctetASN: true, RouteRefresh: true, Families: []Family{IPv4Unicast}, Restart: &Restart{Restarted: true, Time: 120 * time.Second, IPv4: true, Forwarded: true}},
		{ASN: 4200000000, HoldTime: 90 * time.Second, Identifier: netip.MustParseAddr("10.0.0.1"), FourOctetASN: true, Families: []Family{{2, 1}, IPv4Unicast}, Restart: &Restart{}},
		{ASN: 4200000000, HoldTime: 3 * time.Second, Identifier: netip.MustParseAddr("10.0.0.1"), WithoutCapabilities: true},
		{ASN: 65000, HoldTime: 0, Identifier: netip.MustParseAddr("0.0.0.0"), RouteRefresh: true, Restart: &Restart{Time: RestartTimeMax, IPv4: true}},
	} {
		message := o.Append(nil)
		got, err := ParseOpen(body(t, message, TypeOpen))
		if err != nil {
			t.Fatal(err)
		}
		want := o
		if want.WithoutCapabilities {
			want.WithoutCapabilities, want.ASN = false, ASTrans
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, said %+v", got, want)
		}
		theirs, err := bgp.ParseBGPMessage(message)
		if err != nil {
			t.Fatalf("GoBGP: %v", err)
		}
		again, err := theirs.Serialize()
		if err != nil || !bytes.Equal(again, message) {
			t.Errorf("GoBGP says %x (%v), we %x", again, err, message)
		}
		open := theirs.Body.(*bgp.BGPOpen)
		if open.ID != o.Identifier || time.Duration(open.HoldTime)*time.Second != o.HoldTime || o.FourOctetASN && bgpASN(open) != o.ASN {
			t.Errorf("GoBGP reads %+v, we said %+v", open, o)
		}
	}
}

func bgpASN(open *bgp.BGPOpen) uint32 {
	for _, p := range open.OptParams {
		for _, c := range p.(*bgp.OptionParameterCapability).Capability {
			if four, ok := c.(*bgp.CapFourOctetASNumber); ok {
				return four.CapValue
			}
		}
	}
	return uint32(open.MyAS)
}

// RFC 4271 section 6.2, as far as the message itself is wrong; RFC 5492 section 4:
// capabilities may come in several parameters, and unknown ones mean nothing; RFC 9072:
// parameters may be long.
func TestOpenParameters(t *testing.T) {
	const head = "04 fde8 001e 0a000001"
	for _, c := range []struct {
		what, body string
		subcode    Subcode
		data       string
		want       Open
	}{
		{what: "none", body: head + "00", want: Open{ASN: 65000}},
		{what: "each capability in a parameter of its own", body: head + "0c" + "02 02 0200" + "02 06 4104 fa56ea00", want: Open{ASN: 4200000000, FourOctetASN: true, RouteRefresh: true}},
		{what: "unknown capabilities", body: head + "0a" + "02 08 4700 f1020102 0200", want: Open{ASN: 65000, RouteRefresh: true}},
		{what: "long parameters", body: head + "ff ff 0005" + "02 0002 0200", want: Open{ASN: 65000, RouteRefresh: true}},
		{what: "graceful restart of IPv6 only", body: head + "0a" + "02 08 4006 8078 0002 01 80", want: Open{ASN: 65000, Restart: &Restart{Restarted: true, Time: 120 * time.Second}}},
		{what: "version 3", body: "03" + head[2:] + "00", subcode: UnsupportedVersion, data: "0004"},
		{what: "authentication", body: head + "04 0102 0000", subcode: UnsupportedOptionalParameter},
		{what: "parameters longer than the message", body: head + "04 0202", subcode: OpenUnspecific},
		{what: "something behind the parameters", body: head + "00 00", subcode: OpenUnspecific},
		{what: "half a parameter", body: head + "01 02", subcode: OpenUnspecific},
		{what: "a parameter longer than its place", body: head + "04 0203 0200", subcode: OpenUnspecific},
		{what: "a capability longer than its place", body: head + "04 0202 0201", subcode: OpenUnspecific},
		{what: "half a capability", body: head + "03 0201 02", subcode: OpenUnspecific},
		{what: "an ASN of three octets", body: head + "07 0205 4103 000001", subcode: OpenUnspecific},
		{what: "a family of three octets", body: head + "07 0205 0103 000101", subcode: OpenUnspecific},
		{what: "a restart of three octets", body: head + "07 0205 4003 000101", subcode: OpenUnspecific},
		{what: "long parameters of a wrong length", body: head + "ff ff 0006" + "02 0002 0200", subcode: OpenUnspecific},
		{what: "something behind long parameters", body: head + "ff ff 0005" + "02 0002 0200" + "00", subcode: OpenUnspecific},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, err := ParseOpen(octets(t, c.body))
			if c.want.ASN == 0 {
				owed(t, err, CodeOpen, c.subcode, octets(t, c.data))
				return
			}
			c.want.HoldTime, c.want.Identifier = 30*time.Second, netip.MustParseAddr("10.0.0.1")
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

// The names are those of IANA's registries, with the numbers.
func TestNotification(t *testing.T) {
	for want, n := range map[string]Notification{
		"Cease / Maximum Number of Prefixes Reached (6/1)": Cease(MaximumPrefixes),
		"Hold Timer Expired (4/0)":                         {Code: CodeHoldTimer},
		"OPEN Message Error / Bad Peer AS (2/2)":           {Code: CodeOpen, Subcode: BadPeerAS},
		"Cease (6/77)":                                     Cease(77),
		"an unknown error (99/1)":                          {Code: 99, Subcode: 1},
	} {
		if n.String() != want {
			t.Errorf("%v, want %s", n, want)
		}
	}
	n := Notification{CodeOpen, UnsupportedVersion, []byte{0, 4}}
	message := n.Append(nil)
	if got := ParseNotification(body(t, message, TypeNotification)); !reflect.DeepEqual(got, n) {
		t.Errorf("read %v, said %v", got, n)
	}
	theirs, err := bgp.NewBGPNotificationMessage(2, 1, []byte{0, 4}).Serialize()
	if err != nil || !bytes.Equal(theirs, message) {
		t.Errorf("GoBGP says %x (%v), we %x", theirs, err, message)
	}
	n.Data = make([]byte, 5000)
	if long := n.Append(nil); len(long) != MessageMax {
		t.Errorf("a NOTIFICATION of %d octets", len(long))
	}
}

// RFC 2918 section 3.
func TestRefresh(t *testing.T) {
	message := Refresh{IPv4Unicast}.Append(nil)
	if got := ParseRefresh(body(t, message, TypeRouteRefresh)); got.Family != IPv4Unicast {
		t.Errorf("read %v", got)
	}
	theirs, err := bgp.NewBGPRouteRefreshMessage(1, 0, 1).Serialize()
	if err != nil || !bytes.Equal(theirs, message) {
		t.Errorf("GoBGP says %x (%v), we %x", theirs, err, message)
	}
}

func updates() []Update {
	next := netip.MustParseAddr("169.254.10.2")
	long := make([]uint32, 300)
	for i := range long {
		long[i] = 65000
	}
	return []Update{
		{EndOfRIB: true},
		{Withdrawn: prefixes("10.0.0.0/8", "192.0.2.128/25", "0.0.0.0/0")},
		{Announced: prefixes("10.1.0.0/16"), Attributes: Attributes{Path: []uint32{65000}, NextHop: next}},
		{Announced: prefixes("10.1.0.0/16", "198.51.100.1/32"), Attributes: Attributes{Path: []uint32{65000, 4200000000, 64999}, NextHop: next, Origin: OriginIncomplete, MED: 100, HasMED: true}},
		{Withdrawn: prefixes("10.9.0.0/17"), Announced: prefixes("0.0.0.0/0"), Attributes: Attributes{Path: long, NextHop: next, Origin: OriginEGP, HasMED: true}},
	}
}

// What is said in an UPDATE is read again, in both widths of ASNs, and another
// implementation reads and says the same. RFC 4271 section 4.3, RFC 6793 section 4.2.
func TestUpdate(t *testing.T) {
	for _, u := range updates() {
		for _, four := range []bool{true, false} {
			message := u.Append(nil, four)
			got, err := ParseUpdate(body(t, message, TypeUpdate), four)
			if err != nil || !reflect.DeepEqual(got, u) {
				t.Errorf("four octets %v: read %+v, %v, said %+v", four, got, err, u)
			}
			option := &bgp.MarshallingOption{Use2ByteAS: !four}
			theirs, err := bgp.ParseBGPMessage(message, option)
			if err != nil {
				t.Fatalf("GoBGP: %v", err)
			}
			if again, err := theirs.Serialize(option); err != nil || !bytes.Equal(again, message) {
				t.Errorf("four octets %v: GoBGP says %x (%v), we %x", four, again, err, message)
			}
			if end, family := theirs.Body.(*bgp.BGPUpdate).IsEndOfRib(); end != u.EndOfRIB || end && family != bgp.RF_IPv4_UC {
				t.Errorf("GoBGP takes it for an End-of-RIB: %v of %v", end, family)
			}
		}
	}
}

// What is behind the length of a prefix means nothing, RFC 4271 section 4.3.
func TestTrailingBits(t *testing.T) {
	u, err := ParseUpdate(update(t, "09 0aff", wellSet, "14 0a01ff"), true)
	if err != nil || !slices.Equal(u.Withdrawn, prefixes("10.128.0.0/9")) || !slices.Equal(u.Announced, prefixes("10.1.240.0/20")) {
		t.Errorf("%+v, %v", u, err)
	}
}

// Room and Length say how much fits into a message, with ASNs of either width.
func TestRoom(t *testing.T) {
	for _, u := range updates()[2:] {
		u.Withdrawn, u.Announced = nil, nil
		for room := u.Room(); room >= 5; room -= Length(u.Announced[len(u.Announced)-1]) {
			u.Announced = append(u.Announced, netip.MustParsePrefix("192.0.2.0/25"))
		}
		wide, narrow := len(u.Append(nil, true)), len(u.Append(nil, false))
		if most := max(wide, narrow); most > MessageMax || most < MessageMax-4 {
			t.Errorf("messages of %d and %d octets", wide, narrow)
		}
	}
	var u Update
	for range WithdrawRoom / 5 {
		u.Withdrawn = append(u.Withdrawn, netip.MustParsePrefix("192.0.2.1/32"))
	}
	if n := len(u.Append(nil, true)); n > MessageMax || n < MessageMax-4 {
		t.Errorf("a message of %d octets", n)
	}
}

const (
	origin  = "4001 01 00"
	path4   = "4002 06 0201 0000fde8"
	nextHop = "4003 04 a9fe0a02"
	wellSet = origin + path4 + nextHop
)

// update puts the body of an UPDATE together from its three fields in hexadecimal.
func update(t testing.TB, withdrawn, attributes, announced string) []byte {
	t.Helper()
	w, a := octets(t, withdrawn), octets(t, attributes)
	b := append([]byte{byte(len(w) >> 8), byte(len(w))}, w...)
	b = append(append(b, byte(len(a)>>8), byte(len(a))), a...)
	return append(b, octets(t, announced)...)
}

// RFC 7606, by its sections: what ends the session, what withdraws the routes that a
// message tells, and what is passed over.
func TestRevisedErrorHandling(t *testing.T) {
	const route = "18 0a0101" // 10.1.1.0/24
	const (
		fine = iota
		discarded
		withdraws
		ends
	)
	for _, c := range []struct {
		what, attributes string
		outcome          int
		subcode          Subcode
	}{
		{"nothing wrong", wellSet, fine, 0},
		{"an unknown optional attribute", wellSet + "c063 02 0000", fine, 0},
		{"an unknown optional attribute twice", wellSet + "c063 02 0000 c063 02 0000", fine, 0},
		{"the partial bit of an unknown one", wellSet + "e063 02 0000", fine, 0},
		{"an extended length where it is not needed", origin + "5002 0006 0201 0000fde8" + nextHop, fine, 0},
		{"another family", wellSet + "800e 05 0002 01 00 00", fine, 0},

		{"3 c: optional ORIGIN", "c001 01 00" + path4 + nextHop, withdraws, 0},
		{"3 c: MED not optional", wellSet + "4004 04 00000064", withdraws, 0},
		{"3 c: AGGREGATOR not optional", wellSet + "4007 08 0000fde8 0a000001", discarded, 0},
		{"3 c: MP_UNREACH_NLRI transitive", wellSet + "c00f 03 0001 01", withdraws, 0},
		{"3 d: ORIGIN missing", path4 + nextHop, withdraws, 0},
		{"3 d: AS_PATH missing", origin + nextHop, withdraws, 0},
		{"3 d: NEXT_HOP missing", origin + path4, withdraws, 0},
		{"3 g: ORIGIN twice", wellSet + "4001 01 02", discarded, 0},
		{"3 g: MP_REACH_NLRI twice", wellSet + "800e 05 0002 01 00 00 800e 05 0002 01 00 00", ends, MalformedAttributeList},
		{"3 g: MP_UNREACH_NLRI twice", wellSet + "800f 03 0002 01 800f 03 0002 01", ends, MalformedAttributeList},
		{"3 h: the strongest of several", wellSet + "4001 01 00" + "4004 04 00000064", withdraws, 0},
		{"4: longer than its place", wellSet + "8004 05 00000064", withdraws, 0},
		{"4: half a head", wellSet + "80", withdraws, 0},
		{"4: half an extended head", wellSet + "9004 00", withdraws, 0},
		{"RFC 4271 section 6.3: an unknown well-known attribute", wellSet + "4063 00", ends, UnrecognizedWellKnown},
		{"7.1: ORIGIN of two octets", "4001 02 0000" + path4 + nextHop, withdraws, 0},
		{"7.1: ORIGIN 3", "4001 01 03" + path4 + nextHop, withdraws, 0},
		{"7.2: a segment of an unknown type", origin + "4002 06 0501 0000fde8" + nextHop, withdraws, 0},
		{"7.2: a segment of a confederation", origin + "4002 06 0301 0000fde8" + nextHop, withdraws, 0},
		{"7.2: a segment longer than its place", origin + "4002 06 0202 0000fde8" + nextHop, withdraws, 0},
		{"7.2: half a segment's head", origin + "4002 07 0201 0000fde8 02" + nextHop, withdraws, 0},
		{"7.2: an empty segment", origin + "4002 08 0200 0201 0000fde8" + nextHop, withdraws, 0},
		{"RFC 7607: AS 0", origin + "4002 06 0201 00000000" + nextHop, withdraws, 0},
		{"7.3: NEXT_HOP of 16 octets", origin + path4 + "4003 10 00000000000000000000000000000000", withdraws, 0},
		{"7.4: MED of three octets", wellSet + "8004 03 000064", withdraws, 0},
		{"7.5: LOCAL_PREF, though not of our AS", wellSet + "4005 04 00000064", fine, 0},
		{"7.6: ATOMIC_AGGREGATE with a value", wellSet + "4006 01 00", discarded, 0},
		{"7.7: AGGREGATOR of six octets", wellSet + "c007 06 fde8 0a000001", discarded, 0},
		{"7.11: a next hop of 16 octets", wellSet + "800e 15 0001 01 10 00000000000000000000000000000000 00", ends, OptionalAttributeError},
		{"7.11: MP_REACH_NLRI of four octets", wellSet + "800e 04 0001 01 04", ends, OptionalAttributeError},
		{"7.12: MP_UNREACH_NLRI of two octets", wellSet + "800f 02 0001", ends, OptionalAttributeError},
		{"5.3: a prefix of 33 bits in MP_REACH_NLRI", wellSet + "800e 0f 0001 01 04 a9fe0a02 00 21 0a0a0a0a0a", ends, InvalidNetworkField},
		{"RFC 6793: AS4_PATH where ASNs have four octets", wellSet + "c011 01 00", fine, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			u, err := ParseUpdate(update(t, "10 0a02", c.attributes, route), true)
			if c.outcome == ends {
				var e *Error
				if !errors.As(err, &e) || e.Notification.Code != CodeUpdate || e.Notification.Subcode != c.subcode {
					t.Errorf("error %v, want a NOTIFICATION 3/%d", err, c.subcode)
				}
				return
			}
			withdrawn, announced := prefixes("10.2.0.0/16"), prefixes("10.1.1.0/24")
			if c.outcome == withdraws {
				withdrawn, announced = append(withdrawn, announced...), nil
			}
			if err != nil || !slices.Equal(u.Withdrawn, withdrawn) || !slices.Equal(u.Announced, announced) || (u.Malformed == "") != (c.outcome == fine) {
				t.Errorf("%+v, %v", u, err)
			}
			if c.outcome != withdraws && (u.Origin != OriginIGP || !slices.Equal(u.Path, []uint32{65000}) || u.NextHop != netip.MustParseAddr("169.254.10.2")) {
				t.Errorf("attributes %+v", u.Attributes)
			}
			// Section 5.2: where no route is told, it is not known which ones are concerned.
			if _, err := ParseUpdate(update(t, "10 0a02", c.attributes, ""), true); c.outcome == withdraws && !strings.HasPrefix(c.what, "3 d") {
				owed(t, err, CodeUpdate, MalformedAttributeList, nil)
			}
		})
	}
	for what, b := range map[string]string{
		"withdrawn routes longer than the message": "0005 0000",
		"attributes longer than the message":       "0000 0001",
		"nothing behind the withdrawn routes":      "0001 00 00",
	} {
		t.Run("3 a: "+what, func(t *testing.T) {
			_, err := ParseUpdate(octets(t, b), true)
			owed(t, err, CodeUpdate, MalformedAttributeList, nil)
		})
	}
	for what, b := range map[string][]byte{
		"withdrawn prefix of 33 bits":                  update(t, "21 0a0a0a0a0a", "", ""),
		"withdrawn prefix longer than its field":       update(t, "18 0a0a", wellSet, route),
		"announced prefix of 255 bits":                 update(t, "", wellSet, "ff 0a0a0a0a0a"),
		"announced prefix that ends with the message":  update(t, "", wellSet, "18 0a0a"),
		"announced prefix, though the path is no path": update(t, "", origin+"4002 01 02"+nextHop, "18 0a0a"),
	} {
		t.Run("5.3: "+what, func(t *testing.T) {
			_, err := ParseUpdate(b, true)
			owed(t, err, CodeUpdate, InvalidNetworkField, nil)
		})
	}
}

// RFC 4760: routes of IPv4 unicast may be told by the attributes of other families, with
// a next hop of their own. RFC 4724 section 2: which message is an End-of-RIB.
func TestMultiprotocol(t *testing.T) {
	const reach = "800e 0d 0001 01 04 a9fe0a06 00 18 0a0101"
	u, err := ParseUpdate(update(t, "", origin+path4+reach, ""), true)
	if err != nil || !slices.Equal(u.Announced, prefixes("10.1.1.0/24")) || u.NextHop != netip.MustParseAddr("169.254.10.6") || u.Malformed != "" {
		t.Errorf("%+v, %v", u, err)
	}
	u, err = ParseUpdate(update(t, "", wellSet+"800f 06 0001 01 10 0a02", "18 0a0101"), true)
	if err != nil || !slices.Equal(u.Announced, prefixes("10.1.1.0/24")) || !slices.Equal(u.Withdrawn, prefixes("10.2.0.0/16")) {
		t.Errorf("%+v, %v", u, err)
	}
	u, err = ParseUpdate(update(t, "", wellSet+reach, "18 0a0201"), true)
	if err != nil || !slices.Equal(u.Announced, prefixes("10.1.1.0/24", "10.2.1.0/24")) || u.NextHop != netip.MustParseAddr("169.254.10.2") {
		t.Errorf("%+v, %v", u, err)
	}
	for attributes, want := range map[string]bool{
		"":                     true,
		"800f 03 0001 01":      true,  // IPv4 unicast
		"800f 03 0002 01":      false, // IPv6 unicast
		"c063 02 0000":         false,
		"800f 05 0001 01 080a": false,
	} {
		if u, err := ParseUpdate(update(t, "", attributes, ""), true); err != nil || u.EndOfRIB != want {
			t.Errorf("%q: End-of-RIB %v, %v", attributes, u.EndOfRIB, err)
		}
	}
}

// RFC 6793 section 4.2.3: the path of a peer that knows ASNs of two octets only.
func TestMergedPaths(t *testing.T) {
	const (
		as4        = "c011 0a 0202 fa56ea00 0000fde9" // 4200000000 65001
		aggregator = "c007 06 fdea 0a000001"          // of 65002
		byTrans    = "c007 06 5ba0 0a000001"
		aggregated = "c012 08 0000fdea 0a000001"
	)
	for _, c := range []struct {
		what, path, more string
		want             []uint32
		sets             []uint32
	}{
		{"no AS4_PATH", "4002 06 0202 fde8 fde9", "", []uint32{65000, 65001}, nil},
		{"the peer has prepended itself", "4002 08 0203 fde8 5ba0 fde9", as4, []uint32{65000, 4200000000, 65001}, nil},
		{"in two segments", "4002 0a 0201 fde8 0202 5ba0 fde9", as4, []uint32{65000, 4200000000, 65001}, nil},
		{"of one length", "4002 06 0202 5ba0 fde9", as4, []uint32{4200000000, 65001}, nil},
		{"AS4_PATH is longer", "4002 04 0201 fde8", as4, []uint32{65000}, nil},
		{"a set counts as one", "4002 0c 0102 fdeb fdec 0202 5ba0 fde9", as4, []uint32{0, 4200000000, 65001}, []uint32{65003, 65004}},
		{"a malformed AS4_PATH is passed over", "4002 08 0203 fde8 5ba0 fde9", "c011 03 020200", []uint32{65000, 23456, 65001}, nil},
		{"aggregated later by two octets", "4002 08 0203 fde8 5ba0 fde9", as4 + aggregator + aggregated, []uint32{65000, 23456, 65001}, nil},
		{"aggregated before", "4002 08 0203 fde8 5ba0 fde9", as4 + byTrans + aggregated, []uint32{65000, 4200000000, 65001}, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			u, err := ParseUpdate(update(t, "", origin+c.path+nextHop+c.more, "18 0a0101"), false)
			if err != nil || !slices.Equal(u.Path, c.want) || !slices.Equal(u.Sets, c.sets) || len(u.Announced) != 1 {
				t.Errorf("%+v, %v", u, err)
			}
		})
	}
}

// Whatever comes, it is read or refused, and what is read can be said again. Another
// implementation that reads it whole reads the same.
func FuzzUpdate(f *testing.F) {
	for _, u := range updates() {
		f.Add(u.Append(nil, true)[HeaderLength:], true)
		f.Add(u.Append(nil, false)[HeaderLength:], false)
	}
	f.Add(update(f, "", origin+path4+"800e 0d 0001 01 04 a9fe0a06 00 18 0a0101", ""), true)
	f.Fuzz(func(t *testing.T, b []byte, four bool) {
		if len(b) < updateLength || len(b) > MessageMax-HeaderLength {
			return
		}
		before := bytes.Clone(b)
		u, err := ParseUpdate(b, four)
		if !bytes.Equal(before, b) {
			t.Fatal("the message was changed")
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Notification.Code != CodeUpdate || len(e.Notification.Append(nil)) > MessageMax {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if u.EndOfRIB && (len(u.Withdrawn) > 0 || len(u.Announced) > 0) || u.Malformed == "" && len(u.Announced) > 0 && !u.NextHop.Is4() {
			t.Fatalf("%+v", u)
		}
		agree(t, b, four, u)
		if u.Malformed != "" || slices.Contains(u.Path, 0) || !u.EndOfRIB && len(u.Withdrawn)+len(u.Announced) == 0 {
			return
		}
		if len(u.Announced) == 0 {
			u.Attributes = Attributes{}
		}
		message := u.Append(nil, four)
		if len(message) > MessageMax {
			return
		}
		again, err := ParseUpdate(body(t, message, TypeUpdate), four)
		if err != nil || !reflect.DeepEqual(again, u) {
			t.Fatalf("read %+v, said %+v, %v", again, u, err)
		}
	})
}

// agree holds what was read against GoBGP, for messages in which it finds nothing wrong.
func agree(t *testing.T, b []byte, four bool, u Update) {
	theirs := &bgp.BGPUpdate{}
	if u.Malformed != "" || theirs.DecodeFromBytes(b, &bgp.MarshallingOption{Use2ByteAS: !four}) != nil {
		return
	}
	known := map[bgp.BGPAttrType]bool{}
	for _, a := range theirs.PathAttributes {
		if known[a.GetType()] {
			return
		}
		known[a.GetType()] = true
	}
	if known[bgp.BGP_ATTR_TYPE_MP_REACH_NLRI] || known[bgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI] {
		return
	}
	same := func(what string, ours []netip.Prefix, theirs []bgp.PathNLRI) {
		var have []netip.Prefix
		for _, p := range theirs {
			have = append(have, p.NLRI.(*bgp.IPAddrPrefix).Prefix.Masked())
		}
		if !slices.Equal(ours, have) {
			t.Fatalf("%s: we read %v, GoBGP %v", what, ours, have)
		}
	}
	same("withdrawn", u.Withdrawn, theirs.WithdrawnRoutes)
	same("announced", u.Announced, theirs.NLRI)
	for _, a := range theirs.PathAttributes {
		switch a := a.(type) {
		case *bgp.PathAttributeMultiExitDisc:
			if a.Value != u.MED || !u.HasMED {
				t.Fatalf("we read MED %d, GoBGP %d", u.MED, a.Value)
			}
		case *bgp.PathAttributeAsPath:
			var have, sets []uint32
			for _, s := range a.Value {
				if s.GetType() == bgp.BGP_ASPATH_ATTR_TYPE_SET {
					have, sets = append(have, 0), append(sets, s.GetAS()...)
				} else {
					have = append(have, s.GetAS()...)
				}
			}
			if !known[bgp.BGP_ATTR_TYPE_AS4_PATH] && (!slices.Equal(have, u.Path) || !slices.Equal(sets, u.Sets)) {
				t.Fatalf("we read the path %v, GoBGP %v", u.Path, have)
			}
		}
	}
}

// Whatever comes, it is read or refused.
func FuzzOpen(f *testing.F) {
	f.Add(Open{ASN: 4200000000, HoldTime: 30 * time.Second, Identifier: netip.MustParseAddr("10.0.0.1"), FourOctetASN: true, RouteRefresh: true, Families: []Family{IPv4Unicast}, Restart: &Restart{Time: time.Minute, IPv4: true}}.Append(nil)[HeaderLength:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < openLength || len(b) > MessageMax-HeaderLength {
			return
		}
		o, err := ParseOpen(b)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Notification.Code != CodeOpen {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if len(o.Families) > 30 { // more than fits beside the rest
			return
		}
		again, err := ParseOpen(body(t, o.Append(nil), TypeOpen))
		if !o.FourOctetASN {
			again.ASN = o.ASN
		}
		if err != nil || !reflect.DeepEqual(again, o) {
			t.Fatalf("read %+v, said %+v, %v", again, o, err)
		}
	})
}

// Streams are cut into messages of allowed lengths, or refused.
func FuzzNext(f *testing.F) {
	f.Add(AppendKeepalive(nil))
	f.Add(AppendKeepalive(updates()[3].Append(nil, true)))
	f.Fuzz(func(t *testing.T, stream []byte) {
		for len(stream) > 0 {
			_, b, taken, err := Next(stream)
			if err != nil || taken == 0 {
				if err == nil && len(stream) >= MessageMax {
					t.Fatalf("%d octets are no message yet", len(stream))
				}
				return
			}
			if len(b) != taken-HeaderLength || taken > MessageMax {
				t.Fatalf("a body of %d octets in %d", len(b), taken)
			}
			stream = stream[taken:]
		}
	})
}
