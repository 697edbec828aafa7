package ec2

import "testing"

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
