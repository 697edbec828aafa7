package deviceconfig

import "causeway.dev/resource"

var sonicWallDevices = []Device{{
	ID: "9005b6cf", Vendor: "SonicWall", Platform: "NSA, TZ", Software: "OS 6.5", sample: "sonicwall.txt.tmpl",
	written: "SonicOS 6.5", preference: cbcFirst, dialect: &sonicOS,
}}

// sonicOS is of SonicWall's administration guide, "VPN Settings": the words are
// those of its screens. The elliptic curves have other names in each version there
// and are left out.
var sonicOS = dialect{abilities: map[string]ability{resource.IKEv1: sonicOSAbility, resource.IKEv2: sonicOSAbility}}

var (
	sonicOSHashes  = map[string]string{"SHA1": "SHA1", "SHA2-256": "SHA256", "SHA2-384": "SHA384", "SHA2-512": "SHA512"}
	sonicOSGroups  = numbered("Group %d", 2, 5, 14)
	sonicOSAbility = ability{
		phase1: vocabulary{encryption: map[string]string{"AES128": "AES-128", "AES256": "AES-256"}, integrity: sonicOSHashes, groups: sonicOSGroups},
		phase2: vocabulary{
			encryption: map[string]string{"AES128": "AES-128", "AES256": "AES-256", "AES128-GCM-16": "AESGCM16-128", "AES256-GCM-16": "AESGCM16-256"},
			integrity:  sonicOSHashes,
			groups:     sonicOSGroups,
		},
		selectors: everything,
	}
)
