package serve

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"causeway.dev/bgp/speaker"
	"causeway.dev/doctor"
	"causeway.dev/ipsec"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// Connections, tunnels and outside addresses choose what is told; what is deleted
// is left out, and what does not run here says so.
func TestDiagnosesAreFound(t *testing.T) {
	s := storetest.Open(t)
	deleted := time.Now()
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		for i, id := range []string{"vpn-1", "vpn-2", "vpn-gone"} {
			v := resource.VPNConnection{Meta: resource.Meta{ID: id, Account: "123456789012", Region: "us-east-1"}}
			v.Tunnels[0].OutsideAddress = netip.AddrFrom4([4]byte{203, 0, 113, byte(2 * i)})
			v.Tunnels[1].OutsideAddress = netip.AddrFrom4([4]byte{203, 0, 113, byte(2*i + 1)})
			if id == "vpn-gone" {
				v.Deleted = &deleted
			}
			store.VPNConnections.Put(tx, v)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	d := diagnoser{s, func(tunnel string) (ipsec.Diagnosis, error) {
		if tunnel == "vpn-2/2" {
			return ipsec.Diagnosis{}, fmt.Errorf("%w: %s", ipsec.ErrNoTunnel, tunnel)
		}
		return ipsec.Diagnosis{Tunnel: tunnel, Up: true}, nil
	}, func(tunnel string) (speaker.Peer, speaker.Status, bool) {
		return speaker.Peer{}, speaker.Status{ID: tunnel, Message: "nobody answers"}, tunnel == "vpn-1/2"
	}}
	for _, c := range []struct {
		of, outside string
		want        []string
	}{
		{"", "", []string{"vpn-1/1 203.0.113.0 true", "vpn-1/2 203.0.113.1 false IPsec is up, BGP is not: nobody answers", "vpn-2/1 203.0.113.2 true", "vpn-2/2 203.0.113.3 false"}},
		{"vpn-1", "", []string{"vpn-1/1 203.0.113.0 true", "vpn-1/2 203.0.113.1 false IPsec is up, BGP is not: nobody answers"}},
		{"vpn-1/2", "", []string{"vpn-1/2 203.0.113.1 false IPsec is up, BGP is not: nobody answers"}},
		{"vpn-2", "203.0.113.2", []string{"vpn-2/1 203.0.113.2 true"}},
		{"vpn-gone", "", nil},
		{"vpn-1", "203.0.113.2", nil},
	} {
		reports, err := d.find(c.of, c.outside)
		var got []string
		for _, r := range reports {
			line := fmt.Sprint(r.Name, " ", r.Outside, " ", r.Up)
			if r.BGP != nil {
				line += " " + r.Verdict
			}
			got = append(got, line)
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) || errors.Is(err, doctor.ErrNone) != (c.want == nil) {
			t.Errorf("%q %q: %v %v, want %v", c.of, c.outside, got, err, c.want)
		}
	}
}
