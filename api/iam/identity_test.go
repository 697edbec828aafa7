package iam_test

import (
	"net/url"
	"strings"
	"testing"
)

// What a user has is shown, and gone when it is taken away.
func TestUser(t *testing.T) {
	c := newCloud(t)
	created := c.call("iam:CreateUser", "UserName", "Alice", "Path", "/team/", "Tags.member.1.Key", "k", "Tags.member.1.Value", "v")
	arn := "arn:aws:iam::" + c.account + ":user/team/Alice"
	if created.text("Arn") != arn || !strings.HasPrefix(created.text("UserId"), "AIDA") || created.text("Path") != "/team/" || created.text("Value") != "v" {
		t.Errorf("created %+v", created)
	}
	const document = `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}}`
	c.call("iam:PutUserPolicy", "UserName", "Alice", "PolicyName", "look", "PolicyDocument", document)
	shown, err := url.QueryUnescape(c.call("iam:GetUserPolicy", "UserName", "Alice", "PolicyName", "look").text("PolicyDocument"))
	if err != nil || shown != document {
		t.Errorf("the policy is shown as %q, %v", shown, err)
	}
	if got := c.call("iam:ListUserPolicies", "UserName", "Alice").texts("member"); got != "look" {
		t.Errorf("policies %q", got)
	}
	k := c.key("Alice")
	if got := c.may(k, "sts:GetCallerIdentity").text("Arn"); got != arn {
		t.Errorf("she is %s", got)
	}
	c.refused(c.root, "DeleteConflict", "access keys", "iam:DeleteUser", "UserName", "Alice")
	c.call("iam:UpdateUser", "UserName", "Alice", "NewUserName", "Bob", "NewPath", "/")
	if got := c.may(k, "sts:GetCallerIdentity").text("Arn"); got != "arn:aws:iam::"+c.account+":user/Bob" {
		t.Errorf("renamed, she is %s", got)
	}
	used := c.call("iam:GetAccessKeyLastUsed", "AccessKeyId", k.id)
	if when := c.now.Format("2006-01-02T15:04:05.000Z"); used.text("UserName") != "Bob" || used.text("ServiceName") != "sts" || used.text("Region") != testRegion || used.text("LastUsedDate") != when {
		t.Errorf("the key of %q was used last for %q in %q at %q", used.text("UserName"), used.text("ServiceName"), used.text("Region"), used.text("LastUsedDate"))
	}
	c.call("iam:UpdateAccessKey", "UserName", "Bob", "AccessKeyId", k.id, "Status", "Inactive")
	c.refused(k, "InvalidClientTokenId", "", "sts:GetCallerIdentity")
	if got := c.call("iam:ListAccessKeys", "UserName", "Bob").text("Status"); got != "Inactive" {
		t.Errorf("the key is %s", got)
	}
	never := c.key("Bob")
	used = c.call("iam:GetAccessKeyLastUsed", "AccessKeyId", never.id)
	if used.text("ServiceName") != "N/A" || used.text("Region") != "N/A" || len(used.find("LastUsedDate")) != 0 {
		t.Errorf("a key that nobody used was used for %q in %q", used.text("ServiceName"), used.text("Region"))
	}
	c.refused(never, "AccessDenied", "", "iam:GetAccessKeyLastUsed", "AccessKeyId", never.id)
	c.call("iam:DeleteAccessKey", "UserName", "Bob", "AccessKeyId", never.id)
	c.call("iam:DeleteAccessKey", "UserName", "Bob", "AccessKeyId", k.id)
	c.refused(c.root, "DeleteConflict", "must delete policies first", "iam:DeleteUser", "UserName", "Bob")
	c.call("iam:DeleteUserPolicy", "UserName", "Bob", "PolicyName", "look")
	c.call("iam:DeleteUser", "UserName", "Bob")
	c.refused(c.root, "NoSuchEntity", "The user with name Bob cannot be found.", "iam:GetUser", "UserName", "Bob")
}

// A secret is told once, and stored sealed.
func TestSecretIsToldOnce(t *testing.T) {
	c := newCloud(t)
	k := c.user("u", "")
	if len(k.secret) != 40 || len(k.id) != 20 {
		t.Errorf("key %s with a secret of %d characters", k.id, len(k.secret))
	}
	answer := c.call("iam:ListAccessKeys", "UserName", "u")
	if answer.text("AccessKeyId") != k.id || answer.text("SecretAccessKey") != "" {
		t.Errorf("listed %+v", answer)
	}
	if got := c.call("sts:GetAccessKeyInfo", "AccessKeyId", k.id).text("Account"); got != c.account {
		t.Errorf("the key is of account %s", got)
	}
}

// Pages show everything once, whatever comes and goes meanwhile.
func TestPages(t *testing.T) {
	c := newCloud(t)
	for _, name := range []string{"a", "b", "d", "e", "f"} {
		c.call("iam:CreateUser", "UserName", name)
	}
	var got []string
	answer := c.call("iam:ListUsers", "MaxItems", "2")
	got = append(got, answer.texts("UserName"))
	c.call("iam:DeleteUser", "UserName", "b")
	c.call("iam:CreateUser", "UserName", "c")
	for answer.text("IsTruncated") == "true" {
		answer = c.call("iam:ListUsers", "MaxItems", "2", "Marker", answer.text("Marker"))
		got = append(got, answer.texts("UserName"))
	}
	if text := strings.Join(got, "|"); text != "a b|c d|e f" {
		t.Errorf("pages %s", text)
	}
}

// A policy's versions come and go; one holds.
func TestManagedPolicy(t *testing.T) {
	c := newCloud(t)
	k := c.user("u", "")
	arn := c.call("iam:CreatePolicy", "PolicyName", "p", "Path", "/x/", "PolicyDocument", allow("ec2:DescribeVpcs", "*")).text("Arn")
	c.refused(k, "UnauthorizedOperation", "because no identity-based policy allows", "ec2:DescribeVpcs")
	c.call("iam:AttachUserPolicy", "UserName", "u", "PolicyArn", arn)
	c.may(k, "ec2:DescribeVpcs")
	c.call("iam:CreatePolicyVersion", "PolicyArn", arn, "PolicyDocument", allow("ec2:DescribeSubnets", "*"))
	c.may(k, "ec2:DescribeVpcs")
	c.call("iam:SetDefaultPolicyVersion", "PolicyArn", arn, "VersionId", "v2")
	c.refused(k, "UnauthorizedOperation", "", "ec2:DescribeVpcs")
	c.may(k, "ec2:DescribeSubnets")
	shown := c.call("iam:GetPolicy", "PolicyArn", arn)
	if shown.text("AttachmentCount") != "1" || shown.text("DefaultVersionId") != "v2" {
		t.Errorf("policy %+v", shown)
	}
	if got := c.call("iam:ListPolicyVersions", "PolicyArn", arn).texts("VersionId"); got != "v2 v1" {
		t.Errorf("versions %s", got)
	}
	if got := c.call("iam:ListEntitiesForPolicy", "PolicyArn", arn).text("UserName"); got != "u" {
		t.Errorf("who has it: %s", got)
	}
	c.refused(c.root, "DeleteConflict", "Cannot delete a policy attached to entities.", "iam:DeletePolicy", "PolicyArn", arn)
	c.refused(c.root, "DeleteConflict", "default version", "iam:DeletePolicyVersion", "PolicyArn", arn, "VersionId", "v2")
	c.call("iam:DetachUserPolicy", "UserName", "u", "PolicyArn", arn)
	c.refused(c.root, "DeleteConflict", "more than one version", "iam:DeletePolicy", "PolicyArn", arn)
	c.call("iam:DeletePolicyVersion", "PolicyArn", arn, "VersionId", "v1")
	c.call("iam:DeletePolicy", "PolicyArn", arn)
	c.refused(c.root, "NoSuchEntity", "was not found", "iam:GetPolicy", "PolicyArn", arn)
	// AWS's own can be had, and not changed.
	const reading = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"
	c.call("iam:AttachUserPolicy", "UserName", "u", "PolicyArn", reading)
	c.may(k, "ec2:DescribeVpcs")
	c.refused(c.root, "AccessDenied", "AWS's own", "iam:CreatePolicyVersion", "PolicyArn", reading, "PolicyDocument", allow("*", "*"))
	if got := c.call("iam:ListPolicies", "OnlyAttached", "true").texts("Arn"); got != reading {
		t.Errorf("attached: %s", got)
	}
}

// Groups lend their policies.
func TestGroup(t *testing.T) {
	c := newCloud(t)
	k := c.user("u", "")
	c.call("iam:CreateGroup", "GroupName", "g")
	c.call("iam:PutGroupPolicy", "GroupName", "g", "PolicyName", "p", "PolicyDocument", allow("ec2:DescribeVpcs", "*"))
	c.call("iam:AddUserToGroup", "GroupName", "g", "UserName", "u")
	c.may(k, "ec2:DescribeVpcs")
	c.call("iam:UpdateGroup", "GroupName", "g", "NewGroupName", "h")
	c.may(k, "ec2:DescribeVpcs")
	if got := c.call("iam:GetGroup", "GroupName", "h").text("UserName"); got != "u" {
		t.Errorf("the group has %q", got)
	}
	if got := c.call("iam:ListGroupsForUser", "UserName", "u").text("GroupName"); got != "h" {
		t.Errorf("the user is in %q", got)
	}
	c.refused(c.root, "DeleteConflict", "remove users from group", "iam:DeleteGroup", "GroupName", "h")
	c.refused(c.root, "DeleteConflict", "must delete access keys", "iam:DeleteUser", "UserName", "u")
	c.call("iam:RemoveUserFromGroup", "GroupName", "h", "UserName", "u")
	c.refused(k, "UnauthorizedOperation", "", "ec2:DescribeVpcs")
}

// Tags and boundaries come and go on what can have them.
func TestTagsAndBoundaries(t *testing.T) {
	c := newCloud(t)
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + c.account + `"},"Action":"sts:AssumeRole"}}`
	k := c.user("n", allow("ec2:*", "*"))
	c.call("iam:CreateRole", "RoleName", "n", "AssumeRolePolicyDocument", trust)
	arn := c.call("iam:CreatePolicy", "PolicyName", "n", "PolicyDocument", allow("ec2:DescribeVpcs", "*")).text("Arn")
	for kind, name := range map[string]string{"User": "n", "Role": "n", "Policy": arn} {
		member := kind + "Name"
		if kind == "Policy" {
			member = "PolicyArn"
		}
		c.call("iam:Tag"+kind, member, name, "Tags.member.1.Key", "a", "Tags.member.1.Value", "1", "Tags.member.2.Key", "b", "Tags.member.2.Value", "2")
		c.call("iam:Untag"+kind, member, name, "TagKeys.member.1", "a")
		if got := c.call("iam:List"+kind+"Tags", member, name).texts("Key"); got != "b" {
			t.Errorf("tags of the %s: %q", kind, got)
		}
	}
	c.may(k, "ec2:DescribeSubnets")
	for _, kind := range []string{"User", "Role"} {
		c.call("iam:Put"+kind+"PermissionsBoundary", kind+"Name", "n", "PermissionsBoundary", arn)
		if got := c.call("iam:Get"+kind, kind+"Name", "n").text("PermissionsBoundaryArn"); got != arn {
			t.Errorf("boundary of the %s: %q", kind, got)
		}
	}
	c.refused(k, "UnauthorizedOperation", "because no permissions boundary allows the ec2:DescribeSubnets action", "ec2:DescribeSubnets")
	c.may(k, "ec2:DescribeVpcs")
	c.refused(c.root, "DeleteConflict", "attached", "iam:DeletePolicy", "PolicyArn", arn)
	for _, kind := range []string{"User", "Role"} {
		c.call("iam:Delete"+kind+"PermissionsBoundary", kind+"Name", "n")
	}
	c.may(k, "ec2:DescribeSubnets")
}

func TestAlias(t *testing.T) {
	c := newCloud(t)
	first, second := "first-"+c.account, "second-"+c.account
	c.call("iam:CreateAccountAlias", "AccountAlias", first)
	c.call("iam:CreateAccountAlias", "AccountAlias", second)
	if got := c.call("iam:ListAccountAliases").texts("member"); got != second {
		t.Errorf("aliases %q", got)
	}
	c.refused(c.root, "NoSuchEntity", "", "iam:DeleteAccountAlias", "AccountAlias", first)
	c.call("iam:DeleteAccountAlias", "AccountAlias", second)
}
