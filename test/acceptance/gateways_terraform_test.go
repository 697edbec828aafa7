package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A stateResource is what Terraform remembers of one resource.
type stateResource struct {
	Mode, Type, Name string
	Instances        []struct {
		Attributes map[string]any
	}
}

// importID is how the provider's documentation names the resource to an import.
func (r stateResource) importID() any {
	a := r.Instances[0].Attributes
	switch r.Type {
	case "aws_route":
		for _, destination := range []string{"destination_cidr_block", "destination_ipv6_cidr_block", "destination_prefix_list_id"} {
			if a[destination] != "" {
				return fmt.Sprintf("%s_%s", a["route_table_id"], a[destination])
			}
		}
	case "aws_vpc_dhcp_options_association":
		return a["vpc_id"]
	case "aws_default_route_table":
		return a["vpc_id"]
	case "aws_network_interface_sg_attachment":
		return fmt.Sprintf("%s_%s", a["network_interface_id"], a["security_group_id"])
	case "aws_ec2_subnet_cidr_reservation":
		return fmt.Sprintf("%s:%s", a["subnet_id"], a["id"])
	case "aws_route_table_association":
		if a["gateway_id"] != "" {
			return fmt.Sprintf("%s/%s", a["gateway_id"], a["route_table_id"])
		}
		return fmt.Sprintf("%s/%s", a["subnet_id"], a["route_table_id"])
	}
	return a["id"]
}

// forget removes Terraform's state, has the next run import each resource that was
// in it, and returns how many those are, and how many of them have tags.
func (tf terraform) forget() (resources, tagged int) {
	tf.t.Helper()
	file := filepath.Join(tf.dir, "terraform.tfstate")
	text, err := os.ReadFile(file)
	if err != nil {
		tf.t.Fatal(err)
	}
	var state struct{ Resources []stateResource }
	if err := json.Unmarshal(text, &state); err != nil {
		tf.t.Fatal(err)
	}
	managed := slices.DeleteFunc(state.Resources, func(r stateResource) bool { return r.Mode == "data" })
	var blocks strings.Builder
	for _, r := range managed {
		fmt.Fprintf(&blocks, "import {\n  to = %s.%s\n  id = %q\n}\n", r.Type, r.Name, r.importID())
		if _, ok := r.Instances[0].Attributes["tags_all"]; ok {
			tagged++
		}
	}
	if err := os.WriteFile(filepath.Join(tf.dir, "imports.tf"), []byte(blocks.String()), 0o644); err != nil {
		tf.t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		tf.t.Fatal(err)
	}
	return len(managed), tagged
}

// Terraform makes what a VPC with a public and a private subnet has, and finds
// nothing to do; having forgotten all, it imports each resource, changes nothing but
// tags, in place, and takes everything down.
func TestGatewaysByTerraform(t *testing.T) {
	t.Parallel()
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses)
	tf := newTerraform(t, i, s, mirror, "gateways")
	vpcOf := func(stage string) string {
		return i.call("DescribeVpcs", "Filter.1.Name=tag:stage", "Filter.1.Value.1="+stage, "Filter.2.Name=is-default", "Filter.2.Value.1=false").get("vpcSet/item/vpcId")
	}
	tf.run("init", "-input=false", "-no-color")
	tf.run("apply", "-input=false", "-no-color", "-auto-approve")
	tf.run("plan", "-input=false", "-no-color", "-detailed-exitcode") // exit code 2 says that there is something to do

	vpc := vpcOf("first")
	resources, tagged := tf.forget()
	want := fmt.Sprintf("%d imported, 0 added, %d changed, 0 destroyed", resources, tagged)
	if out := tf.run("apply", "-input=false", "-no-color", "-auto-approve", "-var", "stage=second"); !strings.Contains(out, want) {
		t.Errorf("it does not end with %q:\n%s", want, out)
	}
	if got := vpcOf("second"); got != vpc || vpc == "" {
		t.Errorf("the VPC with the new tag is %q, it was %q", got, vpc)
	}
	tf.run("destroy", "-input=false", "-no-color", "-auto-approve", "-refresh=false", "-var", "stage=second")
	if left := i.call("DescribeVpcs").all("vpcSet/item"); len(left) != 1 || left[0].get("isDefault") != "true" {
		t.Errorf("%d VPCs are left, want the default one", len(left))
	}
	if left := i.call("DescribeAddresses").all("addressesSet/item"); len(left) > 0 {
		t.Errorf("%d addresses are left", len(left))
	}
}
