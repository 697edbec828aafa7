package ikev2

import (
	"net/netip"
	"slices"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/engine"
	"causeway.dev/ike/enginetest"
	"causeway.dev/ike/wire"
)

// allIKE are the combinations of ciphers, hashes and groups that AWS admits at
// once, 144 of them.
func allIKE() (all []ike.IKEProposal) {
	groups := []ike.Group{2, 14, 15, 16, 17, 18, 19, 20, 21}
	for hash := ike.HMACSHA1; hash <= ike.HMACSHA512; hash++ {
		for e := ike.AES128CBC; e <= ike.AES256GCM16; e++ {
			for _, g := range groups {
				p := ike.IKEProposal{Encryption: e, Integrity: hash, PRF: ike.PRF(hash), Group: g}
				if e.AEAD() {
					p.Integrity = ike.IntegrityNone
				}
				all = append(all, p)
			}
		}
	}
	return all
}

// TestOfferIsExact: an offer admits what is wanted, all of it, and nothing else,
// and is short.
func TestOfferIsExact(t *testing.T) {
	all := allIKE()
	sparse := []ike.IKEProposal{all[0], all[10], all[3], all[40], all[0]}
	for _, wanted := range [][]ike.IKEProposal{all, sparse, all[:1]} {
		sa := offerIKE(wanted, nil)
		if len(sa.Proposals) > 8 {
			t.Errorf("%d combinations take %d proposals", len(wanted), len(sa.Proposals))
		}
		for _, p := range all {
			got, answer, ok := chooseIKE(sa.Proposals, []ike.IKEProposal{p})
			if want := slices.Contains(wanted, p); ok != want {
				t.Errorf("%v: offered %v, want %v", p, ok, want)
			}
			if ok && (got != p || !single(&wire.SA{Proposals: []wire.Proposal{answer}})) {
				t.Errorf("%v: answered with %v", p, answer)
			}
		}
	}
}

// TestChoose: RFC 7296 section 3.3.3 and 3.3.6.
func TestChoose(t *testing.T) {
	encr := func(id, bits uint16) wire.Transform {
		return wire.Transform{Type: wire.TransformEncryption, ID: id, KeyLength: bits}
	}
	other := func(kind wire.TransformType, id uint16) wire.Transform { return wire.Transform{Type: kind, ID: id} }
	gcm := encr(wire.EncryptionAESGCM16, 128)
	odd := gcm
	odd.Unrecognized = []wire.Attribute{{Type: 99, Short: true, Value: []byte{0, 1}}}
	noESN := other(wire.TransformESN, wire.ESNNone)
	for _, c := range []struct {
		name       string
		transforms []wire.Transform
		withGroup  bool
		want       bool
	}{
		{"plain", []wire.Transform{gcm, noESN}, false, true},
		{"no ESN transform", []wire.Transform{gcm}, false, true},
		{"extended sequence numbers only", []wire.Transform{gcm, other(wire.TransformESN, wire.ESNExtended)}, false, false},
		{"extended sequence numbers or not", []wire.Transform{gcm, other(wire.TransformESN, wire.ESNExtended), noESN}, false, true},
		{"integrity NONE with an AEAD", []wire.Transform{gcm, other(wire.TransformIntegrity, 0), noESN}, false, true},
		{"integrity with an AEAD", []wire.Transform{gcm, other(wire.TransformIntegrity, 2), noESN}, false, false},
		{"group missing", []wire.Transform{gcm, noESN}, true, false},
		{"group", []wire.Transform{gcm, other(wire.TransformGroup, 19), noESN}, true, true},
		{"group not asked for", []wire.Transform{gcm, other(wire.TransformGroup, 19), noESN}, false, false},
		{"group or none", []wire.Transform{gcm, other(wire.TransformGroup, 19), other(wire.TransformGroup, 0), noESN}, false, true},
		{"another key length", []wire.Transform{encr(wire.EncryptionAESGCM16, 192), noESN}, false, false},
		{"an attribute that is not known", []wire.Transform{odd, noESN}, false, false},
		{"a transform type that is not known", []wire.Transform{gcm, noESN, other(6, 35)}, false, false},
	} {
		offers := []wire.Proposal{{Number: 3, Protocol: wire.ProtocolESP, SPI: []byte{1, 2, 3, 4}, Transforms: c.transforms}}
		accepted := enginetest.ESP(t, "aes256-sha256-group19", "aes128gcm16-group19")
		_, spi, answer, ok := chooseESP(offers, accepted, c.withGroup)
		if ok != c.want || ok && (spi != 0x01020304 || answer.Number != 3) {
			t.Errorf("%s: %v, SPI %08x, %v", c.name, ok, uint32(spi), answer)
		}
	}
	reserved := []wire.Proposal{{Number: 1, Protocol: wire.ProtocolESP, SPI: []byte{0, 0, 0, 255}, Transforms: []wire.Transform{gcm, noESN}}}
	if _, _, _, ok := chooseESP(reserved, enginetest.ESP(t, "aes128gcm16"), false); ok {
		t.Error("a reserved SPI was accepted")
	}
}

// TestPreferenceIsOurs: the order of our proposals decides, not the peer's.
func TestPreferenceIsOurs(t *testing.T) {
	offers := offerIKE(enginetest.IKE(t, "aes256-sha256-group20", "aes128-sha1-group2"), nil).Proposals
	got, _, _ := chooseIKE(offers, enginetest.IKE(t, "aes128-sha1-group2", "aes256-sha256-group20"))
	if got.String() != "aes128-sha1-group2" {
		t.Errorf("chose %v", got)
	}
}

// TestNarrow: RFC 7296 section 2.9.
func TestNarrow(t *testing.T) {
	prefixes := func(s ...string) (p []netip.Prefix) {
		for _, text := range s {
			p = append(p, netip.MustParsePrefix(text))
		}
		return p
	}
	between := func(start, end string) wire.TrafficSelector {
		return wire.TrafficSelector{EndPort: 0xffff, Start: netip.MustParseAddr(start), End: netip.MustParseAddr(end)}
	}
	ssh := between("10.0.0.1", "10.0.0.1")
	ssh.Protocol, ssh.StartPort, ssh.EndPort = 6, 22, 22
	for _, c := range []struct {
		name    string
		offered []wire.TrafficSelector
		allowed []netip.Prefix
		want    []netip.Prefix
	}{
		{"equal", []wire.TrafficSelector{between("10.0.0.0", "10.0.255.255")}, prefixes("10.0.0.0/16"), prefixes("10.0.0.0/16")},
		{"wider", []wire.TrafficSelector{between("0.0.0.0", "255.255.255.255")}, prefixes("10.0.0.0/16", "10.2.0.0/16"), prefixes("10.0.0.0/16", "10.2.0.0/16")},
		{"narrower", []wire.TrafficSelector{between("10.0.1.0", "10.0.1.255")}, prefixes("10.0.0.0/16"), prefixes("10.0.1.0/24")},
		{"overlapping range", []wire.TrafficSelector{between("9.0.0.0", "10.0.0.2")}, prefixes("10.0.0.0/16"), prefixes("10.0.0.0/31", "10.0.0.2/32")},
		{"apart", []wire.TrafficSelector{between("10.9.0.0", "10.9.255.255")}, prefixes("10.0.0.0/16"), nil},
		{"any", []wire.TrafficSelector{between("10.9.0.0", "10.9.255.255")}, nil, prefixes("10.9.0.0/16")},
		{"other family", []wire.TrafficSelector{between("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}, prefixes("10.0.0.0/16"), nil},
		{"IPv6", []wire.TrafficSelector{between("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}, prefixes("2001:db8::/56"), prefixes("2001:db8::/56")},
		{"a packet's selector before the whole", []wire.TrafficSelector{ssh, between("10.0.0.0", "10.0.255.255")}, prefixes("10.0.0.0/16"), prefixes("10.0.0.0/16")},
		{"one port only", []wire.TrafficSelector{ssh}, prefixes("10.0.0.0/16"), nil},
		{"twice", []wire.TrafficSelector{between("10.0.1.0", "10.0.1.255"), between("10.0.0.0", "10.0.255.255")}, prefixes("10.0.0.0/8"), prefixes("10.0.0.0/16")},
	} {
		if got := narrow(&wire.TS{Selectors: c.offered}, c.allowed); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	many := narrow(&wire.TS{Selectors: []wire.TrafficSelector{between("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")}}, nil)
	if len(many) != engine.SelectorsMax || many[0].Bits() > 3 {
		t.Errorf("%d prefixes, the widest %v", len(many), many[0])
	}
}

// TestNarrowIsBounded: ranges that are made of as many prefixes as can be do not
// keep the engine from everybody else.
func TestNarrowIsBounded(t *testing.T) {
	worst := wire.TrafficSelector{EndPort: 0xffff, Start: netip.MustParseAddr("::1"), End: netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")}
	work := func(n int) float64 { // allocations stand for time, which other processes take
		offered := &wire.TS{Role: wire.PayloadTSi, Selectors: slices.Repeat([]wire.TrafficSelector{worst}, n)}
		return testing.AllocsPerRun(1, func() {
			if got := narrow(offered, nil); len(got) != engine.SelectorsMax {
				t.Errorf("%d prefixes", len(got))
			}
		})
	}
	if few, many := work(engine.SelectorsMax), work(255); many > 1.1*few {
		t.Errorf("%v allocations for 255 selectors, %v for %d", many, few, engine.SelectorsMax)
	}
}
