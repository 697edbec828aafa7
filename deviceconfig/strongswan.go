package deviceconfig

import (
	"slices"
	"strings"
)

// strongSwanGroups are strongSwan's names of Diffie-Hellman groups.
var strongSwanGroups = map[int32]string{
	2: "modp1024", 5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096", 17: "modp6144", 18: "modp8192",
	19: "ecp256", 20: "ecp384", 21: "ecp521", 22: "modp1024s160", 23: "modp2048s224", 24: "modp2048s256",
}

func strongSwanGroup(n int32) string { return strongSwanGroups[n] }

// Algorithms are what charon must know for the tunnels, as swanctl --list-algs
// names them, each once.
func (v view) Algorithms() []string {
	var out []string
	add := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	for _, t := range v.Tunnels {
		for phase, p := range []proposal{t.phase1, t.phase2} {
			hash := charonHashes[p.Integrity]
			if p.AEAD() {
				add("AES_GCM_16")
			} else {
				add("AES_CBC", hash.integrity)
			}
			if phase == 0 {
				add(hash.prf)
			}
			add(charonGroup(p.Group))
		}
	}
	return out
}

var charonHashes = map[string]struct{ integrity, prf string }{
	"SHA1":     {"HMAC_SHA1_96", "PRF_HMAC_SHA1"},
	"SHA2-256": {"HMAC_SHA2_256_128", "PRF_HMAC_SHA2_256"},
	"SHA2-384": {"HMAC_SHA2_384_192", "PRF_HMAC_SHA2_384"},
	"SHA2-512": {"HMAC_SHA2_512_256", "PRF_HMAC_SHA2_512"},
}

// charonGroup is "MODP_2048_256" for "modp2048s256".
func charonGroup(n int32) string {
	name := strings.ToUpper(strongSwanGroups[n])
	digits := max(strings.IndexAny(name, "0123456789"), 0)
	return name[:digits] + "_" + strings.Replace(name[digits:], "S", "_", 1)
}
