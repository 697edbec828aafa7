package plan_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
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

// What an instance is told of its role follows from its profile: that may be gone, made
// anew under its name, or have no role.
func TestRolesOfInstances(t *testing.T) {
	profile := resource.InstanceProfile{Identity: resource.Identity{Name: "web", Path: "/", UniqueID: "AIPA1"}, Role: "reader"}
	another, empty := profile, profile
	another.UniqueID, empty.Role = "AIPA2", ""
	const place = "meta-data/iam/security-credentials/"
	for what, c := range map[string]struct {
		profile *resource.InstanceProfile
		has     bool   // the instance has one
		info    string // in what it is told of it
		role    string
	}{
		"none":       {&profile, false, "", ""},
		"with role":  {&profile, true, `"InstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/web"`, "Reader"},
		"no role":    {&empty, true, `"Code": "Success"`, ""},
		"gone":       {nil, true, `"Code": "InstanceProfileNotFound"`, ""},
		"made again": {&another, true, `"Code": "InstanceProfileNotFound"`, ""},
	} {
		w := named(func(*resource.VPC) {})
		if c.has {
			w.instances[0].Profile = resource.ProfileAssociation{ID: "iip-assoc-1", Profile: "web", UniqueID: "AIPA1", ARN: "arn:aws:iam::123456789012:instance-profile/web"}
		}
		s := storetest.Open(t)
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			global := func(id string) resource.Meta {
				return resource.Meta{ID: id, Account: w.scope.Account, Region: resource.GlobalRegion}
			}
			store.Roles.Put(tx, resource.Role{Identity: resource.Identity{Meta: global("reader"), Name: "Reader", Path: "/"}})
			if c.profile != nil {
				p := *c.profile
				p.Meta = global("web")
				store.InstanceProfiles.Put(tx, p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, network := range plan.Compile(w.put(t, s), "node-1").Networks {
			if network.ID != "vpc-a" {
				continue
			}
			var info, roles string
			for _, item := range network.Metadata[0].Items {
				if item.Path == "meta-data/iam/info" {
					info = item.Value
				}
				if name, ok := strings.CutPrefix(item.Path, place); ok && item.Credentials {
					roles += name
				}
			}
			if (info == "") != (c.info == "") || !strings.Contains(info, c.info) || roles != c.role {
				t.Errorf("%s: it is told %q and of roles %q", what, info, roles)
			}
			want := nodespec.HostRole{}
			if c.role != "" {
				want = nodespec.HostRole{ARN: "arn:aws:iam::" + w.scope.Account + ":role/" + c.role, Host: "arn:aws:ec2:" + w.scope.Region + ":" + w.scope.Account + ":instance/" + w.instances[0].ID}
			}
			if got := network.Metadata[0].Role; got != want {
				t.Errorf("%s: its role is %+v, want %+v", what, got, want)
			}
		}
	}
}

// The services are found by IPv6 in a VPC that has it; who may ask that of metadata is
// the instance's affair.
func TestServicesByIPv6(t *testing.T) {
	for _, may := range []bool{false, true} {
		w := named(func(v *resource.VPC) { v.IPv6 = associated("2001:db8::/56") })
		w.subnets[0].IPv6 = associated("2001:db8:0:1::/64")
		w.nics[0].IPv6 = []netip.Addr{netip.MustParseAddr("2001:db8:0:1::4")}
		w.instances[0].MetadataOptions.IPv6 = may
		for _, n := range plan.Compile(w.put(t, shared), "node-1").Networks {
			if n.ID != "vpc-a" {
				continue
			}
			if got := fmt.Sprint(n.Services, n.Resolver.Addresses); got != "[10.0.0.2 169.254.169.253 169.254.169.254 fd00:ec2::253 fd00:ec2::254] [10.0.0.2 169.254.169.253 fd00:ec2::253]" {
				t.Errorf("the services are at %s", got)
			}
			want := map[bool]string{false: "[10.0.1.4]", true: "[10.0.1.4 2001:db8:0:1::4]"}[may]
			if got := fmt.Sprint(n.Metadata[0].Sources); got != want {
				t.Errorf("it may ask under %s, want %s", got, want)
			}
		}
	}
}
