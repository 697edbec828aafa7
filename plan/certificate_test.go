package plan_test

import (
	"net/netip"
	"strings"
	"testing"

	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// A tunnel of a customer gateway with a certificate authenticates by it, from
// any address, once our side has its own; what is judged by follows from who
// issued the device's.
func TestTunnelsWithCertificates(t *testing.T) {
	one := func(text string) []byte { return []byte(text) }
	imported := resource.Certificate{Leaf: one("leaf"), Chain: [][]byte{one("issuer"), one("top")}}
	var compiler plan.Compiler // of one after the other, so that it has to notice
	for _, c := range []struct {
		name   string
		device resource.Certificate
		ours   bool
		want   *nodespec.Certificates
	}{
		{"our side has none yet", resource.Certificate{Authority: resource.AuthorityECDSA, Leaf: one("leaf")}, false, nil},
		{"of our own authority", resource.Certificate{Authority: resource.AuthorityECDSA, Leaf: one("leaf")}, true, &nodespec.Certificates{
			Roots: [][]byte{one("our root")}, Intermediates: [][]byte{one("our issuer")}, CRLs: [][]byte{one("our list")}, Peer: one("leaf"),
		}},
		{"imported", imported, true, &nodespec.Certificates{Roots: [][]byte{one("top")}, Intermediates: [][]byte{one("issuer")}, Peer: one("leaf")}},
		{"imported, signed by itself", resource.Certificate{Leaf: one("leaf")}, true, &nodespec.Certificates{Roots: [][]byte{one("leaf")}, Intermediates: [][]byte{}, Peer: one("leaf")}},
	} {
		w := site()
		w.customers[0].Address, w.customers[0].Certificate = netip.Addr{}, "cert"
		w.connections[0].Tunnels[0].StartupAction = resource.StartupActionStart
		c.device.Meta = w.meta("cert")
		compiler.Compile(w.put(t, shared))
		err := shared.Update(t.Context(), func(tx *store.Tx) error {
			replace(tx, store.Certificates, []resource.Certificate{c.device})
			replace(tx, store.CertificateAuthorities, []resource.CertificateAuthority{{
				Meta: w.meta(resource.AuthorityECDSA), Root: resource.AuthorityCertificate{Certificate: one("our root")}, Issuer: resource.AuthorityCertificate{Certificate: one("our issuer")}, CRL: one("our list"),
			}})
			var ours []resource.TunnelCertificate
			if c.ours {
				ours = append(ours, resource.TunnelCertificate{Meta: w.meta("vpn-a/1"), Leaf: one("ours"), Chain: [][]byte{one("our issuer"), one("our root")}, PrivateKey: "the key of ours"})
			}
			replace(tx, store.TunnelCertificates, ours)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		desired, _ := compiler.Compile(shared.Snapshot())
		if c.want == nil {
			if len(desired.Tunnels) > 0 {
				t.Errorf("%s: %d tunnels", c.name, len(desired.Tunnels))
			}
			continue
		}
		if len(desired.Tunnels) != 1 {
			t.Fatalf("%s: %d tunnels", c.name, len(desired.Tunnels))
		}
		got := desired.Tunnels[0]
		c.want.Chain, c.want.Key = [][]byte{one("ours"), one("our issuer")}, "the key of ours"
		if diff := differ(*c.want, *got.Certificates); diff != "" || got.Remote.IsValid() || got.Start {
			t.Errorf("%s: %s; from %v, begins %v", c.name, diff, got.Remote, got.Start)
		}
		if text := plan.Text(desired); strings.Contains(text, "the key") || !strings.Contains(text, "certificates: ours a chain of 2") {
			t.Errorf("%s: the text is\n%s", c.name, text)
		}
	}
	if err := shared.Update(t.Context(), func(tx *store.Tx) error {
		replace(tx, store.Certificates, nil)
		replace(tx, store.CertificateAuthorities, nil)
		replace(tx, store.TunnelCertificates, nil)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// differ names the first part that differs.
func differ(want, got nodespec.Certificates) string {
	join := func(parts [][]byte) string {
		var words []string
		for _, p := range parts {
			words = append(words, string(p))
		}
		return strings.Join(words, ",")
	}
	for _, part := range []struct {
		name      string
		want, got string
	}{
		{"chain", join(want.Chain), join(got.Chain)}, {"key", string(want.Key[:]), string(got.Key[:])}, {"roots", join(want.Roots), join(got.Roots)},
		{"intermediates", join(want.Intermediates), join(got.Intermediates)}, {"lists", join(want.CRLs), join(got.CRLs)}, {"peer", string(want.Peer), string(got.Peer)},
	} {
		if part.want != part.got {
			return part.name + " is " + part.got + ", want " + part.want
		}
	}
	return ""
}
