package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// iamVersion is that of IAM's API.
const iamVersion = "2010-05-08"

// heldByRole is a VPC that a role makes, under a name of the configuration, and where
// that comes from.
const heldByRole = `resource "aws_vpc" %[1]q {
  provider   = aws.role
  cidr_block = "10.5.0.0/16"
  tags       = { Name = "role" }
}
%[2]s`

// One configuration has providers for two regions, two accounts and a role. What it has
// made is found as it was made, also by a plan that only looks; tags that it shall ignore,
// others' or not, do not matter; and what gets another name stays.
func TestTerraformProviders(t *testing.T) {
	if *terraformAlone == "" {
		t.Skip("takes a minute or two: make test-terraform")
	}
	t.Parallel()
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses, "regions: [{ name: us-east-1, zones: [us-east-1a, us-east-1b] }, { name: eu-west-1, zones: [eu-west-1a, eu-west-1b] }]")
	west, other := *i, *i
	west.region, other.signer = "eu-west-1", [2]string{otherAccessKey, otherAccessSecret}
	everything := func() []map[string][]string {
		return []map[string][]string{i.everything(), west.everything(), other.everything()}
	}
	iam := func(action string, parameters ...string) element {
		t.Helper()
		answer, err := i.tryOf("iam", iamVersion, action, parameters...)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	const all = `={"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	iam("CreateUser", "UserName=terraform")
	iam("PutUserPolicy", "UserName=terraform", "PolicyName=all", "PolicyDocument"+all)
	key := iam("CreateAccessKey", "UserName=terraform")
	trust := fmt.Sprintf(`={"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::%s:root"}}}`, accountID)
	role := iam("CreateRole", "RoleName=networks", "AssumeRolePolicyDocument"+trust).get("CreateRoleResult/Role/Arn")
	iam("PutRolePolicy", "RoleName=networks", "PolicyName=all", "PolicyDocument"+all)
	const made = "CreateAccessKeyResult/AccessKey/"

	config := s.lab.File("terraform.rc", mirrored(mirror))
	// No process of the provider is shared: it would keep the last one's keys and region.
	tf := terraform{t, filepath.Join(s.lab.Dir(), "providers"), append(terraformEnviron(config), "AWS_ENDPOINT_URL="+i.endpoint,
		"AWS_ACCESS_KEY_ID="+key.get(made+"AccessKeyId"), "AWS_SECRET_ACCESS_KEY="+key.get(made+"SecretAccessKey"),
		"TF_VAR_other_access_key="+otherAccessKey, "TF_VAR_other_secret_key="+otherAccessSecret, "TF_VAR_role="+role,
		"TF_VAR_account="+accountID, "TF_VAR_other_account="+otherAccountID)}
	before := everything()
	if err := os.CopyFS(tf.dir, os.DirFS("testdata/providers")); err != nil {
		t.Fatal(err)
	}
	s.lab.File("providers/role.tf", fmt.Sprintf(heldByRole, "role", ""))
	tf.run("init", "-input=false", "-no-color")
	if got, want := resultOf(tf.apply()), (applied{added: 9}); got != want {
		t.Errorf("it has made %+v, want %+v", got, want)
	}
	for _, v := range []string{"10.1.0.0/16", "10.2.0.0/16"} {
		id := i.call("DescribeVpcs", "Filter.1.Name=cidr", "Filter.1.Value.1="+v, "Filter.2.Name=tag:owner", "Filter.2.Value.1=net").get("vpcSet/item/vpcId")
		i.call("CreateTags", "ResourceId.1="+id, "Tag.1.Key=seen", "Tag.1.Value=today", "Tag.2.Key=scan:result", "Tag.2.Value=clean")
	}
	// The exit code tells of conditions that were checked, too.
	if out := tf.run("plan", "-input=false", "-no-color", "-refresh-only"); !strings.Contains(out, "No changes. Your infrastructure still matches the configuration.") {
		t.Errorf("it sees other things than it has made:\n%s", out)
	}
	tf.findsNothingToDo()
	s.lab.File("providers/role.tf", fmt.Sprintf(heldByRole, "networks", "moved {\n  from = aws_vpc.role\n  to   = aws_vpc.networks\n}\n"))
	if got := resultOf(tf.apply()); got != (applied{}) {
		t.Errorf("a resource with another name: %+v", got)
	}
	tf.run("destroy", "-input=false", "-no-color", "-auto-approve")
	if diff := gocmp.Diff(before, everything()); diff != "" {
		t.Errorf("what there was before (-) and is after (+):\n%s", diff)
	}
}
