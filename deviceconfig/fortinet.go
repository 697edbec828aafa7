package deviceconfig

import "causeway.dev/resource"

var fortinetDevices = []Device{{
	ID: "9005b6c6", Vendor: "Fortinet", Platform: "Fortigate 40+ Series", Software: "FortiOS 6.4.4+", sample: "fortios.txt.tmpl",
	written: "FortiOS 7.0 (6.4.4 or newer)", preference: gcmFirst, dialect: &fortios,
}}

// fortios is of Fortinet's "CLI Reference", FortiOS 7.0, vpn ipsec.
var fortios = dialect{abilities: map[string]ability{
	resource.IKEv1: {
		phase1: vocabulary{encryption: map[string]string{"AES128": "aes128", "AES256": "aes256"}, integrity: fortiosHashes, groups: fortiosGroups},
		phase2: fortiosESP,
	},
	resource.IKEv2: {
		phase1: vocabulary{
			encryption: map[string]string{"AES128": "aes128", "AES256": "aes256", "AES128-GCM-16": "aes128gcm", "AES256-GCM-16": "aes256gcm"},
			integrity:  fortiosHashes,
			groups:     fortiosGroups,
		},
		phase2: fortiosESP,
	},
}}

var (
	fortiosHashes = map[string]string{"SHA1": "sha1", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"}
	fortiosGroups = numbered("dhgrp %d", 2, 5, 14, 15, 16, 17, 18, 19, 20, 21)
	fortiosESP    = vocabulary{
		encryption: map[string]string{"AES128": "aes128", "AES256": "aes256", "AES128-GCM-16": "aes128gcm", "AES256-GCM-16": "aes256gcm"},
		integrity:  fortiosHashes,
		groups:     fortiosGroups,
	}
)
