package iam_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// A key that may only look.
func TestReadOnlyKey(t *testing.T) {
	c := newCloud(t)
	vpc := c.call("ec2:CreateVpc", "CidrBlock", "10.0.0.0/16").text("vpcId")
	k := c.user("reader", allow("ec2:Describe*", "*"))
	if got := c.may(k, "ec2:DescribeVpcs", "VpcId.1", vpc).text("vpcId"); got != vpc {
		t.Errorf("described %q", got)
	}
	refusal := "You are not authorized to perform this operation. User: arn:aws:iam::" + c.account + ":user/reader is not authorized to perform: ec2:DeleteVpc on resource: arn:aws:ec2:us-east-1:" +
		c.account + ":vpc/" + vpc + " because no identity-based policy allows the ec2:DeleteVpc action. Encoded authorization failure message: "
	c.refused(k, "UnauthorizedOperation", refusal, "ec2:DeleteVpc", "VpcId", vpc)
	c.refused(k, "UnauthorizedOperation", "on resource: arn:aws:ec2:us-east-1:"+c.account+":vpc/* because", "ec2:CreateVpc", "CidrBlock", "10.1.0.0/16")
	c.refused(k, "UnauthorizedOperation", "", "ec2:CreateVpc", "CidrBlock", "10.1.0.0/16", "DryRun", "true")
	c.refused(c.root, "DryRunOperation", "", "ec2:CreateVpc", "CidrBlock", "10.1.0.0/16", "DryRun", "true")
	c.refused(k, "AccessDenied", "User: arn:aws:iam::"+c.account+":user/reader is not authorized to perform: iam:CreateUser on resource: arn:aws:iam::"+c.account+":user/x because no identity-based policy allows the iam:CreateUser action",
		"iam:CreateUser", "UserName", "x")
	c.may(k, "sts:GetCallerIdentity") // nobody needs leave for that
	c.refused(k, "AccessDenied", "", "sts:GetAccessKeyInfo", "AccessKeyId", k.id)
}

// A key for what is in one VPC, by ec2:Vpc and by the VPC's own ARN.
func TestKeyForOneVPC(t *testing.T) {
	c := newCloud(t)
	var vpcs, subnets, groups [2]string
	for i := range vpcs {
		vpcs[i] = c.call("ec2:CreateVpc", "CidrBlock", "10.0.0.0/16").text("vpcId")
		subnets[i] = c.call("ec2:CreateSubnet", "VpcId", vpcs[i], "CidrBlock", "10.0.1.0/24").text("subnetId")
		groups[i] = c.call("ec2:CreateSecurityGroup", "VpcId", vpcs[i], "GroupName", "g", "GroupDescription", "d").text("groupId")
	}
	arn := func(kind, id string) string { return "arn:aws:ec2:us-east-1:" + c.account + ":" + kind + "/" + id }
	k := c.user("u", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"ArnEquals":{"ec2:Vpc":"`+arn("vpc", vpcs[0])+`"}}},
		{"Effect":"Allow","Action":"ec2:*","Resource":"`+arn("vpc", vpcs[0])+`"}]}`)
	c.may(k, "ec2:ModifySubnetAttribute", "SubnetId", subnets[0], "MapPublicIpOnLaunch.Value", "true")
	c.refused(k, "UnauthorizedOperation", "subnet/"+subnets[1], "ec2:ModifySubnetAttribute", "SubnetId", subnets[1], "MapPublicIpOnLaunch.Value", "true")
	c.may(k, "ec2:CreateSubnet", "VpcId", vpcs[0], "CidrBlock", "10.0.2.0/24")
	c.refused(k, "UnauthorizedOperation", "", "ec2:CreateSubnet", "VpcId", vpcs[1], "CidrBlock", "10.0.2.0/24")
	rule := []string{"IpPermissions.1.IpProtocol", "tcp", "IpPermissions.1.FromPort", "22", "IpPermissions.1.ToPort", "22", "IpPermissions.1.IpRanges.1.CidrIp", "192.0.2.0/24"}
	c.may(k, "ec2:AuthorizeSecurityGroupIngress", append([]string{"GroupId", groups[0]}, rule...)...)
	c.refused(k, "UnauthorizedOperation", "", "ec2:AuthorizeSecurityGroupIngress", append([]string{"GroupId", groups[1]}, rule...)...)
	c.refused(k, "UnauthorizedOperation", "", "ec2:CreateVpc", "CidrBlock", "10.0.0.0/16")
	// A part of something is of its VPC, too.
	table := c.call("ec2:CreateRouteTable", "VpcId", vpcs[1]).text("routeTableId")
	association := c.call("ec2:AssociateRouteTable", "RouteTableId", table, "SubnetId", subnets[1]).text("associationId")
	c.refused(k, "UnauthorizedOperation", "route-table/"+table, "ec2:DisassociateRouteTable", "AssociationId", association)
}

// Keys by tags: of what is there, of what is asked for, and of who asks.
func TestTagsDecide(t *testing.T) {
	c := newCloud(t)
	mine := c.call("ec2:CreateVpc", "CidrBlock", "10.0.0.0/16", "TagSpecification.1.ResourceType", "vpc", "TagSpecification.1.Tag.1.Key", "Owner", "TagSpecification.1.Tag.1.Value", "u").text("vpcId")
	other := c.call("ec2:CreateVpc", "CidrBlock", "10.0.0.0/16").text("vpcId")
	k := c.user("u", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"ec2:ModifyVpcAttribute","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Owner":"${aws:username}"}}},
		{"Effect":"Allow","Action":"ec2:CreateVpc","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/Owner":"${aws:username}"},"ForAllValues:StringEquals":{"aws:TagKeys":["Owner","Name"]}}},
		{"Effect":"Allow","Action":"ec2:CreateTags","Resource":"*","Condition":{"StringEquals":{"ec2:CreateAction":"CreateVpc"}}}]}`)
	attribute := []string{"EnableDnsHostnames.Value", "true"}
	c.may(k, "ec2:ModifyVpcAttribute", append(attribute, "VpcId", mine)...)
	c.refused(k, "UnauthorizedOperation", "", "ec2:ModifyVpcAttribute", append(attribute, "VpcId", other)...)
	tagged := func(key string) []string {
		return []string{"CidrBlock", "10.0.0.0/16", "TagSpecification.1.ResourceType", "vpc", "TagSpecification.1.Tag.1.Key", "Owner", "TagSpecification.1.Tag.1.Value", "u",
			"TagSpecification.1.Tag.2.Key", key, "TagSpecification.1.Tag.2.Value", "x"}
	}
	c.may(k, "ec2:CreateVpc", tagged("Name")...)
	c.refused(k, "UnauthorizedOperation", "ec2:CreateVpc", "ec2:CreateVpc", tagged("Other")...)
	c.refused(k, "UnauthorizedOperation", "ec2:CreateVpc", "ec2:CreateVpc", "CidrBlock", "10.0.0.0/16")
	c.refused(k, "UnauthorizedOperation", "ec2:CreateTags", "ec2:CreateTags", "ResourceId.1", mine, "Tag.1.Key", "Owner", "Tag.1.Value", "me")
	// Who may make it but not tag it.
	maker := c.user("maker", allow("ec2:CreateVpc", "*"))
	c.refused(maker, "UnauthorizedOperation", "ec2:CreateTags on resource: arn:aws:ec2:us-east-1:"+c.account+":vpc/*", "ec2:CreateVpc", tagged("Name")...)
}

// Keys of the request itself.
func TestRequestKeys(t *testing.T) {
	c := newCloud(t)
	for name, condition := range map[string]string{
		"address":   `{"IpAddress":{"aws:SourceIp":"%s"}}|192.0.2.0/24|198.51.100.0/24`,
		"region":    `{"StringEquals":{"aws:RequestedRegion":"%s"}}|us-east-1|eu-west-1`,
		"principal": `{"ArnEquals":{"aws:PrincipalArn":"%s"}}|arn:aws:iam::` + c.account + `:user/principal|arn:aws:iam::` + c.account + `:user/else`,
		"time":      `{"DateLessThan":{"aws:CurrentTime":"%s"}}|2999-01-01|2001-01-01`,
		"transport": `{"Bool":{"aws:SecureTransport":"%s"}}|false|true`,
		"name":      `{"StringEquals":{"aws:username":"%s"}}|name|other`,
	} {
		parts := strings.Split(condition, "|")
		k := c.user(name, allow("ec2:*", "*", fmt.Sprintf(parts[0], parts[1])))
		c.may(k, "ec2:DescribeVpcs")
		c.call("iam:PutUserPolicy", "UserName", name, "PolicyName", "p", "PolicyDocument", allow("ec2:*", "*", fmt.Sprintf(parts[0], parts[2])))
		c.refused(k, "UnauthorizedOperation", "", "ec2:DescribeVpcs")
	}
}

// What is denied stays denied, and the message says by what.
func TestExplicitDeny(t *testing.T) {
	c := newCloud(t)
	k := c.user("u", allow("*", "*"))
	c.call("iam:PutUserPolicy", "UserName", "u", "PolicyName", "no", "PolicyDocument", statement("Deny", "ec2:CreateVpc", "*"))
	c.may(k, "ec2:DescribeVpcs")
	c.refused(k, "UnauthorizedOperation", "with an explicit deny in an identity-based policy", "ec2:CreateVpc", "CidrBlock", "10.0.0.0/16")
	// The message tells the account more, and no other one.
	answer, _ := c.as(k, testRegion, "ec2:CreateVpc", "CidrBlock", "10.0.0.0/16")
	_, encoded, _ := strings.Cut(answer.text("Message"), "message: ")
	var told struct {
		ExplicitDeny bool
		Context      struct{ Action, Resource string }
	}
	decoded := c.may(k, "sts:DecodeAuthorizationMessage", "EncodedMessage", encoded).text("DecodedMessage")
	if err := json.Unmarshal([]byte(decoded), &told); err != nil || !told.ExplicitDeny || told.Context.Action != "ec2:CreateVpc" {
		t.Errorf("decoded %s, %v", decoded, err)
	}
	c.refused(c.root, "InvalidAuthorizationMessageException", "", "sts:DecodeAuthorizationMessage", "EncodedMessage", encoded[:len(encoded)-1])
}

// A user's temporary keys may what the user may, but neither IAM nor most of STS,
// until they expire or the user is gone.
func TestSessionToken(t *testing.T) {
	c := newCloud(t)
	k := c.user("u", allow("*", "*"))
	session := credentials(c.may(k, "sts:GetSessionToken", "DurationSeconds", "900"))
	if !strings.HasPrefix(session.id, "ASIA") {
		t.Errorf("the key is %s", session.id)
	}
	if got := c.may(session, "sts:GetCallerIdentity").text("Arn"); got != "arn:aws:iam::"+c.account+":user/u" {
		t.Errorf("the session is %s", got)
	}
	c.may(session, "ec2:DescribeVpcs")
	c.refused(session, "InvalidClientTokenId", "", "iam:ListUsers")
	c.refused(session, "AccessDenied", "session credentials", "sts:GetSessionToken")
	c.refused(keys{id: session.id, secret: session.secret}, "AuthFailure", "", "ec2:DescribeVpcs")
	c.refused(keys{id: k.id, secret: k.secret, token: session.token}, "AuthFailure", "", "ec2:DescribeVpcs")
	c.refused(keys{id: session.id, secret: session.secret, token: session.token[:len(session.token)-2]}, "AuthFailure", "", "ec2:DescribeVpcs")
	c.call("iam:PutUserPolicy", "UserName", "u", "PolicyName", "p", "PolicyDocument", statement("Deny", "ec2:*", "*"))
	c.refused(session, "UnauthorizedOperation", "", "ec2:DescribeVpcs")
	c.call("iam:DeleteUserPolicy", "UserName", "u", "PolicyName", "p")
	c.call("iam:DeleteAccessKey", "UserName", "u", "AccessKeyId", k.id)
	c.call("iam:DeleteUser", "UserName", "u")
	c.call("iam:CreateUser", "UserName", "u") // another one of that name
	c.refused(session, "AuthFailure", "security token", "ec2:DescribeVpcs")

	root := credentials(c.call("sts:GetSessionToken"))
	c.may(root, "ec2:DescribeVpcs")
	c.now = c.now.Add(2 * time.Hour)
	c.refused(root, "RequestExpired", "expired", "ec2:DescribeVpcs")
	c.refused(root, "ExpiredToken", "expired", "sts:GetCallerIdentity")
}

func trust(principal string, condition ...string) string {
	s := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":{"AWS":"` + principal + `"}`
	if len(condition) > 0 {
		s += `,"Condition":` + condition[0]
	}
	return s + "}]}"
}

// A role is taken on by who its own policy names, or by who may and is of an
// account that it names.
func TestAssumeRole(t *testing.T) {
	c := newCloud(t)
	named, member, none := c.user("named", ""), c.user("member", allow("sts:AssumeRole", "arn:aws:iam::"+c.account+":role/team/*")), c.user("none", "")
	c.now = c.now.Add(time.Minute)
	role := func(name, document string) []string {
		c.call("iam:CreateRole", "RoleName", name, "Path", "/team/", "AssumeRolePolicyDocument", document)
		c.call("iam:PutRolePolicy", "RoleName", name, "PolicyName", "p", "PolicyDocument", allow("ec2:Describe*", "*"))
		return []string{"RoleArn", "arn:aws:iam::" + c.account + ":role/team/" + name, "RoleSessionName", "s1"}
	}
	byName := role("by-name", trust("arn:aws:iam::"+c.account+":user/named"))
	byAccount := role("by-account", trust(c.account, `{"StringEquals":{"sts:ExternalId":"secret-word"}}`))
	const denied = "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::"

	answer := c.may(named, "sts:AssumeRole", byName...)
	session := credentials(answer)
	arn := "arn:aws:sts::" + c.account + ":assumed-role/by-name/s1"
	if got := answer.find("AssumedRoleUser"); len(got) != 1 || got[0].text("Arn") != arn {
		t.Errorf("assumed %+v", answer)
	}
	if got := c.may(session, "sts:GetCallerIdentity"); got.text("Arn") != arn || !strings.HasSuffix(got.text("UserId"), ":s1") {
		t.Errorf("the session is %+v", got)
	}
	c.may(session, "ec2:DescribeVpcs")
	c.refused(session, "UnauthorizedOperation", "User: "+arn+" is not", "ec2:CreateVpc", "CidrBlock", "10.0.0.0/16")
	c.refused(none, "AccessDenied", denied, "sts:AssumeRole", byName...)
	c.refused(member, "AccessDenied", denied, "sts:AssumeRole", byName...)
	c.refused(member, "AccessDenied", denied, "sts:AssumeRole", byAccount...)
	c.may(member, "sts:AssumeRole", append(byAccount, "ExternalId", "secret-word")...)
	c.refused(named, "AccessDenied", denied, "sts:AssumeRole", append(byAccount, "ExternalId", "secret-word")...)
	c.refused(c.root, "AccessDenied", "root accounts", "sts:AssumeRole", byName...)
	c.refused(named, "AccessDenied", denied, "sts:AssumeRole", "RoleArn", "arn:aws:iam::"+c.account+":role/by-name", "RoleSessionName", "s1")
	c.refused(named, "ValidationError", "MaxSessionDuration", "sts:AssumeRole", append(byName, "DurationSeconds", "7200")...)
	c.refused(named, "MalformedPolicyDocument", "Syntax errors", "sts:AssumeRole", append(byName, "Policy", "{}")...)
	c.refused(named, "MalformedPolicyDocument", "does not exist", "sts:AssumeRole", append(byName, "PolicyArns.member.1.arn", "arn:aws:iam::"+c.account+":policy/none")...)

	limited := credentials(c.may(named, "sts:AssumeRole", append(byName, "Policy", allow("ec2:DescribeSubnets", "*"))...))
	c.may(limited, "ec2:DescribeSubnets")
	c.refused(limited, "UnauthorizedOperation", "because no session policy allows the ec2:DescribeVpcs action", "ec2:DescribeVpcs")

	tagged := credentials(c.may(named, "sts:AssumeRole", append(byName, "Tags.member.1.Key", "team", "Tags.member.1.Value", "red")...))
	c.call("iam:PutRolePolicy", "RoleName", "by-name", "PolicyName", "p", "PolicyDocument", allow("ec2:Describe*", "*", `{"StringEquals":{"aws:PrincipalTag/team":"red"}}`))
	c.may(tagged, "ec2:DescribeVpcs")
	c.refused(session, "UnauthorizedOperation", "", "ec2:DescribeVpcs")

	// Another user of the name that the role trusts is not trusted.
	c.call("iam:DeleteAccessKey", "UserName", "named", "AccessKeyId", named.id)
	c.call("iam:DeleteUser", "UserName", "named")
	c.now = c.now.Add(time.Minute)
	again := c.user("named", "")
	c.refused(again, "AccessDenied", denied, "sts:AssumeRole", byName...)
	c.call("iam:DeleteRolePolicy", "RoleName", "by-name", "PolicyName", "p")
	c.call("iam:DeleteRole", "RoleName", "by-name")
	c.refused(tagged, "InvalidClientTokenId", "", "sts:GetCallerIdentity")
}

// What is one account's, another does not see, and takes on only if both may.
func TestAccounts(t *testing.T) {
	t.Run("two", func(t *testing.T) {
		a := newCloud(t)
		b := &cloud{T: t, account: fmt.Sprintf("%012d", accounts.Add(1)), now: a.now, server: a.server}
		// The other account's user comes by the store: its root has no key here.
		b.put("u", allow("sts:AssumeRole", "arn:aws:iam::"+a.account+":role/open"))
		k := b.putKey("u")
		a.now = a.now.Add(time.Minute)
		a.call("iam:CreateRole", "RoleName", "open", "AssumeRolePolicyDocument", trust(b.account))
		a.call("iam:CreateRole", "RoleName", "closed", "AssumeRolePolicyDocument", trust(a.account))
		session := credentials(a.may(k, "sts:AssumeRole", "RoleArn", "arn:aws:iam::"+a.account+":role/open", "RoleSessionName", "ss"))
		if got := a.may(session, "sts:GetCallerIdentity").text("Account"); got != a.account {
			t.Errorf("the session is of account %s", got)
		}
		a.refused(k, "AccessDenied", "", "sts:AssumeRole", "RoleArn", "arn:aws:iam::"+a.account+":role/closed", "RoleSessionName", "ss")
		a.refused(a.root, "NoSuchEntity", "", "iam:GetUser", "UserName", "u")
	})
}

// put stores a user of an account that no key of root is known of.
func (c *cloud) put(name, document string) {
	c.Helper()
	meta := resource.Meta{ID: name, Account: c.account, Region: resource.GlobalRegion, Created: c.now}
	err := testStore.Update(c.Context(), func(tx *store.Tx) error {
		store.Users.Put(tx, resource.User{Identity: resource.Identity{Meta: meta, Name: name, Path: "/", UniqueID: "AIDA" + c.account + "AAAA", Inline: []resource.InlinePolicy{{Name: "p", Document: document}}}})
		return nil
	})
	if err != nil {
		c.Fatal(err)
	}
}

// Logs are written in the caller's name: that takes more than EC2's actions.
func TestLogDelivery(t *testing.T) {
	c := newCloud(t)
	vpc := c.call("ec2:CreateVpc", "CidrBlock", "10.0.0.0/16").text("vpcId")
	customer := c.call("ec2:CreateCustomerGateway", "Type", "ipsec.1", "IpAddress", "198.51.100.7").text("customerGatewayId")
	gateway := c.call("ec2:CreateVpnGateway", "Type", "ipsec.1").text("vpnGatewayId")
	role := "arn:aws:iam::" + c.account + ":role/writer"
	flow := []string{"ResourceType", "VPC", "ResourceId.1", vpc, "TrafficType", "ALL", "LogGroupName", "g", "DeliverLogsPermissionArn", role}
	const log = "Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions."
	tunnel := []string{"Type", "ipsec.1", "CustomerGatewayId", customer, "VpnGatewayId", gateway, "Options.StaticRoutesOnly", "true",
		log + "LogEnabled", "true", log + "LogGroupArn", "arn:aws:logs:us-east-1:" + c.account + ":log-group:g"}
	modify := []string{"VpnConnectionId", "vpn-00000000000000000", "VpnTunnelOutsideIpAddress", "203.0.113.1", "TunnelOptions.LogOptions.CloudWatchLogOptions.LogEnabled", "true"}

	network := c.user("network", allow("ec2:*", "*"))
	for action, parameters := range map[string][]string{"CreateFlowLogs": flow, "CreateVpnConnection": tunnel, "ModifyVpnTunnelOptions": modify} {
		c.refused(network, "UnauthorizedOperation", "logs:CreateLogDelivery", "ec2:"+action, parameters...)
	}
	c.refused(network, "UnauthorizedOperation", "logs:DeleteLogDelivery", "ec2:DeleteFlowLogs", "FlowLogId.1", "fl-00000000000000000")
	c.refused(network, "InvalidVpnConnectionID.NotFound", "", "ec2:ModifyVpnTunnelOptions", "VpnConnectionId", "vpn-00000000000000000", "VpnTunnelOutsideIpAddress", "203.0.113.1", "TunnelOptions.DPDTimeoutSeconds", "60")

	delivering := c.user("delivering", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:*","logs:*LogDelivery"],"Resource":"*"},
		{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}]}`)
	c.refused(delivering, "UnauthorizedOperation", "iam:PassRole on resource: "+role, "ec2:CreateFlowLogs", flow...)
	passing := c.user("passing", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:*","logs:*LogDelivery"],"Resource":"*"},
		{"Effect":"Allow","Action":"iam:PassRole","Resource":"`+role+`","Condition":{"StringEquals":{"iam:PassedToService":"vpc-flow-logs.amazonaws.com"}}}]}`)
	if id := c.may(passing, "ec2:CreateFlowLogs", flow...).find("flowLogIdSet"); len(id) != 1 {
		t.Errorf("with all permissions there are %d flow logs", len(id))
	}
}

// AWS's own policies allow what they do at AWS, and nothing beside it.
func TestPoliciesOfAWS(t *testing.T) {
	c := newCloud(t)
	with := func(name string) keys {
		k := c.user(name, "")
		c.call("iam:AttachUserPolicy", "UserName", name, "PolicyArn", "arn:aws:iam::aws:policy/"+name)
		return k
	}
	vpc := c.call("ec2:CreateVpc", "CidrBlock", "10.0.0.0/16").text("vpcId")
	reader, maker, power := with("AmazonVPCReadOnlyAccess"), with("AmazonVPCFullAccess"), with("PowerUserAccess")
	for _, k := range []keys{reader, maker, power} {
		c.may(k, "ec2:DescribeSubnets")
		c.refused(k, "AccessDenied", "iam:CreateUser", "iam:CreateUser", "UserName", "another")
	}
	subnet := []string{"VpcId", vpc, "CidrBlock", "10.0.1.0/24"}
	c.refused(reader, "UnauthorizedOperation", "ec2:CreateSubnet", "ec2:CreateSubnet", subnet...)
	c.may(maker, "ec2:CreateSubnet", subnet...)
	c.refused(maker, "UnauthorizedOperation", "ec2:GetConsoleOutput", "ec2:GetConsoleOutput", "InstanceId", "i-0123456789abcdef0")
	c.refused(reader, "UnauthorizedOperation", "ec2:GetConsoleOutput", "ec2:GetConsoleOutput", "InstanceId", "i-0123456789abcdef0")
	c.refused(power, "InvalidInstanceID.NotFound", "", "ec2:GetConsoleOutput", "InstanceId", "i-0123456789abcdef0")
	c.may(power, "iam:ListRoles")
	c.may(power, "ec2:CreateVpc", "CidrBlock", "10.1.0.0/16")
	k := with("AmazonSSMManagedInstanceCore")
	c.refused(k, "UnauthorizedOperation", "ec2:DescribeSubnets", "ec2:DescribeSubnets")
}
