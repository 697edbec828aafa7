package acceptance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/netlab"
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

// newTerraform makes a directory with files of testdata and the provider that all
// stacks have.
func newTerraform(t *testing.T, i *installation, s *site, mirror, stack string, files ...string) terraform {
	t.Helper()
	dir := filepath.Join(s.lab.Dir(), stack)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{"provider.tf"}, files...) {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		s.lab.File(filepath.Join(stack, name), string(text))
	}
	config := s.lab.File("terraform.rc", mirrored(mirror))
	return terraform{t, dir, append(terraformEnviron(config), append(serveProvider(t, s.lab, mirror),
		"TF_VAR_endpoint="+i.endpoint, "TF_VAR_region="+region, "TF_VAR_access_key="+accessKey, "TF_VAR_secret_key="+accessSecret,
		"TF_VAR_customer_address="+s.address, "TF_VAR_image="+hostImage)...)}
}

// mirrored is Terraform's own configuration where its providers are in a directory.
func mirrored(mirror string) string {
	return fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
}

// terraformEnviron is the environment of Terraform with a file of its own
// configuration, and with nothing of the machine's that tells of AWS.
func terraformEnviron(config string) []string {
	return append(os.Environ(), "GOGC=400", // most of a run's time goes into the provider's schemas
		"TF_CLI_CONFIG_FILE="+config, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_CA_BUNDLE=")
}

// serveProvider has one process of the provider serve all runs, as its developers do, and
// returns how they find it. Each would start some of its own, and be twice as slow. What
// configurations leave to its environment is given.
func serveProvider(t *testing.T, lab *netlab.Lab, mirror string, environ ...string) (env []string) {
	t.Helper()
	programs := glob(t, filepath.Join(mirror, providerPath, "*", runtime.GOOS+"_"+runtime.GOARCH, "terraform-provider-aws_*"))
	if len(programs) == 0 {
		return nil // the mirror has it packed
	}
	command := append([]string{"env", "GOGC=400", "AWS_CA_BUNDLE="}, environ...)
	for _, part := range []string{"SDK", "SDK_PROTO", "SDK_MUX", "SDK_FRAMEWORK", "SDK_HELPER_SCHEMA"} { // each has a line a call, and more
		command = append(command, "TF_LOG_"+part+"=OFF")
	}
	provider := lab.Start("terraform-provider-aws", append(command, programs[0], "-debug")...)
	said := regexp.MustCompile(`(TF_REATTACH_PROVIDERS)='(.*)'`)
	lab.Eventually(startMax, "the provider is served", func() error {
		m := said.FindStringSubmatch(provider.Log())
		if m == nil {
			return errors.New(provider.Log())
		}
		env = []string{m[1] + "=" + m[2]}
		return nil
	})
	return env
}

// try runs a command and returns what it says.
func (tf terraform) try(arguments ...string) (string, error) {
	tf.t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(tf.t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "terraform", append([]string{"-chdir=" + tf.dir}, arguments...)...)
	cmd.Env = tf.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its provider then
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	tf.t.Logf("terraform %s: %v%s", arguments[0], time.Since(begin).Round(100*time.Millisecond), slowest(string(out)))
	return string(out), err
}

var durationForm = regexp.MustCompile(`(?m)^(\S+): (\w+) complete after (\w+)`)

// slowest tells which resources a command has taken longest for, each of more than
// five seconds: most of them, the provider waits between two looks.
func slowest(out string) string {
	type operation struct {
		what string
		took time.Duration
	}
	var all []operation
	for _, m := range durationForm.FindAllStringSubmatch(out, -1) {
		if took, err := time.ParseDuration(m[3]); err == nil && took > 5*time.Second {
			all = append(all, operation{m[1] + " " + m[2], took})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return cmp.Compare(b.took, a.took) })
	var text strings.Builder
	for _, o := range all {
		fmt.Fprintf(&text, "\n%8v %s", o.took, o.what)
	}
	return text.String()
}

// run runs a command that must end with exit code 0, and returns what it says.
func (tf terraform) run(arguments ...string) string {
	tf.t.Helper()
	out, err := tf.try(arguments...)
	if err != nil {
		tf.t.Fatalf("terraform %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return out
}

// Terraform takes the main job's stack through a whole life, while packets flow.
func TestTerraform(t *testing.T) {
	t.Parallel()
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses)
	tf := newTerraform(t, i, s, mirror, jobStack.name, jobStack.files...)
	tf.life(jobStack, func(stage string) {
		if stage == "first" {
			tf.knowsTypes()
			site := i.call("DescribeVpnConnections", "Filter.1.Name=route.destination-cidr-block", "Filter.1.Value.1="+siteCIDR)
			s.connect(i.download(site.get("vpnConnectionSet/item/vpnConnectionId")))
		}
		reaches(t, s.lab, s.host, "10.0.1.10", 30*time.Second)
		if stage == "second" {
			i.isCalledAnew(t, "10.0.1.10")
		}
	})
	if left := i.call("DescribeVpcs", "Filter.1.Name=is-default", "Filter.1.Value.1=false").all("vpcSet/item"); len(left) > 0 {
		t.Errorf("%d VPCs are left", len(left))
	}
}

// isCalledAnew checks what the second stage gives the host: another instance profile,
// a name after its id, and an A record with that.
func (i *installation) isCalledAnew(t *testing.T, address string) {
	t.Helper()
	host := i.call("DescribeInstances", "Filter.1.Name=private-ip-address", "Filter.1.Value.1="+address)
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
}
