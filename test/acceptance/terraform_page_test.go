package acceptance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway.dev/internal/golden"
)

// typesFile lists the provider's types of resources and data sources in the areas of
// typesForm, so that the page can be checked without Terraform.
const typesFile = "testdata/terraform-types.txt"

var typesForm = regexp.MustCompile(`^aws_(vpcs?|subnets?|routes?|route_tables?|security_groups?|network_acls?|network_interfaces?|default|eips?|nat_gateways?|internet_gateway|egress_only|` +
	`vpn|customer_gateway|instances?|key_pair|main_route|flow_log|ec2|iam|cloudwatch_log|acm|amis?|availability_zones?|regions?|caller_identity|prefix_list)(_|$)`)

// notBuilt says why types of resources and data sources are in no stack, the first
// that fits.
var notBuilt = []struct{ types, why string }{
	{`ec2_transit_gateway\w*`, "transit gateways are later work"},
	{`ec2_client_vpn_\w+`, "Client VPN is later work"},
	{`vpc_endpoint\w*`, "PrivateLink is later work"},
	{`vpc_peering_connection\w*`, "VPC peering is later work"},
	{`vpc_route_server\w*`, "route servers are later work"},
	{`ec2_network_insights_\w+`, "there is no Reachability Analyzer"},
	{`vpc_ipam\w*`, "there is no address manager (IPAM): ranges are given"},
	{`vpc_network_performance_metric_subscription`, "AWS measures between its own regions"},
	{`ec2_(carrier_gateway|local_gateway\w*|coip_pools?|availability_zone_group)`, "there are no zones but those of regions: no Outposts, no Wavelength"},
	{`ec2_(capacity_\w+|fleet|host|spot_price)`, "instances are network hosts: capacity is neither bought nor reserved"},
	{`ec2_traffic_mirror_\w+`, "causeway capture records packets"},
	{`ec2_(image_block_public_access|instance_connect_endpoint|serial_console_access|default_credit_specification)`, "EC2's, beside the network: the console is GetConsoleOutput's"},
	{`ami|ami_copy|ami_from_instance|ami_launch_permission`, "images are those that DescribeImages lists"},
	{`iam_(account_password_policy|user_login_profile|virtual_mfa_device|user_ssh_key|service_specific_credential|signing_certificate)`, "there is no console to log in to, and no service that takes these"},
	{`iam_(openid_connect_provider|organizations_features|security_token_service_preferences)`, "identities are those of IAM, and of SAML providers"},
	{`iam_server_certificate`, "certificates are in ACM"},
	{`iam_service_linked_role`, "services need no roles of their own"},
	{`cloudwatch_log_(?:account_policy|anomaly_detector|data_protection_policy\w*|delivery\w*|destination\w*|index_policy|metric_filter|resource_policy|subscription_filter)`, "logs are kept and read, not processed or passed on"},
	{`prefix_list`, "AWS's own prefix lists are those of its services, which are not here"},
	{`ec2_public_ipv4_pool`, "there is no pool of one's own to look up; aws_ec2_public_ipv4_pools finds none"},
}

// A terraformType is what a row of the page tells of.
type terraformType struct {
	stacks, changed []string
}

// terraformTypes are the types in all stacks, by "mode type".
func terraformTypes(t *testing.T) map[string]*terraformType {
	all := map[string]*terraformType{}
	add := func(list *[]string, what string) {
		if !slices.Contains(*list, what) {
			*list = append(*list, what)
		}
	}
	tell := func(b terraformBlock, stack string) {
		key := b.mode + " " + b.kind
		if all[key] == nil {
			all[key] = new(terraformType)
		}
		add(&all[key].stacks, stack)
		for _, argument := range b.changed {
			add(&all[key].changed, argument)
		}
	}
	for _, stack := range terraformStacks {
		for _, b := range stack.blocks(t) {
			tell(b, stack.name)
		}
	}
	for _, stack := range aloneStacks(t) {
		for _, b := range stack.blocks(t) {
			if b.mode == "resource" && b.kind == stack.kind() { // what it is there for
				tell(b, "alone")
			}
		}
	}
	return all
}

const terraformPageHead = `# Terraform

Configurations for AWS's provider (` + "`hashicorp/aws`" + `, tried with 5.100.0) work as they are, given where the API is:

` + "```hcl" + `
provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true

  endpoints {
    acm  = "http://127.0.0.1:4599"
    ec2  = "http://127.0.0.1:4599"
    iam  = "http://127.0.0.1:4599"
    logs = "http://127.0.0.1:4599"
    sts  = "http://127.0.0.1:4599"
  }
}
` + "```" + `

Without any of it, ` + "`AWS_ENDPOINT_URL=http://127.0.0.1:4599`" + ` in the environment leads a configuration here as it is.

The stacks of ` + "`test/acceptance/testdata`" + ` are taken through a whole life by Terraform: made; planned, and nothing is left to do; forgotten and imported,
and nothing differs but what was changed, which is changed in place; planned again, and nothing is left to do; taken down. So is each type of resource alone, with what it refers to and in its variants, and nothing is left behind
(` + "`make test-terraform`" + `). The registry's modules terraform-aws-vpc, -vpn-gateway and -security-group are made, changed and taken down unchanged, and so are the examples that they come with: a file of overrides leaves out
groups of subnets of other services and VPC endpoints.

A configuration may have providers for several regions and accounts, and for a role (` + "`" + `assume_role` + "`" + `), with ` + "`" + `default_tags` + "`" + ` and ` + "`" + `ignore_tags` + "`" + `.

What somebody changes or deletes by other means is seen by the next plan, and the next run puts it right: the tags of everything, and one thing more of each type of resource (` + "`make test-terraform`" + `).

Some things go wrong with AWS as they do here, for they are the provider's own:

- An entry of ` + "`aws_ec2_managed_prefix_list`" + ` that gets another description fails the first time (PrefixListVersionMismatch).
- ` + "`aws_default_vpc_dhcp_options`" + ` is adopted without its tags, which the next run adds.
- ` + "`aws_iam_user`" + ` cannot get another name and other tags in one run.
- ` + "`aws_iam_policy_attachment`" + ` takes those whose permissions boundary the policy is for attached, too.
- ` + "`aws_vpc`" + ` without IPv6 of its own wants none that ` + "`aws_vpc_ipv6_cidr_block_association`" + ` adds; one with its own leaves it alone.
- The routes of ` + "`aws_route_table`" + ` can be those of the VPC's own ranges (` + "`gateway_id = \"local\"`" + `); ` + "`aws_route`" + ` cannot make them.
- The tunnels of ` + "`aws_vpn_connection`" + ` are told apart by ` + "`tunnel1_inside_cidr`" + ` or ` + "`tunnel1_preshared_key`" + `; who gives those of the second only may find them exchanged.
- ` + "`aws_nat_gateway`" + ` forgets ` + "`secondary_private_ip_addresses`" + ` where only ` + "`secondary_allocation_ids`" + ` change: the addresses are chosen anew.
- ` + "`associate_with_private_ip`" + ` of an imported ` + "`aws_eip`" + ` cannot be read and is planned again, and an ` + "`aws_eip`" + ` with ` + "`instance`" + ` cannot move to another instance in place.
- An imported ` + "`aws_instance`" + ` with ` + "`network_interface`" + `, or ` + "`aws_key_pair`" + `, is replaced unless ` + "`ignore_changes`" + ` names what cannot be read.

What instances and interfaces have not got is refused by name: ` + "`root_block_device`" + ` and ` + "`ebs_block_device`" + ` (there are no volumes),
` + "`ipv4_prefixes`" + ` and ` + "`ipv6_prefixes`" + `.

This page is written by a test (` + "`go test ./test/acceptance -run TestTerraformPage -update`" + `) of the stacks themselves: a resource is listed with the arguments that
its stacks change in place, and the runs with Terraform fail where others change. Tags are changed in place for every resource that has them.

`

// The page tells what the stacks do, and of each of the provider's types in these
// areas that is in none, why.
func TestTerraformPage(t *testing.T) {
	used := terraformTypes(t)
	page := new(strings.Builder)
	page.WriteString(terraformPageHead)
	for _, mode := range []struct{ name, head string }{
		{"resource", "## Resources\n\n| resource | stacks | changed in place, beside tags | imported |\n|---|---|---|---|\n"},
		{"data", "## Data sources\n\n| data source | stacks |\n|---|---|\n"},
	} {
		page.WriteString(mode.head)
		for _, key := range slices.Sorted(maps.Keys(used)) {
			name, ok := strings.CutPrefix(key, mode.name+" ")
			if !ok {
				continue
			}
			u := used[key]
			fmt.Fprintf(page, "| `%s` | %s |", name, strings.Join(u.stacks, ", "))
			if mode.name == "resource" {
				fmt.Fprintf(page, " %s | %s |", cmp.Or(strings.Join(u.changed, ", "), "–"), cmp.Or(unimported[name], "yes"))
			}
			page.WriteString("\n")
		}
		page.WriteString("\n")
	}
	page.WriteString("## Not there\n\n| resources and data sources | why |\n|---|---|\n")
	absent := make([][]string, len(notBuilt))
	for _, line := range providerTypes(t) {
		if used[line] != nil {
			continue
		}
		_, name, _ := strings.Cut(line, " ")
		why := slices.IndexFunc(notBuilt, func(n struct{ types, why string }) bool {
			return regexp.MustCompile("^aws_(" + n.types + ")$").MatchString(name)
		})
		if why < 0 {
			t.Errorf("the %s is in no stack, and notBuilt does not say why", line)
		} else if text := "`" + name + "`"; !slices.Contains(absent[why], text) {
			absent[why] = append(absent[why], text)
		}
	}
	for i, names := range absent {
		if names == nil {
			t.Errorf("notBuilt tells of %s, and there are none", notBuilt[i].types)
		}
		slices.Sort(names)
		fmt.Fprintf(page, "| %s | %s |\n", strings.Join(names, ", "), notBuilt[i].why)
	}
	golden.Text(t, "../../docs/terraform.md", page.String())
}

// providerTypes reads the list of types.
func providerTypes(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile(typesFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// knowsTypes checks the list of types against those that the provider has.
func (tf terraform) knowsTypes() {
	tf.t.Helper()
	var schema struct {
		Providers map[string]struct {
			Resources map[string]struct{} `json:"resource_schemas"`
			Data      map[string]struct{} `json:"data_source_schemas"`
		} `json:"provider_schemas"`
	}
	if err := json.Unmarshal([]byte(tf.run("providers", "schema", "-json")), &schema); err != nil {
		tf.t.Fatal(err)
	}
	text := "# The provider's types for AWS's areas that are built here: mode and name.\n"
	provider := schema.Providers[providerPath]
	for _, mode := range []struct {
		name string
		all  map[string]struct{}
	}{{"resource", provider.Resources}, {"data", provider.Data}} {
		for _, name := range slices.Sorted(maps.Keys(mode.all)) {
			if typesForm.MatchString(name) {
				text += mode.name + " " + name + "\n"
			}
		}
	}
	golden.Text(tf.t, typesFile, text)
}

// What Terraform says is read as it says it, and stacks as they are written.
func TestReadPlan(t *testing.T) {
	got := readPlan(`
  # data.aws_vpc.main will be read during apply
      + id = "vpc-1"

  # aws_network_interface.side will be updated in-place
  # (imported from "eni-1")
  ~ resource "aws_network_interface" "side" {
        id                      = "eni-1"
      ~ private_ip_list         = [
            "10.0.1.60",
          + "10.0.1.62",
        ]
      + private_ip_list_enabled = false
      ~ private_ips_count       = 1 -> (known after apply)
      ~ tags_all                = {
          - "stage" = "first"
        } -> (known after apply)
    }

  # aws_key_pair.admin must be replaced
-/+ resource "aws_key_pair" "admin" {
      ~ public_key = "a" -> "b" # forces replacement
    }

  # aws_route.out will be imported
    resource "aws_route" "out" {
        id = "r-1"
    }

Changes to Outputs:
      ~ rules = 2 -> 3
`)
	want := map[string]terraformChange{
		"aws_network_interface.side": {Imported: true, Changed: []string{"private_ips"}},
		"aws_key_pair.admin":         {Changed: []string{"public_key"}, Else: "replaced"},
		"aws_route.out":              {Imported: true},
	}
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(- wanted, + got)\n%s", diff)
	}
}

func TestReadBlocks(t *testing.T) {
	got := readBlocks(`
data "aws_iam_policy_document" "look" {
  statement {
    actions = [var.stage]
  }
}

data "aws_region" "here" {}

resource "aws_iam_policy" "look" {
  name   = "look"
  policy = data.aws_iam_policy_document.look.json
  lifecycle { ignore_changes = [tags, tags_all] }
}

output "stage" {
  value = var.stage
}
`)
	want := []terraformBlock{
		{mode: "data", kind: "aws_iam_policy_document", name: "look", changed: []string{"statement"}},
		{mode: "data", kind: "aws_region", name: "here"},
		{mode: "resource", kind: "aws_iam_policy", name: "look", changed: []string{"policy"}, untagged: true},
	}
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(terraformBlock{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(- wanted, + got)\n%s", diff)
	}
}
