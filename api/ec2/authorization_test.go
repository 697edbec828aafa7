package ec2

import (
	"slices"
	"strings"
	"testing"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// What a request names other than by ids, or means by naming nothing, is what it
// is about all the same: a policy that denies it by its ARN does not miss.
func TestTargetsWithoutIDs(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	address := c.call("AllocateAddress")
	allocation, public := address.text("allocationId"), address.text("publicIp")
	vpc := c.call("CreateDefaultVpc").text("vpc/vpcId")
	group := c.call("CreateSecurityGroup", "GroupName", "web", "GroupDescription", "x").text("groupId")
	subnet := func(zone string) string {
		return c.call("DescribeSubnets", filter("1", "availability-zone", zone)...).text("subnetSet/item/subnetId")
	}
	first, second := subnet("us-east-1a"), subnet("us-east-1b")
	name, kind, tag, zone := "web", "security-group-rule", "Team", "us-east-1b"
	tags := []model.TagSpecification{{ResourceType: &kind, Tags: []model.Tag{{Key: &tag, Value: &tag}}}}
	for _, test := range []struct {
		action string
		input  any
		want   string // ARNs without their beginning
	}{
		{"ReleaseAddress", &model.ReleaseAddressInput{PublicIp: &public}, "elastic-ip/" + allocation},
		{"AssociateAddress", &model.AssociateAddressInput{PublicIp: &public}, "elastic-ip/" + allocation},
		{"DisassociateAddress", &model.DisassociateAddressInput{PublicIp: &public}, "elastic-ip/" + allocation},
		{"DeleteSecurityGroup", &model.DeleteSecurityGroupInput{GroupName: &name}, "security-group/" + group},
		{"RevokeSecurityGroupIngress", &model.RevokeSecurityGroupIngressInput{GroupName: &name}, "security-group/" + group},
		{"CreateSecurityGroup", &model.CreateSecurityGroupInput{GroupName: &name}, "security-group/* vpc/" + vpc},
		{"AuthorizeSecurityGroupIngress", &model.AuthorizeSecurityGroupIngressInput{GroupId: &group, TagSpecifications: tags}, "ec2:CreateTags=security-group-rule/* security-group/" + group},
		{"RunInstances", &model.RunInstancesInput{SecurityGroups: []string{name}}, "instance/* network-interface/* security-group/" + group + " subnet/" + first + " volume/*"},
		{"RunInstances", &model.RunInstancesInput{Placement: &model.Placement{AvailabilityZone: &zone}}, "instance/* network-interface/* subnet/" + second + " volume/*"},
		{"RunInstances", &model.RunInstancesInput{SubnetId: &second}, "instance/* network-interface/* subnet/" + second + " volume/*"},
	} {
		caller := server.Caller{Account: c.account, Region: testRegion, Now: testTime}
		var about []string
		for _, target := range c.service.targets(caller, test.action, test.input) {
			short, _ := strings.CutPrefix(target.ARN, "arn:aws:ec2:"+testRegion+":"+c.account+":")
			if target.Action != "" {
				short = target.Action + "=" + short
			}
			about = append(about, short)
			if vpcs := target.Keys["ec2:vpc"]; test.action == "RunInstances" && short == "instance/*" && (len(vpcs) != 1 || !strings.HasSuffix(vpcs[0], "/"+vpc)) {
				t.Errorf("RunInstances is in the VPC %q, want %s", vpcs, vpc)
			}
		}
		slices.Sort(about)
		if got := strings.Join(about, " "); got != test.want {
			t.Errorf("%s is about\n%s, want\n%s", test.action, got, test.want)
		}
	}
}

// A resource whose tags differ in case only has the values of both.
func TestTargetsWithSimilarTags(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	c.update(func(tx *store.Tx, s store.Scope) {
		v, _ := store.VPCs.Get(tx, s, vpc)
		v.Tags = []resource.Tag{{Key: "Team", Value: "red"}, {Key: "team", Value: "blue"}}
		store.VPCs.Put(tx, v)
	})
	got := c.service.targets(server.Caller{Account: c.account, Region: testRegion, Now: testTime}, "DeleteVpc", &model.DeleteVpcInput{VpcId: &vpc})
	if len(got) != 1 || !slices.Equal(got[0].Keys["aws:resourcetag/team"], []string{"red", "blue"}) {
		t.Errorf("DeleteVpc is about %+v", got)
	}
	// To remove all tags without naming them is to remove these.
	got = c.service.targets(server.Caller{Account: c.account, Region: testRegion, Now: testTime}, "DeleteTags", &model.DeleteTagsInput{Resources: []string{vpc}})
	if len(got) != 1 || !slices.Equal(got[0].Keys["aws:tagkeys"], []string{"Team", "team"}) {
		t.Errorf("DeleteTags is about %+v", got)
	}
}
