package acceptance

import (
	"encoding/json"
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

	// An instance that has a role, which the CLI inside finds by itself.
	iam.ok("create-role", "--role-name", "worker", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	iam.ok("attach-role-policy", "--role-name", "worker", "--policy-arn", "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")
	iam.ok("create-instance-profile", "--instance-profile-name", "worker")
	iam.ok("add-role-to-instance-profile", "--instance-profile-name", "worker", "--role-name", "worker")
	instance := aws.query("Instances[0].InstanceId", "run-instances", "--image-id", hostImage, "--instance-type", "t3.micro", "--subnet-id", subnet, "--iam-instance-profile", "Name=worker")
	aws.i.waitForInstance(instance, "running")
	aws.i.printsSoon(t, instance, "env -i PATH=$PATH HOME=/nonexistent "+aws.program+" configure list", "iam-role")
	const ask = `at=http://169.254.169.254/latest; held="X-aws-ec2-metadata-token: $(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $at/api/token)"
		curl -s -H "$held" $at/meta-data/iam/security-credentials/worker`
	var given struct{ AccessKeyID, SecretAccessKey, Token string }
	if text := aws.i.inside(instance, "sh", "-c", ask); json.Unmarshal([]byte(text), &given) != nil {
		t.Fatalf("the credentials of the instance are no JSON of %d bytes", len(text))
	}
	worker := aws.as([]string{given.AccessKeyID, given.SecretAccessKey, given.Token})
	worker.of("sts").wants("arn:aws:sts::"+accountID+":assumed-role/worker/"+instance, "Arn", "get-caller-identity")
	worker.wants(vpc, "Vpcs[].VpcId", "describe-vpcs", "--vpc-ids", vpc)
	worker.refused("UnauthorizedOperation", "delete-vpc", "--vpc-id", vpc)
	aws.ok("disassociate-iam-instance-profile", "--association-id",
		aws.query("IamInstanceProfileAssociations[0].AssociationId", "describe-iam-instance-profile-associations", "--filters", "Name=instance-id,Values="+instance))
	aws.i.printsSoon(t, instance, ask, "404 - Not Found")

	iam.refused("DeleteConflict", "delete-user", "--user-name", "reader")
	iam.wants("one\treader", "sort(Users[].UserName)", "list-users")
}
