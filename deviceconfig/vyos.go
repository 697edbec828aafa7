package deviceconfig

import "causeway.dev/resource"

var vyosDevices = []Device{{
	ID: "9005b6c9", Vendor: "VyOS", Platform: "VyOS", Software: "VyOS 1.4+", sample: "vyos.txt.tmpl",
	written: "VyOS 1.4", preference: cbcFirst, dialect: &vyos,
}}

// vyos is of VyOS's documentation, "IPsec": its names are strongSwan's.
var vyos = dialect{abilities: map[string]ability{resource.IKEv1: vyosAbility(false), resource.IKEv2: vyosAbility(true)}}

func vyosAbility(gcm bool) ability {
	groups := []int32{2, 5, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24}
	hashes := map[string]string{"SHA1": "sha1", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"}
	ciphers := map[string]string{"AES128": "aes128", "AES256": "aes256", "AES128-GCM-16": "aes128gcm128", "AES256-GCM-16": "aes256gcm128"}
	phase1 := vocabulary{encryption: ciphers, integrity: hashes, groups: numbered("dh-group %d", groups...)}
	if !gcm {
		phase1.encryption = map[string]string{"AES128": ciphers["AES128"], "AES256": ciphers["AES256"]}
	}
	return ability{phase1: phase1, phase2: vocabulary{encryption: ciphers, integrity: hashes, groups: numbered("dh-group%d", groups...)}, selectors: everything}
}
