package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"causeway.dev/internal/netlab"
	"causeway.dev/pki"
)

// A libreswanCase is one way to meet Libreswan.
type libreswanCase struct {
	version            string // ikev1 or ikev2
	theirIKE, theirESP string
	ourIKE, ourESP     string
	keys               pki.KeyAlgorithm // of both sides' certificates; "": a pre-shared key
}

var libreswanCases = []libreswanCase{
	{"ikev2", "aes128-sha2_256;dh14", "aes128-sha2_256", "aes128-sha256-group14", "aes128-sha256-group14", ""},
	{"ikev2", "aes256-sha1;dh5", "aes256-sha1", "aes256-sha1-group5", "aes256-sha1-group5", ""},
	{"ikev2", "aes_gcm256-sha2_384;dh20", "aes_gcm256-null", "aes256gcm16-prfsha384-group20", "aes256gcm16-group20", ""},
	{"ikev2", "aes128-sha2_512;dh31", "aes_gcm128-null", "aes128-sha512-group31", "aes128gcm16-group31", ""},
	{"ikev2", "aes128-sha2_256;dh19", "aes_gcm128-null", "aes128-sha256-group19", "aes128gcm16-group19", pki.RSA2048},
	{"ikev2", "aes128-sha2_256;dh19", "aes_gcm128-null", "aes128-sha256-group19", "aes128gcm16-group19", pki.ECDSAP256},
	{"ikev2", "aes256-sha2_384;dh21", "aes_gcm256-null", "aes256-sha384-group21", "aes256gcm16-group21", pki.ECDSAP384},
	{"ikev1", "aes128-sha1;dh14", "aes128-sha1;dh14", "aes128-sha1-group14", "aes128-sha1-group14", ""},
	{"ikev1", "aes256-sha2_512;dh15", "aes256-sha2_512;dh15", "aes256-sha512-group15", "aes256-sha512-group15", ""},
	{"ikev1", "aes128-sha2_256;dh19", "aes_gcm128-null;dh14", "aes128-sha256-group19", "aes128gcm16-group14", ""},
	{"ikev1", "aes128-sha2_256;dh14", "aes_gcm128-null;dh14", "aes128-sha256-group14", "aes128gcm16-group14", pki.RSA2048},
}

func (c libreswanCase) String() string {
	how := "psk"
	if c.keys != "" {
		how = string(c.keys)
	}
	return c.version + "_" + c.ourIKE + "_" + how
}

// noESP is what pluto says where the kernel has no ESP, or no AES-GCM: the SA that
// both sides have negotiated can't be installed, and pluto drops it.
const noESP = "netlink response for Add SA"

// Given Libreswan on a kernel with or without ESP, when either side begins, then each
// authenticates the other and the proposals are agreed upon; with ESP, packets pass.
func TestLibreswan(t *testing.T) {
	t.Parallel()
	for i, c := range libreswanCases {
		for _, weStart := range []bool{false, true} {
			if !*long && weStart != (i%2 == 0) {
				continue
			}
			t.Run(fmt.Sprintf("%v_we_start_%v", c, weStart), func(t *testing.T) {
				t.Parallel()
				c.meet(t, weStart)
			})
		}
	}
}

func (c libreswanCase) meet(t *testing.T, weStart bool) {
	s := newScene(t, "unshare", "openssl", "certutil", "pk12util")
	our := ours()
	our.ike, our.esp, our.start = c.ourIKE, c.ourESP, weStart
	files := netlab.PlutoFiles{Secrets: fmt.Sprintf("%s %s : PSK %q\n", peerAddress, ourAddress, key)}
	authentication := "authby=secret"
	if c.keys != "" {
		made := newCredentials(t, c.keys, c.keys)
		chain, own := made.ours.pem(t)
		root := pki.EncodePEM(made.root.Certificate.Raw)
		our.key = ""
		our.more = fmt.Sprintf("    certificate: %s\n    key: %s\n    ca: %s\n    id: %s\n    remote_id: %s\n",
			s.lab.File("ours.pem", chain), s.lab.File("ours.key", own), s.lab.File("ca.pem", root), ourName, theirName)
		files.Root, files.Secrets = root, ""
		files.Chain, files.Key = made.theirs.pem(t)
		method := "rsasig"
		if !c.keys.IsRSA() {
			method = "ecdsa"
		}
		authentication = fmt.Sprintf("authby=%s\n    leftcert=own\n    leftid=@%s\n    leftsendcert=always\n    sendca=all\n    rightid=@%s\n    rightca=%%any", method, theirName, ourName)
	}
	our.more += fmt.Sprintf("    ike_versions: [%s]\n    local_selectors: [10.0.0.0/16]\n    remote_selectors: [192.168.0.0/16]\n", c.version)
	version := map[string]string{"ikev1": "no", "ikev2": "insist"}[c.version]
	files.Conf = fmt.Sprintf(`config setup
    ikev1-policy=accept
conn gw
    left=%s
    right=%s
    leftsubnet=192.168.0.0/16
    rightsubnet=10.0.0.0/16
    %s
    ikev2=%s
    ike=%s
    esp=%s
    auto=add
`, peerAddress, ourAddress, authentication, version, c.theirIKE, c.theirESP)
	pluto := s.peer.StartPluto(files)
	gw := startAppliance(s.lab, s.our, "ours", our)
	if !weStart {
		gw.waitMessage("no packet from "+peerAddress, soon)
		if err := pluto.Initiate("gw"); err != nil {
			t.Fatal(err)
		}
	}
	c.expect(t, s, pluto, gw, weStart)
}

// expect looks at what both sides say.
func (c libreswanCase) expect(t *testing.T, s scene, pluto *netlab.Pluto, gw gateway, weStart bool) {
	t.Helper()
	says := func(words string) {
		t.Helper()
		s.lab.Eventually(soon, "pluto says "+words, func() error {
			if !strings.Contains(pluto.Log(), words) {
				return errors.New("it does not")
			}
			return nil
		})
	}
	if c.version == "ikev1" {
		says("IKE SA established {auth=")
	} else {
		says("established IKE SA; authenticated peer")
	}
	s.lab.Soon(soon, func() bool { // pluto has one or the other to say now
		log := pluto.Log()
		return strings.Contains(log, noESP) || strings.Contains(log, "IPsec SA established") || strings.Contains(log, "established Child SA")
	})
	if strings.Contains(pluto.Log(), noESP) {
		t.Attr("reached", "authenticated, proposals agreed upon; the kernel has no ESP for Libreswan")
		switch {
		case c.version == "ikev2" && weStart: // its words for any failure of a child SA
			gw.waitMessage("the peer does not accept this tunnel's traffic selectors", soon)
		case c.version == "ikev2":
			if log := gw.Log(); !strings.Contains(log, "IKEv2 "+c.ourIKE) {
				t.Errorf("we were never up with %s", c.ourIKE)
			}
		}
		return
	}
	gw.waitUp(true, soon)
	pings(t, s.our, ourInside, peerInside)
	pings(t, s.peer, peerInside, ourInside)
	t.Attr("reached", "packets")
}
