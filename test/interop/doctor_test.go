package interop

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/doctor"
	"causeway.dev/internal/netlab"
	"causeway.dev/ipsec"
	"causeway.dev/packet"
)

// A patient is an appliance that the doctor is asked about.
type patient struct {
	gateway
	host *netlab.Host
	file string
}

func (s scene) startPatient(config side) patient {
	file := s.lab.File("patient.yaml", "tunnel_log: { file: tunnel.log }\n"+config.String())
	return patient{gateway{s.our.Start("patient", program, "appliance", "--status", "--config", file), s.lab}, s.our, file}
}

// has says what is missing in a text.
func (patient) has(text string, words ...string) error {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return fmt.Errorf("%q is missing in\n%s", w, text)
		}
	}
	return nil
}

// mustTell looks into the log of a tunnel that is up, and into a capture that has run
// from before that, while pings leave.
func (p patient) mustTell(t *testing.T, capturing *netlab.Process, folder string) {
	t.Helper()
	const mark = "causeway"
	all := ""
	p.lab.Eventually(soon, "the log and the capture have it", func() error {
		_, _ = p.host.Try("ping", "-n", "-c", "1", "-W", "1", "-p", hex.EncodeToString([]byte(mark)), peerInside) // an answer may be kept from us
		all = ""
		for file, words := range map[string][]string{
			filepath.Join(filepath.Dir(p.file), "tunnel.log"): {
				`{"tunnel":"vpn1","event_timestamp":`, `"ike_phase1_state":"negotiating"`, `"details":"Tunnel processed request (id=1) for IKE_AUTH`,
				`"ike_phase1_state":"established","ike_phase2_state":"established","details":"Tunnel`,
			},
			filepath.Join(folder, "vpn1-inner.pcap"): {mark + mark},
			filepath.Join(folder, "vpn1-outer.pcap"): nil,
		} {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := p.has(string(text), words...); err != nil {
				return err
			}
			if strings.HasSuffix(file, "outer.pcap") && espIn(text) == 0 {
				return errors.New("no ESP is captured")
			}
			all += string(text)
		}
		return p.has(capturing.Log(), "<- IKE_AUTH", "-> IKE_AUTH")
	})
	capturing.Stop()
	if strings.Contains(all+capturing.Log(), key) {
		t.Error("the log or the capture has the key")
	}
	if tables, _ := filepath.Glob(filepath.Join(folder, "*_*")); len(tables) > 0 {
		t.Errorf("nobody asked for keys: %v", tables)
	}
}

// espIn counts the packets of ESP over IPv4 in a pcap file, of which the last may
// not be whole yet.
func espIn(file []byte) (n int) {
	const fileHeader, recordHeader, protocol = 24, 16, 9
	for rest := file[min(len(file), fileHeader):]; len(rest) >= recordHeader; {
		p := rest[recordHeader:]
		length := int(binary.LittleEndian.Uint32(rest[8:]))
		if length > len(p) {
			break
		}
		if length > protocol && p[protocol] == packet.ProtocolESP {
			n++
		}
		rest = p[length:]
	}
	return n
}

// ask runs `causeway doctor` and returns what it prints, with its exit code.
func (p patient) ask(t *testing.T, more ...string) (text string, code int) {
	t.Helper()
	text, err := p.host.Try(append([]string{program, "doctor", "--appliance", p.file}, more...)...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return text, exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return text, 0
}

func (p patient) report(t *testing.T) doctor.Report {
	t.Helper()
	text, _ := p.ask(t, "--json")
	var reports []doctor.Report
	if err := json.Unmarshal([]byte(text), &reports); err != nil || len(reports) != 1 {
		t.Fatalf("%v in %s", err, text)
	}
	return reports[0]
}

// Given a wire that drops UDP 4500, when strongSwan begins, or we do, then that port
// is what is named; when it passes again, the tunnel comes up and the doctor says
// so, too.
func TestBlockedPortIsNamed(t *testing.T) {
	t.Parallel()
	for _, weStart := range []bool{false, true} {
		t.Run(map[bool]string{false: "strongSwan_begins", true: "we_begin"}[weStart], func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "nft")
			s.wire.Run("nft", "add table ip cut; add chain ip cut natt { type filter hook forward priority 0; }; add rule ip cut natt udp dport 4500 drop")
			our := ours()
			our.start = weStart
			our.more = "    encap: always\n"
			gw := s.startPatient(our)
			peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048").String())
			if !weStart {
				gw.waitMessage("no packet from "+peerAddress, soon)
				go func() { _ = peer.Initiate("net") }() // fails, and only after minutes
			}
			gw.waitMessage("UDP 4500 is blocked", 50*time.Second)
			text, code := gw.ask(t, "vpn1")
			if code != 1 || !strings.Contains(text, "vpn1 is DOWN") || !strings.Contains(text, "do this: let UDP 4500 pass both ways") || !strings.Contains(text, "UDP 4500 (IKE) none") {
				t.Errorf("exit code %d:\n%s", code, text)
			}
			t.Log(text)
			if !weStart {
				return
			}
			s.wire.Run("nft", "delete table ip cut")
			gw.waitUp(true, 40*time.Second)
			if text, code := gw.ask(t); code != 0 || !strings.Contains(text, "UP") {
				t.Errorf("exit code %d:\n%s", code, text)
			}
			if text, code := gw.ask(t, "vpn2"); code != 2 {
				t.Errorf("of another tunnel exit code %d:\n%s", code, text)
			}
		})
	}
}

// Given a peer whose proposal differs, then both lists are side by side.
func TestDoctorShowsBothSides(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	gw := s.startPatient(ours())
	gw.waitMessage("no packet from "+peerAddress, soon)
	peer := s.peer.StartCharon(theirConnection("aes256-sha384-modp3072,aes192-sha1-modp1024", "aes128gcm16").String())
	if err := peer.Initiate("net"); err == nil {
		t.Error("charon connected")
	}
	gw.waitMessage("no common proposal for the IKE SA", soon)
	text, code := gw.ask(t, "vpn1")
	for _, words := range []string{"the peer asks for", "this tunnel takes", "AES-256/SHA-384/group 15", "AES-192/SHA-1/group 2", "AES-128/SHA-256/group 14", "do this: give both sides one combination"} {
		if code != 1 || !strings.Contains(text, words) {
			t.Errorf("exit code %d, %q is missing:\n%s", code, words, text)
		}
	}
	t.Log(text)
}

// Given a wire that drops IP protocol 50, then IKE stands, and what is told of the
// tunnel says why nothing comes back. Its log has how it came to stand, and a capture
// the messages, what leaves, and what was in it; the key is in neither.
func TestBlockedESPIsNamed(t *testing.T) {
	t.Parallel()
	s := newScene(t, "nft")
	s.wire.Run("nft", "add table ip cut; add chain ip cut plain { type filter hook forward priority 0; }; add rule ip cut plain ip protocol 50 drop")
	gw := s.startPatient(ours())
	gw.waitMessage("no packet from "+peerAddress, soon)
	folder := t.TempDir()
	capturing := s.our.Start("capture", program, "capture", "--appliance", gw.file, "vpn1", "--write", folder)
	s.lab.Eventually(soon, "the capture begins", func() error { return gw.has(capturing.Log(), "vpn1 is captured from now on") })
	startAppliance(s.lab, s.peer, "theirs", theirs())
	gw.waitUp(true, soon)
	gw.mustTell(t, capturing, folder)
	if n := s.our.Ping(peerInside, 8, "0.02"); n != 0 {
		t.Errorf("%d pings were answered", n)
	}
	gw.waitMessage("none has come back through it; let IP protocol 50 pass both ways", soon)
	if text, code := gw.ask(t, "vpn1"); code != 0 || !strings.Contains(text, "ESP arrives: no") {
		t.Errorf("exit code %d:\n%s", code, text)
	}
}

// Given a path narrower than 1500 bytes, be it that a router says so or that large
// datagrams vanish, then its MTU is found, the MSS follows, and the log and the
// doctor tell it.
func TestPathMTUIsMeasured(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		narrow func(s scene)
	}{
		{"a router tells", func(s scene) { s.wire.Run("ip", "link", "set", "peer", "mtu", "1400") }},
		{"a black hole", func(s scene) {
			s.wire.Run("nft", "add table ip hole; add chain ip hole big { type filter hook forward priority 0; }; add rule ip hole big ip length > 1400 drop")
		}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, "nft")
			c.narrow(s)
			gw := s.startPatient(ours())
			startAppliance(s.lab, s.peer, "theirs", theirs())
			gw.waitUp(true, soon)
			s.lab.Eventually(60*time.Second, "the path is measured", func() error {
				if m := gw.report(t).Path.MTU; m.State != ipsec.PathMTUMeasured {
					return errors.New(string(m.State) + " " + m.Reason)
				}
				return nil
			})
			path := gw.report(t).Path
			if m := path.MTU; m.Outside > 1400 || m.Outside < 1396 || !m.Lower() || path.InsideMTU >= m.Assumed || path.InsideMTU < m.Inside {
				t.Errorf("measured %+v", path)
			}
			t.Logf("%+v", path)
			pings(t, s.our, ourInside, peerInside)
		})
	}
}
