package acceptance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// providerPath is where a mirror of Terraform providers has AWS's.
const providerPath = "registry.terraform.io/hashicorp/aws"

// terraformMirror returns a local directory of providers: the one that
// CAUSEWAY_TF_MIRROR names, or one of those where Terraform itself looks.
func terraformMirror(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("CAUSEWAY_TF_MIRROR"); dir != "" {
		return dir
	}
	dirs := []string{"/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins"}
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".terraform.d/plugins"), filepath.Join(home, ".local/share/terraform/plugins"))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, providerPath)); err == nil {
			return dir
		}
	}
	t.Skipf("no provider for Terraform on this machine: set CAUSEWAY_TF_MIRROR to a directory that has %s", providerPath)
	return ""
}

// A terraform is a working directory of Terraform's.
type terraform struct {
	t   *testing.T
	dir string
	env []string
}

// newTerraform makes a directory with a stack of testdata and the provider that all
// stacks have.
func newTerraform(t *testing.T, i *installation, s *site, mirror, stack string) terraform {
	t.Helper()
	dir := filepath.Join(s.lab.Dir(), stack)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"provider.tf", stack + ".tf"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		s.lab.File(filepath.Join(stack, name), string(text))
	}
	config := s.lab.File("terraform.rc", fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror))
	return terraform{t, dir, append(os.Environ(),
		"GOGC=400", // each run reads the provider's schemas, which is a third faster so
		"TF_CLI_CONFIG_FILE="+config, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_CA_BUNDLE=",
		"TF_VAR_endpoint="+i.endpoint, "TF_VAR_region="+region, "TF_VAR_access_key="+accessKey, "TF_VAR_secret_key="+accessSecret,
		"TF_VAR_customer_address="+s.address, "TF_VAR_image="+hostImage)}
}

// run runs a command that must end with exit code 0, and returns what it says.
func (tf terraform) run(arguments ...string) string {
	tf.t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(tf.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "terraform", append([]string{"-chdir=" + tf.dir}, arguments...)...)
	cmd.Env = tf.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its provider then
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		tf.t.Fatalf("terraform %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	tf.t.Logf("terraform %s: %v", arguments[0], time.Since(begin).Round(100*time.Millisecond))
	return string(out)
}

// Terraform makes the main job's stack, finds nothing to do, changes a tag in
// place, and takes everything down.
func TestTerraform(t *testing.T) {
	t.Parallel()
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses)
	tf := newTerraform(t, i, s, mirror, "stack")

	tf.run("init", "-input=false", "-no-color")
	tf.run("apply", "-input=false", "-no-color", "-auto-approve")
	s.connect(i.download(i.call("DescribeVpnConnections").get("vpnConnectionSet/item/vpnConnectionId")))
	reaches(t, s.lab, s.host, "10.0.1.10", 15*time.Second)
	tf.run("plan", "-input=false", "-no-color", "-detailed-exitcode") // exit code 2 says that there is something to do

	vpc := i.call("DescribeVpcs", "Filter.1.Name=tag:stage", "Filter.1.Value.1=first").get("vpcSet/item/vpcId")
	if out := tf.run("apply", "-input=false", "-no-color", "-auto-approve", "-var", "stage=second"); !strings.Contains(out, "0 added") || !strings.Contains(out, "0 destroyed") {
		t.Errorf("a change of tags is not made in place:\n%s", out)
	}
	if got := i.call("DescribeVpcs", "Filter.1.Name=tag:stage", "Filter.1.Value.1=second").get("vpcSet/item/vpcId"); got != vpc || vpc == "" {
		t.Errorf("the VPC with the new tag is %q, it was %q", got, vpc)
	}
	reaches(t, s.lab, s.host, "10.0.1.10", 20*time.Second)
	host := i.call("DescribeInstances", "Filter.1.Name=private-ip-address", "Filter.1.Value.1=10.0.1.10")
	const of = "reservationSet/item/instancesSet/item/"
	if profile := host.get(of + "iamInstanceProfile/arn"); !strings.HasSuffix(profile, ":instance-profile/second") {
		t.Errorf("the host has the instance profile %q", profile)
	}
	id := host.get(of + "instanceId")
	if named, records := host.get(of+"privateDnsName"), host.get(of+"privateDnsNameOptions/enableResourceNameDnsARecord"); named != id+".ec2.internal" || records != "true" {
		t.Errorf("the host is called %s, with an A record: %s", named, records)
	}
	if got := i.inside(id, "hostname"); strings.TrimSpace(got) != id {
		t.Errorf("%s calls itself %q", id, got)
	}

	tf.run("destroy", "-input=false", "-no-color", "-auto-approve", "-refresh=false")
	if left := i.call("DescribeVpcs", "Filter.1.Name=is-default", "Filter.1.Value.1=false").all("vpcSet/item"); len(left) > 0 {
		t.Errorf("%d VPCs are left", len(left))
	}
}
