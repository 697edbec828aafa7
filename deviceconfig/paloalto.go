package deviceconfig

import "causeway.dev/resource"

var paloAltoDevices = []Device{{
	ID: "9005b6c7", Vendor: "Palo Alto Networks", Platform: "PA Series", Software: "PANOS 7.0+", sample: "panos.txt.tmpl",
	written: "PAN-OS 9.1 (7.0 or newer; some groups are refused in FIPS mode)", preference: gcmFirst, dialect: &panos,
}}

// panos is of Palo Alto's "PAN-OS Administrator's Guide", "Define IKE Crypto
// Profiles". AES-GCM for IKE came with PAN-OS 10 and is left out.
var panos = dialect{abilities: map[string]ability{resource.IKEv1: panosAbility, resource.IKEv2: panosAbility}}

var (
	panosHashes  = map[string]string{"SHA1": "sha1", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"}
	panosGroups  = numbered("group%d", 2, 5, 14, 19, 20)
	panosAbility = ability{
		phase1: vocabulary{encryption: map[string]string{"AES128": "aes-128-cbc", "AES256": "aes-256-cbc"}, integrity: panosHashes, groups: panosGroups},
		phase2: vocabulary{
			encryption: map[string]string{"AES128": "aes-128-cbc", "AES256": "aes-256-cbc", "AES128-GCM-16": "aes-128-gcm", "AES256-GCM-16": "aes-256-gcm"},
			integrity:  panosHashes,
			groups:     panosGroups,
		},
	}
)
