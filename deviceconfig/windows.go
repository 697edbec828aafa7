package deviceconfig

import "causeway.dev/resource"

var windowsDevices = []Device{{
	ID: "9005b6cb", Vendor: "Microsoft", Platform: "Windows Server", Software: "2012 R2", sample: "windows.ps1.tmpl",
	written: "Windows Server 2016 to 2022 with PowerShell (2012 R2 has the same commands, without AES-GCM for IKEv2)", preference: cbcFirst, dialect: &windows,
	withoutBGP: "numbers its ends of tunnels itself, so that BGP between the inside addresses can't run there. Make a VPN connection with static routes for it",
}}

// windows is of Microsoft's documentation of the modules RemoteAccess
// (Add-VpnS2SInterface, for IKEv2) and NetSecurity (New-NetIPsecRule, for IKEv1).
// Group 24 is left out: both call 2048-bit groups by names that are easily confused.
var windows = dialect{oneVersion: true, abilities: map[string]ability{
	resource.IKEv1: {
		phase1: vocabulary{
			encryption: map[string]string{"AES128": "AES128", "AES256": "AES256"},
			integrity:  map[string]string{"SHA1": "SHA1", "SHA2-256": "SHA256", "SHA2-384": "SHA384"},
			groups:     numbered("DH%d", 2, 14, 19, 20),
		},
		phase2: vocabulary{
			encryption: map[string]string{"AES128": "AES128", "AES256": "AES256", "AES128-GCM-16": "AESGCM128", "AES256-GCM-16": "AESGCM256"},
			integrity:  map[string]string{"SHA1": "SHA1", "SHA2-256": "SHA256"},
			groups:     numbered("DH%d", 2, 14, 19, 20),
		},
		selectors: onePrefixPair,
	},
	resource.IKEv2: {
		phase1: vocabulary{
			encryption: map[string]string{"AES128": "AES128", "AES256": "AES256"},
			integrity:  map[string]string{"SHA1": "SHA1", "SHA2-256": "SHA256", "SHA2-384": "SHA384"},
			groups:     map[int32]string{2: "Group2", 14: "Group14", 19: "ECP256", 20: "ECP384"},
		},
		phase2: vocabulary{
			encryption: map[string]string{"AES128": "AES128", "AES256": "AES256", "AES128-GCM-16": "GCMAES128", "AES256-GCM-16": "GCMAES256"},
			integrity:  map[string]string{"SHA1": "SHA196", "SHA2-256": "SHA256128"},
			groups:     map[int32]string{2: "PFS2", 14: "PFS2048", 19: "ECP256", 20: "ECP384"},
		},
		selectors: everything,
	},
}}
