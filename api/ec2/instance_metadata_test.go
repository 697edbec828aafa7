package ec2

import (
	"slices"
	"strings"
	"testing"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
)

func TestMetadataOptions(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	check := func(id string, want ...string) {
		t.Helper()
		answer := c.call("DescribeInstances", "InstanceId.1", id)
		for i, name := range []string{"httpEndpoint", "httpTokens", "httpPutResponseHopLimit", "instanceMetadataTags", "state", "httpProtocolIpv6"} {
			if got := answer.text("reservationSet/item/instancesSet/item/metadataOptions/" + name); got != want[i] {
				t.Errorf("%s: %q, want %q", name, got, want[i])
			}
		}
	}
	usual := c.instance(subnet)
	check(usual, "enabled", "required", "2", "disabled", "applied", "disabled")
	chosen := c.instance(subnet, "MetadataOptions.HttpTokens", "optional", "MetadataOptions.HttpPutResponseHopLimit", "1", "MetadataOptions.InstanceMetadataTags", "enabled", "MetadataOptions.HttpProtocolIpv6", "enabled")
	check(chosen, "enabled", "optional", "1", "enabled", "applied", "enabled")
	changed := c.call("ModifyInstanceMetadataOptions", "InstanceId", chosen, "HttpEndpoint", "disabled", "HttpTokens", "required", "HttpProtocolIpv6", "disabled")
	if changed.text("instanceId") != chosen || changed.text("instanceMetadataOptions/httpEndpoint") != "disabled" {
		t.Errorf("changed: %+v", changed)
	}
	check(chosen, "disabled", "required", "1", "enabled", "applied", "disabled")
	if got := c.call("DescribeInstances", filter("1", "metadata-options.http-tokens", "required")...).texts("reservationSet/item/instancesSet/item/instanceId"); len(got) != 2 {
		t.Errorf("with tokens required there are %q", got)
	}
}

// What a launch leaves open is as the account has it, and else as the image does; each
// region and account has its own.
func TestMetadataDefaults(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	has := func(want string, more ...string) {
		t.Helper()
		answer := c.call("DescribeInstances", "InstanceId.1", c.instance(subnet, more...))
		got := ""
		for _, name := range []string{"httpEndpoint", "httpTokens", "httpPutResponseHopLimit", "instanceMetadataTags"} {
			got += answer.text("reservationSet/item/instancesSet/item/metadataOptions/"+name) + " "
		}
		if got != want+" " {
			t.Errorf("with %q: %s, want %s", more, got, want)
		}
	}
	shows := func(c *cloud, want string) {
		t.Helper()
		answer, got := c.call("GetInstanceMetadataDefaults"), ""
		for _, name := range []string{"httpEndpoint", "httpTokens", "httpPutResponseHopLimit", "instanceMetadataTags", "httpTokensEnforced", "managedBy"} {
			got += answer.text("accountLevel/"+name) + " "
		}
		if got != want+" " {
			t.Errorf("the defaults are %q, want %q", got, want)
		}
	}
	shows(c, "     account")
	if got := c.call("ModifyInstanceMetadataDefaults", "HttpTokens", "optional", "HttpPutResponseHopLimit", "3", "InstanceMetadataTags", "enabled").text("return"); got != "true" {
		t.Errorf("changed: %q", got)
	}
	shows(c, " optional 3 enabled  account")
	shows(c.in("eu-west-1"), "     account")
	has("enabled optional 3 enabled")
	for _, target := range c.service.targets(server.Caller{Account: c.account, Region: testRegion, Now: testTime}, "RunInstances", &model.RunInstancesInput{ImageId: new(HostImage)}) {
		if got := target.Keys["ec2:metadatahttptokens"]; strings.HasSuffix(target.ARN, ":instance/*") && !slices.Equal(got, []string{"optional"}) {
			t.Errorf("policies see that tokens are %q", got)
		}
	}
	has("enabled required 1 enabled", "MetadataOptions.HttpTokens", "required", "MetadataOptions.HttpPutResponseHopLimit", "1")

	c.call("ModifyInstanceMetadataDefaults", "HttpEndpoint", "disabled", "HttpTokensEnforced", "enabled", "HttpPutResponseHopLimit", "-1")
	shows(c, "disabled optional  enabled enabled account")
	run := []string{"ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "InstanceType", "t3.micro", "SubnetId", subnet}
	c.refuse("UnsupportedOperation", "RunInstances", run...)
	has("disabled required 2 enabled", "MetadataOptions.HttpTokens", "required")
	one := c.instance(subnet, "MetadataOptions.HttpTokens", "required")
	c.refuse("UnsupportedOperation", "ModifyInstanceMetadataOptions", "InstanceId", one, "HttpTokens", "optional")

	for _, name := range []string{"HttpEndpoint", "HttpTokens", "HttpTokensEnforced", "InstanceMetadataTags"} {
		c.call("ModifyInstanceMetadataDefaults", name, "no-preference")
	}
	shows(c, "     account")
	has("enabled required 2 disabled")
}

func TestMaintenanceOptions(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	usual, without := c.instance(subnet), c.instance(subnet, "MaintenanceOptions.AutoRecovery", "disabled")
	shows := func(id, want string) {
		t.Helper()
		answer := c.call("DescribeInstances", "InstanceId.1", id)
		const at = "reservationSet/item/instancesSet/item/maintenanceOptions/"
		if got := answer.text(at+"autoRecovery") + " " + answer.text(at+"rebootMigration"); got != want {
			t.Errorf("%s has %s, want %s", id, got, want)
		}
	}
	shows(usual, "default default")
	shows(without, "disabled default")
	changed := c.call("ModifyInstanceMaintenanceOptions", "InstanceId", usual, "AutoRecovery", "disabled", "RebootMigration", "disabled")
	if changed.text("instanceId") != usual || changed.text("autoRecovery") != "disabled" || changed.text("rebootMigration") != "disabled" {
		t.Errorf("changed: %+v", changed)
	}
	c.call("ModifyInstanceMaintenanceOptions", "InstanceId", without, "AutoRecovery", "default")
	shows(usual, "disabled disabled")
	shows(without, "default default")
	if got := c.call("DescribeInstances", filter("1", "maintenance-options.auto-recovery", "disabled")...).texts("reservationSet/item/instancesSet/item/instanceId"); len(got) != 1 || got[0] != usual {
		t.Errorf("without recovery there are %q", got)
	}
}
