package deviceconfig

import "causeway.dev/resource"

var yamahaDevices = []Device{{
	ID: "9005b6ca", Vendor: "Yamaha", Platform: "RTX Routers", Software: "Rev.10.01.16+", sample: "yamaha.txt.tmpl",
	written: "RTX1210 and RTX1220, Rev.14.01 and Rev.15.04 (IKEv2: see the list of models at Yamaha)", preference: cbcFirst, dialect: &rtx,
}}

// rtx is of Yamaha's "Command Reference", chapter IPsec: phase 2 takes the group of
// phase 1, and there is no AES-GCM. Chapter BGP: AS numbers of two bytes.
var rtx = dialect{oneGroup: true, shortASNs: true, abilities: map[string]ability{resource.IKEv1: rtxAbility, resource.IKEv2: rtxAbility}}

var rtxAbility = ability{
	phase1: vocabulary{
		encryption: map[string]string{"AES128": "aes-cbc", "AES256": "aes256-cbc"},
		integrity:  map[string]string{"SHA1": "sha", "SHA2-256": "sha256"},
		groups:     map[int32]string{2: "modp1024", 5: "modp1536", 14: "modp2048"},
	},
	phase2: vocabulary{
		encryption: map[string]string{"AES128": "aes-cbc", "AES256": "aes256-cbc"},
		integrity:  map[string]string{"SHA1": "sha-hmac", "SHA2-256": "sha256-hmac"},
		groups:     map[int32]string{2: "modp1024", 5: "modp1536", 14: "modp2048"},
	},
}
