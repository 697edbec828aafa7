package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// moduleNames are the repositories of modules that tests take as the registry has
// them.
var moduleNames = []string{"terraform-aws-vpc", "terraform-aws-vpn-gateway", "terraform-aws-security-group"}

// registryModules returns the directory that has them.
func registryModules(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("CAUSEWAY_TF_MODULES")
	if dir == "" {
		t.Skipf("no modules on this machine: set CAUSEWAY_TF_MODULES to a directory that has %s, each for version 5 of the provider", strings.Join(moduleNames, ", "))
	}
	return dir
}

// Modules of the registry make a VPC with all that they are used for, find
// nothing to do, change in place, and take everything down.
func TestModulesByTerraform(t *testing.T) {
	t.Parallel()
	modules := registryModules(t)
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses)
	tf := newTerraform(t, i, s, mirror, "modules", "modules.tf")
	for _, name := range moduleNames {
		if err := os.CopyFS(filepath.Join(tf.dir, name), os.DirFS(filepath.Join(modules, name))); err != nil {
			t.Fatal(err)
		}
	}

	tf.run("init", "-input=false", "-no-color")
	tf.apply()
	s.connect(i.download(i.call("DescribeVpnConnections").get("vpnConnectionSet/item/vpnConnectionId")))
	tf.findsNothingToDo()
	if got := resultOf(tf.apply("-var", "stage=second")); got.changed == 0 || got.added+got.destroyed > 0 {
		t.Errorf("a change of tags: %+v", got)
	}
	tf.findsNothingToDo("-var", "stage=second")
	tf.run("destroy", "-input=false", "-no-color", "-auto-approve")
	if left := i.call("DescribeVpcs", "Filter.1.Name=is-default", "Filter.1.Value.1=false").all("vpcSet/item"); len(left) > 0 {
		t.Errorf("%d VPCs are left", len(left))
	}
}
