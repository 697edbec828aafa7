package ec2

import (
	"slices"
	"testing"
)

// Burstable instances have a credit specification, which is kept and told; others have
// none.
func TestCredits(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	old, usual, fixed := c.instance(subnet, "InstanceType", "t2.micro"), c.instance(subnet, "InstanceType", "t3.micro"), c.instance(subnet, "InstanceType", "m5.large")
	asked := c.instance(subnet, "InstanceType", "t3.nano", "CreditSpecification.CpuCredits", "standard")
	of := func(id string) string {
		t.Helper()
		return c.call("DescribeInstanceCreditSpecifications", "InstanceId.1", id).text("instanceCreditSpecificationSet/item/cpuCredits")
	}
	for id, want := range map[string]string{old: "standard", usual: "unlimited", asked: "standard"} {
		if got := of(id); got != want {
			t.Errorf("credits %q, want %q", got, want)
		}
	}
	all := func() []string {
		t.Helper()
		return c.call("DescribeInstanceCreditSpecifications").texts("instanceCreditSpecificationSet/item/instanceId")
	}
	if got := all(); !slices.Equal(got, []string{usual}) {
		t.Errorf("unlimited are %v, want %s", got, usual)
	}
	set := func(id, credits string) node {
		t.Helper()
		return c.call("ModifyInstanceCreditSpecification", "InstanceCreditSpecification.1.InstanceId", id, "InstanceCreditSpecification.1.CpuCredits", credits)
	}
	if got := set(old, "unlimited").text("successfulInstanceCreditSpecificationSet/item/instanceId"); got != old || of(old) != "unlimited" || len(all()) != 2 {
		t.Errorf("set for %q: %s, %v", got, of(old), all())
	}
	c.refuse("InvalidParameterValue", "ModifyInstanceCreditSpecification", "InstanceCreditSpecification.1.InstanceId", old, "InstanceCreditSpecification.1.CpuCredits", "some")
	c.refuse("InstanceCreditSpecification.NotSupported", "RunInstances", "ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SubnetId", subnet,
		"InstanceType", "m5.large", "CreditSpecification.CpuCredits", "standard")
	const failed = "unsuccessfulInstanceCreditSpecificationSet/item/"
	c.call("TerminateInstances", "InstanceId.1", usual)
	for id, want := range map[string]string{
		fixed: "InstanceCreditSpecification.NotSupported", "i-00000000000000000": "InvalidInstanceID.NotFound", "x": "InvalidInstanceID.Malformed", usual: "IncorrectInstanceState",
	} {
		if answer := set(id, "standard"); answer.text(failed+"error/code") != want || answer.text(failed+"instanceId") != id {
			t.Errorf("%s: %s, want %s", id, answer.text(failed+"error/code"), want)
		}
	}
	for name, other := range map[string]*cloud{"account": newCloud(t), "region": c.in("eu-west-1")} {
		answer := other.call("ModifyInstanceCreditSpecification", "InstanceCreditSpecification.1.InstanceId", asked, "InstanceCreditSpecification.1.CpuCredits", "unlimited")
		if code := answer.text(failed + "error/code"); code != "InvalidInstanceID.NotFound" || of(asked) != "standard" {
			t.Errorf("another %s: %s, and it is %s", name, code, of(asked))
		}
	}
}

func TestMonitoring(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	id, watched := c.instance(subnet), c.instance(subnet, "Monitoring.Enabled", "true")
	enabled := func() []string {
		t.Helper()
		return c.call("DescribeInstances", filter("1", "monitoring-state", "enabled")...).texts("reservationSet/item/instancesSet/item/instanceId")
	}
	if got := enabled(); !slices.Equal(got, []string{watched}) {
		t.Errorf("monitored are %v, want %s", got, watched)
	}
	if got := c.call("MonitorInstances", "InstanceId.1", id).text("instancesSet/item/monitoring/state"); got != "enabled" || len(enabled()) != 2 {
		t.Errorf("monitoring is %s, of %v", got, enabled())
	}
	if got := c.call("UnmonitorInstances", "InstanceId.1", id, "InstanceId.2", watched).texts("instancesSet/item/monitoring/state"); len(got) != 2 || got[0] != "disabled" || len(enabled()) != 0 {
		t.Errorf("monitoring is %v, of %v", got, enabled())
	}
}

// What clients ask in passing is answered, though instances have nothing of it.
func TestWhatInstancesHaveNot(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.instance(c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24"))
	for action, list := range map[string]string{
		"DescribeLaunchTemplates": "launchTemplates/item", "DescribeLaunchTemplateVersions": "launchTemplateVersionSet/item",
		"DescribeInstanceEventWindows": "instanceEventWindowSet/item", "DescribeIamInstanceProfileAssociations": "iamInstanceProfileAssociationSet/item",
	} {
		if n := len(c.call(action).all(list)); n != 0 {
			t.Errorf("%s lists %d", action, n)
		}
	}
	if answer := c.call("GetPasswordData", "InstanceId", id); answer.text("instanceId") != id || answer.text("passwordData") != "" {
		t.Errorf("the password of %s is %q", answer.text("instanceId"), answer.text("passwordData"))
	}
	if got := c.call("GetInstanceMetadataDefaults").text("accountLevel/managedBy"); got != "account" {
		t.Errorf("metadata defaults are managed by %q", got)
	}
	for attribute, path := range map[string]string{"description": "description/value", "launchPermission": "launchPermission/item/group", "imdsSupport": "imdsSupport/value"} {
		answer := c.call("DescribeImageAttribute", "ImageId", HostImage, "Attribute", attribute)
		if answer.text("imageId") != HostImage || answer.text(path) == "" {
			t.Errorf("%s of the image is %q", attribute, answer.text(path))
		}
	}
}
