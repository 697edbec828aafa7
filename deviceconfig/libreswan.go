package deviceconfig

import "causeway.dev/resource"

var libreswanDevices = []Device{{
	ID: "5a0e4c13", Vendor: "Libreswan", Platform: "Linux with IPsec in the kernel", Software: "Libreswan 4.1+", sample: "libreswan.sh.tmpl",
	written: "Libreswan 4.10 (4.1 or newer) on Linux 4.19 or newer", checked: "A real Libreswan 4.10 negotiated with it in a test, with keys and without packets.", preference: cbcFirst, dialect: &libreswan,
}}

// libreswan is of ipsec.conf(5). The groups 2 and 22 to 24 are not in its default
// build, and its IKEv1 has the elliptic curves in phase 1 only.
var libreswan = dialect{certificates: true, abilities: map[string]ability{resource.IKEv1: libreswanAbility(resource.IKEv1), resource.IKEv2: libreswanAbility(resource.IKEv2)}}

func libreswanAbility(version string) ability {
	hashes := map[string]string{"SHA1": "sha1", "SHA2-256": "sha2_256", "SHA2-384": "sha2_384", "SHA2-512": "sha2_512"}
	ciphers := map[string]string{"AES128": "aes128", "AES256": "aes256", "AES128-GCM-16": "aes_gcm128", "AES256-GCM-16": "aes_gcm256"}
	groups := numbered("dh%d", 5, 14, 15, 16, 17, 18, 19, 20, 21)
	a := ability{phase1: vocabulary{ciphers, hashes, groups}, phase2: vocabulary{ciphers, hashes, groups}, selectors: everything}
	if version == resource.IKEv1 {
		a.phase1.encryption = map[string]string{"AES128": ciphers["AES128"], "AES256": ciphers["AES256"]}
		a.phase2.groups = numbered("dh%d", 5, 14, 15, 16, 17, 18)
	}
	return a
}
