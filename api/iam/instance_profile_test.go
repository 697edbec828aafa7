package iam_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"causeway.dev/api/access"
)

// ec2Trust is the policy of a role that instances may have.
const ec2Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// profile makes a role of a policy in an instance profile of the same name.
func (c *cloud) profile(name, trust, policy string) {
	c.Helper()
	c.call("iam:CreateRole", "RoleName", name, "AssumeRolePolicyDocument", trust)
	c.call("iam:PutRolePolicy", "RoleName", name, "PolicyName", "p", "PolicyDocument", policy)
	c.call("iam:CreateInstanceProfile", "InstanceProfileName", name)
	c.call("iam:AddRoleToInstanceProfile", "InstanceProfileName", name, "RoleName", name)
}

func TestInstanceProfile(t *testing.T) {
	c := newCloud(t)
	created := c.call("iam:CreateInstanceProfile", "InstanceProfileName", "Web", "Path", "/team/", "Tags.member.1.Key", "k", "Tags.member.1.Value", "v")
	arn := "arn:aws:iam::" + c.account + ":instance-profile/team/Web"
	if created.text("Arn") != arn || !strings.HasPrefix(created.text("InstanceProfileId"), "AIPA") || created.text("Value") != "v" || created.text("RoleName") != "" {
		t.Errorf("created %+v", created)
	}
	c.call("iam:CreateRole", "RoleName", "reader", "AssumeRolePolicyDocument", ec2Trust)
	c.call("iam:AddRoleToInstanceProfile", "InstanceProfileName", "Web", "RoleName", "reader")
	c.call("iam:CreateInstanceProfile", "InstanceProfileName", "other")
	if got := c.call("iam:GetInstanceProfile", "InstanceProfileName", "Web").text("RoleName"); got != "reader" {
		t.Errorf("its role is %q", got)
	}
	for call, pairs := range map[string][]string{"iam:ListInstanceProfiles": {"PathPrefix", "/team/"}, "iam:ListInstanceProfilesForRole": {"RoleName", "reader"}} {
		if got := c.call(call, pairs...).texts("InstanceProfileName"); got != "Web" {
			t.Errorf("%s: %q", call, got)
		}
	}
	first := c.call("iam:ListInstanceProfiles", "MaxItems", "1")
	second := c.call("iam:ListInstanceProfiles", "MaxItems", "1", "Marker", first.text("Marker"))
	if got := first.texts("InstanceProfileName") + " " + second.texts("InstanceProfileName"); got != "other Web" || second.text("IsTruncated") != "false" {
		t.Errorf("the pages have %q", got)
	}
	c.call("iam:TagInstanceProfile", "InstanceProfileName", "Web", "Tags.member.1.Key", "more", "Tags.member.1.Value", "x")
	c.call("iam:UntagInstanceProfile", "InstanceProfileName", "Web", "TagKeys.member.1", "k")
	if got := c.call("iam:ListInstanceProfileTags", "InstanceProfileName", "Web").texts("Key"); got != "more" {
		t.Errorf("its tags are %q", got)
	}
	c.call("iam:RemoveRoleFromInstanceProfile", "InstanceProfileName", "Web", "RoleName", "reader")
	c.call("iam:DeleteRole", "RoleName", "reader")
	c.call("iam:DeleteInstanceProfile", "InstanceProfileName", "Web")
	c.refused(c.root, "NoSuchEntity", "", "iam:GetInstanceProfile", "InstanceProfileName", "Web")
}

// Who gives a role to instances needs the permission to pass it, in each way to do so.
func TestRolesArePassed(t *testing.T) {
	c := newCloud(t)
	c.profile("may", ec2Trust, allow("ec2:*", "*"))
	c.profile("other", ec2Trust, allow("ec2:*", "*"))
	c.call("iam:CreateInstanceProfile", "InstanceProfileName", "empty")
	subnet := c.call("ec2:CreateSubnet", "VpcId", c.call("ec2:CreateVpc", "CidrBlock", "10.0.0.0/16").text("vpcId"), "CidrBlock", "10.0.1.0/24").text("subnetId")
	k := c.user("u", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["ec2:*","iam:AddRoleToInstanceProfile"],"Resource":"*"},
		{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::`+c.account+`:role/may","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}]}`)
	launch := []string{"ImageId", "ami-0ca05e0a9057057f4", "MinCount", "1", "MaxCount", "1", "SubnetId", subnet}
	launch[1] = c.call("ec2:DescribeImages").text("imageId")
	instance := c.may(k, "ec2:RunInstances", append(launch, "IamInstanceProfile.Name", "may")...).text("instanceId")
	c.refused(k, "UnauthorizedOperation", "iam:PassRole", "ec2:RunInstances", append(launch, "IamInstanceProfile.Name", "other")...)
	c.refused(k, "UnauthorizedOperation", "iam:PassRole", "ec2:RunInstances", append(launch, "IamInstanceProfile.Arn", "arn:aws:iam::"+c.account+":instance-profile/other")...)
	association := c.call("ec2:DescribeIamInstanceProfileAssociations").text("associationId")
	c.refused(k, "UnauthorizedOperation", "iam:PassRole", "ec2:ReplaceIamInstanceProfileAssociation", "AssociationId", association, "IamInstanceProfile.Name", "other")
	c.may(k, "ec2:DisassociateIamInstanceProfile", "AssociationId", association)
	c.refused(k, "UnauthorizedOperation", "iam:PassRole", "ec2:AssociateIamInstanceProfile", "InstanceId", instance, "IamInstanceProfile.Name", "other")
	c.may(k, "ec2:AssociateIamInstanceProfile", "InstanceId", instance, "IamInstanceProfile.Name", "may")
	c.refused(k, "AccessDenied", "iam:PassRole", "iam:AddRoleToInstanceProfile", "InstanceProfileName", "empty", "RoleName", "other")
	c.may(k, "iam:AddRoleToInstanceProfile", "InstanceProfileName", "empty", "RoleName", "may")
}

// The credentials of an instance may what its role may, for a time and while there is
// the role.
func TestCredentialsOfInstances(t *testing.T) {
	c := newCloud(t)
	c.profile("reader", ec2Trust, allow("ec2:Describe*", "*"))
	c.profile("untrusting", trust(c.account), allow("ec2:*", "*"))
	const instance = "i-0123456789abcdef0"
	role := "arn:aws:iam::" + c.account + ":role/"
	ask := func(name string) (keys, error) {
		k, token, err := c.guard.InstanceCredentials(role+name, instance, "arn:aws:ec2:us-east-1:"+c.account+":instance/"+instance, c.now)
		return keys{k.ID, string(k.Secret), token}, err
	}
	k, err := ask("reader")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.may(k, "sts:GetCallerIdentity").text("Arn"), "arn:aws:sts::"+c.account+":assumed-role/reader/"+instance; got != want {
		t.Errorf("the instance is %s, want %s", got, want)
	}
	c.may(k, "ec2:DescribeVpcs")
	c.refused(k, "UnauthorizedOperation", "ec2:CreateVpc", "ec2:CreateVpc", "CidrBlock", "10.0.0.0/16")
	for _, name := range []string{"untrusting", "none"} {
		if _, err := ask(name); !errors.Is(err, access.ErrRoleNotTrusting) {
			t.Errorf("credentials of %s: %v", name, err)
		}
	}
	before := c.now
	c.now = before.Add(6 * time.Hour)
	c.refused(k, "RequestExpired", "", "ec2:DescribeVpcs")
	c.now = before.Add(6*time.Hour - time.Second)
	c.may(k, "ec2:DescribeVpcs")
	c.call("iam:RemoveRoleFromInstanceProfile", "InstanceProfileName", "reader", "RoleName", "reader")
	c.call("iam:DeleteRolePolicy", "RoleName", "reader", "PolicyName", "p")
	c.call("iam:DeleteRole", "RoleName", "reader")
	c.refused(k, "AuthFailure", "", "ec2:DescribeVpcs")
}
