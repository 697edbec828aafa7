package ec2

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"causeway.dev/resource"
	"causeway.dev/store"
)

// contended are calls that get in each other's way. {kind} stands for an id of that kind
// that was answered lately, whether it is still there or not, # for a digit of few.
var contended = strings.Split(strings.TrimSpace(`
CreateVpc CidrBlock=10.0.0.0/16
DeleteVpc VpcId={vpc}
AssociateVpcCidrBlock VpcId={vpc} CidrBlock=10.#.0.0/16
DisassociateVpcCidrBlock AssociationId={vpc-cidr-assoc}
CreateSubnet VpcId={vpc} CidrBlock=10.0.#.0/24
CreateSubnet VpcId={vpc} CidrBlock=10.0.#.128/25
DeleteSubnet SubnetId={subnet}
CreateRouteTable VpcId={vpc}
DeleteRouteTable RouteTableId={rtb}
AssociateRouteTable RouteTableId={rtb} SubnetId={subnet}
AssociateRouteTable RouteTableId={rtb} GatewayId={igw}
DisassociateRouteTable AssociationId={rtbassoc}
ReplaceRouteTableAssociation AssociationId={rtbassoc} RouteTableId={rtb}
DescribeRouteTables
CreateRoute RouteTableId={rtb} DestinationCidrBlock=192.168.#.0/24 GatewayId={igw}
CreateRoute RouteTableId={rtb} DestinationCidrBlock=192.168.#.0/24 NetworkInterfaceId={eni}
CreateRoute RouteTableId={rtb} DestinationCidrBlock=192.168.#.0/24 NatGatewayId={nat}
CreateRoute RouteTableId={rtb} DestinationPrefixListId={pl} GatewayId={vgw}
EnableVgwRoutePropagation RouteTableId={rtb} GatewayId={vgw}
CreateInternetGateway
AttachInternetGateway InternetGatewayId={igw} VpcId={vpc}
DetachInternetGateway InternetGatewayId={igw} VpcId={vpc}
DeleteInternetGateway InternetGatewayId={igw}
CreateEgressOnlyInternetGateway VpcId={vpc}
DeleteEgressOnlyInternetGateway EgressOnlyInternetGatewayId={eigw}
CreateSecurityGroup VpcId={vpc} GroupName=group# GroupDescription=of#
DeleteSecurityGroup GroupId={sg}
AuthorizeSecurityGroupIngress GroupId={sg} IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId={sg}
AuthorizeSecurityGroupIngress GroupId={sg} IpPermissions.1.IpProtocol=-1 IpPermissions.1.PrefixListIds.1.PrefixListId={pl}
RevokeSecurityGroupIngress GroupId={sg} IpPermissions.1.IpProtocol=-1 IpPermissions.1.Groups.1.GroupId={sg}
CreateNetworkInterface SubnetId={subnet} SecurityGroupId.1={sg}
CreateNetworkInterface SubnetId={subnet} PrivateIpAddress=10.0.#.7
DeleteNetworkInterface NetworkInterfaceId={eni}
AttachNetworkInterface NetworkInterfaceId={eni} InstanceId={i} DeviceIndex=1
AttachNetworkInterface NetworkInterfaceId={eni} InstanceId={i} DeviceIndex=2
DetachNetworkInterface AttachmentId={eni-attach}
ModifyNetworkInterfaceAttribute NetworkInterfaceId={eni} SecurityGroupId.1={sg}
AssignPrivateIpAddresses NetworkInterfaceId={eni} PrivateIpAddress.1=10.0.#.8
RunInstances ImageId=HOST MinCount=1 MaxCount=1 SubnetId={subnet} SecurityGroupId.1={sg}
RunInstances ImageId=HOST MinCount=1 MaxCount=1 NetworkInterface.1.DeviceIndex=0 NetworkInterface.1.NetworkInterfaceId={eni}
TerminateInstances InstanceId.1={i}
AllocateAddress
AssociateAddress AllocationId={eipalloc} NetworkInterfaceId={eni}
AssociateAddress AllocationId={eipalloc} InstanceId={i} AllowReassociation=true
DisassociateAddress AssociationId={eipassoc}
ReleaseAddress AllocationId={eipalloc}
CreateNatGateway SubnetId={subnet} AllocationId={eipalloc}
CreateNatGateway SubnetId={subnet} ConnectivityType=private
DeleteNatGateway NatGatewayId={nat}
CreateManagedPrefixList PrefixListName=list AddressFamily=IPv4 MaxEntries=2
DeleteManagedPrefixList PrefixListId={pl}
CreateDhcpOptions DhcpConfiguration.1.Key=domain-name DhcpConfiguration.1.Value.1=example#.com
AssociateDhcpOptions DhcpOptionsId={dopt} VpcId={vpc}
DeleteDhcpOptions DhcpOptionsId={dopt}
CreateNetworkAcl VpcId={vpc}
DescribeNetworkAcls
ReplaceNetworkAclAssociation AssociationId={aclassoc} NetworkAclId={acl}
DeleteNetworkAcl NetworkAclId={acl}
CreateFlowLogs ResourceType=Subnet ResourceId.1={subnet} TrafficType=ALL LogDestinationType=s3 LogDestination=arn:aws:s3:::flows
DeleteFlowLogs FlowLogId.1={fl}
CreateVpnGateway Type=ipsec.1
AttachVpnGateway VpnGatewayId={vgw} VpcId={vpc}
DetachVpnGateway VpnGatewayId={vgw} VpcId={vpc}
DeleteVpnGateway VpnGatewayId={vgw}
CreateCustomerGateway Type=ipsec.1 BgpAsn=65000 IpAddress=192.0.2.#
DeleteCustomerGateway CustomerGatewayId={cgw}
CreateVpnConnection Type=ipsec.1 VpnGatewayId={vgw} CustomerGatewayId={cgw} Options.StaticRoutesOnly=true
ModifyVpnConnection VpnConnectionId={vpn} CustomerGatewayId={cgw}
ModifyVpnConnection VpnConnectionId={vpn} VpnGatewayId={vgw}
DeleteVpnConnection VpnConnectionId={vpn}
`), "\n")

var (
	placeholder = regexp.MustCompile(`\{[a-z-]+\}`)
	answeredID  = regexp.MustCompile(`^([a-z-]+)-[0-9a-f]{17}$`)
)

// TestCallsAtOnce lets many callers create, tie together and delete the same few things
// in whatever order. However the calls meet, nothing that is left relies on what is gone,
// and nothing is taken twice.
func TestCallsAtOnce(t *testing.T) {
	t.Parallel()
	const callers, calls = 8, 150
	c := newCloud(t, func(cfg *Config) {
		cfg.OutsideAddresses = []netip.Prefix{netip.MustParsePrefix("198.19.0.0/22")} // no other test's: they share a store
		cfg.Limits = Limits{VPCs: 100, InternetGateways: 100, ElasticAddresses: 100, VPNGateways: 100, CustomerGateways: 100, NATGatewaysPerZone: 100}
	})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	known := &recentIDs{ids: map[string][]string{}}
	for range 2 {
		vpc := c.vpc("10.0.0.0/16")
		gateway := c.internetGateway(vpc)
		for n := range 2 {
			subnet := c.subnet(vpc, fmt.Sprintf("10.0.%d.0/24", n))
			instance := c.instance(subnet)
			c.observe(instance, "running")
			known.add(vpc, gateway, subnet, instance, c.networkInterface(subnet))
		}
	}
	var answered sync.Map
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(caller)))
			for range calls {
				action, parameters := known.call(random, contended[random.IntN(len(contended))])
				status, answer := c.send(action, parameters...)
				known.learn(answer)
				switch {
				case status == http.StatusOK:
					answered.Store(action, true)
				case status >= http.StatusInternalServerError:
					t.Errorf("%s %q: %d %s", action, parameters, status, answer.text("Errors/Error/Message"))
				}
			}
		})
	}
	wg.Wait()
	worked := 0
	answered.Range(func(any, any) bool { worked++; return true })
	t.Logf("%d actions were answered at least once", worked)
	if worked < 20 {
		t.Errorf("hardly anything was done")
	}
	c.checkReferences()
	c.checkTakenOnce()
}

// recentIDs are the ids that were answered lately, by their kind.
type recentIDs struct {
	mu  sync.Mutex
	ids map[string][]string // guarded by mu
}

// call fills in a line of contended.
func (k *recentIDs) call(random *rand.Rand, line string) (action string, parameters []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	line = placeholder.ReplaceAllStringFunc(line, func(kind string) string {
		if recent := k.ids[strings.Trim(kind, "{}")]; len(recent) > 0 {
			return recent[random.IntN(len(recent))]
		}
		return strings.Trim(kind, "{}") + "-00000000000000000"
	})
	for strings.Contains(line, "#") {
		line = strings.Replace(line, "#", fmt.Sprint(random.IntN(3)), 1)
	}
	words := strings.Fields(strings.Replace(line, "HOST", HostImage, 1))
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		parameters = append(parameters, name, value)
	}
	return words[0], parameters
}

// add remembers ids, few of each kind, so that callers meet.
func (k *recentIDs) add(ids ...string) {
	const remembered = 6
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range ids {
		m := answeredID.FindStringSubmatch(id)
		if m == nil || slices.Contains(k.ids[m[1]], id) {
			continue
		}
		recent := append(k.ids[m[1]], id)
		k.ids[m[1]] = recent[max(0, len(recent)-remembered):]
	}
}

// learn adds all ids of an answer.
func (k *recentIDs) learn(answer node) {
	k.add(answer.Text)
	for _, n := range answer.Nodes {
		k.learn(n)
	}
}

// standing returns those of a cloud's records that are not deleted.
func standing[T any](c *cloud, table *store.Table[T]) []T {
	var found []T
	for v := range table.List(testStore.Snapshot(), store.Scope{Account: c.account, Region: c.region}) {
		if metaOf(&v).Deleted == nil {
			found = append(found, v)
		}
	}
	return found
}

// documents are such records as JSON, by their ids.
func documents[T any](c *cloud, into map[string]any, table *store.Table[T]) {
	c.Helper()
	for _, v := range standing(c, table) {
		text, err := json.Marshal(v)
		if err != nil {
			c.Fatal(err)
		}
		var document any
		if err := json.Unmarshal(text, &document); err != nil {
			c.Fatal(err)
		}
		into[metaOf(&v).ID] = document
	}
}

// checkReferences checks that whatever records name is there. Only routes outlive their
// targets, as blackholes, and flow logs what they are of, until the next look.
func (c *cloud) checkReferences() {
	c.Helper()
	all := map[string]any{}
	documents(c, all, store.VPCs)
	documents(c, all, store.Subnets)
	documents(c, all, store.RouteTables)
	documents(c, all, store.SecurityGroups)
	documents(c, all, store.NetworkInterfaces)
	documents(c, all, store.Instances)
	documents(c, all, store.CustomerGateways)
	documents(c, all, store.VPNGateways)
	documents(c, all, store.VPNConnections)
	documents(c, all, store.InternetGateways)
	documents(c, all, store.EgressOnlyInternetGateways)
	documents(c, all, store.Addresses)
	documents(c, all, store.NATGateways)
	documents(c, all, store.NetworkACLs)
	documents(c, all, store.PrefixLists)
	documents(c, all, store.DHCPOptions)
	kinds := map[string]bool{}
	for id := range all {
		kinds[answeredID.FindStringSubmatch(id)[1]] = true
	}
	c.Logf("%d records of %d kinds are left", len(all), len(kinds))
	for id, document := range all {
		walk(document, func(name string) {
			if m := answeredID.FindStringSubmatch(name); m != nil && kinds[m[1]] && all[name] == nil {
				c.Errorf("%s relies on %s, which is gone", id, name)
			}
		})
	}
}

// walk visits the strings of a document but those of routes and former attachments.
func walk(document any, visit func(string)) {
	switch v := document.(type) {
	case string:
		visit(v)
	case []any:
		for _, element := range v {
			walk(element, visit)
		}
	case map[string]any:
		for name, element := range v {
			if name != "routes" && name != "former" {
				walk(element, visit)
			}
		}
	}
}

// checkTakenOnce checks that nothing has two owners that can have one.
func (c *cloud) checkTakenOnce() {
	c.Helper()
	taken := map[string]string{}
	take := func(what, by string) {
		if other, ok := taken[what]; ok && other != by {
			c.Errorf("%s and %s both have %s", other, by, what)
		}
		taken[what] = by
	}
	for _, i := range standing(c, store.NetworkInterfaces) {
		for _, a := range i.PrivateAddresses() {
			take(fmt.Sprint(i.Subnet, " ", a), i.ID)
		}
		if i.Instance != "" {
			take(fmt.Sprint(i.Instance, " device ", i.DeviceIndex), i.ID)
		}
	}
	for _, i := range standing(c, store.Instances) {
		for _, id := range i.Interfaces {
			take("the use of "+id, i.ID)
		}
	}
	for _, a := range standing(c, store.Addresses) {
		if a.NetworkInterface != "" {
			take(fmt.Sprint(a.NetworkInterface, " outside as ", a.PrivateAddress), a.ID)
		}
	}
	for _, g := range standing(c, store.InternetGateways) {
		if g.VPC != "" {
			take(g.VPC+"'s internet gateway", g.ID)
		}
	}
	for _, g := range standing(c, store.VPNGateways) {
		if g.VPC != "" {
			take(g.VPC+"'s VPN gateway", g.ID)
		}
	}
	c.checkRanges()
}

// checkRanges checks that ranges of a VPC's subnets are in it and do not overlap.
func (c *cloud) checkRanges() {
	c.Helper()
	ranges := map[string][]resource.CIDRAssociation{}
	for _, v := range standing(c, store.VPCs) {
		ranges[v.ID] = v.CIDRs
	}
	subnets := standing(c, store.Subnets)
	for n, s := range subnets {
		if !slices.ContainsFunc(ranges[s.VPC], func(a resource.CIDRAssociation) bool {
			return a.State == resource.StateAssociated && a.Prefix.Overlaps(s.CIDR) && a.Prefix.Bits() <= s.CIDR.Bits()
		}) {
			c.Errorf("%s: %v is in no range of its VPC", s.ID, s.CIDR)
		}
		for _, other := range subnets[:n] {
			if s.VPC == other.VPC && s.CIDR.Overlaps(other.CIDR) {
				c.Errorf("%s and %s overlap: %v, %v", s.ID, other.ID, s.CIDR, other.CIDR)
			}
		}
	}
}
