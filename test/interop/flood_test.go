package interop

import (
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"causeway.dev/internal/netlab"
)

// flood sends random datagrams to our UDP ports 500 and 4500 at a rate a second
// and returns how many. Half of them begin like IKE or ESP does.
func flood(from *netlab.Host, length time.Duration, rate int) (sent int, err error) {
	var sockets []*net.UDPConn
	err = from.Do(func() error {
		for _, port := range []int{500, 4500} {
			s, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.ParseIP(ourAddress), Port: port})
			if err != nil {
				return fmt.Errorf("open socket: %w", err)
			}
			sockets = append(sockets, s)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		for _, s := range sockets {
			s.Close()
		}
	}()
	random := rand.NewChaCha8([32]byte{1})
	junk := make([]byte, 1400)
	start := time.Now()
	for elapsed := time.Duration(0); elapsed < length; elapsed = time.Since(start) {
		for due := int(elapsed.Seconds() * float64(rate)); sent < due; sent++ {
			_, _ = random.Read(junk) // never fails
			n := 1 + int(random.Uint64()%1400)
			if sent%2 == 0 {
				shape(junk, sent)
			}
			_, _ = sockets[sent%len(sockets)].Write(junk[:n]) // an ICMP error of an earlier one is none of ours
		}
		time.Sleep(time.Millisecond)
	}
	return sent, nil
}

// shape makes junk begin like an IKE_SA_INIT request or an INFORMATIONAL one,
// with and without the non-ESP marker.
func shape(junk []byte, n int) {
	header := []byte{33, 0x20, 34, 0x08, 0, 0, 0, 0, 0, 0, 5, 120}
	if n%4 == 0 {
		header[2] = 37
	}
	at := 16
	if n%8 < 4 {
		copy(junk, []byte{0, 0, 0, 0})
		at += 4
	}
	copy(junk[at:], header)
}
