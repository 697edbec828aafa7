package acceptance

import (
	"fmt"
	"strings"
	"testing"
)

// as is the AWS CLI with the keys of somebody else than root: id, secret and, for
// temporary ones, token.
func (c cli) as(keys []string) cli {
	c.keys = []string{"AWS_ACCESS_KEY_ID=" + keys[0], "AWS_SECRET_ACCESS_KEY=" + keys[1]}
	if len(keys) > 2 {
		c.keys = append(c.keys, "AWS_SESSION_TOKEN="+keys[2])
	}
	return c
}

// of is the AWS CLI with another service.
func (c cli) of(service string) cli {
	c.service = service
	return c
}

// Users with keys that may little, and a role, by the AWS CLI.
func TestIdentitiesByTheAWSCLI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a whole installation")
	}
	s := newSite(t)
	aws := cli{t: t, program: awsProgram(t), i: install(t, s.lab, s.internet, testAddresses)}
	iam := aws.of("iam")
	vpc := aws.query("Vpc.VpcId", "create-vpc", "--cidr-block", "10.0.0.0/16")
	other := aws.query("Vpc.VpcId", "create-vpc", "--cidr-block", "10.0.0.0/16")

	user := func(name, document string) cli {
		iam.ok("create-user", "--user-name", name, "--tags", "Key=team,Value=")
		iam.ok("put-user-policy", "--user-name", name, "--policy-name", "own", "--policy-document", document)
		return aws.as(strings.Fields(iam.query("AccessKey.[AccessKeyId,SecretAccessKey]", "create-access-key", "--user-name", name)))
	}
	// A key that may only look.
	reader := user("reader", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}]}`)
	reader.wants(vpc, "Vpcs[].VpcId", "describe-vpcs", "--vpc-ids", vpc)
	reader.refused("UnauthorizedOperation", "create-vpc", "--cidr-block", "10.1.0.0/16", "--dry-run")
	reader.of("iam").refused("AccessDenied", "list-users")
	reader.of("logs").refused("AccessDeniedException", "describe-log-groups")

	// A key for one VPC.
	arn := "arn:aws:ec2:" + region + ":" + accountID + ":vpc/" + vpc
	one := user("one", fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"ArnEquals":{"ec2:Vpc":%q}}},
		{"Effect":"Allow","Action":["ec2:CreateSubnet","ec2:ModifyVpcAttribute"],"Resource":%q}]}`, arn, arn))
	subnet := one.query("Subnet.SubnetId", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.1.0/24")
	one.refused("UnauthorizedOperation", "create-subnet", "--vpc-id", other, "--cidr-block", "10.0.1.0/24")

	// A managed policy that denies, by a group.
	policy := iam.query("Policy.Arn", "create-policy", "--policy-name", "no-subnets", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ec2:DeleteSubnet","Resource":"*"}]}`)
	iam.ok("create-group", "--group-name", "careful")
	iam.ok("attach-group-policy", "--group-name", "careful", "--policy-arn", policy)
	iam.ok("add-user-to-group", "--group-name", "careful", "--user-name", "one")
	one.refused("UnauthorizedOperation", "delete-subnet", "--subnet-id", subnet)

	// A role for a time, which outlives a restart.
	iam.ok("create-role", "--role-name", "looker", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+accountID+`:user/reader"},"Action":"sts:AssumeRole"}]}`)
	iam.ok("attach-role-policy", "--role-name", "looker", "--policy-arn", "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")
	role := strings.Fields(reader.of("sts").query("Credentials.[AccessKeyId,SecretAccessKey,SessionToken]",
		"assume-role", "--role-arn", "arn:aws:iam::"+accountID+":role/looker", "--role-session-name", "test"))
	aws.i.stop()
	aws.i.start()
	session := aws.as(role)
	session.wants(vpc, "Vpcs[].VpcId", "describe-vpcs", "--vpc-ids", vpc)
	session.refused("UnauthorizedOperation", "delete-vpc", "--vpc-id", vpc)
	reader.wants(vpc, "Vpcs[].VpcId", "describe-vpcs", "--vpc-ids", vpc)

	iam.refused("DeleteConflict", "delete-user", "--user-name", "reader")
	iam.wants("one\treader", "sort(Users[].UserName)", "list-users")
}

// Identities by Terraform: made, found as they were made but for what is changed, in
// place, taken down.
func TestIdentitiesByTerraform(t *testing.T) {
	t.Parallel()
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses)
	tf := newTerraform(t, i, s, mirror, "identities")
	tf.run("init", "-input=false", "-no-color")
	tf.run("apply", "-input=false", "-no-color", "-auto-approve")
	if out := tf.run("apply", "-input=false", "-no-color", "-auto-approve", "-var", "action=ec2:DescribeSubnets"); !strings.Contains(out, "0 added, 4 changed, 0 destroyed") {
		t.Errorf("the four policies that have the action are not what is changed, in place:\n%s", out)
	}
	tf.run("destroy", "-input=false", "-no-color", "-auto-approve")
}
