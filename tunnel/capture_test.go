package tunnel

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/ike"
	"causeway.dev/packetio"
)

// Wireshark's ESP dissector, which shares nothing with ours, is given what the
// tunnel sends and the keys, and must find the inner packets and right ICVs.
func TestCaptureDecodedByTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not installed")
	}
	cipherNames := map[ike.Encryption]string{ike.AES128GCM16: "AES-GCM with 16 octet ICV [RFC4106]", ike.AES256CBC: "AES-CBC [RFC3602]"}
	integrityNames := map[ike.Integrity]string{ike.IntegrityNone: "NULL", ike.HMACSHA256: "HMAC-SHA-256-128 [RFC4868]"}
	for _, proposal := range []ike.ESPProposal{gcm128, cbc256} {
		for _, encapsulated := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/udp=%v", cipherNames[proposal.Encryption], encapsulated), func(t *testing.T) {
				t.Parallel() // tshark takes a second to begin
				path := filepath.Join(t.TempDir(), "esp.pcap")
				file, err := os.Create(path)
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				pcap, err := packetio.NewPcap(file)
				if err != nil {
					t.Fatal(err)
				}
				l := newLabWith(t, proposal, encapsulated, func(s packetio.Socket) packetio.Socket {
					return packetio.NewTracedSocket(s, pcap, time.Now)
				})
				for _, p := range [][]byte{udp(hostA, hostB, 46<<2, 300), udp(hostA6, hostB6, 0, 301), udp(hostA, hostB, 0, 3000)} {
					l.a.device.Put(p)
					l.b.next(t)
				}
				child, _ := children(proposal, encapsulated, 0)
				authentication := ""
				if key := child.OutboundIntegrityKey; len(key) > 0 {
					authentication = "0x" + hex.EncodeToString(key)
				}
				sa := fmt.Sprintf(`uat:esp_sa:"IPv4","%v","%v","0x%08x","%s","0x%x","%s","%s","32-bit"`,
					outsideA, outsideB, uint32(child.Outbound), cipherNames[proposal.Encryption], []byte(child.OutboundKey), integrityNames[proposal.Integrity], authentication)
				cmd := exec.Command("tshark", "-r", path, "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE", "-o", sa,
					"-T", "fields", "-e", "ip.src", "-e", "ip.dst", "-e", "ipv6.src", "-e", "esp.sequence", "-e", "esp.icv_good", "-e", "ip.dsfield.dscp", "-e", "ip.checksum.status", "-E", "separator=|", "-o", "ip.check_checksum:TRUE")
				cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
				var complaints strings.Builder
				cmd.Stderr = &complaints
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("tshark: %v\n%s", err, complaints.String())
				}
				both := func(a, b netip.Addr) string { return a.String() + "," + b.String() }
				lines := strings.Split(strings.TrimSpace(string(out)), "\n")
				if len(lines) != 5 { // the third packet left in three fragments
					t.Fatalf("%d packets, want 5:\n%s", len(lines), out)
				}
				want4 := both(outsideA, hostA) + "|" + both(outsideB, hostB) + "||%d|1|"
				for i, want := range []string{
					fmt.Sprintf(want4, 1) + "46,46|1,1",
					fmt.Sprintf("%v|%v|%v|2|1|0|1", outsideA, outsideB, hostA6),
					fmt.Sprintf(want4, 3) + "0,0|1,1",
				} {
					if got := lines[i]; strings.NewReplacer("True", "1").Replace(got) != want {
						t.Errorf("packet %d: %s, want %s\n%s", i+1, got, want, complaints.String())
					}
				}
			})
		}
	}
}
