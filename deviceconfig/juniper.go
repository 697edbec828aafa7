package deviceconfig

import "causeway.dev/resource"

var juniperDevices = []Device{{
	ID: "9005b6c5", Vendor: "Juniper Networks, Inc.", Platform: "SRX Routers", Software: "JunOS 11.0+", sample: "junos.txt.tmpl",
	written: "Junos OS 20.4 on an SRX (IKEv2: 12.3X48 or newer)", preference: gcmFirst, dialect: &junos,
}}

// junos is of Juniper's "IPsec VPN User Guide for Security Devices": of the hashes
// what every SRX has. AES-GCM is in phase 2 only, since which SRX has it for IKE,
// and how it is written there, depends on the model.
var junos = dialect{abilities: map[string]ability{resource.IKEv1: junosAbility, resource.IKEv2: junosAbility}}

var junosAbility = ability{
	phase1: vocabulary{
		encryption: map[string]string{"AES128": "aes-128-cbc", "AES256": "aes-256-cbc"},
		integrity:  map[string]string{"SHA1": "sha1", "SHA2-256": "sha-256", "SHA2-384": "sha-384"},
		groups:     numbered("group%d", 2, 5, 14, 19, 20, 24),
	},
	phase2: vocabulary{
		encryption: map[string]string{"AES128": "aes-128-cbc", "AES256": "aes-256-cbc", "AES128-GCM-16": "aes-128-gcm", "AES256-GCM-16": "aes-256-gcm"},
		integrity:  map[string]string{"SHA1": "hmac-sha1-96", "SHA2-256": "hmac-sha-256-128"},
		groups:     numbered("group%d", 2, 5, 14, 19, 20, 24),
	},
}
