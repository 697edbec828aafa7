package iam

import (
	"crypto/sha256"
	"encoding/base32"
	"maps"
	"slices"
	"strings"
)

// managedPrefix begins the ARNs of the policies that AWS itself offers to all
// accounts.
const managedPrefix = "arn:aws:iam::aws:policy/"

// A grant is what one of AWS's own policies allows on everything: some actions, and if
// except is not empty all others but those, too.
type grant struct{ actions, except []string }

// managed are AWS's own policies by their names: those that are about what is served
// here and as far as they are, and those that instances' roles are given by habit, which
// allow nothing here. None allows more than AWS's does.
var managed = map[string]grant{
	"AdministratorAccess":             {actions: []string{"*"}},
	"AmazonEC2FullAccess":             {actions: []string{"ec2:*"}},
	"AmazonEC2ReadOnlyAccess":         {actions: []string{"ec2:Describe*", "ec2:GetSecurityGroupsForVpc"}},
	"AmazonSSMManagedInstanceCore":    {actions: []string{"ssm:GetDocument", "ssm:GetParameter", "ssm:GetParameters", "ssm:UpdateInstanceInformation"}},
	"AmazonVPCFullAccess":             {actions: slices.Concat(vpcReading, vpcChanging)},
	"AmazonVPCReadOnlyAccess":         {actions: vpcReading},
	"AWSCertificateManagerFullAccess": {actions: []string{"acm:*"}},
	"AWSCertificateManagerReadOnly":   {actions: []string{"acm:DescribeCertificate", "acm:ListCertificates", "acm:GetCertificate", "acm:ListTagsForCertificate"}},
	"CloudWatchAgentServerPolicy": {actions: []string{
		"ec2:DescribeTags", "ec2:DescribeVolumes", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams",
		"logs:PutLogEvents", "logs:PutRetentionPolicy",
	}},
	"CloudWatchLogsFullAccess":     {actions: []string{"logs:*"}},
	"CloudWatchLogsReadOnlyAccess": {actions: []string{"logs:Describe*", "logs:Get*", "logs:List*", "logs:FilterLogEvents"}},
	"IAMFullAccess":                {actions: []string{"iam:*"}},
	"IAMReadOnlyAccess":            {actions: []string{"iam:Get*", "iam:List*"}},
	"PowerUserAccess":              {actions: []string{"iam:ListRoles"}, except: []string{"iam:*", "organizations:*", "account:*"}},
	"ReadOnlyAccess": {actions: []string{
		"ec2:Describe*", "ec2:Get*", "ec2:Search*", "acm:Describe*", "acm:Get*", "acm:List*",
		"logs:Describe*", "logs:Get*", "logs:List*", "logs:FilterLogEvents", "iam:Get*", "iam:List*", "sts:GetAccessKeyInfo",
	}},
}

// What AWS's policies on VPCs allow of EC2's actions that are served here: its guide of
// managed policies, AmazonVPCReadOnlyAccess and AmazonVPCFullAccess.
var (
	vpcReading = slices.Concat(ec2("Describe", `AccountAttributes Addresses CarrierGateways CustomerGateways DhcpOptions EgressOnlyInternetGateways FlowLogs
		InternetGateways NatGateways NetworkAcls NetworkInterfaceAttribute NetworkInterfacePermissions NetworkInterfaces PrefixLists RouteTables SecurityGroupReferences
		SecurityGroupRules SecurityGroups SecurityGroupVpcAssociations StaleSecurityGroups Subnets Tags VpcAttribute VpcClassicLink VpcClassicLinkDnsSupport
		VpcEndpoints VpcPeeringConnections Vpcs VpnConnections VpnGateways`), ec2("Get", "SecurityGroupsForVpc"))

	vpcChanging = slices.Concat(
		ec2("Describe", "AvailabilityZones Instances KeyPairs"),
		ec2("Allocate", "Address"), ec2("Release", "Address"),
		ec2("Assign", "Ipv6Addresses PrivateIpAddresses"), ec2("Unassign", "Ipv6Addresses PrivateIpAddresses"),
		ec2("Associate", "Address DhcpOptions RouteTable SecurityGroupVpc SubnetCidrBlock VpcCidrBlock"),
		ec2("Disassociate", "Address RouteTable SecurityGroupVpc SubnetCidrBlock VpcCidrBlock"),
		ec2("Attach", "InternetGateway NetworkInterface VpnGateway"), ec2("Detach", "InternetGateway NetworkInterface VpnGateway"),
		ec2("Authorize", "SecurityGroupEgress SecurityGroupIngress"), ec2("Revoke", "SecurityGroupEgress SecurityGroupIngress"),
		ec2("Create", `CustomerGateway DefaultSubnet DefaultVpc DhcpOptions EgressOnlyInternetGateway FlowLogs InternetGateway NatGateway NetworkAcl NetworkAclEntry
			NetworkInterface NetworkInterfacePermission Route RouteTable SecurityGroup Subnet Tags Vpc VpnConnection VpnConnectionRoute VpnGateway`),
		ec2("Delete", `CustomerGateway DhcpOptions EgressOnlyInternetGateway FlowLogs InternetGateway NatGateway NetworkAcl NetworkAclEntry
			NetworkInterface NetworkInterfacePermission Route RouteTable SecurityGroup Subnet Tags Vpc VpnConnection VpnConnectionRoute VpnGateway`),
		ec2("Disable", "VgwRoutePropagation"), ec2("Enable", "VgwRoutePropagation"),
		ec2("Modify", "NetworkInterfaceAttribute SecurityGroupRules SubnetAttribute VpcAttribute VpcTenancy"),
		ec2("Replace", "NetworkAclAssociation NetworkAclEntry Route RouteTableAssociation"), ec2("Reset", "NetworkInterfaceAttribute"),
		ec2("Update", "SecurityGroupRuleDescriptionsEgress SecurityGroupRuleDescriptionsIngress"),
	)
)

// ec2 are actions of EC2 that begin with a verb.
func ec2(verb, nouns string) []string {
	actions := strings.Fields(nouns)
	for i, noun := range actions {
		actions[i] = "ec2:" + verb + noun
	}
	return actions
}

// ManagedPolicy returns the document of the policy of AWS's own that an ARN names.
func ManagedPolicy(arn string) (document string, ok bool) {
	name, _ := strings.CutPrefix(arn, managedPrefix)
	g, ok := managed[name]
	if !ok || name == arn {
		return "", false
	}
	statements := []string{allowing("Action", g.actions)}
	if len(g.except) > 0 {
		statements = append(statements, allowing("NotAction", g.except))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`, true
}

func allowing(element string, actions []string) string {
	return `{"Effect":"Allow","` + element + `":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}`
}

// ManagedPolicies are the ARNs of AWS's own policies, sorted.
func ManagedPolicies() []string {
	arns := slices.Sorted(maps.Keys(managed))
	for i, name := range arns {
		arns[i] = managedPrefix + name
	}
	return arns
}

// ManagedPolicyID is the unique id of one of AWS's own policies. It is the same in
// every installation.
func ManagedPolicyID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return PrefixPolicy + base32.StdEncoding.EncodeToString(sum[:keyIDBytes])
}
