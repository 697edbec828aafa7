package acceptance

import "testing"

// Terraform takes what a VPC with a public and a private subnet has, the default VPC
// and identities of all kinds through a whole life.
func TestGatewaysByTerraform(t *testing.T) {
	t.Parallel()
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses,
		`images: [{ id: ami-0123456789abcdef0, name: al2023-ami-2023.6.20250203.1-kernel-6.1-x86_64, owner: "137112412989", owner_alias: amazon, root_device_type: ebs }]`)
	tf := newTerraform(t, i, s, mirror, gatewaysStack.name, gatewaysStack.files...)
	vpcs := map[string]string{} // by stage
	tf.life(gatewaysStack, func(stage string) {
		vpcs[stage] = i.call("DescribeVpcs", "Filter.1.Name=tag:stage", "Filter.1.Value.1="+stage, "Filter.2.Name=cidr", "Filter.2.Value.1=10.0.0.0/16").get("vpcSet/item/vpcId")
	})
	if vpcs["first"] == "" || vpcs["second"] != vpcs["first"] {
		t.Errorf("the VPC with the new tag is %q, it was %q", vpcs["second"], vpcs["first"])
	}
	if left := i.call("DescribeVpcs").all("vpcSet/item"); len(left) != 1 || left[0].get("isDefault") != "true" {
		t.Errorf("%d VPCs are left, want the default one", len(left))
	}
	if left := i.call("DescribeAddresses").all("addressesSet/item"); len(left) > 0 {
		t.Errorf("%d addresses are left", len(left))
	}
}
