package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// registryModules are those that the test takes as the registry has them, by the
// names of their repositories.
var registryModules = []string{"terraform-aws-vpc", "terraform-aws-vpn-gateway", "terraform-aws-security-group"}

// Modules of the registry make a VPC with all that they are used for, find
// nothing to do, change in place, and take everything down.
func TestModulesByTerraform(t *testing.T) {
	t.Parallel()
	modules := os.Getenv("CAUSEWAY_TF_MODULES")
	if modules == "" {
		t.Skipf("no modules on this machine: set CAUSEWAY_TF_MODULES to a directory that has %s, each for version 5 of the provider", strings.Join(registryModules, ", "))
	}
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses)
	tf := newTerraform(t, i, s, mirror, "modules", "modules.tf")
	for _, name := range registryModules {
		if err := os.CopyFS(filepath.Join(tf.dir, name), os.DirFS(filepath.Join(modules, name))); err != nil {
			t.Fatal(err)
		}
	}

	tf.run("init", "-input=false", "-no-color")
	tf.run("apply", "-input=false", "-no-color", "-auto-approve")
	s.connect(i.download(i.call("DescribeVpnConnections").get("vpnConnectionSet/item/vpnConnectionId")))
	tf.run("plan", "-input=false", "-no-color", "-detailed-exitcode") // exit code 2 says that there is something to do
	if out := tf.run("apply", "-input=false", "-no-color", "-auto-approve", "-var", "stage=second"); !strings.Contains(out, "0 added") || !strings.Contains(out, "0 destroyed") {
		t.Errorf("a change of tags is not made in place:\n%s", out)
	}
	tf.run("destroy", "-input=false", "-no-color", "-auto-approve")
	if left := i.call("DescribeVpcs", "Filter.1.Name=is-default", "Filter.1.Value.1=false").all("vpcSet/item"); len(left) > 0 {
		t.Errorf("%d VPCs are left", len(left))
	}
}
