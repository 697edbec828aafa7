package iam_test

import (
	"fmt"
	"strings"
	"testing"

	iamapi "causeway.dev/api/iam"
)

// What is refused, with AWS's codes and the beginning or a part of its words.
func TestRefusals(t *testing.T) {
	c := newCloud(t, iamapi.Limits{Users: 4, Groups: 2, Roles: 2, Policies: 2, AttachedPolicies: 1, GroupsPerUser: 1, SAMLProviders: 1, InstanceProfiles: 2})
	trustAll := trust(c.account)
	arn := func(kind, name string) string { return "arn:aws:iam::" + c.account + ":" + kind + "/" + name }
	document := allow("ec2:*", "*")
	c.user("u", "")
	c.call("iam:CreateAccessKey", "UserName", "u")
	c.call("iam:CreateUser", "UserName", "v")
	c.call("iam:PutUserPolicy", "UserName", "v", "PolicyName", "p", "PolicyDocument", document)
	c.call("iam:CreateGroup", "GroupName", "g")
	c.call("iam:CreateGroup", "GroupName", "h")
	c.call("iam:AddUserToGroup", "GroupName", "g", "UserName", "u")
	c.call("iam:CreateRole", "RoleName", "r", "AssumeRolePolicyDocument", trustAll)
	c.call("iam:CreatePolicy", "PolicyName", "p", "PolicyDocument", document)
	c.call("iam:CreatePolicy", "PolicyName", "q", "PolicyDocument", document)
	c.call("iam:AttachRolePolicy", "RoleName", "r", "PolicyArn", arn("policy", "p"))
	for range 4 {
		c.call("iam:CreatePolicyVersion", "PolicyArn", arn("policy", "q"), "PolicyDocument", document)
	}
	c.call("iam:CreateRole", "RoleName", "held", "AssumeRolePolicyDocument", trustAll)
	c.call("iam:CreateInstanceProfile", "InstanceProfileName", "ip")
	c.call("iam:CreateInstanceProfile", "InstanceProfileName", "empty")
	c.call("iam:AddRoleToInstanceProfile", "InstanceProfileName", "ip", "RoleName", "held")
	c.call("iam:CreateSAMLProvider", "Name", "idp", "SAMLMetadataDocument", metadata(t, ""))
	long := func(n int) string { return allow("ec2:"+strings.Repeat("x", n), "*") }
	manyTags := func(pairs ...string) []string {
		for i := range 51 {
			pairs = append(pairs, fmt.Sprintf("Tags.member.%d.Key", i+1), fmt.Sprint("k", i), fmt.Sprintf("Tags.member.%d.Value", i+1), "")
		}
		return pairs
	}
	for _, test := range []struct {
		code, words, action string
		pairs               []string
	}{
		{"ValidationError", "must contain the parameter UserName", "CreateUser", nil},
		{"ValidationError", "at most 64", "CreateUser", []string{"UserName", strings.Repeat("a", 65)}},
		{"ValidationError", "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", "CreateUser", []string{"UserName", "a b"}},
		{"ValidationError", "path", "CreateUser", []string{"UserName", "x", "Path", "team"}},
		{"ValidationError", "path", "CreateUser", []string{"UserName", "x", "Path", "//é/"}},
		{"ValidationError", "", "CreateUser", manyTags("UserName", "x")},
		{"InvalidInput", "reserved", "CreateUser", []string{"UserName", "x", "Tags.member.1.Key", "aws:x", "Tags.member.1.Value", ""}},
		{"InvalidInput", "Duplicate tag key", "CreateUser", []string{"UserName", "x", "Tags.member.1.Key", "a", "Tags.member.1.Value", "", "Tags.member.2.Key", "a", "Tags.member.2.Value", ""}},
		{"EntityAlreadyExists", "User with name u already exists.", "CreateUser", []string{"UserName", "u"}},
		{"EntityAlreadyExists", "User with name U already exists.", "CreateUser", []string{"UserName", "U"}},
		{"NoSuchEntity", "does not exist or is not attachable", "CreateUser", []string{"UserName", "x", "PermissionsBoundary", arn("policy", "none")}},
		{"ValidationError", "is not valid", "CreateUser", []string{"UserName", "x", "PermissionsBoundary", arn("user", "none")}},
		{"NoSuchEntity", "The user with name x cannot be found.", "GetUser", []string{"UserName", "x"}},
		{"NoSuchEntity", "The user with name U cannot be found.", "GetUser", []string{"UserName", "U"}},
		{"ValidationError", "Must specify userName when calling with non-User credentials", "GetUser", nil},
		{"EntityAlreadyExists", "", "UpdateUser", []string{"UserName", "u", "NewUserName", "v"}},
		{"ValidationError", "", "UpdateUser", []string{"UserName", "u", "NewUserName", "a/b"}},
		{"NoSuchEntity", "", "UpdateUser", []string{"UserName", "x", "NewUserName", "y"}},
		{"NoSuchEntity", "", "DeleteUser", []string{"UserName", "x"}},
		{"DeleteConflict", "Cannot delete entity, must delete access keys first.", "DeleteUser", []string{"UserName", "u"}},
		{"DeleteConflict", "Cannot delete entity, must delete policies first.", "DeleteUser", []string{"UserName", "v"}},
		{"ValidationError", "at least 1", "ListUsers", []string{"MaxItems", "0"}},
		{"ValidationError", "at most 1000", "ListUsers", []string{"MaxItems", "1001"}},
		{"ValidationError", "Invalid Marker", "ListUsers", []string{"Marker", "???"}},
		{"ValidationError", "pathPrefix", "ListUsers", []string{"PathPrefix", "a"}},
		{"LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", "CreateAccessKey", []string{"UserName", "u"}},
		{"NoSuchEntity", "The user with name x", "CreateAccessKey", []string{"UserName", "x"}},
		{"ValidationError", "Must specify userName", "CreateAccessKey", nil},
		{"NoSuchEntity", "The Access Key with id AKIAAAAAAAAAAAAAAAAA cannot be found.", "DeleteAccessKey", []string{"UserName", "u", "AccessKeyId", "AKIAAAAAAAAAAAAAAAAA"}},
		{"NoSuchEntity", "", "UpdateAccessKey", []string{"UserName", "v", "AccessKeyId", "AKIAAAAAAAAAAAAAAAAA", "Status", "Active"}},
		{"ValidationError", "", "UpdateAccessKey", []string{"UserName", "u", "AccessKeyId", "AKIAAAAAAAAAAAAAAAAA", "Status", "Tired"}},
		{"ValidationError", "Active or Inactive", "UpdateAccessKey", []string{"UserName", "u", "AccessKeyId", "AKIAAAAAAAAAAAAAAAAA", "Status", "Expired"}},
		{"MalformedPolicyDocument", "Syntax errors in policy.", "PutUserPolicy", []string{"UserName", "u", "PolicyName", "p", "PolicyDocument", "{"}},
		{"MalformedPolicyDocument", "must be in ARN format", "PutUserPolicy", []string{"UserName", "u", "PolicyName", "p", "PolicyDocument", allow("ec2:*", "vpc-1")}},
		{"MalformedPolicyDocument", "prefaced by a vendor", "PutUserPolicy", []string{"UserName", "u", "PolicyName", "p", "PolicyDocument", allow("describe", "*")}},
		{"ValidationError", "policyName", "PutUserPolicy", []string{"UserName", "u", "PolicyName", "a b", "PolicyDocument", document}},
		{"NoSuchEntity", "", "PutUserPolicy", []string{"UserName", "x", "PolicyName", "p", "PolicyDocument", document}},
		{"LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user u", "PutUserPolicy", []string{"UserName", "u", "PolicyName", "p", "PolicyDocument", long(2048)}},
		{"LimitExceeded", "Maximum policy size of 5120 bytes exceeded for group g", "PutGroupPolicy", []string{"GroupName", "g", "PolicyName", "p", "PolicyDocument", long(5120)}},
		{"LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role r", "PutRolePolicy", []string{"RoleName", "r", "PolicyName", "p", "PolicyDocument", long(10240)}},
		{"NoSuchEntity", "The user policy with name x cannot be found.", "GetUserPolicy", []string{"UserName", "u", "PolicyName", "x"}},
		{"NoSuchEntity", "The role policy with name x cannot be found.", "DeleteRolePolicy", []string{"RoleName", "r", "PolicyName", "x"}},
		{"NoSuchEntity", "The group policy with name x cannot be found.", "GetGroupPolicy", []string{"GroupName", "g", "PolicyName", "x"}},
		{"EntityAlreadyExists", "Group with name G already exists.", "CreateGroup", []string{"GroupName", "G"}},
		{"LimitExceeded", "Cannot exceed quota for GroupsPerAccount: 2", "CreateGroup", []string{"GroupName", "i"}},
		{"DeleteConflict", "remove users from group", "DeleteGroup", []string{"GroupName", "g"}},
		{"NoSuchEntity", "The group with name x cannot be found.", "AddUserToGroup", []string{"GroupName", "x", "UserName", "u"}},
		{"NoSuchEntity", "The user with name x cannot be found.", "AddUserToGroup", []string{"GroupName", "g", "UserName", "x"}},
		{"LimitExceeded", "Cannot exceed quota for GroupsPerUser: 1", "AddUserToGroup", []string{"GroupName", "h", "UserName", "u"}},
		{"NoSuchEntity", "", "RemoveUserFromGroup", []string{"GroupName", "g", "UserName", "v"}},
		{"MalformedPolicyDocument", "This policy contains invalid Json", "CreateRole", []string{"RoleName", "s", "AssumeRolePolicyDocument", "{"}},
		{"MalformedPolicyDocument", "Has prohibited field Resource", "CreateRole", []string{"RoleName", "s", "AssumeRolePolicyDocument", strings.Replace(trustAll, `"Effect"`, `"Resource":"*","Effect"`, 1)}},
		{"MalformedPolicyDocument", "Invalid principal in policy", "CreateRole", []string{"RoleName", "s", "AssumeRolePolicyDocument", trust("nobody")}},
		{"LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048", "CreateRole", []string{"RoleName", "s", "AssumeRolePolicyDocument", trust(c.account, `{"StringEquals":{"a:b":"`+strings.Repeat("x", 2048)+`"}}`)}},
		{"ValidationError", "at least 3600", "CreateRole", []string{"RoleName", "s", "AssumeRolePolicyDocument", trustAll, "MaxSessionDuration", "60"}},
		{"EntityAlreadyExists", "Role with name r already exists.", "CreateRole", []string{"RoleName", "r", "AssumeRolePolicyDocument", trustAll}},
		{"MalformedPolicyDocument", "", "UpdateAssumeRolePolicy", []string{"RoleName", "r", "PolicyDocument", document}},
		{"DeleteConflict", "Cannot delete entity, must detach all policies first.", "DeleteRole", []string{"RoleName", "r"}},
		{"NoSuchEntity", "The role with name x cannot be found.", "GetRole", []string{"RoleName", "x"}},
		{"MalformedPolicyDocument", "Policy document must be version 2012-10-17 or greater.", "CreatePolicy", []string{"PolicyName", "s", "PolicyDocument", strings.Replace(document, "2012-10-17", "2008-10-17", 1)}},
		{"LimitExceeded", "Cannot exceed quota for PolicySize: 6144", "CreatePolicy", []string{"PolicyName", "s", "PolicyDocument", long(6144)}},
		{"EntityAlreadyExists", "A policy called p already exists. Duplicate names are not allowed.", "CreatePolicy", []string{"PolicyName", "p", "Path", "/else/", "PolicyDocument", document}},
		{"LimitExceeded", "PoliciesPerAccount: 2", "CreatePolicy", []string{"PolicyName", "s", "PolicyDocument", document}},
		{"LimitExceeded", "A managed policy can have up to 5 versions.", "CreatePolicyVersion", []string{"PolicyArn", arn("policy", "q"), "PolicyDocument", document}},
		{"NoSuchEntity", "version v9 does not exist", "SetDefaultPolicyVersion", []string{"PolicyArn", arn("policy", "q"), "VersionId", "v9"}},
		{"NoSuchEntity", "version v9 does not exist", "GetPolicyVersion", []string{"PolicyArn", arn("policy", "q"), "VersionId", "v9"}},
		{"NoSuchEntity", "was not found", "GetPolicy", []string{"PolicyArn", arn("policy", "x")}},
		{"NoSuchEntity", "was not found", "GetPolicy", []string{"PolicyArn", "arn:aws:iam::999999999999:policy/p"}},
		{"ValidationError", "is not valid", "GetPolicy", []string{"PolicyArn", arn("user", "p")}},
		{"DeleteConflict", "attached to entities", "DeletePolicy", []string{"PolicyArn", arn("policy", "p")}},
		{"NoSuchEntity", "does not exist or is not attachable", "AttachUserPolicy", []string{"UserName", "u", "PolicyArn", arn("policy", "x")}},
		{"NoSuchEntity", "", "AttachUserPolicy", []string{"UserName", "u", "PolicyArn", "arn:aws:iam::aws:policy/NotAPolicy"}},
		{"LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 1", "AttachRolePolicy", []string{"RoleName", "r", "PolicyArn", arn("policy", "q")}},
		{"NoSuchEntity", "was not found", "DetachRolePolicy", []string{"RoleName", "r", "PolicyArn", arn("policy", "q")}},
		{"ValidationError", "accountAlias", "CreateAccountAlias", []string{"AccountAlias", "Not-lower"}},
		{"ValidationError", "name", "CreateSAMLProvider", []string{"Name", "a b", "SAMLMetadataDocument", metadata(t, "")}},
		{"InvalidInput", "Could not parse metadata", "CreateSAMLProvider", []string{"Name", "s", "SAMLMetadataDocument", strings.Repeat("x", 1000)}},
		{"EntityAlreadyExists", "", "CreateSAMLProvider", []string{"Name", "idp", "SAMLMetadataDocument", metadata(t, "")}},
		{"LimitExceeded", "SAMLProvidersPerAccount: 1", "CreateSAMLProvider", []string{"Name", "s", "SAMLMetadataDocument", metadata(t, "")}},
		{"InvalidInput", "private key", "UpdateSAMLProvider", []string{"SAMLProviderArn", arn("saml-provider", "idp"), "AssertionEncryptionMode", "Required"}},
		{"NoSuchEntity", "", "GetSAMLProvider", []string{"SAMLProviderArn", arn("saml-provider", "none")}},
		{"InvalidInput", "Invalid ARN", "GetSAMLProvider", []string{"SAMLProviderArn", arn("user", "none-of-them")}},
		{"ValidationError", "instanceProfileName", "CreateInstanceProfile", []string{"InstanceProfileName", "a b"}},
		{"ValidationError", "path", "CreateInstanceProfile", []string{"InstanceProfileName", "x", "Path", "team"}},
		{"EntityAlreadyExists", "ip already exists.", "CreateInstanceProfile", []string{"InstanceProfileName", "ip"}},
		{"LimitExceeded", "Cannot exceed quota for InstanceProfilesPerAccount: 2", "CreateInstanceProfile", []string{"InstanceProfileName", "x"}},
		{"NoSuchEntity", "x cannot be found.", "GetInstanceProfile", []string{"InstanceProfileName", "x"}},
		{"ValidationError", "pathPrefix", "ListInstanceProfiles", []string{"PathPrefix", "a"}},
		{"ValidationError", "Invalid Marker", "ListInstanceProfilesForRole", []string{"RoleName", "held", "Marker", "???"}},
		{"NoSuchEntity", "The role with name x cannot be found.", "ListInstanceProfilesForRole", []string{"RoleName", "x"}},
		{"LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1", "AddRoleToInstanceProfile", []string{"InstanceProfileName", "ip", "RoleName", "r"}},
		{"NoSuchEntity", "The role with name x cannot be found.", "AddRoleToInstanceProfile", []string{"InstanceProfileName", "empty", "RoleName", "x"}},
		{"NoSuchEntity", "cannot be found", "AddRoleToInstanceProfile", []string{"InstanceProfileName", "x", "RoleName", "r"}},
		{"NoSuchEntity", "The role with name r cannot be found in", "RemoveRoleFromInstanceProfile", []string{"InstanceProfileName", "ip", "RoleName", "r"}},
		{"DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.", "DeleteInstanceProfile", []string{"InstanceProfileName", "ip"}},
		{"DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.", "DeleteRole", []string{"RoleName", "held"}},
		{"NoSuchEntity", "", "DeleteInstanceProfile", []string{"InstanceProfileName", "x"}},
		{"NoSuchEntity", "", "TagInstanceProfile", []string{"InstanceProfileName", "x", "Tags.member.1.Key", "k", "Tags.member.1.Value", "v"}},
		{"InvalidInput", "reserved", "TagInstanceProfile", []string{"InstanceProfileName", "ip", "Tags.member.1.Key", "aws:x", "Tags.member.1.Value", ""}},
		{"NoSuchEntity", "", "UntagInstanceProfile", []string{"InstanceProfileName", "x", "TagKeys.member.1", "k"}},
		{"NoSuchEntity", "", "ListInstanceProfileTags", []string{"InstanceProfileName", "x"}},
		{"NoSuchEntity", "The Access Key with id AKIAAAAAAAAAAAAAAAAA cannot be found.", "GetAccessKeyLastUsed", []string{"AccessKeyId", "AKIAAAAAAAAAAAAAAAAA"}},
		{"NoSuchEntity", "Login Profile for User u cannot be found.", "GetLoginProfile", []string{"UserName", "u"}},
		{"UnsupportedOperation", "", "CreateLoginProfile", []string{"UserName", "u"}},
		{"InvalidAction", "", "MakeUser", nil},
	} {
		c.refused(c.root, test.code, test.words, "iam:"+test.action, test.pairs...)
	}
	c.call("iam:CreateUser", "UserName", "w")
	c.call("iam:CreateUser", "UserName", "y")
	c.refused(c.root, "LimitExceeded", "Cannot exceed quota for UsersPerAccount: 4", "iam:CreateUser", "UserName", "z")
}
