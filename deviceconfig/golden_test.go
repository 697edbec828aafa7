package deviceconfig

import (
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway.dev/internal/golden"
	"causeway.dev/resource"
)

// goldenName is the name of a device's file: what a client sees of it, without the
// software where no other device has the same platform.
func goldenName(d Device, suffix string) string {
	name := d.Vendor + " " + d.Platform
	if slices.ContainsFunc(Devices(), func(o Device) bool { return o.ID != d.ID && o.Vendor == d.Vendor && o.Platform == d.Platform }) {
		name += " " + d.Software
	}
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune(" ,.&/", r) })
	return filepath.Join("testdata", "golden", strings.Join(words, "_")+suffix+".txt")
}

// sampleOrRefusal is what the caller of the API gets.
func sampleOrRefusal(t *testing.T, d Device, c Config, kind SampleType) string {
	t.Helper()
	sample, err := d.Sample(c, kind)
	if refused := new(resource.Error); errors.As(err, &refused) && refused.Code == resource.CodeUnsupportedOperation {
		return refused.Error() + "\n"
	}
	if err != nil {
		t.Fatal(err)
	}
	return sample
}

func TestSamplesGolden(t *testing.T) {
	v2 := newConfig(t, nil)
	v1, err := v2.For(resource.IKEv1)
	if err != nil {
		t.Fatal(err)
	}
	restricted, dynamic := newConfig(t, restrict), newConfig(t, withBGP)
	for _, d := range Devices() {
		t.Run(d.Vendor+" "+d.Platform+" "+d.Software, func(t *testing.T) {
			golden.Text(t, goldenName(d, "_bgp"), sampleOrRefusal(t, d, dynamic, Recommended))
			golden.Text(t, goldenName(d, ""), sampleOrRefusal(t, d, v2, Recommended))
			if d.withoutStatic != "" {
				return
			}
			// Where IKEv1 is asked for, AES-GCM is left to phase 2.
			golden.Text(t, goldenName(d, "_ikev1"), sampleOrRefusal(t, d, v1, Recommended))
			golden.Text(t, goldenName(d, "_options"), sampleOrRefusal(t, d, restricted, Compatible))
		})
	}
}

// restrict sets every option of a connection, each tunnel its own.
func restrict(c *resource.VPNConnection) {
	c.LocalIPv4CIDR, c.RemoteIPv4CIDR = netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("10.0.0.0/8")
	c.Tunnels[0].TunnelOptions = resource.TunnelOptions{
		Phase1LifetimeSeconds: 7200, Phase2LifetimeSeconds: 1800, ReplayWindowSize: 300, StartupAction: resource.StartupActionStart,
		Phase1EncryptionAlgorithms: []string{"AES128"}, Phase1IntegrityAlgorithms: []string{"SHA1"}, Phase1DHGroupNumbers: []int32{2, 14},
		Phase2EncryptionAlgorithms: []string{"AES256"}, Phase2IntegrityAlgorithms: []string{"SHA2-256", "SHA1"}, Phase2DHGroupNumbers: []int32{14},
	}
	c.Tunnels[1].TunnelOptions = resource.TunnelOptions{
		Phase1LifetimeSeconds: 14400, Phase2LifetimeSeconds: 900, ReplayWindowSize: 2048, StartupAction: resource.StartupActionStart,
		Phase1EncryptionAlgorithms: []string{"AES256", "AES256-GCM-16"}, Phase1IntegrityAlgorithms: []string{"SHA2-256", "SHA1"}, Phase1DHGroupNumbers: []int32{14, 20},
		Phase2EncryptionAlgorithms: []string{"AES256-GCM-16", "AES128"}, Phase2IntegrityAlgorithms: []string{"SHA2-256", "SHA1"}, Phase2DHGroupNumbers: []int32{14, 20},
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
		t.Run(d.Vendor+" "+d.Platform+" "+d.Software, func(t *testing.T) {
			sample := sampleOrRefusal(t, d, config, Recommended)
			if d.withoutStatic != "" {
				return
			}
			if d.dialect == nil || d.dialect.certificates {
				golden.Text(t, goldenName(d, "_certificate"), sample)
			} else if !strings.Contains(sample, "no sample for certificates") {
				t.Errorf("no refusal, but\n%s", sample)
			}
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
