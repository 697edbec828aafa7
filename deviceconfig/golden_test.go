package deviceconfig

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"causeway.dev/internal/golden"
	"causeway.dev/resource"
)

func TestSamplesGolden(t *testing.T) {
	for _, d := range Devices() {
		name := strings.ReplaceAll(strings.ToLower(d.Vendor+" "+d.Platform), " ", "_")
		t.Run(name, func(t *testing.T) {
			sample, err := d.Sample(newConfig(t, nil), Recommended)
			if err != nil {
				t.Fatal(err)
			}
			golden.Text(t, filepath.Join("testdata", "golden", name+".txt"), sample)
		})
	}
}

// Where IKEv1 is asked for, AES-GCM is left to phase 2.
func TestIKEv1SamplesGolden(t *testing.T) {
	config, err := newConfig(t, nil).For(resource.IKEv1)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Devices() {
		name := strings.ReplaceAll(strings.ToLower(d.Vendor+" "+d.Platform), " ", "_") + "_ikev1"
		t.Run(name, func(t *testing.T) {
			sample, err := d.Sample(config, Recommended)
			if err != nil {
				t.Fatal(err)
			}
			golden.Text(t, filepath.Join("testdata", "golden", name+".txt"), sample)
		})
	}
}

// A customer gateway with a certificate has no keys in its samples, and needs no
// address.
func TestCertificateSamplesGolden(t *testing.T) {
	connection, gateway, customer, routes := example()
	customer.Address = netip.Addr{}
	for i := range connection.Tunnels {
		connection.Tunnels[i].PreSharedKey = ""
	}
	authority := func(word string) string {
		return "-----BEGIN CERTIFICATE-----\n" + word + "\n-----END CERTIFICATE-----\n"
	}
	config, err := New(connection, gateway, customer, &Certificate{
		ARN:         "arn:aws:acm:us-east-1:123456789012:certificate/01234567-89ab-4cde-8f01-23456789abcd",
		Authorities: []string{authority("aXNzdWVy"), authority("cm9vdA==")},
	}, routes)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Devices() {
		name := strings.ReplaceAll(strings.ToLower(d.Vendor+" "+d.Platform), " ", "_") + "_certificate"
		t.Run(name, func(t *testing.T) {
			sample, err := d.Sample(config, Recommended)
			if err != nil {
				t.Fatal(err)
			}
			golden.Text(t, filepath.Join("testdata", "golden", name+".txt"), sample)
		})
	}
	document, err := config.XML()
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/golden/certificate.xml", document)
}

// What could mean something to a shell is refused, whoever stored it.
func TestHostileCertificateIsRefused(t *testing.T) {
	connection, gateway, customer, routes := example()
	for _, c := range []Certificate{
		{ARN: "arn:aws:acm:us-east-1:123456789012:certificate/$(reboot)"},
		{ARN: "arn:aws:acm:us-east-1:123456789012:certificate/01234567-89ab-4cde-8f01-23456789abcd", Authorities: []string{"-----BEGIN CERTIFICATE-----\nAA'; reboot; '\n-----END CERTIFICATE-----\n"}},
	} {
		if _, err := New(connection, gateway, customer, &c, routes); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestXMLGolden(t *testing.T) {
	doc, err := newConfig(t, nil).XML()
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/golden/static.xml", doc)

	doc, err = newConfig(t, func(c *resource.VPNConnection) {
		c.StaticRoutesOnly = false
		c.Tunnels[0].TunnelOptions = resource.TunnelOptions{
			Phase1LifetimeSeconds: 7200, Phase2LifetimeSeconds: 1800,
			Phase1EncryptionAlgorithms: []string{"AES256"}, Phase1IntegrityAlgorithms: []string{"SHA2-512", "SHA2-384"}, Phase1DHGroupNumbers: []int32{20},
			Phase2EncryptionAlgorithms: []string{"AES256-GCM-16"}, Phase2DHGroupNumbers: []int32{21, 14},
		}
	}).XML()
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/golden/dynamic_restricted.xml", doc)
}
