// Package timing measures whether what checks secrets takes longer for a better guess.
package timing

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway.dev/esp"
	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

var long = flag.Bool("long", false, "measure what checks secrets: a quiet machine and a minute or two")

// A check is something that judges a value of so many octets, whatever is in them. It
// must refuse both classes of them, and must not keep any.
type check struct {
	name   string
	secret []byte // what is right
	run    func(value []byte)
}

const (
	// rounds of a measurement; each times a burst of one class or the other, in an
	// order that is drawn.
	rounds = 200_000
	burst  = 8

	// tMax is beyond what chance makes of that: the statistic is about standard
	// normal where both classes take the same time. A comparison that ends at the
	// first octet that differs is far above it.
	tMax = 12
)

// leak measures a check with values that differ from the right one in their first octet
// and in their last, and returns Welch's t: how many standard errors the means are
// apart. What takes as long as the slowest tenth is left out: interrupts, the
// collector.
func leak(c check) float64 {
	random := rand.New(rand.NewPCG(1, uint64(len(c.name))))
	var classes [2][]byte
	for i, at := range []int{0, len(c.secret) - 1} {
		classes[i] = bytes.Clone(c.secret)
		classes[i][at] ^= 0x55
	}
	value := make([]byte, len(c.secret)) // the same octets of memory for both
	times := [2][]float64{}
	all := make([]float64, 0, rounds)
	for range rounds {
		class := random.IntN(2)
		copy(value, classes[class])
		begun := time.Now()
		for range burst {
			c.run(value)
		}
		took := float64(time.Since(begun))
		times[class] = append(times[class], took)
		all = append(all, took)
	}
	slices.Sort(all)
	most := all[len(all)*9/10]
	var mean, variance [2]float64
	for i, took := range times {
		took = slices.DeleteFunc(took, func(t float64) bool { return t >= most })
		n := float64(len(took))
		for _, t := range took {
			mean[i] += t / n
		}
		for _, t := range took {
			variance[i] += (t - mean[i]) * (t - mean[i]) / (n - 1) / n
		}
	}
	return (mean[1] - mean[0]) / math.Sqrt(variance[0]+variance[1])
}

// untilTheFirst compares as nothing here is to compare.
func untilTheFirst(a, b []byte) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

var outcome int // keeps the comparisons from being left out

func count(equal bool) {
	if equal {
		outcome++
	}
}

func octets(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b) // never fails
	return b
}

// TestChecksTakeTheSameTime: whoever guesses the first octets of a MAC, a proof or a
// cookie learns nothing from how long the refusal takes.
func TestChecksTakeTheSameTime(t *testing.T) {
	if !*long {
		t.Skip("measures for a minute or two: -long")
	}
	for _, c := range checks(t) {
		t.Run(c.name, func(t *testing.T) {
			got := leak(c)
			t.Logf("t = %.1f", got)
			if math.Abs(got) > tMax {
				t.Errorf("t = %.1f: values that are wrong at their end and at their beginning take different times", got)
			}
		})
	}
}

// TestLeaksAreFound: the measurement finds a comparison that ends at the first octet that
// differs, of as few octets as the shortest MAC has.
func TestLeaksAreFound(t *testing.T) {
	if !*long {
		t.Skip("measures for some seconds: -long")
	}
	for _, n := range []int{12, 16, 32} {
		right := octets(n)
		got := leak(check{"leaking", right, func(value []byte) { count(untilTheFirst(right, value)) }})
		t.Logf("%d octets: t = %.1f", n, got)
		if got < 2*tMax {
			t.Errorf("%d octets: t = %.1f for a comparison that leaks", n, got)
		}
	}
}

// checks are all that compare what a stranger sends with a secret, by what is called
// for it: proofs and cookies of both versions of IKE by keys.Equal.
func checks(t *testing.T) []check {
	all := []check{}
	for _, n := range []int{16, 20, 32, 64} {
		right := octets(n)
		all = append(all, check{fmt.Sprintf("Equal/%d", n), right, func(value []byte) { count(keys.Equal(right, value)) }})
	}
	cookies, nonce := keys.NewCookies(ike.Secret(octets(32))), octets(32)
	source := netip.MustParseAddrPort("192.0.2.1:500")
	all = append(all, check{"Cookie", bytes.Clone(cookies.Of(nonce, source, 1)), func(value []byte) {
		count(keys.Equal(value, cookies.Of(nonce, source, 1)))
	}})
	for _, name := range []string{"aes128-sha1", "aes256-sha256", "aes256-sha512", "aes128gcm16", "chacha20poly1305"} {
		all = append(all, espCheck(t, name, false))
	}
	all = append(all, espCheck(t, "aes256gcm16", true))
	for _, name := range []string{"aes128-sha1-group14", "aes256-sha384-group14", "aes256gcm16-prfsha256-group14", "chacha20poly1305-prfsha256-group14"} {
		all = append(all, ikeCheck(t, name))
	}
	return all
}

// espCheck opens a packet whose ICV is wrong.
func espCheck(t *testing.T, name string, standard bool) check {
	t.Helper()
	p, err := ike.ParseESPProposal(name)
	if err != nil {
		t.Fatal(err)
	}
	params := esp.Params{SPI: 0x1000, Encryption: p.Encryption, Integrity: p.Integrity, StandardAES: standard}
	params.Key, params.IntegrityKey = octets(keys.EncryptionKeyLength(p.Encryption)), octets(keys.IntegrityKeyLength(p.Integrity))
	sealer, err := esp.NewSealer(params)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := esp.NewOpener(params)
	if err != nil {
		t.Fatal(err)
	}
	slot := make([]byte, esp.HeadroomMax+64+esp.TailroomMax)
	sealed, err := sealer.Seal(slot, esp.HeadroomMax, 64, esp.NextHeaderIPv4)
	if err != nil {
		t.Fatal(err)
	}
	return wrongEnd("ESP/"+name, sealed, 12, func(packet []byte) bool {
		_, _, err := opener.Open(packet)
		return err == nil
	})
}

// ikeCheck opens a message whose ICV is wrong.
func ikeCheck(t *testing.T, name string) check {
	t.Helper()
	p, err := ike.ParseIKEProposal(name)
	if err != nil {
		t.Fatal(err)
	}
	encryption, integrity := octets(keys.EncryptionKeyLength(p.Encryption)), octets(keys.IntegrityKeyLength(p.Integrity))
	sealer, opener := keys.NewProtector(p, encryption, integrity), keys.NewProtector(p, encryption, integrity)
	header := wire.Header{SPIi: 1, SPIr: 2, Major: 2, Exchange: wire.Informational, MessageID: 1}
	sealed := sealer.Seal(nil, header, []wire.Payload{&wire.Nonce{Data: octets(32)}})
	return wrongEnd("IKE/"+name, sealed, 12, func(message []byte) bool {
		_, err := opener.Open(message)
		return err == nil
	})
}

// wrongEnd is a check of the last octets of something that is whole otherwise. What
// judges it gets a copy.
func wrongEnd(name string, whole []byte, icv int, judge func([]byte) bool) check {
	work := make([]byte, len(whole))
	begin := len(whole) - icv
	return check{name, bytes.Clone(whole[begin:]), func(value []byte) {
		copy(work, whole[:begin])
		copy(work[begin:], value)
		if judge(work) {
			panic(name + ": a wrong ICV is taken")
		}
	}}
}
