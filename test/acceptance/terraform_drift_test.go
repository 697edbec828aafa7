package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A disturbance is what somebody does to a resource of testdata/alone by a call, behind
// Terraform's back.
type disturbance struct {
	stack, resource string // "aws_route", "aws_route.internet"

	// call is an action and its parameters; {type.name.attribute} is what
	// Terraform knows. IAM's begin with "iam".
	call string

	until string // action, parameter, path and value that are waited for then
}

// There is one for each type that can be changed or deleted while what it belongs to
// stays.
var disturbances = []disturbance{
	{"aws_customer_gateway", "aws_customer_gateway.large", "DeleteCustomerGateway CustomerGatewayId={aws_customer_gateway.large.id}", ""},
	{"aws_default_network_acl", "aws_default_network_acl.main", "ReplaceNetworkAclEntry NetworkAclId={aws_default_network_acl.main.id} Egress=false RuleNumber=100 Protocol=-1 RuleAction=deny CidrBlock=10.0.0.0/16", ""},
	{"aws_default_route_table", "aws_default_route_table.main", "DeleteRoute RouteTableId={aws_default_route_table.main.id} DestinationCidrBlock=0.0.0.0/0", ""},
	{"aws_default_security_group", "aws_default_security_group.main", "AuthorizeSecurityGroupIngress GroupId={aws_default_security_group.main.id} IpProtocol=tcp FromPort=22 ToPort=22 CidrIp=0.0.0.0/0", ""},
	{"aws_default_subnet", "aws_default_subnet.a", "ModifySubnetAttribute SubnetId={aws_default_subnet.a.id} MapPublicIpOnLaunch.Value=true", ""},
	{"aws_default_vpc", "aws_default_vpc.main", "ModifyVpcAttribute VpcId={aws_default_vpc.main.id} EnableNetworkAddressUsageMetrics.Value=true", ""},
	{"aws_ec2_instance_metadata_defaults", "aws_ec2_instance_metadata_defaults.all", "ModifyInstanceMetadataDefaults HttpPutResponseHopLimit=3", ""},
	{"aws_ec2_instance_state", "aws_ec2_instance_state.host", "StartInstances InstanceId.1={aws_instance.host.id}", "DescribeInstances InstanceId.1={aws_instance.host.id} reservationSet/item/instancesSet/item/instanceState/name running"},
	{"aws_ec2_managed_prefix_list", "aws_ec2_managed_prefix_list.ipv4", "ModifyManagedPrefixList PrefixListId={aws_ec2_managed_prefix_list.ipv4.id} CurrentVersion={aws_ec2_managed_prefix_list.ipv4.version} AddEntry.1.Cidr=10.9.0.0/16", ""},
	{"aws_ec2_managed_prefix_list_entry", "aws_ec2_managed_prefix_list_entry.one", "ModifyManagedPrefixList PrefixListId={aws_ec2_managed_prefix_list.sites.id} CurrentVersion=3 RemoveEntry.1.Cidr=10.1.0.0/16", ""},
	{"aws_ec2_subnet_cidr_reservation", "aws_ec2_subnet_cidr_reservation.printers", "DeleteSubnetCidrReservation SubnetCidrReservationId={aws_ec2_subnet_cidr_reservation.printers.id}", ""},
	{"aws_ec2_tag", "aws_ec2_tag.name", "DeleteTags ResourceId.1={aws_customer_gateway.site.id} Tag.1.Key=Name", ""},
	{"aws_egress_only_internet_gateway", "aws_egress_only_internet_gateway.main", "DeleteEgressOnlyInternetGateway EgressOnlyInternetGatewayId={aws_egress_only_internet_gateway.main.id}", ""},
	{"aws_eip", "aws_eip.plain", "ReleaseAddress AllocationId={aws_eip.plain.id}", ""},
	{"aws_eip", "aws_eip.primary", "DisassociateAddress AssociationId={aws_eip.primary.association_id}", ""},
	{"aws_eip_association", "aws_eip_association.instance", "DisassociateAddress AssociationId={aws_eip_association.instance.id}", ""},
	{"aws_eip_domain_name", "aws_eip_domain_name.mail", "ResetAddressAttribute AllocationId={aws_eip.mail.id} Attribute=domain-name", ""},
	{"aws_flow_log", "aws_flow_log.subnet", "DeleteFlowLogs FlowLogId.1={aws_flow_log.subnet.id}", ""},
	{"aws_instance", "aws_instance.host", "ModifyInstanceAttribute InstanceId={aws_instance.host.id} InstanceInitiatedShutdownBehavior.Value=terminate", ""},
	{"aws_instance-default", "aws_instance.host", "TerminateInstances InstanceId.1={aws_instance.host.id}", ""},
	{"aws_instance-ipv6", "aws_instance.counted", "AssignIpv6Addresses NetworkInterfaceId={aws_instance.counted.primary_network_interface_id} Ipv6AddressCount=1", ""},
	{"aws_internet_gateway", "aws_internet_gateway.main", "DetachInternetGateway VpcId={aws_vpc.main.id} InternetGatewayId={aws_internet_gateway.main.id}", ""},
	{"aws_internet_gateway_attachment", "aws_internet_gateway_attachment.main", "DetachInternetGateway VpcId={aws_vpc.main.id} InternetGatewayId={aws_internet_gateway.main.id}", ""},
	{"aws_key_pair", "aws_key_pair.admin", "DeleteKeyPair KeyName={aws_key_pair.admin.key_name}", ""},
	{"aws_main_route_table_association", "aws_main_route_table_association.main", "ReplaceRouteTableAssociation AssociationId={aws_main_route_table_association.main.id} RouteTableId={aws_vpc.main.default_route_table_id}", ""},
	{"aws_nat_gateway", "aws_nat_gateway.main", "DeleteNatGateway NatGatewayId={aws_nat_gateway.main.id}", "DescribeNatGateways NatGatewayId.1={aws_nat_gateway.main.id} natGatewaySet/item/state deleted"},
	{"aws_nat_gateway-private", "aws_nat_gateway.listed", "UnassignPrivateNatGatewayAddress NatGatewayId={aws_nat_gateway.listed.id} PrivateIpAddress.1=10.0.1.200", ""},
	{"aws_network_acl", "aws_network_acl.main", "DeleteNetworkAclEntry NetworkAclId={aws_network_acl.main.id} Egress=true RuleNumber=200", ""},
	{"aws_network_acl_association", "aws_network_acl_association.main", "ReplaceNetworkAclAssociation AssociationId={aws_network_acl_association.main.id} NetworkAclId={aws_vpc.main.default_network_acl_id}", ""},
	{"aws_network_acl_rule", "aws_network_acl_rule.web", "DeleteNetworkAclEntry NetworkAclId={aws_network_acl.main.id} Egress=false RuleNumber=200", ""},
	{"aws_network_interface", "aws_network_interface.listed", "ModifyNetworkInterfaceAttribute NetworkInterfaceId={aws_network_interface.listed.id} Description.Value=another", ""},
	{"aws_network_interface-ipv6", "aws_network_interface.counted", "AssignIpv6Addresses NetworkInterfaceId={aws_network_interface.counted.id} Ipv6AddressCount=1", ""},
	{"aws_network_interface-ordered", "aws_network_interface.ordered", "UnassignPrivateIpAddresses NetworkInterfaceId={aws_network_interface.ordered.id} PrivateIpAddress.1=10.0.1.51", ""},
	{"aws_network_interface_permission", "aws_network_interface_permission.main", "DeleteNetworkInterfacePermission NetworkInterfacePermissionId={aws_network_interface_permission.main.network_interface_permission_id} Force=true", ""},
	{"aws_network_interface_sg_attachment", "aws_network_interface_sg_attachment.web", "ModifyNetworkInterfaceAttribute NetworkInterfaceId={aws_instance.host.primary_network_interface_id} SecurityGroupId.1={aws_vpc.main.default_security_group_id}", ""},
	{"aws_route", "aws_route.internet", "DeleteRoute RouteTableId={aws_route_table.main.id} DestinationCidrBlock=0.0.0.0/0", ""},
	{"aws_route", "aws_route.interface", "ReplaceRoute RouteTableId={aws_route_table.main.id} DestinationCidrBlock=192.168.0.0/16 NetworkInterfaceId={aws_network_interface.two.id}", ""},
	{"aws_route_table", "aws_route_table.main", "CreateRoute RouteTableId={aws_route_table.main.id} DestinationCidrBlock=198.51.100.0/24 GatewayId={aws_internet_gateway.main.id}", ""},
	{"aws_route_table_association", "aws_route_table_association.a", "DisassociateRouteTable AssociationId={aws_route_table_association.a.id}", ""},
	{"aws_route_table_association-gateway", "aws_route_table_association.edge", "DisassociateRouteTable AssociationId={aws_route_table_association.edge.id}", ""},
	{"aws_security_group", "aws_security_group.web", "AuthorizeSecurityGroupIngress GroupId={aws_security_group.web.id} IpProtocol=tcp FromPort=25 ToPort=25 CidrIp=0.0.0.0/0", ""},
	{"aws_security_group_rule", "aws_security_group_rule.other", "RevokeSecurityGroupIngress GroupId={aws_security_group.web.id} IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort=22 IpPermissions.1.ToPort=22 IpPermissions.1.Groups.1.GroupId={aws_security_group.other.id}", ""},
	{"aws_subnet", "aws_subnet.a", "ModifySubnetAttribute SubnetId={aws_subnet.a.id} MapPublicIpOnLaunch.Value=true", ""},
	{"aws_subnet-ipv6", "aws_subnet.a", "ModifySubnetAttribute SubnetId={aws_subnet.a.id} AssignIpv6AddressOnCreation.Value=false", ""},
	{"aws_vpc", "aws_vpc.main", "ModifyVpcAttribute VpcId={aws_vpc.main.id} EnableDnsSupport.Value=false", ""},
	{"aws_vpc-ipv6", "aws_vpc.main", "DisassociateVpcCidrBlock AssociationId={aws_vpc.main.ipv6_association_id}", ""},
	{"aws_vpc_block_public_access_exclusion", "aws_vpc_block_public_access_exclusion.subnet", "DeleteVpcBlockPublicAccessExclusion ExclusionId={aws_vpc_block_public_access_exclusion.subnet.id}", ""},
	{"aws_vpc_block_public_access_options", "aws_vpc_block_public_access_options.main", "ModifyVpcBlockPublicAccessOptions InternetGatewayBlockMode=off", ""},
	{"aws_vpc_dhcp_options", "aws_vpc_dhcp_options.main", "DeleteDhcpOptions DhcpOptionsId={aws_vpc_dhcp_options.main.id}", ""},
	{"aws_vpc_dhcp_options_association", "aws_vpc_dhcp_options_association.main", "AssociateDhcpOptions DhcpOptionsId=default VpcId={aws_vpc.main.id}", ""},
	{"aws_vpc_ipv4_cidr_block_association", "aws_vpc_ipv4_cidr_block_association.second", "DisassociateVpcCidrBlock AssociationId={aws_vpc_ipv4_cidr_block_association.second.id}", ""},
	{"aws_vpc_ipv6_cidr_block_association", "aws_vpc_ipv6_cidr_block_association.second", "DisassociateVpcCidrBlock AssociationId={aws_vpc_ipv6_cidr_block_association.second.id}", ""},
	{"aws_vpc_security_group_egress_rule", "aws_vpc_security_group_egress_rule.ping", "RevokeSecurityGroupEgress GroupId={aws_security_group.web.id} SecurityGroupRuleId.1={aws_vpc_security_group_egress_rule.ping.id}", ""},
	{"aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_ingress_rule.ipv4", "ModifySecurityGroupRules GroupId={aws_security_group.web.id} SecurityGroupRule.1.SecurityGroupRuleId={aws_vpc_security_group_ingress_rule.ipv4.id} " +
		"SecurityGroupRule.1.SecurityGroupRule.IpProtocol=tcp SecurityGroupRule.1.SecurityGroupRule.FromPort=80 SecurityGroupRule.1.SecurityGroupRule.ToPort=81 SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8", ""},
	{"aws_vpc_security_group_vpc_association", "aws_vpc_security_group_vpc_association.other", "DisassociateSecurityGroupVpc GroupId={aws_security_group.web.id} VpcId={aws_vpc.other.id}", ""},
	{"aws_vpn_connection", "aws_vpn_connection.site", "ModifyVpnTunnelOptions VpnConnectionId={aws_vpn_connection.site.id} VpnTunnelOutsideIpAddress={aws_vpn_connection.site.tunnel1_address} TunnelOptions.DPDTimeoutSeconds=77",
		"DescribeVpnConnections VpnConnectionId.1={aws_vpn_connection.site.id} vpnConnectionSet/item/state available"},
	{"aws_vpn_connection-plain", "aws_vpn_connection.site", "DeleteVpnConnection VpnConnectionId={aws_vpn_connection.site.id}", "DescribeVpnConnections VpnConnectionId.1={aws_vpn_connection.site.id} vpnConnectionSet/item/state deleted"},
	{"aws_vpn_connection_route", "aws_vpn_connection_route.office", "DeleteVpnConnectionRoute VpnConnectionId={aws_vpn_connection.site.id} DestinationCidrBlock=192.168.10.0/24", ""},
	{"aws_vpn_gateway", "aws_vpn_gateway.main", "DetachVpnGateway VpcId={aws_vpc.main.id} VpnGatewayId={aws_vpn_gateway.main.id}", ""},
	{"aws_vpn_gateway_attachment", "aws_vpn_gateway_attachment.main", "DetachVpnGateway VpcId={aws_vpc.main.id} VpnGatewayId={aws_vpn_gateway.main.id}", ""},
	{"aws_vpn_gateway_route_propagation", "aws_vpn_gateway_route_propagation.main", "DisableVgwRoutePropagation GatewayId={aws_vpn_gateway.main.id} RouteTableId={aws_route_table.main.id}", ""},

	{"aws_iam_access_key", "aws_iam_access_key.main", "iam UpdateAccessKey UserName=alone-key AccessKeyId={aws_iam_access_key.main.id} Status=Inactive", ""},
	{"aws_iam_account_alias", "aws_iam_account_alias.main", "iam DeleteAccountAlias AccountAlias=alone", ""},
	{"aws_iam_group", "aws_iam_group.main", "iam DeleteGroup GroupName=alone-group-first", ""},
	{"aws_iam_group_membership", "aws_iam_group_membership.main", "iam RemoveUserFromGroup GroupName=alone-members UserName=alone-member", ""},
	{"aws_iam_group_policies_exclusive", "aws_iam_group_policies_exclusive.main", `iam PutGroupPolicy GroupName=alone-group-policies PolicyName=more PolicyDocument={"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`, ""},
	{"aws_iam_group_policy", "aws_iam_group_policy.main", "iam DeleteGroupPolicy GroupName=alone-group-policy PolicyName=look", ""},
	{"aws_iam_group_policy_attachment", "aws_iam_group_policy_attachment.main", "iam DetachGroupPolicy GroupName=alone-group-attachment PolicyArn={aws_iam_policy.main.arn}", ""},
	{"aws_iam_group_policy_attachments_exclusive", "aws_iam_group_policy_attachments_exclusive.main", "iam AttachGroupPolicy GroupName=alone-group-attachments PolicyArn=arn:aws:iam::aws:policy/ReadOnlyAccess", ""},
	{"aws_iam_instance_profile", "aws_iam_instance_profile.main", "iam RemoveRoleFromInstanceProfile InstanceProfileName=alone RoleName=alone-profile", ""},
	{"aws_iam_policy", "aws_iam_policy.main", `iam CreatePolicyVersion PolicyArn={aws_iam_policy.main.arn} SetAsDefault=true PolicyDocument={"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`, ""},
	{"aws_iam_policy_attachment", "aws_iam_policy_attachment.main", "iam DetachUserPolicy UserName=alone-attached PolicyArn={aws_iam_policy.main.arn}", ""},
	{"aws_iam_role", "aws_iam_role.main", "iam UpdateRole RoleName={aws_iam_role.main.name} Description=another", ""},
	{"aws_iam_role_policy", "aws_iam_role_policy.main", "iam DeleteRolePolicy RoleName={aws_iam_role.main.name} PolicyName={aws_iam_role_policy.main.name}", ""},
	{"aws_iam_role_policy_attachment", "aws_iam_role_policy_attachment.main", "iam DetachRolePolicy RoleName={aws_iam_role.main.name} PolicyArn={aws_iam_role_policy_attachment.main.policy_arn}", ""},
	{"aws_iam_role_policies_exclusive", "aws_iam_role_policies_exclusive.main", `iam PutRolePolicy RoleName={aws_iam_role.main.name} PolicyName=more PolicyDocument={"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`, ""},
	{"aws_iam_role_policy_attachments_exclusive", "aws_iam_role_policy_attachments_exclusive.main", "iam AttachRolePolicy RoleName={aws_iam_role.main.name} PolicyArn=arn:aws:iam::aws:policy/ReadOnlyAccess", ""},
	{"aws_iam_user_group_membership", "aws_iam_user_group_membership.main", "iam RemoveUserFromGroup UserName={aws_iam_user.main.name} GroupName=alone-one", ""},
	{"aws_iam_user_policies_exclusive", "aws_iam_user_policies_exclusive.main", `iam PutUserPolicy UserName={aws_iam_user.main.name} PolicyName=more PolicyDocument={"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`, ""},
	{"aws_iam_user_policy_attachments_exclusive", "aws_iam_user_policy_attachments_exclusive.main", "iam AttachUserPolicy UserName={aws_iam_user.main.name} PolicyArn=arn:aws:iam::aws:policy/ReadOnlyAccess", ""},
	{"aws_iam_saml_provider", "aws_iam_saml_provider.idp", "iam DeleteSAMLProvider SAMLProviderArn={aws_iam_saml_provider.idp.arn}", ""},
	{"aws_iam_user", "aws_iam_user.main", "iam UpdateUser UserName={aws_iam_user.main.name} NewPath=/elsewhere/", ""},
	{"aws_iam_user_policy", "aws_iam_user_policy.main", "iam DeleteUserPolicy UserName={aws_iam_user.main.name} PolicyName={aws_iam_user_policy.main.name}", ""},
	{"aws_iam_user_policy_attachment", "aws_iam_user_policy_attachment.main", "iam DetachUserPolicy UserName={aws_iam_user.main.name} PolicyArn={aws_iam_user_policy_attachment.main.policy_arn}", ""},
}

// undisturbed are the types without a disturbance, with the reason.
var undisturbed = map[string]string{
	"aws_acm_certificate":              "nothing but its tags can be changed",
	"aws_acm_certificate_validation":   "it is no resource of AWS's",
	"aws_cloudwatch_log_group":         "not EC2's or IAM's",
	"aws_cloudwatch_log_stream":        "not EC2's or IAM's",
	"aws_default_vpc_dhcp_options":     "nothing but its tags can be changed",
	"aws_network_interface_attachment": "a former one is shown for a minute, and the provider does not look at its state",
}

var (
	referenceForm = regexp.MustCompile(`\{(\w+\.\w+)\.(\w+)\}`)
	taggedForm    = regexp.MustCompile(`^[a-z]+-[0-9a-f]{17}$`)
)

// drift changes what Terraform has made behind its back: the tags of all that has some
// in EC2, and what the disturbances say. Terraform must see each, put it right, and
// find nothing to do then.
func (tf terraform) drift(i *installation, whole terraformStack, variable string) {
	tf.t.Helper()
	blocks := map[string]terraformBlock{}
	for _, b := range whole.blocks(tf.t) {
		if b.mode == "resource" {
			blocks[b.address()] = b
		}
	}
	known := tf.attributes()
	want := map[string]bool{}
	tags := []string{"Tag.1.Key=stage", "Tag.1.Value=somebody"}
	for _, address := range slices.Sorted(maps.Keys(known)) {
		id, _ := known[address]["id"].(string)
		if all, _ := known[address]["tags_all"].(map[string]any); all["stage"] != nil && taggedForm.MatchString(id) && !blocks[address].untagged {
			tags = append(tags, fmt.Sprintf("ResourceId.%d=%s", len(tags)-1, id))
			want[address] = true
		}
	}
	i.call("CreateTags", tags...)
	for _, d := range disturbances {
		module := "module." + d.stack + "."
		if known[module+d.resource] == nil {
			continue // not among the stacks
		}
		resolve := func(text string) []string {
			return strings.Fields(referenceForm.ReplaceAllStringFunc(text, func(reference string) string {
				m := referenceForm.FindStringSubmatch(reference)
				value := known[module+m[1]][m[2]]
				if value == nil {
					tf.t.Fatalf("%s: there is no %s", d.call, reference)
				}
				return fmt.Sprint(value)
			}))
		}
		service, version, words := "ec2", "2016-11-15", resolve(d.call)
		if words[0] == "iam" {
			service, version, words = "iam", "2010-05-08", words[1:]
		}
		if _, err := i.tryOf(service, version, words[0], words[1:]...); err != nil {
			tf.t.Errorf("%v: %v", words, err)
			continue
		}
		if u := resolve(d.until); len(u) > 0 {
			i.waitForState(u[3], u[0], u[1], u[2])
		}
		want[module+d.resource] = true
	}
	drifted, planned := tf.changes(variable)
	for _, address := range slices.Sorted(maps.Keys(want)) {
		if !drifted[address] || !planned[address] {
			tf.t.Errorf("%s was changed behind Terraform's back: it is seen: %v, is to be put right: %v", address, drifted[address], planned[address])
		}
	}
	tf.apply("-var", variable)
	tf.findsNothingToDo("-var", variable)
}

// attributes are what Terraform knows of each resource, by address.
func (tf terraform) attributes() map[string]map[string]any {
	tf.t.Helper()
	text, err := os.ReadFile(filepath.Join(tf.dir, "terraform.tfstate"))
	if err != nil {
		tf.t.Fatal(err)
	}
	var state struct{ Resources []stateResource }
	if err := json.Unmarshal(text, &state); err != nil {
		tf.t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for _, r := range state.Resources {
		if r.Mode == "managed" {
			all[strings.TrimPrefix(r.Module+".", ".")+r.Type+"."+r.Name] = r.Instances[0].Attributes
		}
	}
	return all
}

// changes are the addresses of resources that Terraform finds changed by others, and
// of those that it would change.
func (tf terraform) changes(variable string) (drifted, planned map[string]bool) {
	tf.t.Helper()
	drifted, planned = map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(tf.run("plan", "-input=false", "-json", "-var", variable)) {
		var said struct {
			Type   string
			Change struct {
				Resource struct{ Addr string }
				Action   string
			}
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			tf.t.Fatalf("%v: %s", err, line)
		}
		switch said.Type {
		case "resource_drift":
			drifted[said.Change.Resource.Addr] = true
		case "planned_change":
			planned[said.Change.Resource.Addr] = true
		}
	}
	return drifted, planned
}
