package ec2

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"causeway.dev/api/server"
	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

// testStore is shared by all tests, each of which has an account of its own.
var testStore *store.Store

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ec2-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if testStore, err = storetest.OpenDir(dir); err != nil {
		panic(err)
	}
	defer testStore.Close()
	return m.Run()
}

const (
	testRegion = "us-east-1"
	testSecret = "test secret"
	keyPrefix  = "AKIDOFACCOUNT" // followed by the account
)

// testTime is when all requests are made.
var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// accounts numbers the accounts of tests.
var accounts atomic.Int64

// A cloud is an account with the API before it.
type cloud struct {
	testing.TB
	account string
	region  string
	service *Service
	server  http.Handler
}

// newCloud returns a cloud for a new account. Its limits are wide unless they
// are given.
func newCloud(t testing.TB, change ...func(*Config)) *cloud {
	t.Helper()
	cfg := Config{
		Store:            testStore,
		Regions:          []Region{{testRegion, []string{"us-east-1a", "us-east-1b"}}, {"eu-west-1", []string{"eu-west-1a"}}},
		Limits:           Limits{VPCs: 100},
		OutsideAddresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
		ElasticAddresses: []netip.Prefix{netip.MustParsePrefix("100.64.0.0/16")},
		IPv6Addresses:    []netip.Prefix{netip.MustParsePrefix("2001:db8::/40")},
		Host:             Host{Architecture: "x86_64"},
	}
	for _, f := range change {
		f(&cfg)
	}
	service := New(cfg)
	return &cloud{
		TB:      t,
		account: fmt.Sprintf("%012d", accounts.Add(1)),
		region:  testRegion,
		service: service,
		server: server.New(server.Config{
			Lookup: func(id string) (iam.AccessKey, bool) {
				account, ok := strings.CutPrefix(id, keyPrefix)
				return iam.AccessKey{ID: id, Secret: testSecret, Account: account}, ok
			},
			Regions: []string{testRegion, "eu-west-1"},
			Now:     func() time.Time { return testTime },
		}, service.Server()),
	}
}

// in returns the same cloud in another region.
func (c *cloud) in(region string) *cloud {
	other := *c
	other.region = region
	return &other
}

// A node is an element of an answer.
type node struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

// all returns the elements at a path of names: "vpcSet/item/vpcId".
func (n node) all(path string) []node {
	name, rest, deeper := strings.Cut(path, "/")
	var found []node
	for _, child := range n.Nodes {
		if child.XMLName.Local != name {
			continue
		}
		if deeper {
			found = append(found, child.all(rest)...)
		} else {
			found = append(found, child)
		}
	}
	return found
}

// texts returns the texts of the elements at a path.
func (n node) texts(path string) []string {
	texts := []string{}
	for _, found := range n.all(path) {
		texts = append(texts, found.Text)
	}
	return texts
}

// text is the text of the first element at a path; "" if there is none.
func (n node) text(path string) string {
	if found := n.all(path); len(found) > 0 {
		return found[0].Text
	}
	return ""
}

// send makes a signed request: the action, then names and values by turns. Of a
// name that is given twice the last value counts.
func (c *cloud) send(action string, parameters ...string) (status int, answer node) {
	c.Helper()
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	signer := sigv4test.Signer{AccessKeyID: keyPrefix + c.account, Secret: testSecret, Region: c.region, Service: "ec2", Now: testTime}
	recorder := httptest.NewRecorder()
	c.server.ServeHTTP(recorder, signer.Post("http://127.0.0.1/", form))
	body, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		c.Fatal(err)
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		c.Fatalf("%s: %v\n%s", action, err, body)
	}
	return recorder.Code, answer
}

// call makes a request that must succeed.
func (c *cloud) call(action string, parameters ...string) node {
	c.Helper()
	status, answer := c.send(action, parameters...)
	if status != http.StatusOK {
		c.Fatalf("%s %q: %d %s: %s", action, parameters, status, answer.text("Errors/Error/Code"), answer.text("Errors/Error/Message"))
	}
	return answer
}

// refuse makes a request that must be refused with a code, and returns the
// message.
func (c *cloud) refuse(code, action string, parameters ...string) string {
	c.Helper()
	_, answer := c.send(action, parameters...)
	message := answer.text("Errors/Error/Message")
	if got := answer.text("Errors/Error/Code"); got != code {
		c.Errorf("%s %q: got %q (%s), want %q", action, parameters, got, message, code)
	}
	return message
}

// vpc, subnet, group and instance create one and return its id.

func (c *cloud) vpc(cidr string) string {
	c.Helper()
	return c.call("CreateVpc", "CidrBlock", cidr).text("vpc/vpcId")
}

func (c *cloud) subnet(vpc, cidr string) string {
	c.Helper()
	return c.call("CreateSubnet", "VpcId", vpc, "CidrBlock", cidr).text("subnet/subnetId")
}

func (c *cloud) group(vpc, name string) string {
	c.Helper()
	return c.call("CreateSecurityGroup", "VpcId", vpc, "GroupName", name, "GroupDescription", "for a test").text("groupId")
}

func (c *cloud) instance(subnet string, parameters ...string) string {
	c.Helper()
	return c.run(subnet, parameters...).text("instancesSet/item/instanceId")
}

func (c *cloud) networkInterface(subnet string, parameters ...string) string {
	c.Helper()
	return c.call("CreateNetworkInterface", append([]string{"SubnetId", subnet}, parameters...)...).text("networkInterface/networkInterfaceId")
}

func (c *cloud) run(subnet string, parameters ...string) node {
	c.Helper()
	return c.call("RunInstances", append([]string{"ImageId", HostImage, "MinCount", "1", "MaxCount", "1", "SubnetId", subnet}, parameters...)...)
}

// internetGateway creates one and attaches it to a VPC.
func (c *cloud) internetGateway(vpc string) string {
	c.Helper()
	id := c.call("CreateInternetGateway").text("internetGateway/internetGatewayId")
	c.call("AttachInternetGateway", "InternetGatewayId", id, "VpcId", vpc)
	return id
}

// address allocates one.
func (c *cloud) address() (id, public string) {
	c.Helper()
	answer := c.call("AllocateAddress")
	return answer.text("allocationId"), answer.text("publicIp")
}

// mainRouteTable returns the id of a VPC's main route table.
func (c *cloud) mainRouteTable(vpc string) string {
	c.Helper()
	return c.call("DescribeRouteTables", "Filter.1.Name", "vpc-id", "Filter.1.Value.1", vpc, "Filter.2.Name", "association.main", "Filter.2.Value.1", "true").text("routeTableSet/item/routeTableId")
}

// observe writes what a node sees of an instance.
func (c *cloud) observe(instance, state string) {
	c.Helper()
	c.update(func(tx *store.Tx, s store.Scope) {
		store.InstanceStatuses.Put(tx, resource.InstanceStatus{Meta: resource.Meta{ID: instance, Account: s.Account, Region: s.Region}, State: state})
	})
}

// update changes records behind the API, as the control plane's other parts do.
func (c *cloud) update(f func(tx *store.Tx, s store.Scope)) {
	c.Helper()
	s := store.Scope{Account: c.account, Region: c.region}
	if err := testStore.Update(c.Context(), func(tx *store.Tx) error { f(tx, s); return nil }); err != nil {
		c.Fatal(err)
	}
}

// removeInterface removes a network interface, as happens when its instance has ended.
func (c *cloud) removeInterface(id string) {
	c.Helper()
	c.update(func(tx *store.Tx, s store.Scope) { store.NetworkInterfaces.Delete(tx, s, id) })
}

// caller is who makes the requests.
func (c *cloud) caller() server.Caller {
	return server.Caller{Account: c.account, Region: c.region, Now: testTime}
}

// all is all that the account's records say, to see whether something changed.
func (c *cloud) all() string {
	c.Helper()
	r := c.service.read(c.caller())
	return fmt.Sprint(
		slices.Collect(vpcs.list(r)), slices.Collect(subnets.list(r)), slices.Collect(routeTables.list(r)),
		slices.Collect(networkACLs.list(r)), slices.Collect(securityGroups.list(r)), slices.Collect(networkInterfaces.list(r)), slices.Collect(instances.list(r)),
		slices.Collect(customerGateways.list(r)), slices.Collect(vpnGateways.list(r)), slices.Collect(vpnConnections.list(r)),
		slices.Collect(internetGateways.list(r)), slices.Collect(egressOnlyInternetGateways.list(r)), slices.Collect(addresses.list(r)), slices.Collect(natGateways.list(r)),
		slices.Collect(keyPairs.list(r)),
		slices.Collect(flowLogs.list(r)), slices.Collect(publicAccessExclusions.list(r)), slices.Collect(store.PublicAccessOptions.List(r.Reader, r.scope)),
	)
}
