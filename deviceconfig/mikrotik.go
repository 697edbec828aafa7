package deviceconfig

import "causeway.dev/resource"

var mikrotikDevices = []Device{{
	ID: "9005b6c8", Vendor: "Mikrotik", Platform: "RouterOS", Software: "6.44.3", sample: "routeros.txt.tmpl",
	written: "RouterOS 7 (6.45 and newer have the same commands)", preference: cbcFirst, dialect: &routeros,
	withoutBGP: "has no tunnel interfaces for IPsec: policies choose the traffic, so that routes learned by BGP would lead nowhere. Make a VPN connection with static routes for it",
}}

// routeros is of MikroTik's manual, "IPsec". It has no tunnel interfaces: policies
// choose the traffic, and our side has one pair of security associations a tunnel.
var routeros = dialect{abilities: map[string]ability{resource.IKEv1: routerosAbility, resource.IKEv2: routerosAbility}}

var (
	routerosGroups = map[int32]string{
		2: "modp1024", 5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096", 17: "modp6144", 18: "modp8192",
		19: "ecp256", 20: "ecp384", 21: "ecp521",
	}
	routerosAbility = ability{
		phase1: vocabulary{
			encryption: map[string]string{"AES128": "aes-128", "AES256": "aes-256"},
			integrity:  map[string]string{"SHA1": "sha1", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"},
			groups:     routerosGroups,
		},
		phase2: vocabulary{
			encryption: map[string]string{"AES128": "aes-128-cbc", "AES256": "aes-256-cbc", "AES128-GCM-16": "aes-128-gcm", "AES256-GCM-16": "aes-256-gcm"},
			integrity:  map[string]string{"SHA1": "sha1", "SHA2-256": "sha256", "SHA2-512": "sha512"},
			groups:     routerosGroups,
		},
		selectors: onePrefixPair,
	}
)
