package deviceconfig

import "causeway.dev/resource"

var pfSenseDevices = []Device{{
	ID: "9005b6cc", Vendor: "pfSense", Platform: "pfSense", Software: "pfsense 2.2.5+ (GUI)", sample: "pfsense.txt.tmpl",
	written: "pfSense 2.7 (routed IPsec: 2.4.4 or newer)", preference: gcmFirst, dialect: &pfSense,
}}

var opnSenseDevices = []Device{{
	ID: "9005b6cd", Vendor: "OPNsense", Platform: "OPNsense", Software: "OPNsense 23.7+ (GUI)", sample: "opnsense.txt.tmpl",
	written: "OPNsense 24.1 (Connections: 23.1 or newer)", preference: cbcFirst, dialect: &opnSense,
}}

// pfSense is of Netgate's documentation, "IPsec Configuration": the words are those
// of its screens.
var pfSense = dialect{abilities: map[string]ability{resource.IKEv1: pfSenseAbility(false), resource.IKEv2: pfSenseAbility(true)}}

func pfSenseAbility(gcm bool) ability {
	hashes := map[string]string{"SHA1": "SHA1", "SHA2-256": "SHA256", "SHA2-384": "SHA384", "SHA2-512": "SHA512"}
	ciphers := map[string]string{"AES128": "AES, 128 bits", "AES256": "AES, 256 bits", "AES128-GCM-16": "AES128-GCM, 128 bits", "AES256-GCM-16": "AES256-GCM, 128 bits"}
	groups := map[int32]string{
		2: "2 (1024 bit)", 5: "5 (1536 bit)", 14: "14 (2048 bit)", 15: "15 (3072 bit)", 16: "16 (4096 bit)", 17: "17 (6144 bit)", 18: "18 (8192 bit)",
		19: "19 (nist ecp256)", 20: "20 (nist ecp384)", 21: "21 (nist ecp521)",
	}
	a := ability{phase1: vocabulary{ciphers, hashes, groups}, phase2: vocabulary{ciphers, hashes, groups}, selectors: everything}
	if !gcm {
		a.phase1.encryption = map[string]string{"AES128": ciphers["AES128"], "AES256": ciphers["AES256"]}
	}
	return a
}

// opnSense is of OPNsense's manual, "IPsec", "VPN: IPsec: Connections": its lists
// have strongSwan's proposals whole. What is in them of SHA-1 and of the groups
// below 2048 bits depends on the version and is left out.
var opnSense = dialect{abilities: map[string]ability{resource.IKEv1: opnSenseAbility, resource.IKEv2: opnSenseAbility}}

var opnSenseAbility = ability{
	phase1: vocabulary{
		encryption: map[string]string{"AES128": "aes128", "AES256": "aes256"},
		integrity:  map[string]string{"SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"},
		groups:     opnSenseGroups,
	},
	phase2: vocabulary{
		encryption: map[string]string{"AES128": "aes128", "AES256": "aes256", "AES128-GCM-16": "aes128gcm16", "AES256-GCM-16": "aes256gcm16"},
		integrity:  map[string]string{"SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"},
		groups:     opnSenseGroups,
	},
	selectors: everything,
}

var opnSenseGroups = map[int32]string{
	14: "modp2048", 15: "modp3072", 16: "modp4096", 17: "modp6144", 18: "modp8192", 19: "ecp256", 20: "ecp384", 21: "ecp521",
}
