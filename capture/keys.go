package capture

import (
	"encoding/hex"
	"fmt"
	"net/netip"

	"causeway.dev/ike"
)

// Names of algorithms in Wireshark's tables.
var (
	ikeCiphers = map[ike.Encryption]string{
		ike.AES128CBC: "AES-CBC-128 [RFC3602]", ike.AES256CBC: "AES-CBC-256 [RFC3602]",
		ike.AES128GCM16: "AES-GCM-128 with 16 octet ICV [RFC5282]", ike.AES256GCM16: "AES-GCM-256 with 16 octet ICV [RFC5282]",
	}
	ikeIntegrities = map[ike.Integrity]string{
		ike.IntegrityNone: "NONE [RFC4306]", ike.HMACSHA1: "HMAC_SHA1_96 [RFC2404]", ike.HMACSHA256: "HMAC_SHA2_256_128 [RFC4868]",
		ike.HMACSHA384: "HMAC_SHA2_384_192 [RFC4868]", ike.HMACSHA512: "HMAC_SHA2_512_256 [RFC4868]",
	}
	espCiphers = map[ike.Encryption]string{
		ike.AES128CBC: "AES-CBC [RFC3602]", ike.AES256CBC: "AES-CBC [RFC3602]",
		ike.AES128GCM16: "AES-GCM with 16 octet ICV [RFC4106]", ike.AES256GCM16: "AES-GCM with 16 octet ICV [RFC4106]",
	}
	espIntegrities = map[ike.Integrity]string{
		ike.IntegrityNone: "NULL", ike.HMACSHA1: "HMAC-SHA-1-96 [RFC2404]", ike.HMACSHA256: "HMAC-SHA-256-128 [RFC4868]",
		ike.HMACSHA384: "HMAC-SHA-384-192 [RFC4868]", ike.HMACSHA512: "HMAC-SHA-512-256 [RFC4868]",
	}
)

// ikeKeyLine is a line of Wireshark's ikev2_decryption_table. A cipher that
// Wireshark can't decrypt has its own name there.
func ikeKeyLine(k ike.KeysRevealed) string {
	cipher, ok := ikeCiphers[k.Proposal.Encryption]
	if !ok {
		cipher = k.Proposal.Encryption.String()
	}
	integrity := k.Proposal.Integrity
	if k.Proposal.Encryption.AEAD() {
		integrity = ike.IntegrityNone
	}
	return fmt.Sprintf("%016x,%016x,%s,%s,%q,%s,%s,%q", k.SPIi, k.SPIr, hex.EncodeToString(k.Ei), hex.EncodeToString(k.Er), cipher,
		hex.EncodeToString(k.Ai), hex.EncodeToString(k.Ar), ikeIntegrities[integrity])
}

// espKeyLine is a line of Wireshark's esp_sa.
func espKeyLine(from, to netip.Addr, spi ike.SPI, p ike.ESPProposal, key, integrityKey ike.Secret) string {
	cipher, ok := espCiphers[p.Encryption]
	if !ok {
		cipher = p.Encryption.String()
	}
	family := "IPv4"
	if from.Unmap().Is6() {
		family = "IPv6"
	}
	authentication := ""
	if len(integrityKey) > 0 {
		authentication = "0x" + hex.EncodeToString(integrityKey)
	}
	sequence := "32-bit"
	if p.ExtendedSequence {
		sequence = "64-bit"
	}
	return fmt.Sprintf(`"%s","%v","%v","0x%08x","%s","0x%s","%s","%s","%s"`, family, from.Unmap(), to.Unmap(), uint32(spi),
		cipher, hex.EncodeToString(key), espIntegrities[p.Integrity], authentication, sequence)
}
