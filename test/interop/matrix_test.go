package interop

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"causeway.dev/internal/netlab"
	"causeway.dev/pki"
)

// A combination is one way to meet strongSwan.
type combination struct {
	version              string // ikev1 or ikev2
	encryption           string
	integrity            string // with AES-GCM in IKE the hash of the PRF
	group                notation
	authentication       string // psk or certificate
	begins               string // we or they
	nat                  string // none, before them, before us
	espCipher, integrESP string // the latter empty with AES-GCM
}

// A notation is strongSwan's word for a thing and ours.
type notation struct{ theirs, ours string }

var (
	ikeVersions     = []string{"ikev1", "ikev2"}
	encryptions     = []string{"aes128", "aes256", "aes128gcm16", "aes256gcm16"}
	integrities     = []string{"sha1", "sha256", "sha384", "sha512"}
	authentications = []string{"psk", "certificate"}
	beginnings      = []string{"we", "they"}
	translations    = []string{"none", "theirs", "ours"}
	groupsOfBoth    = []notation{
		{"modp1024", "group2"}, {"modp1536", "group5"}, {"modp2048", "group14"}, {"modp3072", "group15"}, {"modp4096", "group16"},
		{"ecp256", "group19"}, {"ecp384", "group20"}, {"ecp521", "group21"}, {"modp1024s160", "group22"}, {"modp2048s224", "group23"}, {"modp2048s256", "group24"},
		{"modp6144", "group17"}, {"modp8192", "group18"},
	}
)

func isGCM(cipher string) bool { return strings.Contains(cipher, "gcm") }

// proposal is what IKE proposes without its group, in both notations.
func (c combination) proposal() string {
	if isGCM(c.encryption) {
		return c.encryption + "-prf" + c.integrity
	}
	return c.encryption + "-" + c.integrity
}

// proposalESP is the same of ESP.
func (c combination) proposalESP() string {
	if c.integrESP == "" {
		return c.espCipher
	}
	return c.espCipher + "-" + c.integrESP
}

func (c combination) String() string {
	return fmt.Sprintf("%s %s-%s esp %s %s %s begin nat %s", c.version, c.proposal(), c.group.ours, c.proposalESP(), c.authentication, c.begins, c.nat)
}

// factors are the words that pairs are made of.
func (c combination) factors() []string {
	return []string{c.version, c.encryption, c.integrity, c.group.ours, c.authentication, c.begins, c.nat, c.espCipher, c.integrESP}
}

// combinations are all of IKE's; the algorithms of ESP go round beside them, so that
// each of them meets each of the others.
func combinations() []combination {
	var all []combination
	var esp []combination
	for _, cipher := range encryptions {
		if isGCM(cipher) {
			esp = append(esp, combination{espCipher: cipher})
			continue
		}
		for _, integrity := range integrities {
			esp = append(esp, combination{espCipher: cipher, integrESP: integrity})
		}
	}
	for _, version := range ikeVersions {
		for _, encryption := range encryptions {
			for _, integrity := range integrities {
				if isGCM(encryption) && (version == "ikev1" || integrity == "sha1") {
					continue // IKEv1 has no AES-GCM; a PRF of SHA-1 beside it is not offered
				}
				for _, group := range groupsOfBoth {
					for _, authentication := range authentications {
						for _, begins := range beginnings {
							for _, nat := range translations {
								c := combination{version, encryption, integrity, group, authentication, begins, nat, "", ""}
								// Ten of ESP's and thirteen groups: each pair meets in time.
								with := esp[(len(all)+len(all)/12)%len(esp)]
								c.espCipher, c.integrESP = with.espCipher, with.integrESP
								all = append(all, c)
							}
						}
					}
				}
			}
		}
	}
	return all
}

// covering is a part of all in which each pair of factors that there is meets, found
// greedily: the first of those that bring the most new pairs.
func covering(all []combination) []combination {
	type pair [4]any
	pairs := func(c combination) (found []pair) {
		f := c.factors()
		for i := range f {
			for j := range i {
				found = append(found, pair{i, f[i], j, f[j]})
			}
		}
		return found
	}
	missing := map[pair]bool{}
	for _, c := range all {
		for _, p := range pairs(c) {
			missing[p] = true
		}
	}
	var chosen []combination
	for len(missing) > 0 {
		best, most := 0, 0
		for i, c := range all {
			news := 0
			for _, p := range pairs(c) {
				if missing[p] {
					news++
				}
			}
			if news > most {
				best, most = i, news
			}
		}
		for _, p := range pairs(all[best]) {
			delete(missing, p)
		}
		chosen = append(chosen, all[best])
	}
	return chosen
}

// covered is what is run by default.
var covered = sync.OnceValue(func() []combination { return covering(combinations()) })

// Every version, algorithm, group, way to prove oneself, role and place of a NAT:
// with -long all combinations, else a part in which each pair of them meets.
func TestMatrix(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("real peers take seconds")
	}
	wanted := combinations()
	if !*long {
		wanted = covered()
	}
	for _, version := range ikeVersions {
		for _, authentication := range authentications {
			for _, nat := range translations {
				t.Run(version+"_"+authentication+"_nat_"+nat, func(t *testing.T) {
					t.Parallel()
					m := newMatrix(t, version, authentication, nat)
					for _, c := range wanted {
						if c.version == version && c.authentication == authentication && c.nat == nat {
							t.Run(c.proposal()+"-"+c.group.ours+"_"+c.proposalESP()+"_"+c.begins+"_begin", func(t *testing.T) { m.meet(t, c) })
						}
					}
				})
			}
		}
	}
}

// A matrix is where the combinations of one version, way to prove oneself and NAT meet.
type matrix struct {
	scene
	charon *netlab.Charon
	our    side
	their  connection
}

func newMatrix(t *testing.T, version, authentication, nat string) *matrix {
	m := &matrix{scene: newScene(t, "nft"), our: ours(), their: theirConnection("aes128-sha256-modp2048", "aes128gcm16")}
	m.charon = m.peer.StartCharon(m.their.String())
	if authentication == "certificate" {
		theirs := pki.RSA2048
		if version == "ikev1" {
			theirs = pki.ECDSAP256 // one method for both sides
		}
		m.our = oursByCertificate(newCredentials(t, pki.ECDSAP256, theirs).install(t, m.lab, m.charon), theirName)
		m.their = withCertificate(theirName)
	}
	m.their.version = map[string]int{"ikev1": 1, "ikev2": 2}[version]
	m.our.more += "    ike_versions: [" + version + "]\n"
	switch nat {
	case "theirs":
		m.wire.Run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oifname ours masquerade; add chain ip nat pre { type nat hook prerouting priority -100; }; add rule ip nat pre ip daddr 203.0.113.254 udp dport { 500, 4500 } dnat to "+peerAddress)
		m.our.remote = "203.0.113.254"
		if authentication == "psk" {
			m.our.more += "    remote_id: " + peerAddress + "\n"
		}
	case "ours":
		m.wire.Run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post oifname peer masquerade; add chain ip nat pre { type nat hook prerouting priority -100; }; add rule ip nat pre ip daddr 192.0.2.1 udp dport { 500, 4500 } dnat to "+ourAddress)
		m.their.remote = "192.0.2.1"
		if authentication == "psk" {
			m.their.remoteID = ourAddress
		}
	}
	return m
}

// meet has both sides set up a tunnel, looks at what they agreed upon, and pings
// both ways.
func (m *matrix) meet(t *testing.T, c combination) {
	our, their := m.our, m.their
	our.ike, our.esp, our.start = c.proposal()+"-"+c.group.ours, c.proposalESP()+"-"+c.group.ours, c.begins == "we"
	their.ike, their.esp = c.proposal()+"-"+c.group.theirs, c.proposalESP()+"-"+c.group.theirs
	m.charon.Configure(their.String())
	gw := startAppliance(m.lab, m.scene.our, "ours", our)
	defer gw.Stop()
	if c.begins == "they" {
		gw.waitMessage("no packet from ", soon)
		if err := m.charon.Initiate("net"); err != nil {
			t.Fatal(err)
		}
	}
	gw.waitUp(true, soon)
	name := map[string]string{"ikev1": "IKEv1 ", "ikev2": "IKEv2 "}[c.version]
	if message := gw.state().Message; !strings.HasPrefix(message, name+our.ike+",") || !strings.Contains(message, "ESP "+c.proposalESP()+" ") {
		t.Errorf("message %q does not name %s%s and %s", message, name, our.ike, c.proposalESP())
	}
	pingsSoon(m.scene)
	pings(t, m.scene.our, ourInside, peerInside)
	pings(t, m.peer, peerInside, ourInside)
	if !t.Failed() {
		t.Attr("combination", c.String())
	}
}

// The part that is run by default has every pair that there is, and no more than the
// larger factors need.
func TestCoveringHasEveryPair(t *testing.T) {
	all := combinations()
	chosen := covered()
	for i := range all[0].factors() {
		for j := range i {
			have := map[[2]string]bool{}
			for _, c := range chosen {
				have[[2]string{c.factors()[i], c.factors()[j]}] = true
			}
			for _, c := range all {
				if p := [2]string{c.factors()[i], c.factors()[j]}; !have[p] {
					t.Fatalf("%v never meet", p)
				}
			}
		}
	}
	if len(chosen) > 2*len(groupsOfBoth)*len(integrities) {
		t.Errorf("%d of %d are chosen", len(chosen), len(all))
	}
	esp := map[[2]string]bool{}
	for _, c := range all {
		esp[[2]string{c.proposalESP(), c.group.ours}] = true
	}
	if len(esp) != 10*len(groupsOfBoth) {
		t.Errorf("%d pairs of ESP's algorithms and groups", len(esp))
	}
	t.Logf("%d of %d", len(chosen), len(all))
}
