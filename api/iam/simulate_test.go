package iam_test

import (
	"fmt"
	"strings"
	"testing"

	iamapi "causeway.dev/api/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// decisions are those of an answer: action, resource, decision.
func decisions(answer *element) string {
	return strings.Join([]string{answer.texts("EvalActionName"), answer.texts("EvalResourceName"), answer.texts("EvalDecision")}, " | ")
}

// What the simulator says of a user is what then happens to the user's calls.
func TestSimulatedAsDecided(t *testing.T) {
	c := newCloud(t)
	k := c.user("u", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","ec2:CreateVpc"],"Resource":"*"},
		{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"StringEquals":{"aws:username":"${aws:PrincipalTag/name}"}}}]}`)
	arn := "arn:aws:iam::" + c.account + ":user/u"
	c.call("iam:CreateGroup", "GroupName", "g")
	c.call("iam:PutGroupPolicy", "GroupName", "g", "PolicyName", "no", "PolicyDocument", statement("Deny", "ec2:CreateVpc", "*"))
	c.call("iam:AddUserToGroup", "GroupName", "g", "UserName", "u")
	c.call("iam:TagUser", "UserName", "u", "Tags.member.1.Key", "name", "Tags.member.1.Value", "u")
	c.call("iam:AttachUserPolicy", "UserName", "u", "PolicyArn", "arn:aws:iam::aws:policy/AWSCertificateManagerReadOnly")
	simulate := func(more ...string) *element {
		t.Helper()
		return c.call("iam:SimulatePrincipalPolicy", append([]string{"PolicySourceArn", arn}, more...)...)
	}
	for action, want := range map[string]string{"ec2:DescribeVpcs": "allowed", "ec2:CreateVpc": "explicitDeny", "ec2:DeleteVpc": "implicitDeny", "iam:ListUsers": "allowed", "iam:ListRoles": "implicitDeny"} {
		answer := simulate("ActionNames.member.1", action)
		if got := decisions(answer); got != action+" | * | "+want {
			t.Errorf("simulated %s, want %s", got, want)
		}
		parameters := map[string][]string{"ec2:CreateVpc": {"CidrBlock", "10.0.0.0/16", "DryRun", "true"}, "ec2:DeleteVpc": {"VpcId", "vpc-01234567", "DryRun", "true"}}[action]
		_, code := c.as(k, testRegion, action, parameters...)
		if refused := code == "UnauthorizedOperation" || code == "AccessDenied"; refused == (want == "allowed") {
			t.Errorf("%s is %s, and the call gets %q", action, want, code)
		}
	}
	for _, test := range []struct{ action, id, kind string }{
		{"ec2:DescribeVpcs", "p", "user"}, {"ec2:CreateVpc", "no", "group"}, {"acm:ListCertificates", "AWSCertificateManagerReadOnly", "aws-managed"}, {"ec2:DeleteVpc", "", ""},
	} {
		answer := simulate("ActionNames.member.1", test.action)
		if got := answer.texts("SourcePolicyId") + " " + answer.texts("SourcePolicyType"); got != test.id+" "+test.kind {
			t.Errorf("%s is decided by %q, want %s of kind %s", test.action, got, test.id, test.kind)
		}
	}
	answer := simulate("ActionNames.member.1", "ec2:DescribeVpcs")
	if got := fmt.Sprint(answer.texts("Line"), " ", answer.texts("Column")); got != "1 1 114 38" {
		t.Errorf("the statement is at %s", got)
	}
	// A boundary holds too, and one of the request stands for it.
	c.call("iam:CreatePolicy", "PolicyName", "b", "PolicyDocument", allow("iam:*", "*"))
	c.call("iam:PutUserPermissionsBoundary", "UserName", "u", "PermissionsBoundary", "arn:aws:iam::"+c.account+":policy/b")
	if got := simulate("ActionNames.member.1", "ec2:DescribeVpcs"); got.text("EvalDecision") != "implicitDeny" || got.text("AllowedByPermissionsBoundary") != "false" {
		t.Errorf("beyond the boundary: %s", decisions(got))
	}
	if got := simulate("ActionNames.member.1", "ec2:DescribeVpcs", "PermissionsBoundaryPolicyInputList.member.1", allow("*", "*")); got.text("EvalDecision") != "allowed" {
		t.Errorf("within the request's boundary: %s", decisions(got))
	}
	group := c.call("iam:SimulatePrincipalPolicy", "PolicySourceArn", "arn:aws:iam::"+c.account+":group/g", "ActionNames.member.1", "ec2:CreateVpc", "PolicyInputList.member.1", allow("*", "*"))
	if group.text("EvalDecision") != "explicitDeny" || group.texts("SourcePolicyId") != "no" {
		t.Errorf("of the group: %s by %s", decisions(group), group.texts("SourcePolicyId"))
	}
}

// Policies of the request alone, on several resources, with the keys that are missing and
// page by page.
func TestSimulateCustomPolicy(t *testing.T) {
	c := newCloud(t)
	const vpc, subnet = "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1", "arn:aws:ec2:us-east-1:123456789012:subnet/s"
	policies := []string{"PolicyInputList.member.1", allow("ec2:Delete*", vpc, `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"},"StringEquals":{"aws:username":"${aws:PrincipalTag/n}"}}`),
		"PolicyInputList.member.2", statement("Deny", "ec2:DeleteSubnet", "*", `{"StringEquals":{"aws:ResourceAccount":"123456789012"}}`),
		"ActionNames.member.1", "ec2:DeleteVpc", "ActionNames.member.2", "ec2:DeleteSubnet", "ResourceArns.member.1", vpc, "ResourceArns.member.2", subnet}
	simulate := func(more ...string) *element {
		t.Helper()
		return c.call("iam:SimulateCustomPolicy", append(policies, more...)...)
	}
	first := simulate("MaxItems", "1")
	if got := decisions(first); got != "ec2:DeleteVpc | "+vpc+" | implicitDeny" {
		t.Errorf("first: %s", got)
	}
	missing := first.find("MissingContextValues")
	if got := missing[0].texts("member"); got != "aws:principaltag/n aws:sourceip aws:username" || first.text("IsTruncated") != "true" {
		t.Errorf("missing are %s", got)
	}
	given := []string{"ContextEntries.member.1.ContextKeyName", "aws:SourceIp", "ContextEntries.member.1.ContextKeyType", "ip", "ContextEntries.member.1.ContextKeyValues.member.1", "192.0.2.9",
		"ContextEntries.member.2.ContextKeyName", "aws:UserName", "ContextEntries.member.2.ContextKeyType", "string", "ContextEntries.member.2.ContextKeyValues.member.1", "n",
		"ContextEntries.member.3.ContextKeyName", "aws:PrincipalTag/n", "ContextEntries.member.3.ContextKeyType", "string", "ContextEntries.member.3.ContextKeyValues.member.1", "n"}
	whole := simulate(given...)
	if got := whole.texts("EvalDecision"); got != "allowed implicitDeny explicitDeny explicitDeny" {
		t.Errorf("with all keys: %s", got)
	}
	if got := whole.texts("SourcePolicyId"); got != "PolicyInputList.1 PolicyInputList.2 PolicyInputList.2" {
		t.Errorf("decided by %s", got)
	}
	rest := simulate(append(given, "Marker", first.text("Marker"))...)
	if got := rest.texts("EvalDecision"); got != "implicitDeny explicitDeny explicitDeny" || rest.text("IsTruncated") != "false" {
		t.Errorf("after the first: %s", got)
	}
	for _, test := range []struct {
		code, words string
		pairs       []string
	}{
		{"ValidationError", "", []string{"PolicyInputList.member.1", allow("*", "*")}},
		{"InvalidInput", "PolicyInputList.1: Syntax errors in policy.", []string{"PolicyInputList.member.1", "{}", "ActionNames.member.1", "ec2:X"}},
		{"InvalidInput", "Invalid action name: ec2:*", []string{"PolicyInputList.member.1", allow("*", "*"), "ActionNames.member.1", "ec2:*"}},
		{"InvalidInput", "Invalid resource", []string{"PolicyInputList.member.1", allow("*", "*"), "ActionNames.member.1", "ec2:X", "ResourceArns.member.1", "vpc-1"}},
		{"InvalidInput", "ResourcePolicy", []string{"PolicyInputList.member.1", allow("*", "*"), "ActionNames.member.1", "ec2:X", "ResourcePolicy", allow("*", "*")}},
		{"InvalidInput", "ResourceHandlingOption", []string{"PolicyInputList.member.1", allow("*", "*"), "ActionNames.member.1", "ec2:X", "ResourceHandlingOption", "EC2-VPC-InstanceStore"}},
		{"InvalidInput", "ResourceOwner", []string{"PolicyInputList.member.1", allow("*", "*"), "ActionNames.member.1", "ec2:X", "ResourceOwner", "somebody"}},
		{"InvalidInput", "CallerArn", []string{"PolicyInputList.member.1", allow("*", "*"), "ActionNames.member.1", "ec2:X", "CallerArn", "arn:aws:iam::" + c.account + ":role/r"}},
		{"InvalidInput", "several values", []string{"PolicyInputList.member.1", allow("*", "*"), "ActionNames.member.1", "ec2:X", "ContextEntries.member.1.ContextKeyName", "aws:SourceIp", "ContextEntries.member.1.ContextKeyType", "ip",
			"ContextEntries.member.1.ContextKeyValues.member.1", "192.0.2.1", "ContextEntries.member.1.ContextKeyValues.member.2", "192.0.2.2"}},
		{"ValidationError", "Invalid Marker.", []string{"PolicyInputList.member.1", allow("*", "*"), "ActionNames.member.1", "ec2:X", "Marker", "%"}},
	} {
		c.refused(c.root, test.code, test.words, "iam:SimulateCustomPolicy", test.pairs...)
	}
}

// Whom the simulator does not find, and who may ask it.
func TestSimulatePrincipalRefusals(t *testing.T) {
	c := newCloud(t)
	k := c.user("u", allow("iam:SimulatePrincipalPolicy", "arn:aws:iam::"+c.account+":user/u"))
	of := func(arn string) []string {
		return []string{"PolicySourceArn", arn, "ActionNames.member.1", "ec2:CreateVpc"}
	}
	own := "arn:aws:iam::" + c.account + ":"
	c.may(k, "iam:SimulatePrincipalPolicy", of(own+"user/u")...)
	c.refused(k, "AccessDenied", "iam:SimulatePrincipalPolicy on resource: "+own+"role/r", "iam:SimulatePrincipalPolicy", of(own+"role/r")...)
	c.refused(c.root, "NoSuchEntity", "role with name r", "iam:SimulatePrincipalPolicy", of(own+"role/r")...)
	c.refused(c.root, "NoSuchEntity", "group with name r", "iam:SimulatePrincipalPolicy", of(own+"group/r")...)
	c.refused(c.root, "NoSuchEntity", "user with name u", "iam:SimulatePrincipalPolicy", of(own+"user/path/u")...)
	c.refused(c.root, "NoSuchEntity", "", "iam:SimulatePrincipalPolicy", of("arn:aws:iam::999999999999:user/u")...)
	c.refused(c.root, "InvalidInput", "Invalid Entity Arn", "iam:SimulatePrincipalPolicy", of("arn:aws:sts::"+c.account+":assumed-role/r/s")...)
	// What can't be read can't be simulated, as it denies everything.
	if err := testStore.Update(t.Context(), func(tx *store.Tx) error {
		v, _ := store.Users.Get(tx, store.Scope{Account: c.account, Region: resource.GlobalRegion}, "u")
		v.Attached = []string{own + "policy/gone"}
		store.Users.Put(tx, v)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	c.refused(c.root, "PolicyEvaluation", own+"policy/gone", "iam:SimulatePrincipalPolicy", of(own+"user/u")...)
}

// What the account has is counted.
func TestAccountSummary(t *testing.T) {
	c := newCloud(t, iamapi.Limits{Users: 7})
	c.call("iam:CreateUser", "UserName", "a")
	c.call("iam:CreatePolicy", "PolicyName", "p", "PolicyDocument", allow("*", "*"))
	c.call("iam:CreatePolicyVersion", "PolicyArn", "arn:aws:iam::"+c.account+":policy/p", "PolicyDocument", allow("ec2:*", "*"))
	summary := map[string]string{}
	for _, entry := range c.call("iam:GetAccountSummary").find("entry") {
		summary[entry.text("key")] = entry.text("value")
	}
	for name, want := range map[string]string{"Users": "1", "UsersQuota": "7", "Groups": "0", "Policies": "1", "PolicyVersionsInUse": "2", "AccountMFAEnabled": "0", "VersionsPerPolicyQuota": "5"} {
		if summary[name] != want {
			t.Errorf("%s is %q, want %s", name, summary[name], want)
		}
	}
	if got := c.call("iam:ListServerCertificates").text("IsTruncated"); got != "false" {
		t.Errorf("the list of certificates is truncated: %q", got)
	}
	c.refused(c.root, "NoSuchEntity", "The Server Certificate with name x cannot be found.", "iam:GetServerCertificate", "ServerCertificateName", "x")
	c.refused(c.root, "NoSuchEntity", "The Server Certificate with name x cannot be found.", "iam:DeleteServerCertificate", "ServerCertificateName", "x")
}
