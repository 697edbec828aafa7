package deviceconfig

import "causeway.dev/resource"

var ciscoDevices = []Device{
	{ID: "9005b6c2", Vendor: "Cisco Systems, Inc.", Platform: "ASA 5500 Series", Software: "ASA 9.7+ VTI", sample: "asa_vti.txt.tmpl",
		written: "ASA 9.12 (9.7 or newer, for IKEv2 9.8; 9.15 and newer lack the groups 2, 5 and 24)", preference: gcmFirst, dialect: &asaVTI},
	{ID: "9005b6ce", Vendor: "Cisco Systems, Inc.", Platform: "ASA 5500 Series", Software: "ASA 9.x", sample: "asa_policy.txt.tmpl",
		written: "ASA 9.12 (for IKEv2 9.14, which tries a second peer; 9.15 and newer lack the groups 2, 5 and 24)", preference: gcmFirst, dialect: &asaPolicy,
		withoutBGP: "with a crypto map has no tunnel that BGP could run over: take the sample for tunnel interfaces (ASA 9.7+ VTI)"},
	{ID: "9005b6c3", Vendor: "Cisco Systems, Inc.", Platform: "CSRv AMI", Software: "IOS 12.4+", sample: "ios.txt.tmpl",
		written: "IOS XE 16.12 and IOS 15.7 (IKEv1: 12.4(22)T or newer)", preference: gcmFirst, dialect: &ios},
	{ID: "9005b6c4", Vendor: "Cisco Systems, Inc.", Platform: "ISR Series Routers", Software: "IOS 12.4+", sample: "ios.txt.tmpl",
		written: "IOS XE 16.12 and IOS 15.7 (IKEv1: 12.4(22)T or newer)", preference: cbcFirst, dialect: &ios},
}

// ios is of "Security for VPNs with IPsec" and "FlexVPN and IKEv2 Configuration
// Guide", IOS XE 16.
var ios = dialect{
	abilities: map[string]ability{
		resource.IKEv1: {
			phase1: vocabulary{
				encryption: map[string]string{"AES128": "aes 128", "AES256": "aes 256"},
				integrity:  map[string]string{"SHA1": "sha", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"},
				groups:     numbered("group %d", iosGroups...),
			},
			phase2: iosESP,
		},
		resource.IKEv2: {
			phase1: vocabulary{
				encryption: map[string]string{"AES128": "aes-cbc-128", "AES256": "aes-cbc-256", "AES128-GCM-16": "aes-gcm-128", "AES256-GCM-16": "aes-gcm-256"},
				integrity:  map[string]string{"SHA1": "sha1", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"},
				groups:     numbered("group %d", iosGroups...),
			},
			phase2: iosESP,
		},
	},
}

var (
	iosGroups = []int32{2, 5, 14, 15, 16, 19, 20, 21, 24}
	iosESP    = vocabulary{
		encryption: map[string]string{"AES128": "esp-aes 128", "AES256": "esp-aes 256", "AES128-GCM-16": "esp-gcm 128", "AES256-GCM-16": "esp-gcm 256"},
		integrity:  map[string]string{"SHA1": "esp-sha-hmac", "SHA2-256": "esp-sha256-hmac", "SHA2-384": "esp-sha384-hmac", "SHA2-512": "esp-sha512-hmac"},
		groups:     numbered("group%d", iosGroups...),
	}
)

// The ASA with tunnel interfaces, and with a crypto map that has both gateways as
// peers.
var (
	asaVTI    = dialect{abilities: asaAbilities(everything)}
	asaPolicy = dialect{abilities: asaAbilities(onePrefixPair), oneESP: true, oneVersion: true}
)

// asaAbilities are of "Cisco ASA Series VPN CLI Configuration Guide", 9.12: IKEv1 has
// SHA-1 only.
func asaAbilities(form selectors) map[string]ability {
	return map[string]ability{
		resource.IKEv1: {
			phase1: vocabulary{
				encryption: map[string]string{"AES128": "aes", "AES256": "aes-256"},
				integrity:  map[string]string{"SHA1": "sha"},
				groups:     numbered("group %d", 2, 5, 14),
			},
			phase2: vocabulary{
				encryption: map[string]string{"AES128": "esp-aes", "AES256": "esp-aes-256"},
				integrity:  map[string]string{"SHA1": "esp-sha-hmac"},
				groups:     numbered("group%d", 2, 5, 14),
			},
			selectors: form,
		},
		resource.IKEv2: {
			phase1: vocabulary{
				encryption: map[string]string{"AES128": "aes", "AES256": "aes-256", "AES128-GCM-16": "aes-gcm", "AES256-GCM-16": "aes-gcm-256"},
				integrity:  map[string]string{"SHA1": "sha", "SHA2-256": "sha256", "SHA2-384": "sha384", "SHA2-512": "sha512"},
				groups:     numbered("group %d", asaGroups...),
			},
			phase2: vocabulary{
				encryption: map[string]string{"AES128": "aes", "AES256": "aes-256", "AES128-GCM-16": "aes-gcm", "AES256-GCM-16": "aes-gcm-256"},
				integrity:  map[string]string{"SHA1": "sha-1", "SHA2-256": "sha-256", "SHA2-384": "sha-384", "SHA2-512": "sha-512"},
				groups:     numbered("group%d", asaGroups...),
			},
			selectors: form,
		},
	}
}

var asaGroups = []int32{2, 5, 14, 19, 20, 21, 24}
