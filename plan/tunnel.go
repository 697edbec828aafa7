package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"causeway.dev/nodespec"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// offersMax bounds what our side proposes: the first message of a negotiation
// has to fit into one packet on any path.
const offersMax = 8

// What our side proposes first where it is allowed: what the configurations that
// customers download ask for, the strongest first, and what AWS's own samples
// do. A device that was set up by one of them accepts nothing else.
var (
	ikePreferred = []string{"aes256gcm16-prfsha256-group19", "aes256-sha256-group14", "aes128-sha1-group2"}
	espPreferred = []string{"aes256gcm16-group19", "aes256-sha256-group14", "aes128-sha1-group2"}
)

// appendTunnels compiles the two tunnels of a connection, with their sessions if it is
// dynamic.
func (c *compiler) appendTunnels(compiled []nodespec.Tunnel, s *site, sessions [2]*nodespec.BGP) []nodespec.Tunnel {
	connection := &s.connection
	for i, tunnel := range connection.Tunnels {
		options := tunnel.Effective()
		certificates, ready := c.certificates(s, i+1)
		keys, known := c.keys(s, i)
		if !ready || !known {
			continue
		}
		proposals := c.proposalsOf(tunnel.TunnelOptions)
		compiled = append(compiled, nodespec.Tunnel{
			ID:           resource.TunnelID(connection.ID, i+1),
			Network:      connection.VPNGateway,
			Table:        gatewayTable,
			Local:        tunnel.OutsideAddress,
			Remote:       s.remote,
			Inside:       netip.PrefixFrom(tunnel.CloudInside(), tunnel.InsideCIDR.Bits()),
			PreSharedKey: nodespec.Secret(keys.Key),
			FormerKey:    nodespec.Secret(keys.Former),
			FormerUntil:  keys.FormerUntil,
			KeyChanges:   tunnel.PreSharedKeyChanges,
			Certificates: certificates,
			Replacements: tunnel.Replacements,

			IKEVersions: options.IKEVersions,

			IKEAccepts: proposals.ikeAccepts,
			IKEOffers:  proposals.ikeOffers,
			ESPAccepts: proposals.espAccepts,
			ESPOffers:  proposals.espOffers,

			// AWS names the ranges from the customer's side.
			LocalSelectors:  selectors(s, connection.RemoteIPv4CIDR, tunnel.CloudInside()),
			RemoteSelectors: selectors(s, connection.LocalIPv4CIDR, tunnel.CustomerInside()),

			Start:         options.StartupAction == resource.StartupActionStart && s.remote.IsValid(),
			IKELifetime:   options.Phase1Lifetime(),
			ChildLifetime: options.Phase2Lifetime(),
			RekeyMargin:   options.RekeyMarginTime(),
			RekeyFuzz:     int(*options.RekeyFuzzPercentage),
			ReplayWindow:  int(options.ReplayWindowSize),
			DPDTimeout:    options.DPDTimeout(),
			DPDAction:     options.DPDTimeoutAction,

			BGP: sessions[i],
		})
	}
	return compiled
}

// keys returns the pre-shared keys of a tunnel. It is false for one whose key is
// elsewhere and was never fetched.
func (c *compiler) keys(s *site, index int) (resource.TunnelKeys, bool) {
	tunnel := &s.connection.Tunnels[index]
	if !tunnel.KeysInSecret() {
		return tunnel.Keys(), true
	}
	scope := scopeOf(s.connection.Meta)
	secret, _ := store.KeySecrets.Get(c.snapshot, scope, s.connection.ID)
	fetched, _ := store.FetchedKeys.Get(c.snapshot, scope, resource.TunnelID(s.connection.ID, index+1))
	keys := secret.Tunnels[index].Keys(fetched)
	return keys, keys.Key != ""
}

// proposals are what a tunnel's options allow, in the notation of nodespec, the
// weakest first. Tunnels of the same options share them.
type proposals struct {
	ikeAccepts, ikeOffers []string
	espAccepts, espOffers []string
}

// proposalsOf takes what the caller set: most callers set nothing.
func (c *compiler) proposalsOf(set resource.TunnelOptions) proposals {
	key := proposalsKey(set)
	known, ok := c.proposals[key]
	if !ok {
		o := set.Effective()
		ike := withGroups(ikeCiphers(o.Phase1EncryptionAlgorithms, o.Phase1IntegrityAlgorithms), o.Phase1DHGroupNumbers)
		esp := withGroups(espCiphers(o.Phase2EncryptionAlgorithms, o.Phase2IntegrityAlgorithms), o.Phase2DHGroupNumbers)
		known = proposals{ike, offers(ike, ikePreferred), esp, offers(esp, espPreferred)}
		c.proposals[key] = known
	}
	return known
}

// proposalsKey is the same for options that allow the same algorithms.
func proposalsKey(o resource.TunnelOptions) string {
	var key []byte
	for _, names := range [][]string{
		o.Phase1EncryptionAlgorithms, o.Phase1IntegrityAlgorithms, o.Phase2EncryptionAlgorithms, o.Phase2IntegrityAlgorithms,
	} {
		for _, name := range names {
			key = append(append(key, name...), ',')
		}
		key = append(key, ';')
	}
	for _, groups := range [][]int32{o.Phase1DHGroupNumbers, o.Phase2DHGroupNumbers} {
		for _, group := range groups {
			key = append(strconv.AppendInt(key, int64(group), 10), ',')
		}
		key = append(key, ';')
	}
	return string(key)
}

// A word is our name of an algorithm beside AWS's.
type word struct{ aws, ours string }

// The algorithms of each kind, the weakest first.
var (
	encryptions = []word{{"AES128", "aes128"}, {"AES256", "aes256"}, {"AES128-GCM-16", "aes128gcm16"}, {"AES256-GCM-16", "aes256gcm16"}}
	hashes      = []word{{"SHA1", "sha1"}, {"SHA2-256", "sha256"}, {"SHA2-384", "sha384"}, {"SHA2-512", "sha512"}}
)

func allowed(words []word, names []string) []string {
	var ours []string
	for _, w := range words {
		if slices.Contains(names, w.aws) {
			ours = append(ours, w.ours)
		}
	}
	return ours
}

func isAEAD(encryption string) bool { return strings.HasSuffix(encryption, "gcm16") }

// ikeCiphers combines ciphers and hashes. With an AEAD cipher the hash is that
// of the PRF alone.
func ikeCiphers(encryption, integrity []string) []string {
	var ciphers []string
	for _, cipher := range allowed(encryptions, encryption) {
		for _, hash := range allowed(hashes, integrity) {
			if isAEAD(cipher) {
				hash = "prf" + hash
			}
			ciphers = append(ciphers, cipher+"-"+hash)
		}
	}
	return ciphers
}

// espCiphers combines ciphers and hashes. An AEAD cipher needs no hash.
func espCiphers(encryption, integrity []string) []string {
	var ciphers []string
	for _, cipher := range allowed(encryptions, encryption) {
		if isAEAD(cipher) {
			ciphers = append(ciphers, cipher)
			continue
		}
		for _, hash := range allowed(hashes, integrity) {
			ciphers = append(ciphers, cipher+"-"+hash)
		}
	}
	return ciphers
}

func withGroups(ciphers []string, groups []int32) []string {
	var combined []string
	for _, cipher := range ciphers {
		for _, group := range slices.Sorted(slices.Values(groups)) {
			combined = append(combined, fmt.Sprintf("%s-group%d", cipher, group))
		}
	}
	return combined
}

// offers returns what our side proposes of what it accepts: what is preferred;
// where not all of that is allowed, also the weakest few.
func offers(accepts, preferred []string) []string {
	var chosen []string
	for _, proposal := range preferred {
		if slices.Contains(accepts, proposal) {
			chosen = append(chosen, proposal)
		}
	}
	if len(chosen) == len(preferred) {
		return chosen
	}
	for _, proposal := range accepts {
		if len(chosen) < offersMax && !slices.Contains(chosen, proposal) {
			chosen = append(chosen, proposal)
		}
	}
	return chosen
}
