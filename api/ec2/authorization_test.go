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
	rule := c.call("AuthorizeSecurityGroupIngress", "GroupId", group, "IpProtocol", "tcp", "FromPort", "1", "ToPort", "2", "CidrIp", "192.0.2.0/24").text("securityGroupRuleSet/item/securityGroupRuleId")
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
		{"ModifySecurityGroupRules", &model.ModifySecurityGroupRulesInput{GroupId: &group, SecurityGroupRules: []model.SecurityGroupRuleUpdate{{SecurityGroupRuleId: &rule}}}, "security-group-rule/" + rule + " security-group/" + group},
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

// What requests are about has the condition keys that its type has: as asked for, with
// the defaults of what is left out, and as it is.
func TestKeysOfTypes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	gateway, customer := c.call("CreateVpnGateway", "Type", "ipsec.1").text("vpnGateway/vpnGatewayId"), c.call("CreateCustomerGateway", "Type", "ipsec.1", "IpAddress", "192.0.2.1", "BgpAsn", "65000").text("customerGateway/customerGatewayId")
	connection := []string{"Type", "ipsec.1", "VpnGatewayId", gateway, "CustomerGatewayId", customer, "Options.StaticRoutesOnly", "true"}
	v := c.call("CreateVpnConnection", append(connection, "Options.TunnelOptions.1.IKEVersion.1.Value", "ikev2", "Options.TunnelOptions.2.DPDTimeoutSeconds", "40")...)
	id, outside := v.text("vpnConnection/vpnConnectionId"), v.text("vpnConnection/options/tunnelOptionSet/item/outsideIpAddress")
	c.call("CreateKeyPair", "KeyName", "k", "KeyType", "ed25519", "TagSpecification.1.ResourceType", "key-pair", "TagSpecification.1.Tag.1.Key", "Keep", "TagSpecification.1.Tag.1.Value", "yes")
	subnet := c.subnet(c.vpc("10.0.0.0/16"), "10.0.1.0/24")
	profile := c.profile("Web", "reader")
	instance := c.instance(subnet, "IamInstanceProfile.Name", "Web")
	image, one, yes, name, ikev2, optional, lifetime := HostImage, int32(1), true, "k", "ikev2", "optional", int32(3600)
	static := model.VpnConnectionOptionsSpecification{StaticRoutesOnly: &yes, TunnelOptions: []model.VpnTunnelOptionsSpecification{
		{IKEVersions: []model.IKEVersionsRequestListValue{{Value: &ikev2}}, Phase1LifetimeSeconds: &lifetime},
	}}
	for _, test := range []struct {
		action     string
		input      any
		arn        string // the end of the target's
		key, value string // its values, with spaces between
	}{
		{"CreateVpnConnection", &model.CreateVpnConnectionInput{Type: new("ipsec.1"), VpnGatewayId: &gateway, CustomerGatewayId: &customer, Options: &static}, "vpn-connection/*", "ec2:ikeversions", "ikev2 ikev1 ikev2"},
		{"CreateVpnConnection", &model.CreateVpnConnectionInput{Type: new("ipsec.1"), VpnGatewayId: &gateway, CustomerGatewayId: &customer, Options: &static}, "vpn-connection/*", "ec2:phase1lifetimeseconds", "3600 28800"},
		{"CreateVpnConnection", &model.CreateVpnConnectionInput{Type: new("ipsec.1"), VpnGatewayId: &gateway, CustomerGatewayId: &customer, Options: &static}, "vpn-connection/*", "ec2:authenticationtype", "Pre Shared Keys"},
		{"CreateVpnConnection", &model.CreateVpnConnectionInput{Type: new("ipsec.1"), VpnGatewayId: &gateway, CustomerGatewayId: &customer, Options: &static}, "vpn-connection/*", "ec2:routingtype", "static"},
		{"CreateVpnConnection", &model.CreateVpnConnectionInput{Type: new("ipsec.1"), VpnGatewayId: &gateway, CustomerGatewayId: &customer}, "vpn-connection/*", "ec2:routingtype", "dynamic"},
		{"CreateVpnConnection", &model.CreateVpnConnectionInput{Type: new("ipsec.1"), VpnGatewayId: &gateway, CustomerGatewayId: &customer, Options: &static}, "vpn-connection/*", "ec2:insidetunnelcidr", ""},
		{"DeleteVpnConnection", &model.DeleteVpnConnectionInput{VpnConnectionId: &id}, "vpn-connection/" + id, "ec2:dpdtimeoutseconds", "30 40"},
		{"ModifyVpnTunnelOptions", &model.ModifyVpnTunnelOptionsInput{VpnConnectionId: &id, VpnTunnelOutsideIpAddress: &outside, TunnelOptions: &model.ModifyVpnTunnelOptionsSpecification{Phase2LifetimeSeconds: &lifetime}},
			"vpn-connection/" + id, "ec2:ikeversions", "ikev2"},
		{"RunInstances", &model.RunInstancesInput{ImageId: &image, MinCount: &one, MaxCount: &one, SubnetId: &subnet}, "instance/*", "ec2:metadatahttptokens", "required"},
		{"RunInstances", &model.RunInstancesInput{ImageId: &image, MinCount: &one, MaxCount: &one, MetadataOptions: &model.InstanceMetadataOptionsRequest{HttpTokens: &optional}}, "instance/*", "ec2:metadatahttptokens", "optional"},
		{"RunInstances", &model.RunInstancesInput{ImageId: &image, IamInstanceProfile: &model.IamInstanceProfileSpecification{Arn: &profile}}, "instance/*", "ec2:instanceprofile", profile},
		{"RunInstances", &model.RunInstancesInput{ImageId: &image}, "image/" + image, "ec2:owner", c.account},
		{"RunInstances", &model.RunInstancesInput{ImageId: &image}, "network-interface/*", "ec2:associatepublicipaddress", ""},
		{"RunInstances", &model.RunInstancesInput{NetworkInterfaces: []model.InstanceNetworkInterfaceSpecification{{SubnetId: &subnet, AssociatePublicIpAddress: &yes}}}, "network-interface/*", "ec2:associatepublicipaddress", "true"},
		{"StopInstances", &model.StopInstancesInput{InstanceIds: []string{instance}}, "instance/" + instance, "ec2:instanceprofile", profile},
		{"ModifyInstanceMetadataOptions", &model.ModifyInstanceMetadataOptionsInput{InstanceId: &instance, HttpTokens: &optional}, "instance/" + instance, "ec2:attribute/httptokens", "optional"},
		{"ModifyInstanceMetadataOptions", &model.ModifyInstanceMetadataOptionsInput{InstanceId: &instance, HttpTokens: &optional}, "instance/" + instance, "ec2:metadatahttptokens", "required"},
		{"DeleteKeyPair", &model.DeleteKeyPairInput{KeyName: &name}, "key-pair/k", "aws:resourcetag/keep", "yes"},
		{"DeleteKeyPair", &model.DeleteKeyPairInput{KeyName: &name}, "key-pair/k", "ec2:keypairtype", "ed25519"},
	} {
		found := false
		for _, target := range c.service.targets(server.Caller{Account: c.account, Region: testRegion, Now: testTime}, test.action, test.input) {
			if !strings.HasSuffix(target.ARN, ":"+test.arn) || target.Action != "" {
				continue
			}
			found = true
			if got := strings.Join(target.Keys[test.key], " "); got != test.value {
				t.Errorf("%s: %s of %s is %q, want %q", test.action, test.key, test.arn, got, test.value)
			}
		}
		if !found {
			t.Errorf("%s is not about %s", test.action, test.arn)
		}
	}
}
