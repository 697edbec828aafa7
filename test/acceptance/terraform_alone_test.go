package acceptance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

var terraformAlone = flag.String("alone", "", "let TestTerraformAlone take the stacks of testdata/alone whose names match a `regexp`; without it, the test is skipped")

// aloneStacks are the stacks of testdata/alone. Each has one type of resource, of
// which it is named, with what it refers to and nothing else; what comes after a hyphen
// tells of a variant.
func aloneStacks(t *testing.T) (all []terraformStack) {
	t.Helper()
	for _, file := range glob(t, "testdata/alone/*.tf") {
		name := filepath.Base(file)
		all = append(all, terraformStack{name: strings.TrimSuffix(name, ".tf"), files: []string{filepath.Join("alone", name)}})
	}
	return all
}

// kind is the type of resource that a stack of its own has.
func (s terraformStack) kind() string {
	kind, _, _ := strings.Cut(s.name, "-")
	return kind
}

// Each type of resource that the stacks have has one of its own, too, which somebody
// changes behind Terraform's back.
func TestAloneStacks(t *testing.T) {
	alone := map[string]bool{}
	for _, stack := range aloneStacks(t) {
		if !slices.ContainsFunc(stack.blocks(t), func(b terraformBlock) bool { return b.mode == "resource" && b.kind == stack.kind() }) {
			t.Errorf("%s has none of %s", stack.name, stack.kind())
		}
		alone[stack.kind()] = true
	}
	for key := range terraformTypes(t) {
		kind, ok := strings.CutPrefix(key, "resource ")
		if !ok {
			continue
		}
		if !alone[kind] {
			t.Errorf("%s has no stack of its own in testdata/alone", kind)
		}
		disturbed := slices.ContainsFunc(disturbances, func(d disturbance) bool { return strings.HasPrefix(d.resource, kind+".") })
		if disturbed == (undisturbed[kind] != "") {
			t.Errorf("somebody changes %s: %v, and undisturbed says %q", kind, disturbed, undisturbed[kind])
		}
	}
}

// aloneForm is a stack of its own as a module.
const aloneForm = `module "%[1]s" {
  source = "./%[1]s"
  image  = var.image
  region = var.region
  stage  = var.stage
}

`

const aloneVariables = `variable "image" { type = string }
variable "region" { type = string }
variable "stage" { type = string }
`

// Terraform takes each type of resource by itself through a whole life, puts right what
// somebody else changes, and leaves nothing behind. They are modules of one configuration, since most of a run's time
// goes into reading what the provider has.
func TestTerraformAlone(t *testing.T) {
	if *terraformAlone == "" {
		t.Skip("takes minutes: make test-terraform")
	}
	some := regexp.MustCompile(*terraformAlone)
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses,
		"limits: { vpcs: 200, internet_gateways: 100, egress_only_internet_gateways: 100, elastic_addresses: 100, nat_gateways_per_zone: 100, vpn_gateways: 100, elastic_addresses_per_nat_gateway: 8 }")
	tf := newTerraform(t, i, s, mirror, "alone")
	whole := terraformStack{name: "alone"}
	var main strings.Builder
	for _, stack := range aloneStacks(t) {
		if some.MatchString(stack.name) {
			whole.modules = append(whole.modules, stack)
			tf.module(stack)
			fmt.Fprintf(&main, aloneForm, stack.name)
		}
	}
	s.lab.File("alone/main.tf", main.String())
	for _, command := range []string{"apply", "plan", "destroy"} {
		tf.env = append(tf.env, "TF_CLI_ARGS_"+command+"=-parallelism=50") // most of it, the provider waits between two looks
	}
	before := i.everything()
	tf.life(whole, func(stage string) {
		if stage == "first" {
			tf.drift(i, whole, "stage=first")
		}
	})
	if diff := gocmp.Diff(before, i.everything()); diff != "" {
		t.Errorf("what there was before (-) and is after (+):\n%s", diff)
	}
}

// module makes a folder of a stack, beside the configuration that has it as a module.
func (tf terraform) module(stack terraformStack) {
	tf.t.Helper()
	dir := filepath.Join(tf.dir, stack.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		tf.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", stack.files[0]))
	if err != nil {
		tf.t.Fatal(err)
	}
	for name, text := range map[string][]byte{"main.tf": text, "variables.tf": []byte(aloneVariables)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			tf.t.Fatal(err)
		}
	}
}

// nounLists are actions that list what there is, with where their answers have the
// ids.
var nounLists = []struct{ action, id string }{
	{"DescribeAddresses", "addressesSet/item/allocationId"},
	{"DescribeCustomerGateways", "customerGatewaySet/item/customerGatewayId"},
	{"DescribeDhcpOptions", "dhcpOptionsSet/item/dhcpOptionsId"},
	{"DescribeEgressOnlyInternetGateways", "egressOnlyInternetGatewaySet/item/egressOnlyInternetGatewayId"},
	{"DescribeFlowLogs", "flowLogSet/item/flowLogId"},
	{"DescribeInternetGateways", "internetGatewaySet/item/internetGatewayId"},
	{"DescribeKeyPairs", "keySet/item/keyPairId"},
	{"DescribeManagedPrefixLists", "prefixListSet/item/prefixListId"},
	{"DescribeNetworkAcls", "networkAclSet/item/networkAclId"},
	{"DescribeNetworkInterfaces", "networkInterfaceSet/item/networkInterfaceId"},
	{"DescribeRouteTables", "routeTableSet/item/routeTableId"},
	{"DescribeSecurityGroups", "securityGroupInfo/item/groupId"},
	{"DescribeSecurityGroupRules", "securityGroupRuleSet/item/securityGroupRuleId"},
	{"DescribeSubnets", "subnetSet/item/subnetId"},
	{"DescribeVpcs", "vpcSet/item/vpcId"},
}

// shownDeleted are nouns that are shown for a while after they were deleted.
var shownDeleted = map[string][]string{"DescribeCustomerGateways": {"Filter.1.Name=state", "Filter.1.Value.1=available"}}

// everything lists the ids of all that takes no end by itself.
func (i *installation) everything() map[string][]string {
	i.t.Helper()
	all := map[string][]string{}
	for _, list := range nounLists {
		var ids []string
		for _, e := range i.call(list.action, shownDeleted[list.action]...).all(list.id) {
			ids = append(ids, e.Text)
		}
		slices.Sort(ids)
		all[list.action] = ids
	}
	return all
}
