package keys

import (
	"bytes"
	"errors"
	"testing"

	"causeway.dev/ike"
	"causeway.dev/ike/wire"
)

// RFC 7383 section 2.5: whatever its length, a message comes out of its fragments
// as it went in, and no fragment is longer than was asked for.
func TestSealWithin(t *testing.T) {
	for _, p := range []ike.IKEProposal{
		{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA256, PRF: ike.PRFHMACSHA256, Group: ike.Group14},
		{Encryption: ike.AES256CBC, Integrity: ike.HMACSHA512, PRF: ike.PRFHMACSHA512, Group: ike.Group14},
		{Encryption: ike.AES256GCM16, PRF: ike.PRFHMACSHA256, Group: ike.Group14},
	} {
		encryption, integrity := make([]byte, EncryptionKeyLength(p.Encryption)), make([]byte, IntegrityKeyLength(p.Integrity))
		seal, open := NewProtector(p, encryption, integrity), NewProtector(p, encryption, integrity)
		h := wire.Header{SPIi: 1, SPIr: 2, Major: 2, Exchange: wire.IKEAuth, MessageID: 1}
		for length := range 1500 {
			payloads := []wire.Payload{&wire.Cert{Data: bytes.Repeat([]byte{byte(length)}, length)}, &wire.VendorID{Data: []byte("end")}}
			const most = 300
			packets := seal.SealWithin(h, payloads, most)
			if whole := len(seal.Seal(nil, h, payloads)); len(packets) == 1 != (whole <= most) {
				t.Fatalf("%v: %d octets in %d packets", p, whole, len(packets))
			}
			if len(packets) == 1 {
				continue
			}
			var plain []byte
			var next wire.PayloadType
			for i, packet := range packets {
				if len(packet) > most {
					t.Fatalf("%v: fragment of %d octets", p, len(packet))
				}
				_, f, err := open.OpenFragment(packet)
				if err != nil || int(f.Number) != i+1 || int(f.Total) != len(packets) || i > 0 && f.Next != wire.PayloadNone {
					t.Fatalf("%v: fragment %d of %d is %v, %v", p, i+1, len(packets), f, err)
				}
				if i == 0 {
					next = f.Next
				}
				plain = append(plain, f.Body...)
			}
			if !bytes.Equal(plain, wire.AppendPayloads(nil, payloads)) || next != wire.PayloadCert {
				t.Fatalf("%v: %d octets come out changed", p, length)
			}
		}
		packet := seal.SealWithin(h, []wire.Payload{&wire.VendorID{Data: make([]byte, 1000)}}, 300)[1]
		for i := range packet {
			changed := bytes.Clone(packet)
			changed[i] ^= 1
			if _, f, err := open.OpenFragment(changed); !errors.Is(err, ErrUnauthenticated) {
				t.Fatalf("%v: with octet %d changed: %v, %v", p, i, f, err)
			}
		}
	}
}
