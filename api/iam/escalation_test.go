package iam_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	iamapi "causeway.dev/api/iam"
)

// Who may rename some users makes none of them somebody else.
func TestRenameTakesBothNames(t *testing.T) {
	c := newCloud(t)
	arn := "arn:aws:iam::" + c.account + ":user/"
	k := c.user("u", allow("iam:UpdateUser", arn+"dev/*"))
	c.call("iam:CreateUser", "UserName", "bob", "Path", "/dev/")
	c.refused(k, "AccessDenied", "on resource: "+arn+"bob", "iam:UpdateUser", "UserName", "bob", "NewPath", "/")
	c.refused(k, "AccessDenied", "on resource: "+arn+"ops/boss", "iam:UpdateUser", "UserName", "bob", "NewPath", "/ops/", "NewUserName", "boss")
	c.may(k, "iam:UpdateUser", "UserName", "bob", "NewUserName", "rob")

	c.call("iam:CreateGroup", "GroupName", "g")
	g := c.user("g", allow("iam:UpdateGroup", "arn:aws:iam::"+c.account+":group/g"))
	c.refused(g, "AccessDenied", "group/admins", "iam:UpdateGroup", "GroupName", "g", "NewGroupName", "admins")
}

// A user who takes the name of another is not the one whom a role trusts.
func TestTrustIsNotForNames(t *testing.T) {
	c := newCloud(t)
	gone, other := c.user("gone", ""), c.user("other", "")
	c.now = c.now.Add(time.Minute)
	c.call("iam:CreateRole", "RoleName", "r", "AssumeRolePolicyDocument", trust("arn:aws:iam::"+c.account+":user/gone"))
	assume := []string{"RoleArn", "arn:aws:iam::" + c.account + ":role/r", "RoleSessionName", "ss"}
	c.may(gone, "sts:AssumeRole", assume...)
	c.now = c.now.Add(time.Minute)
	c.call("iam:UpdateUser", "UserName", "gone", "NewUserName", "former")
	c.call("iam:UpdateUser", "UserName", "other", "NewUserName", "gone")
	c.refused(other, "AccessDenied", "sts:AssumeRole", "sts:AssumeRole", assume...)
}

// A session that was given little takes no other role on by what its role is
// trusted with.
func TestChainStaysWithinBounds(t *testing.T) {
	c := newCloud(t)
	user := c.user("u", "")
	c.now = c.now.Add(time.Minute)
	arn := "arn:aws:iam::" + c.account + ":role/"
	c.call("iam:CreateRole", "RoleName", "first", "AssumeRolePolicyDocument", trust("arn:aws:iam::"+c.account+":user/u"))
	c.call("iam:CreateRole", "RoleName", "second", "AssumeRolePolicyDocument", trust(arn+"first"))
	first := []string{"RoleArn", arn + "first", "RoleSessionName", "ss"}
	second := []string{"RoleArn", arn + "second", "RoleSessionName", "ss"}
	free := credentials(c.may(user, "sts:AssumeRole", first...))
	c.may(free, "sts:AssumeRole", second...)
	limited := credentials(c.may(user, "sts:AssumeRole", append(first, "Policy", allow("ec2:DescribeVpcs", "*"))...))
	c.refused(limited, "AccessDenied", "sts:AssumeRole", "sts:AssumeRole", second...)
	within := credentials(c.may(user, "sts:AssumeRole", append(first, "Policy", allow("sts:*", "*"))...))
	c.may(within, "sts:AssumeRole", second...)
	c.call("iam:PutRolePermissionsBoundary", "RoleName", "first", "PermissionsBoundary", "arn:aws:iam::aws:policy/AmazonEC2FullAccess")
	c.refused(free, "AccessDenied", "sts:AssumeRole", "sts:AssumeRole", second...)
	c.refused(free, "ValidationError", "case insensitive", "sts:AssumeRole", append(second, "Tags.member.1.Key", "Team", "Tags.member.1.Value", "a", "Tags.member.2.Key", "team", "Tags.member.2.Value", "b")...)
}

// To make something with tags takes the permission to tag.
func TestTagsOfNewIdentities(t *testing.T) {
	c := newCloud(t)
	k := c.user("u", allow("iam:CreateUser", "*"))
	c.may(k, "iam:CreateUser", "UserName", "plain")
	tagged := []string{"UserName", "tagged", "Tags.member.1.Key", "Team", "Tags.member.1.Value", "red"}
	c.refused(k, "AccessDenied", "iam:TagUser", "iam:CreateUser", tagged...)
	c.call("iam:CreateUser", tagged...)
	// Keys of tags have no case here.
	c.refused(c.root, "InvalidInput", "case insensitive", "iam:TagUser", "UserName", "tagged", "Tags.member.1.Key", "a", "Tags.member.1.Value", "1", "Tags.member.2.Key", "A", "Tags.member.2.Value", "2")
	c.call("iam:TagUser", "UserName", "tagged", "Tags.member.1.Key", "team", "Tags.member.1.Value", "blue")
	if got := c.call("iam:ListUserTags", "UserName", "tagged").find("Key"); len(got) != 1 {
		t.Errorf("the user has %d tags", len(got))
	}
}

// Who may change only what is bounded changes nothing else.
func TestBoundaryAsCondition(t *testing.T) {
	c := newCloud(t)
	const bound = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"
	k := c.user("u", allow("iam:*", "*", `{"StringEquals":{"iam:PermissionsBoundary":"`+bound+`"}}`))
	document := []string{"PolicyName", "p", "PolicyDocument", allow("*", "*")}
	c.refused(k, "AccessDenied", "", "iam:PutUserPolicy", append(document, "UserName", "u")...)
	c.may(k, "iam:CreateUser", "UserName", "v", "PermissionsBoundary", bound)
	c.may(k, "iam:PutUserPolicy", append(document, "UserName", "v")...)
	c.refused(k, "AccessDenied", "", "iam:PutUserPermissionsBoundary", "UserName", "v", "PermissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess")
}

// White space in documents takes no quota, but it does not go on for ever.
func TestWhiteSpaceIsBounded(t *testing.T) {
	c := newCloud(t, iamapi.Limits{})
	c.call("iam:CreateUser", "UserName", "u")
	document := strings.Repeat(" ", 120_000) + allow("ec2:*", "*")
	c.call("iam:PutUserPolicy", "UserName", "u", "PolicyName", "p1", "PolicyDocument", document)
	c.refused(c.root, "LimitExceeded", "size", "iam:PutUserPolicy", "UserName", "u", "PolicyName", "p2", "PolicyDocument", document)
	c.refused(c.root, "LimitExceeded", "size", "iam:PutUserPolicy", "UserName", "u", "PolicyName", "p1", "PolicyDocument", allow("ec2:*", "arn:aws:ec2:*:*:"+fmt.Sprintf("%4000s", "")+"*"))
}

// Who writes the id of a part of somebody else's into what is its own has no more say
// in that part than before.
func TestIDsInOwnRecords(t *testing.T) {
	c := newCloud(t)
	vpc := c.call("ec2:CreateVpc", "CidrBlock", "10.0.0.0/16").text("vpcId")
	subnet := c.call("ec2:CreateSubnet", "VpcId", vpc, "CidrBlock", "10.0.1.0/24").text("subnetId")
	k := c.user("u", allow("ec2:*", "*", `{"StringEquals":{"aws:ResourceTag/Owner":"u"}}`))
	tables := []string{c.call("ec2:CreateRouteTable", "VpcId", vpc).text("routeTableId"), c.call("ec2:CreateRouteTable", "VpcId", vpc).text("routeTableId")}
	slices.Sort(tables) // the order in which they are looked at
	own, theirs := tables[0], tables[1]
	association := c.call("ec2:AssociateRouteTable", "RouteTableId", theirs, "SubnetId", subnet).text("associationId")
	c.call("ec2:CreateTags", "ResourceId.1", own, "Tag.1.Key", "Owner", "Tag.1.Value", "u")
	c.may(k, "ec2:CreateTags", "ResourceId.1", own, "Tag.1.Key", "Note", "Tag.1.Value", association)
	c.refused(k, "UnauthorizedOperation", "route-table/"+theirs, "ec2:DisassociateRouteTable", "AssociationId", association)

	c.refused(k, "UnauthorizedOperation", "instance/i-0123456789abcdef0", "ec2:ModifyInstanceCreditSpecification",
		"InstanceCreditSpecification.1.InstanceId", "i-0123456789abcdef0", "InstanceCreditSpecification.1.CpuCredits", "standard")
}
