package acceptance

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// A moduleExample is one of the configurations that a module of the registry comes
// with, and names a region of its own.
type moduleExample struct {
	module, name string

	// beside is what a file of overrides says, where the example goes beyond VPC,
	// its edges and Site-to-Site VPN.
	beside string

	targets []string // what is applied of it, if that is not all: AWS's services have no prefix lists here
	refused string   // the code of AWS's that it ends with, if it cannot be made
}

// Not among them are those for Outposts and for IPAM, and vpc-flow-logs, which needs another
// provider and another module.
var moduleExamples = []moduleExample{
	{module: "vpc", name: "simple"},
	{module: "vpc", name: "complete", beside: "module \"vpc\" {\n" + noCaches + "module \"vpc_endpoints\" {\n  create = false\n}\n"},
	{module: "vpc", name: "ipv6-dualstack", beside: "module \"vpc\" {\n" + noCaches},
	{module: "vpc", name: "manage-default-vpc"},
	{module: "vpc", name: "network-acls", beside: "module \"vpc\" {\n  create_elasticache_subnet_group = false\n" + // with AWS, too, it fails without ranges: they are what DNS64 needs
		"  public_subnet_ipv6_prefixes = [0, 1, 2]\n  private_subnet_ipv6_prefixes = [3, 4, 5]\n  elasticache_subnet_ipv6_prefixes = [6, 7, 8]\n}\n"},
	{module: "vpc", name: "secondary-cidr-blocks"},
	{module: "vpc", name: "separate-route-tables", beside: "module \"vpc\" {\n" + noCaches},
	{module: "vpc", name: "block-public-access"},
	{module: "vpc", name: "issues", beside: "module \"vpc_issue_44\" {\n  create_database_subnet_group = false\n}\n\nmodule \"vpc_issue_46\" {\n" +
		"  create_database_subnet_route_table = true\n  create_elasticache_subnet_route_table = true\n" + noCaches}, // without them, the module cannot plan it
	{module: "vpn-gateway", name: "complete-vpn-gateway"},
	{module: "vpn-gateway", name: "complete-vpn-gateway-with-static-routes"},
	{module: "vpn-gateway", name: "complete-dual-vpn-gateway", beside: "module \"vpc\" {\n" + noCaches},
	{module: "vpn-gateway", name: "minimal-vpn-gateway"},
	{module: "vpn-gateway", name: "complete-vpn-connection-transit-gateway", refused: "UnsupportedOperation"},
	{module: "security-group", name: "complete", targets: []string{"aws_ec2_managed_prefix_list.prefix_list_sg_example", "module.vpc", "module.main_sg", "module.complete_sg", "module.ipv4_ipv6_example", "module.fixed_name_sg", "module.only_rules", "module.prefix_list_sg"}},
	{module: "security-group", name: "computed"},
	{module: "security-group", name: "disabled"},
	{module: "security-group", name: "dynamic"},
	{module: "security-group", name: "http"},
	{module: "security-group", name: "rules-only"},
}

// noCaches ends a module of a VPC without groups of subnets for services that are not
// there.
const noCaches = "  create_database_subnet_group = false\n  create_elasticache_subnet_group = false\n  create_redshift_subnet_group = false\n}\n"

// The examples that the registry's modules come with are made, found as they were made,
// changed in place, found as they were changed, and taken down, and nothing is left.
func TestModuleExamplesByTerraform(t *testing.T) {
	t.Parallel()
	modules := registryModules(t)
	s := newSite(t, "terraform")
	mirror := terraformMirror(t)
	i := install(t, s.lab, s.internet, testAddresses,
		"regions: [{ name: eu-west-1, zones: [eu-west-1a, eu-west-1b, eu-west-1c] }]", "limits: { vpcs: 20, elastic_addresses: 20 }")
	i.region = "eu-west-1"
	root := filepath.Join(s.lab.Dir(), "modules")
	if err := os.CopyFS(root, os.DirFS(modules)); err != nil {
		t.Fatal(err)
	}
	config := s.lab.File("terraform.rc", mirrored(mirror)+fmt.Sprintf("host \"registry.terraform.io\" {\n  services = { \"modules.v1\" = %q }\n}\n", serveModules(t, root)))
	caller := []string{"AWS_ENDPOINT_URL=" + i.endpoint, "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + accessSecret}
	env := append(append(terraformEnviron(config), caller...), serveProvider(t, s.lab, mirror, caller...)...)
	for _, e := range moduleExamples {
		t.Run(e.module+"/"+e.name, func(t *testing.T) {
			before := i.everything()
			tf := terraform{t, filepath.Join(root, "terraform-aws-"+e.module, "examples", e.name), env}
			tf.example(e)
			if diff := gocmp.Diff(before, i.everything()); diff != "" {
				t.Errorf("what there was before (-) and is after (+):\n%s", diff)
			}
		})
	}
}

// example takes an example through its life.
func (tf terraform) example(e moduleExample) {
	tf.t.Helper()
	var targets []string
	for _, target := range e.targets {
		targets = append(targets, "-target="+target)
	}
	override := func(text string) {
		if err := os.WriteFile(filepath.Join(tf.dir, "override.tf"), []byte(text), 0o644); err != nil {
			tf.t.Fatal(err)
		}
	}
	override(e.beside)
	tf.run("init", "-input=false", "-no-color")
	if e.refused != "" {
		if out, err := tf.try("apply", "-input=false", "-no-color", "-auto-approve"); err == nil || !strings.Contains(out, e.refused) {
			tf.t.Errorf("it is not refused with %s: %v\n%s", e.refused, err, out)
		}
	} else {
		made := resultOf(tf.apply(targets...))
		tf.findsNothingToDo(targets...)
		override(e.beside + "provider \"aws\" {\n  default_tags {\n    tags = { stage = \"second\" }\n  }\n}\n")
		if got := resultOf(tf.apply(targets...)); got.added+got.destroyed > 0 || made.added > 0 && got.changed == 0 {
			tf.t.Errorf("a change of tags: %+v", got)
		}
		tf.findsNothingToDo(targets...)
	}
	tf.run(append([]string{"destroy", "-input=false", "-no-color", "-auto-approve"}, targets...)...)
}

// An applied is how many resources Terraform says that it has applied.
type applied struct{ added, changed, destroyed int }

var resultForm = regexp.MustCompile(`(?m)^Apply complete! Resources: (?:\d+ imported, )?(\d+) added, (\d+) changed, (\d+) destroyed\.$`)

func resultOf(out string) (a applied) {
	if m := resultForm.FindStringSubmatch(out); m != nil {
		fmt.Sscan(strings.Join(m[1:], " "), &a.added, &a.changed, &a.destroyed)
	}
	return a
}

var releaseForm = regexp.MustCompile(`(?m)^##+ \[(\d+\.\d+\.\d+)\]`)

// serveModules is a registry that has modules of a directory, each in the version
// that it says it is, and returns its address.
func serveModules(t *testing.T, root string) string {
	t.Helper()
	mux := http.NewServeMux()
	for _, dir := range glob(t, filepath.Join(root, "terraform-aws-*")) {
		changes, err := os.ReadFile(filepath.Join(dir, "CHANGELOG.md"))
		if err != nil {
			t.Fatal(err)
		}
		version := releaseForm.FindStringSubmatch(string(changes))[1]
		path := "/terraform-aws-modules/" + strings.TrimPrefix(filepath.Base(dir), "terraform-aws-") + "/aws/"
		mux.HandleFunc("GET "+path+"versions", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"modules":[{"versions":[{"version":%q}]}]}`, version)
		})
		mux.HandleFunc("GET "+path+version+"/download", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Terraform-Get", "file://"+dir)
			w.WriteHeader(http.StatusNoContent)
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/"
}
