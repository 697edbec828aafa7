package deviceconfig

import (
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
