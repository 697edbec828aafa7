package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"causeway.dev/plan"
	"causeway.dev/resource"
)

func TestMetadata(t *testing.T) {
	d := plan.Compile(named(func(*resource.VPC) {}).put(t, shared), "node-1")
	for _, network := range d.Networks {
		if network.ID != "vpc-a" {
			continue
		}
		if len(network.Metadata) != 1 || network.Metadata[0].HopLimit != 2 || fmt.Sprint(network.Metadata[0].Sources) != "[10.0.1.4]" {
			t.Fatalf("the VPC's instance is told %v", network.Metadata)
		}
		told := map[string]string{}
		mac := network.Interfaces[0].MAC
		for _, item := range network.Metadata[0].Items {
			told[item.Path] = item.Value
		}
		for path, want := range map[string]string{
			"meta-data/local-ipv4":     "10.0.1.4",
			"meta-data/public-ipv4":    "198.51.100.9",
			"meta-data/local-hostname": "ip-10-0-1-4.ec2.internal",
			"meta-data/mac":            mac,
			"meta-data/network/interfaces/macs/" + mac + "/public-ipv4s":                   "198.51.100.9",
			"meta-data/network/interfaces/macs/" + mac + "/ipv4-associations/198.51.100.9": "10.0.1.4",
			"meta-data/network/interfaces/macs/" + mac + "/vpc-id":                         "vpc-a",
		} {
			if told[path] != want {
				t.Errorf("%s: %q, want %q", path, told[path], want)
			}
		}
		if document := told["dynamic/instance-identity/document"]; !strings.Contains(document, `"privateIp": "10.0.1.4"`) {
			t.Errorf("the identity document is %s", document)
		}
		return
	}
	t.Fatal("there is no network vpc-a")
}
