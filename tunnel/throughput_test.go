package tunnel

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"causeway.dev/ike"
)

// BenchmarkTunnel is the throughput of one TCP connection between two
// namespaces, with both gateways, both hosts and the sender on this machine's
// processors: plain is the same connection without a tunnel, over the veth
// that the tunnels use.
func BenchmarkTunnel(b *testing.B) {
	for _, tt := range []struct {
		name     string
		proposal ike.ESPProposal
		udp      bool
		to       netip.Addr
	}{
		{"plain", gcm128, true, netip.MustParseAddr("192.0.2.2")},
		{"aes128gcm16-udp", gcm128, true, hostB},
		{"aes128gcm16-esp", gcm128, false, hostB},
		{"aes128cbc-sha256-udp", ike.ESPProposal{Encryption: ike.AES128CBC, Integrity: ike.HMACSHA256}, true, hostB},
	} {
		b.Run(tt.name, func(b *testing.B) {
			from, to := newSites(b, tt.proposal, tt.udp)
			var listener net.Listener
			if err := to.host.Do(func() (err error) {
				listener, err = net.Listen("tcp4", netip.AddrPortFrom(tt.to, 80).String())
				return err
			}); err != nil {
				b.Fatal(err)
			}
			defer listener.Close()
			received := make(chan int64, 1)
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					received <- 0
					return
				}
				defer conn.Close()
				n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, conn, make([]byte, 256<<10))
				received <- n
			}()
			var conn net.Conn
			if err := from.host.Do(func() (err error) {
				conn, err = net.Dial("tcp4", listener.Addr().String())
				return err
			}); err != nil {
				b.Fatal(err)
			}
			block := make([]byte, 1<<20)
			b.SetBytes(int64(len(block)))
			for b.Loop() {
				if _, err := conn.Write(block); err != nil {
					b.Fatal(err)
				}
			}
			conn.Close()
			if n := <-received; n != int64(b.N)*int64(len(block)) {
				b.Fatalf("%d bytes arrived of %d", n, int64(b.N)*int64(len(block)))
			}
			b.ReportMetric(float64(len(block))*8*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gbit/s")
			c := from.tunnel.Counters()
			if tt.to == hostB && c.OutboundBytes < uint64(b.N) {
				b.Fatalf("the tunnel carried nothing: %+v", c)
			}
			b.ReportMetric(float64(to.tunnel.Counters().InboundPackets)/float64(b.N), "packets/op")
		})
	}
}
