package ec2

import (
	"slices"
	"strconv"
	"testing"
)

// modes are what the VPC and its subnets tell of blocking, in the order of Describe.
func (c *cloud) modes(vpc string, subnets ...string) []string {
	c.Helper()
	const mode = "blockPublicAccessStates/internetGatewayBlockMode"
	all := []string{c.call("DescribeVpcs", "VpcId.1", vpc).text("vpcSet/item/" + mode)}
	for _, subnet := range subnets {
		all = append(all, c.call("DescribeSubnets", "SubnetId.1", subnet).text("subnetSet/item/"+mode))
	}
	return all
}

// exclusion excepts a subnet.
func (c *cloud) exclusion(subnet string) string {
	c.Helper()
	return c.call("CreateVpcBlockPublicAccessExclusion", "SubnetId", subnet, "InternetGatewayExclusionMode", "allow-bidirectional").text("vpcBlockPublicAccessExclusion/exclusionId")
}

// TestPublicAccess blocks the internet for an account's region, and excepts a VPC and a
// subnet of it.
func TestPublicAccess(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc, far := c.vpc("10.0.0.0/16"), c.vpc("10.1.0.0/16")
	public, private := c.subnet(vpc, "10.0.1.0/24"), c.subnet(vpc, "10.0.2.0/24")
	want := func(when string, modes ...string) {
		t.Helper()
		if got := c.modes(vpc, public, private); !slices.Equal(got, modes) {
			t.Errorf("%s: %v, want %v", when, got, modes)
		}
	}
	want("nobody has asked", "off", "off", "off")
	exclude := func(of, id, mode string) string {
		t.Helper()
		return c.call("CreateVpcBlockPublicAccessExclusion", of, id, "InternetGatewayExclusionMode", mode,
			"TagSpecification.1.ResourceType", "vpc-block-public-access-exclusion", "TagSpecification.1.Tag.1.Key", "stage", "TagSpecification.1.Tag.1.Value", "test").
			text("vpcBlockPublicAccessExclusion/exclusionId")
	}
	ofSubnet := exclude("SubnetId", public, "allow-bidirectional")
	want("nothing is blocked yet", "off", "off", "off")
	block := func(mode string) {
		t.Helper()
		options := c.call("ModifyVpcBlockPublicAccessOptions", "InternetGatewayBlockMode", mode).all("vpcBlockPublicAccessOptions")[0]
		if options.text("internetGatewayBlockMode") != mode || options.text("state") != "update-complete" || options.text("lastUpdateTimestamp") == "" {
			t.Errorf("blocked: %+v", options)
		}
		if got := c.call("DescribeVpcBlockPublicAccessOptions").text("vpcBlockPublicAccessOptions/internetGatewayBlockMode"); got != mode {
			t.Errorf("the mode is shown as %q, want %q", got, mode)
		}
	}
	block("block-ingress")
	want("ingress", "block-ingress", "off", "block-ingress")
	block("block-bidirectional")
	want("bidirectional", "block-bidirectional", "off", "block-bidirectional")
	ofVPC := exclude("VpcId", vpc, "allow-egress")
	want("the VPC may begin", "block-ingress", "off", "block-ingress")
	if got := c.modes(far); !slices.Equal(got, []string{"block-bidirectional"}) {
		t.Errorf("another VPC: %v", got)
	}
	changed := c.call("ModifyVpcBlockPublicAccessExclusion", "ExclusionId", ofSubnet, "InternetGatewayExclusionMode", "allow-egress").all("vpcBlockPublicAccessExclusion")[0]
	if changed.text("state") != "update-complete" || changed.text("internetGatewayExclusionMode") != "allow-egress" || changed.text("lastUpdateTimestamp") == "" {
		t.Errorf("changed: %+v", changed)
	}
	want("both may begin", "block-ingress", "block-ingress", "block-ingress")

	for _, test := range []struct {
		name, value string
		want        []string
	}{
		{"resource-arn", "arn:aws:ec2:" + c.region + ":" + c.account + ":subnet/" + public, []string{ofSubnet}},
		{"resource-arn", "*:vpc/" + vpc, []string{ofVPC}},
		{"state", "create-complete", []string{ofVPC}},
		{"internet-gateway-exclusion-mode", "allow-egress", []string{ofSubnet, ofVPC}},
		{"tag:stage", "test", []string{ofSubnet, ofVPC}},
		{"tag:stage", "other", nil},
	} {
		got := c.call("DescribeVpcBlockPublicAccessExclusions", filter("1", test.name, test.value)...).texts("vpcBlockPublicAccessExclusionSet/item/exclusionId")
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s %s: %v, want %v", test.name, test.value, got, test.want)
		}
	}
	c.refuseAll(publicAccessRefusals, "{vpc}", vpc, "{far}", far, "{subnet}", public)

	if got := c.call("DeleteVpcBlockPublicAccessExclusion", "ExclusionId", ofVPC).text("vpcBlockPublicAccessExclusion/state"); got != "delete-complete" {
		t.Errorf("deleted, it is %s", got)
	}
	want("the VPC is as others again", "block-bidirectional", "block-ingress", "block-bidirectional")
	c.call("DeleteSubnet", "SubnetId", public)
	exclude("VpcId", far, "allow-egress")
	c.call("DeleteVpc", "VpcId", far)
	if got := c.call("DescribeVpcBlockPublicAccessExclusions").all("vpcBlockPublicAccessExclusionSet/item"); len(got) != 0 {
		t.Errorf("%d exclusions are left of what is gone", len(got))
	}
}

var publicAccessRefusals = []struct{ code, call string }{
	{"MissingParameter", "ModifyVpcBlockPublicAccessOptions"},
	{"InvalidParameterValue", "ModifyVpcBlockPublicAccessOptions&InternetGatewayBlockMode=on"},
	{"MissingParameter", "CreateVpcBlockPublicAccessExclusion&InternetGatewayExclusionMode=allow-egress"},
	{"MissingParameter", "CreateVpcBlockPublicAccessExclusion&VpcId={far}"},
	{"InvalidParameterValue", "CreateVpcBlockPublicAccessExclusion&VpcId={far}&InternetGatewayExclusionMode=allow-ingress"},
	{"InvalidParameterCombination", "CreateVpcBlockPublicAccessExclusion&VpcId={far}&SubnetId={subnet}&InternetGatewayExclusionMode=allow-egress"},
	{"InvalidParameterValue", "CreateVpcBlockPublicAccessExclusion&VpcId={vpc}&InternetGatewayExclusionMode=allow-egress"},
	{"InvalidParameterValue", "CreateVpcBlockPublicAccessExclusion&SubnetId={subnet}&InternetGatewayExclusionMode=allow-egress"},
	{"InvalidParameterValue", "CreateVpcBlockPublicAccessExclusion&VpcId={far}&InternetGatewayExclusionMode=allow-egress&TagSpecification.1.ResourceType=vpc"},
}

// TestPublicAccessExclusionsAreBounded makes as many as there may be.
func TestPublicAccessExclusionsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	for i := range publicAccessExclusionsMax {
		c.call("CreateVpcBlockPublicAccessExclusion", "SubnetId", c.subnet(vpc, "10.0."+strconv.Itoa(i)+".0/24"), "InternetGatewayExclusionMode", "allow-egress")
	}
	c.refuse("VpcBlockPublicAccessExclusionLimitExceeded", "CreateVpcBlockPublicAccessExclusion", "VpcId", vpc, "InternetGatewayExclusionMode", "allow-egress")
}
