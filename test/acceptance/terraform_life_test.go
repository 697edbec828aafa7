package acceptance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// A terraformStack is what Terraform takes through a whole life.
type terraformStack struct {
	name  string
	files []string // of testdata

	modules []terraformStack // stacks that it takes through it side by side
}

var (
	jobStack      = terraformStack{name: "stack", files: []string{"stack.tf"}}
	gatewaysStack = terraformStack{name: "gateways", files: []string{"gateways.tf", "identities.tf"}}

	// terraformStacks are those that docs/terraform.md tells of.
	terraformStacks = []terraformStack{jobStack, gatewaysStack}
)

// unimported are the types of resources that are not imported, with the reason, and
// single ones.
var unimported = map[string]string{
	"aws_instance.router": "the provider reads no network_interface of an instance",

	"aws_acm_certificate_validation":     noImport,
	"aws_ec2_instance_metadata_defaults": noImport,
	"aws_eip_domain_name":                noImport,
	"aws_iam_group_membership":           noImport,
	"aws_iam_policy_attachment":          noImport,
	"aws_key_pair":                       "the provider cannot read the public key",
	"aws_main_route_table_association":   noImport,
	"aws_vpn_connection_route":           noImport,
	"aws_vpn_gateway_attachment":         noImport,
	"aws_vpn_gateway_route_propagation":  noImport,
}

const noImport = "the provider has no import"

// ofTerraform are arguments that only Terraform knows, which an import adds.
var ofTerraform = []string{"force_destroy", "force_detach_policies", "ipv6_address_list_enabled", "private_ip_list_enabled", "private_key", "revoke_rules_on_delete", "user_data_replace_on_change"}

// alike are arguments that change with others that say the same.
var alike = map[string]string{"private_ip_list": "private_ips", "tags_all": "tags"}

// A terraformBlock is a resource or data source as a stack has it.
type terraformBlock struct {
	module           string // "module.name." of the stack that it is in, if that is a module
	mode, kind, name string // "resource" or "data", "aws_vpc", "main"

	// changed are the arguments that follow the stage.
	changed []string

	untagged bool // its tags may differ
}

func (b terraformBlock) address() string { return b.module + b.kind + "." + b.name }

// blocks reads a stack.
func (s terraformStack) blocks(t *testing.T) (all []terraformBlock) {
	t.Helper()
	var text strings.Builder
	for _, file := range s.files {
		part, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		text.Write(part)
	}
	all = readBlocks(text.String())
	for _, module := range s.modules {
		for _, b := range module.blocks(t) {
			b.module = "module." + module.name + "."
			all = append(all, b)
		}
	}
	return all
}

var (
	blockForm    = regexp.MustCompile(`^(resource|data) "(\w+)" "(\w+)" \{(.*\})?\n`)
	argumentForm = regexp.MustCompile(`^  (\w+)`)
)

// readBlocks reads configurations as terraform fmt writes them. An argument follows
// the stage if it names it, or a data source whose arguments do.
func readBlocks(text string) (all []terraformBlock) {
	stage := []string{"var.stage"}
	for {
		known := len(stage)
		all = nil
		inside, argument := false, ""
		for line := range strings.Lines(text) {
			if m := blockForm.FindStringSubmatch(line); m != nil {
				all = append(all, terraformBlock{mode: m[1], kind: m[2], name: m[3]})
				inside = m[4] == ""
			} else if !strings.HasPrefix(line, " ") && line != "\n" {
				inside = false
			} else if inside {
				b := &all[len(all)-1]
				if m := argumentForm.FindStringSubmatch(line); m != nil {
					argument = m[1]
				}
				b.untagged = b.untagged || strings.Contains(line, "ignore_changes") && strings.Contains(line, "tags_all")
				follows := slices.ContainsFunc(stage, func(name string) bool { return strings.Contains(line, name) })
				if follows && !slices.Contains(b.changed, argument) {
					b.changed = append(b.changed, argument)
				}
			}
		}
		for _, b := range all {
			if name := "data." + b.address() + "."; b.mode == "data" && b.changed != nil && !slices.Contains(stage, name) {
				stage = append(stage, name)
			}
		}
		if len(stage) == known {
			return all
		}
	}
}

// life takes a stack through a whole life: made, found as it was made, forgotten and
// imported, changed in place, found as it was changed, taken down. The function
// given looks at it in each stage.
func (tf terraform) life(stack terraformStack, look func(stage string)) {
	tf.t.Helper()
	const first, second = "stage=first", "stage=second"
	tf.run("init", "-input=false", "-no-color")
	tf.apply("-var", first)
	tf.findsNothingToDo("-var", first)
	look("first")
	want := tf.forget(stack)
	got := readPlan(tf.apply("-var", second))
	if diff := gocmp.Diff(want, got); diff != "" {
		tf.t.Errorf("what is imported and changed in place (- wanted, + done):\n%s", diff)
	}
	tf.findsNothingToDo("-var", second)
	look("second")
	tf.run("destroy", "-input=false", "-no-color", "-auto-approve", "-refresh=false", "-var", second)
}

// apply applies and returns what Terraform says.
func (tf terraform) apply(arguments ...string) string {
	tf.t.Helper()
	return tf.run(append([]string{"apply", "-input=false", "-no-color", "-auto-approve"}, arguments...)...)
}

// findsNothingToDo fails if Terraform would change anything.
func (tf terraform) findsNothingToDo(arguments ...string) {
	tf.t.Helper()
	tf.run(append([]string{"plan", "-input=false", "-no-color", "-detailed-exitcode"}, arguments...)...) // exit code 2 says that there is something to do
}

// A terraformChange is what happens to a resource.
type terraformChange struct {
	Imported bool
	Changed  []string // arguments, in place
	Else     string   // what is neither
}

var (
	planForm   = regexp.MustCompile(`^  # (\S+) (?:will be|must be) (.*)\n`)
	dataForm   = regexp.MustCompile(`^(module\.[^.]+\.)?data\.`)
	changeForm = regexp.MustCompile(`^      ([~+-]) (\w+) `)
)

// readPlan reads what Terraform says that it does with resources, by address.
func readPlan(text string) map[string]terraformChange {
	all := map[string]terraformChange{}
	address, argument := "", "" // empty outside of a resource, and of what is changed in it
	for line := range strings.Lines(text) {
		c := all[address]
		if m := planForm.FindStringSubmatch(line); m != nil && !dataForm.MatchString(m[1]) {
			address, argument = m[1], ""
			c = terraformChange{Imported: m[2] == "imported"}
			if m[2] != "imported" && m[2] != "updated in-place" {
				c.Else = m[2]
			}
		} else if address == "" {
			continue
		} else if line == "    }\n" { // the end of the resource
			c.Changed = inOrder(c.Changed)
			all[address], address = c, ""
			continue
		} else if m := changeForm.FindStringSubmatch(line); m != nil {
			argument = m[2]
			if added := c.Imported && slices.Contains(ofTerraform, argument); !added && !slices.Contains(c.Changed, argument) {
				c.Changed = append(c.Changed, argument)
			}
		}
		c.Imported = c.Imported || strings.HasPrefix(line, `  # (imported from "`)
		if first := strings.HasPrefix(line, "      ") && !strings.HasPrefix(line, "         "); first && strings.HasSuffix(line, "(known after apply)\n") {
			c.Changed = slices.DeleteFunc(c.Changed, func(name string) bool { return name == argument }) // it may stay as it is
		}
		all[address] = c
	}
	return all
}

// inOrder sorts arguments, and names those that say the same once.
func inOrder(arguments []string) []string {
	for i, name := range arguments {
		arguments[i] = cmp.Or(alike[name], name)
	}
	slices.Sort(arguments)
	return slices.Compact(arguments)
}

// A stateResource is what Terraform remembers of one resource.
type stateResource struct {
	Module           string // "module.name" or ""
	Mode, Type, Name string
	Instances        []struct {
		Attributes map[string]any
	}
}

// forget has Terraform forget each resource that can be imported, and the next run
// import it. It returns what is to be done then.
func (tf terraform) forget(stack terraformStack) map[string]terraformChange {
	tf.t.Helper()
	file := filepath.Join(tf.dir, "terraform.tfstate")
	text, err := os.ReadFile(file)
	if err != nil {
		tf.t.Fatal(err)
	}
	var whole map[string]json.RawMessage
	var raw, kept []json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		tf.t.Fatal(err)
	}
	if err := json.Unmarshal(whole["resources"], &raw); err != nil {
		tf.t.Fatal(err)
	}
	blocks := map[string]terraformBlock{}
	for _, b := range stack.blocks(tf.t) {
		if b.mode == "resource" {
			blocks[b.address()] = b
		}
	}
	want := map[string]terraformChange{}
	var imports strings.Builder
	for _, text := range raw {
		var r stateResource
		if err := json.Unmarshal(text, &r); err != nil {
			tf.t.Fatal(err)
		}
		if r.Mode == "data" {
			continue
		}
		address := r.Type + "." + r.Name
		imported := unimported[r.Type]+unimported[address] == ""
		if r.Module != "" {
			address = r.Module + "." + address
		}
		c := terraformChange{Imported: imported, Changed: slices.Clone(blocks[address].changed)}
		if _, ok := r.Instances[0].Attributes["tags_all"]; ok && !blocks[address].untagged { // they follow the stage by the provider's default tags
			c.Changed = append(c.Changed, "tags")
		}
		c.Changed = inOrder(c.Changed)
		if c.Imported {
			fmt.Fprintf(&imports, "import {\n  to = %s\n  id = %q\n}\n", address, r.importID())
		} else {
			kept = append(kept, text)
		}
		if c.Imported || c.Changed != nil {
			want[address] = c
		}
	}
	if whole["resources"], err = json.Marshal(kept); err != nil {
		tf.t.Fatal(err)
	}
	if text, err = json.Marshal(whole); err != nil {
		tf.t.Fatal(err)
	}
	for name, text := range map[string][]byte{"imports.tf": []byte(imports.String()), "terraform.tfstate": text} {
		if err := os.WriteFile(filepath.Join(tf.dir, name), text, 0o644); err != nil {
			tf.t.Fatal(err)
		}
	}
	return want
}

// importID is how the provider's documentation names the resource to an import.
func (r stateResource) importID() any {
	a := r.Instances[0].Attributes
	of := func(separator string, attributes ...string) string {
		parts := make([]string, len(attributes))
		for i, name := range attributes {
			parts[i] = fmt.Sprint(a[name])
		}
		return strings.Join(parts, separator)
	}
	switch r.Type {
	case "aws_route":
		for _, destination := range []string{"destination_cidr_block", "destination_ipv6_cidr_block", "destination_prefix_list_id"} {
			if a[destination] != "" {
				return of("_", "route_table_id", destination)
			}
		}
	case "aws_vpc_dhcp_options_association", "aws_default_route_table":
		return a["vpc_id"]
	case "aws_vpc_security_group_vpc_association":
		return of(",", "security_group_id", "vpc_id")
	case "aws_network_interface_permission":
		return a["network_interface_permission_id"]
	case "aws_network_interface_sg_attachment":
		return of("_", "network_interface_id", "security_group_id")
	case "aws_ec2_subnet_cidr_reservation":
		return of(":", "subnet_id", "id")
	case "aws_route_table_association":
		if a["gateway_id"] != "" {
			return of("/", "gateway_id", "route_table_id")
		}
		return of("/", "subnet_id", "route_table_id")
	case "aws_security_group_rule":
		id := of("_", "security_group_id", "type", "protocol", "from_port", "to_port")
		for _, sources := range []string{"cidr_blocks", "ipv6_cidr_blocks", "prefix_list_ids"} {
			all, _ := a[sources].([]any)
			for _, source := range all {
				id += "_" + fmt.Sprint(source)
			}
		}
		if a["self"] == true {
			id += "_self"
		} else if source, _ := a["source_security_group_id"].(string); source != "" {
			id += "_" + source
		}
		return id
	case "aws_network_acl_rule":
		return of(":", "network_acl_id", "rule_number", "protocol", "egress")
	case "aws_iam_user_policy_attachment":
		return of("/", "user", "policy_arn")
	case "aws_iam_group_policy_attachment":
		return of("/", "group", "policy_arn")
	case "aws_iam_role_policy_attachment":
		return of("/", "role", "policy_arn")
	case "aws_iam_user_group_membership":
		groups, _ := a["groups"].([]any)
		return fmt.Sprint(a["user"], "/", groups[0])
	case "aws_iam_user_policies_exclusive", "aws_iam_user_policy_attachments_exclusive":
		return a["user_name"]
	case "aws_iam_group_policies_exclusive", "aws_iam_group_policy_attachments_exclusive":
		return a["group_name"]
	case "aws_iam_role_policies_exclusive", "aws_iam_role_policy_attachments_exclusive":
		return a["role_name"]
	case "aws_cloudwatch_log_stream":
		return of(":", "log_group_name", "name")
	}
	return a["id"]
}
