package interop

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/doctor"
	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
	"causeway.dev/ike/wire/isakmp"
	"causeway.dev/internal/netlab"
	"causeway.dev/pki"
)

// Given strongSwan with a tunnel under a ping, when our side, which only answers, is
// killed and comes back with nothing, then the strongSwan's ESP makes our side begin,
// and packets pass again long before its dead peer detection. strongSwan itself does
// not act on what nothing protects.
func TestKilledGatewayComesBackToStrongSwan(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	gw := startAppliance(s.lab, s.our, "ours", ours())
	conn := theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048")
	conn.more = "dpd_delay = 60s"
	peer := s.peer.StartCharon(conn.String())
	if err := peer.Initiate("net"); err != nil {
		t.Fatal(err)
	}
	gw.waitUp(true, soon)
	s.peer.StartPing(ourInside, "0.1", "-I", peerInside)
	gw.Signal(unix.SIGKILL)
	gw.Stop()
	killed := time.Now()
	gw = startAppliance(s.lab, s.our, "ours", ours())
	gw.waitUp(true, soon)
	s.lab.Eventually(soon, "packets pass", func() error {
		_, err := s.peer.Try("ping", "-n", "-c", "1", "-W", "1", "-I", peerInside, ourInside)
		return err
	})
	t.Logf("back after %v", time.Since(killed).Round(10*time.Millisecond))
}

// Given a peer that offers extended sequence numbers, when it begins, then it gets
// them, or not, as it prefers. strongSwan's ESP in user space has none, so that only
// the negotiation is seen.
func TestExtendedSequence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, offer, chosen string }{
		{"preferred", "aes128gcm16-esn-noesn", "AES_GCM_16_128/EXT_SEQ"},
		{"acceptable", "aes128gcm16-noesn-esn", "AES_GCM_16_128/NO_EXT_SEQ"},
		{"only", "aes128-sha256-esn", "AES_CBC_128/HMAC_SHA2_256_128/EXT_SEQ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			our := ours()
			our.esp = "aes128gcm16, aes128-sha256"
			gw := startAppliance(s.lab, s.our, "ours", our)
			gw.waitMessage("no packet from", soon)
			peer := s.peer.StartCharon(theirConnection("aes128-sha256-modp2048", c.offer).String())
			err := peer.Initiate("net")
			s.lab.Eventually(soon, "charon selects "+c.chosen, func() error {
				if !strings.Contains(peer.Log(), "selected proposal: ESP:"+c.chosen) {
					return fmt.Errorf("%v: it does not", err)
				}
				return nil
			})
			if strings.Contains(c.chosen, "NO_EXT") {
				gw.waitUp(true, soon)
				pings(t, s.our, ourInside, peerInside)
			}
		})
	}
}

// A spoofer sends first messages of IKE with invented source addresses.
type spoofer struct {
	socket  int
	packet  []byte // IPv4 and UDP headers, then the message
	payload []byte // in packet
	vary    func(message []byte, n uint64)
	enough  atomic.Bool
}

const ipv4UDPLen = 28

// newSpoofer sends from host to our port 500. The message is varied in place.
func newSpoofer(host *netlab.Host, message []byte, vary func([]byte, uint64)) (*spoofer, error) {
	s := &spoofer{vary: vary, packet: make([]byte, ipv4UDPLen+len(message))}
	err := host.Do(func() (err error) {
		s.socket, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open raw socket: %w", err)
	}
	p := s.packet
	p[0], p[8], p[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	copy(p[16:], netip.MustParseAddr(ourAddress).AsSlice())
	binary.BigEndian.PutUint16(p[20:], 500)
	binary.BigEndian.PutUint16(p[22:], 500)
	binary.BigEndian.PutUint16(p[24:], uint16(len(p)-20)) // no checksum, as UDP over IPv4 may
	s.payload = p[ipv4UDPLen:]
	copy(s.payload, message)
	return s, nil
}

// run sends at a rate a second, or as fast as it can, for a time and until it is enough.
func (s *spoofer) run(least, most time.Duration, rate int) (sent int) {
	defer unix.Close(s.socket)
	random := rand.New(rand.NewPCG(1, 2))
	target := &unix.SockaddrInet4{Addr: netip.MustParseAddr(ourAddress).As4()}
	start := time.Now()
	for elapsed := time.Duration(0); elapsed < least || elapsed < most && !s.enough.Load(); elapsed = time.Since(start) {
		for due := int(elapsed.Seconds() * float64(rate)); sent < due; sent++ {
			source := random.Uint32()
			s.packet[12], s.packet[13], s.packet[14], s.packet[15] = 198, 18+byte(source>>16)&1, byte(source>>8), byte(source)
			s.vary(s.payload, random.Uint64()|1)
			_ = unix.Sendto(s.socket, s.packet, unix.MSG_DONTWAIT, target)
			if sent%256 == 255 && time.Since(start) >= most {
				return sent
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	return sent
}

// firstMessages are those of a flood, with true Diffie-Hellman values.
func firstMessages(t *testing.T, version int) (message []byte, vary func([]byte, uint64)) {
	t.Helper()
	if version == 1 {
		method := uint16(isakmp.AuthRSASignature)
		message = isakmp.Message{Header: wire.Header{SPIi: 1, Major: 1, Exchange: isakmp.MainMode}, Payloads: []isakmp.Payload{
			&isakmp.SA{Proposals: []isakmp.Proposal{{Number: 1, Protocol: wire.ProtocolIKE, Transforms: []isakmp.Transform{{Number: 1, ID: isakmp.TransformKeyIKE, Attributes: []isakmp.Attribute{
				isakmp.ShortAttribute(isakmp.AttributeEncryption, uint16(isakmp.EncryptionAESCBC)), isakmp.ShortAttribute(isakmp.AttributeKeyLength, 128),
				isakmp.ShortAttribute(isakmp.AttributeHash, uint16(isakmp.HashSHA256)), isakmp.ShortAttribute(isakmp.AttributeGroup, 14),
				isakmp.ShortAttribute(isakmp.AttributeAuthMethod, method),
				isakmp.ShortAttribute(isakmp.AttributeLifeType, uint16(isakmp.LifeSeconds)), isakmp.LongAttribute(isakmp.AttributeLifeDuration, 3600),
			}}}}}},
		}}.Append(nil)
		return message, func(b []byte, n uint64) { binary.BigEndian.PutUint64(b, n) }
	}
	const shares = 16
	var publics [shares][]byte
	for i := range publics {
		dh, err := keys.NewDH(ike.Group14, rand.NewChaCha8([32]byte{byte(i)}))
		if err != nil {
			t.Fatal(err)
		}
		publics[i] = dh.Public()
	}
	message = wire.Message{Header: wire.Header{SPIi: 1, Major: 2, Exchange: wire.IKESAInit, Flags: wire.FlagInitiator}, Payloads: []wire.Payload{
		&wire.KE{Group: ike.Group14, Data: publics[0]},
		&wire.Nonce{Data: make([]byte, 32)},
		&wire.SA{Proposals: []wire.Proposal{{Number: 1, Protocol: wire.ProtocolIKE, Transforms: []wire.Transform{
			{Type: wire.TransformEncryption, ID: wire.EncryptionAESCBC, KeyLength: 128}, {Type: wire.TransformIntegrity, ID: wire.IntegrityHMACSHA2256},
			{Type: wire.TransformPRF, ID: wire.PRFHMACSHA2256}, {Type: wire.TransformGroup, ID: uint16(ike.Group14)},
		}}}},
	}}.Append(nil)
	const publicAt = wire.HeaderLength + 8
	nonceAt := publicAt + len(publics[0]) + 4
	return message, func(b []byte, n uint64) {
		binary.BigEndian.PutUint64(b, n)
		copy(b[publicAt:], publics[n>>8%shares])
		binary.BigEndian.PutUint64(b[nonceAt:], n*0x9e3779b97f4a7c15)
	}
}

const (
	floodRate = 50_000 // a second

	// floodMemoryKiB is what a flood may cost: main modes that wait take 16 MiB
	// (ike/ikev1.TestFloodIsBoundedInMemory), datagrams that wait for the loop 4 MiB, and
	// the collector lets the heap grow to twice what is in it; the rest is the stacks,
	// buffers and garbage of a process at work.
	floodMemoryKiB = 64 << 10
)

// nftCounter is what the only rule of a chain in table seen has counted.
func nftCounter(t *testing.T, at *netlab.Host, chain string) (packets, octets int) {
	t.Helper()
	text := at.Run("nft", "list", "chain", "ip", "seen", chain)
	if _, err := fmt.Sscanf(text[strings.Index(text, "counter"):], "counter packets %d bytes %d", &packets, &octets); err != nil {
		t.Fatal(err)
	}
	return packets, octets
}

// socketDrops is how many datagrams the kernel has dropped because a UDP socket of a
// host was full.
func socketDrops(t *testing.T, at *netlab.Host) int {
	t.Helper()
	var names []string
	for line := range strings.Lines(at.Run("cat", "/proc/net/snmp")) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		n, err := strconv.Atoi(fields[slices.Index(names, "InErrors")])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatal("no counters of UDP")
	return 0
}

const cookieDemanded = "ike/" + string(ike.DropCookie)

// checkCounted: of the first messages of a flood that have come to our socket, each was
// answered or is counted with the reason why not, or why only with a cookie.
func (p patient) checkCounted(t *testing.T, version int) {
	t.Helper()
	drops, seen := map[string]uint64{}, ""
	p.lab.Eventually(soon, "every message is answered or counted", func() error {
		text, _ := p.ask(t, "--json", "vpn1")
		var reports []doctor.Report
		if err := json.Unmarshal([]byte(text), &reports); err != nil || len(reports) != 1 {
			return fmt.Errorf("%w in %s", err, text)
		}
		drops = reports[0].OutsideDrops
		arrived, _ := nftCounter(t, p.host, "arrived")
		answered, _ := nftCounter(t, p.host, "answered")
		full := socketDrops(t, p.host)
		uncounted := arrived - full - answered
		for reason, n := range drops {
			if reason != cookieDemanded { // those are answered
				uncounted -= int(n)
			}
		}
		seen = fmt.Sprintf("%d arrived, %d were dropped for a full socket, %d answered; counted: %v", arrived, full, answered, drops)
		if most := 100 + arrived/1000; uncounted > most || uncounted < -most { // the true peers' are among them
			return fmt.Errorf("%d are neither answered nor counted: %s", uncounted, seen)
		}
		return nil
	})
	t.Log(seen)
	if version == 2 && drops[cookieDemanded] == 0 {
		t.Errorf("no cookie was demanded: %v", drops)
	}
}

// Given a tunnel under a ping, and room for peers without an address of their own,
// when first messages come from invented addresses, 50,000 a second, then no ping is
// lost, a peer from anywhere connects meanwhile, what we send is less than what we
// get, memory stays bounded, and each message is answered or counted with a reason.
func TestSpoofedFloodHarmsNothing(t *testing.T) {
	for _, version := range []int{2, 1} {
		t.Run(fmt.Sprintf("IKEv%d", version), func(t *testing.T) { spoofedFlood(t, version) })
	}
}

func spoofedFlood(t *testing.T, version int) {
	const (
		length = 12 * time.Second
		most   = time.Minute // for the peer from anywhere, where the machine is busy
	)
	s := newScene(t, "nft")
	roamer := s.lab.Host("roamer")
	s.lab.Connect(roamer, "wan", "198.51.100.20/24", s.wire, "roamer", "198.51.100.1/24")
	roamer.Run("ip", "route", "add", "default", "via", "198.51.100.1")
	roamer.Run("ip", "addr", "add", "172.16.0.1/32", "dev", "lo")
	s.wire.Run("ip", "route", "add", "blackhole", "198.18.0.0/15")
	s.wire.Run("nft", "add table ip seen; add chain ip seen answers { type filter hook prerouting priority 0; }; add rule ip seen answers iifname ours ip daddr 198.18.0.0/15 counter")
	s.our.Run("nft", "add table ip seen; add chain ip seen arrived { type filter hook prerouting priority 0; }; add rule ip seen arrived ip saddr 198.18.0.0/15 counter;"+
		"add chain ip seen answered { type filter hook output priority 0; }; add rule ip seen answered ip daddr 198.18.0.0/15 counter")

	theirs := theirConnection("aes128-sha256-modp2048", "aes128gcm16-modp2048")
	theirs.version = version
	roaming := withCertificate(theirName)
	roaming.local, roaming.localTS, roaming.version = "198.51.100.20", "172.16.0.0/16", version
	far := roamer.StartCharon(theirs.String()) // before it has its files
	files := newCredentials(t, pki.RSA2048, pki.RSA2048).install(t, s.lab, far)
	far.Configure(roaming.String())
	config := ours().String() + strings.ReplaceAll(fmt.Sprintf(`  - name: vpn2
    ike_proposals: [aes128-sha256-group14]
    esp_proposals: [aes128gcm16-group14]
    start: false
    inside: 169.254.11.1/30
    routes: [172.16.0.0/16]
    id: %s
    remote_id: %s
`, ourName, theirName), "\t", "") + files
	file := s.lab.File("ours.yaml", config)
	gw := patient{gateway{s.our.Start("ours", program, "appliance", "--status", "--config", file), s.lab}, s.our, file}
	peer := s.peer.StartCharon(theirs.String())
	s.lab.Eventually(soon, "the tunnel is up", func() error { return peer.Initiate("net") })
	pings(t, s.our, ourInside, peerInside)

	message, vary := firstMessages(t, version)
	spoofer, err := newSpoofer(s.wire, message, vary)
	if err != nil {
		t.Fatal(err)
	}
	before := memoryKiB(t, gw.Pid())
	sent := make(chan int, 1)
	ping := s.peer.StartPing(ourInside, "0.02", "-I", peerInside, "-c", fmt.Sprint(int(length.Seconds()*50)))
	flooding := time.Now()
	go func() { sent <- spoofer.run(length, most, floodRate) }()
	time.Sleep(2 * time.Second)
	begun := time.Now()
	for ok := false; !ok && time.Since(flooding) < most; ok = err == nil { // first messages may be lost in the flood
		err = far.Initiate("net")
	}
	connected := time.Since(begun)
	middle := memoryKiB(t, gw.Pid())
	if err != nil {
		t.Errorf("the peer from anywhere does not connect: %v", err)
	} else { // its route is there a moment after its SAs are
		s.lab.Eventually(soon, "the peer from anywhere is answered", func() error {
			_, err := roamer.Try("ping", "-n", "-c", "3", "-i", "0.02", "-W", "1", "-I", "172.16.0.1", ourInside)
			return err
		})
	}
	spoofer.enough.Store(true)
	n := <-sent
	flooded := time.Since(flooding)
	pings, answered := ping.Wait()
	after := memoryKiB(t, gw.Pid())
	gw.checkCounted(t, version)
	packets, octets := nftCounter(t, s.wire, "answers")
	t.Logf("%d first messages of %d octets in %v, %d a second; %d pings, %d answered; connected in %v; %d answers, of %d octets on average; memory %d KiB before, %d meanwhile, %d after",
		n, len(spoofer.packet), flooded.Round(time.Second), n*int(time.Second)/int(flooded), pings, answered, connected.Round(time.Millisecond), packets, octets/max(packets, 1), before, middle, after)
	if pings != answered {
		t.Errorf("%d pings lost", pings-answered)
	}
	if octets > n*len(spoofer.packet) {
		t.Errorf("%d octets in answer to %d", octets, n*len(spoofer.packet))
	}
	if packets == 0 {
		t.Error("no message was answered: they have not come to where they should")
	}
	if after > before+floodMemoryKiB {
		t.Errorf("memory grew from %d to %d KiB", before, after)
	}
}
