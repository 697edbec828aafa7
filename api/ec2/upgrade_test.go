package ec2

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// A VPC with two subnets as the first version stored it: without a network ACL, and
// with the DHCP options that mean none today.
const (
	formerVPC = `{"id":"vpc-0f0e0d0c0b0a09080","account":"000000000042","region":"us-east-1","created":"2026-11-01T10:00:00Z","state":"available",
		"cidrs":[{"id":"vpc-cidr-assoc-0f0e0d0c0b0a09081","prefix":"10.0.0.0/16","state":"associated"}],"instanceTenancy":"default",
		"dhcpOptionsId":"default","enableDnsSupport":true,"enableDnsHostnames":false}`
	formerSubnet1 = `{"id":"subnet-0f0e0d0c0b0a09082","account":"000000000042","region":"us-east-1","created":"2026-11-01T10:00:01Z",
		"vpc":"vpc-0f0e0d0c0b0a09080","cidr":"10.0.1.0/24","zone":"us-east-1a","state":"available"}`
	formerSubnet2 = `{"id":"subnet-0f0e0d0c0b0a09083","account":"000000000042","region":"us-east-1","created":"2026-11-01T10:00:02Z",
		"vpc":"vpc-0f0e0d0c0b0a09080","cidr":"10.0.2.0/24","zone":"us-east-1b","state":"available"}`
)

func fromJSON[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestUpgradeGivesFormerVPCsWhatNewOnesHave(t *testing.T) {
	t.Parallel()
	records := storetest.Open(t)
	c := newCloud(t, func(cfg *Config) { cfg.Store = records })
	c.account = "000000000042"
	err := records.Update(t.Context(), func(tx *store.Tx) error {
		store.VPCs.Put(tx, fromJSON[resource.VPC](t, formerVPC))
		store.Subnets.Put(tx, fromJSON[resource.Subnet](t, formerSubnet1))
		store.Subnets.Put(tx, fromJSON[resource.Subnet](t, formerSubnet2))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	upgrade := func() {
		t.Helper()
		if err := c.service.Upgrade(t.Context(), testTime.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	upgrade()
	const former = "vpc-0f0e0d0c0b0a09080"
	fresh := c.vpc("10.1.0.0/16")
	c.subnet(fresh, "10.1.1.0/24")
	options := func(vpc string) string {
		return c.call("DescribeVpcs", "VpcId.1", vpc).text("vpcSet/item/dhcpOptionsId")
	}
	if got, want := options(former), options(fresh); got != want {
		t.Errorf("DHCP options %s, but those of a new VPC are %s", got, want)
	}
	acl := c.call("DescribeNetworkAcls", filter("1", "vpc-id", former)...)
	guarded := acl.texts("networkAclSet/item/associationSet/item/subnetId")
	slices.Sort(guarded)
	if !slices.Equal(guarded, []string{"subnet-0f0e0d0c0b0a09082", "subnet-0f0e0d0c0b0a09083"}) || acl.text("networkAclSet/item/default") != "true" {
		t.Errorf("the default network ACL guards %q, default %q", guarded, acl.text("networkAclSet/item/default"))
	}
	like := c.call("DescribeNetworkAcls", filter("1", "vpc-id", fresh)...)
	for _, path := range []string{"ruleNumber", "protocol", "ruleAction", "egress", "cidrBlock"} {
		path = "networkAclSet/item/entrySet/item/" + path
		if got, want := acl.texts(path), like.texts(path); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}

	// What a user does from then on stays, also that a VPC shall have no options.
	c.call("AssociateDhcpOptions", "VpcId", former, "DhcpOptionsId", resource.NoDHCPOptions)
	before := records.Snapshot().Revision()
	upgrade()
	if after := records.Snapshot().Revision(); after != before || options(former) != resource.NoDHCPOptions {
		t.Errorf("a second upgrade wrote: revision %d after %d, options %s", after, before, options(former))
	}
}

// One that was cut off is done to its end, and nothing twice.
func TestUpgradeGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	records := storetest.Open(t)
	c := newCloud(t, func(cfg *Config) { cfg.Store = records })
	c.account = "000000000042"
	scope := store.Scope{Account: c.account, Region: c.region}
	vpc := c.vpc("10.1.0.0/16")
	first := c.subnet(vpc, "10.1.1.0/24")
	acls := len(c.call("DescribeNetworkAcls").all("networkAclSet/item"))
	err := records.Update(t.Context(), func(tx *store.Tx) error { // one subnet is not guarded yet
		for acl := range store.NetworkACLs.Find(tx, scope, store.ByVPC, vpc) {
			v := *acl
			v.Associations = nil
			store.NetworkACLs.Put(tx, v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.service.Upgrade(t.Context(), testTime); err != nil {
		t.Fatal(err)
	}
	answer := c.call("DescribeNetworkAcls")
	if got := answer.texts("networkAclSet/item/associationSet/item/subnetId"); !slices.Equal(got, []string{first}) || len(answer.all("networkAclSet/item")) != acls {
		t.Errorf("guarded are %q, want %s, by %d ACLs, want %d", got, first, len(answer.all("networkAclSet/item")), acls)
	}
}
