package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	model "causeway.dev/api/model/ec2"
)

// TestEveryFilter asks each action for all filters that the model has: something of
// what its answer shows finds a record, and what nobody has finds none. Filters that
// find nothing at all are those of features that are not built.
func TestEveryFilter(t *testing.T) {
	t.Parallel()
	c := newCloud(t, wideOutside, func(cfg *Config) {
		cfg.Endpoint = "http://127.0.0.1:4599"
		cfg.Host.Images = []Image{{ID: "ami-0123456789abcdef0", Name: "al2023-ami-x86_64", Owner: "137112412989", OwnerAlias: "amazon"}}
	})
	needed := c.showcase()
	for action := range c.service.Server().Actions {
		m := model.Actions[action]
		if len(m.Filters) == 0 {
			continue
		}
		with := func(filter string, values []string) []string {
			parameters := append([]string{"Filter.1.Name", filter}, needed[action]...)
			for i, v := range values {
				parameters = append(parameters, fmt.Sprintf("Filter.1.Value.%d", i+1), v)
			}
			return shown(c.call(action, parameters...))
		}
		var texts []string
		for _, text := range shown(c.call(action, needed[action]...)) {
			if utf8.RuneCountInString(text) < filterValueLengthMax/2 {
				texts = append(texts, strings.NewReplacer("*", `\*`, "?", `\?`, `\`, `\\`).Replace(text))
			}
		}
		slices.Sort(texts)
		texts = slices.Compact(texts)
		var without []string
		for _, name := range m.Filters {
			if name == "tag" || name == "tag:" {
				name = "tag:stage"
			}
			if got := with(name, []string{"nobody has this"}); len(got) > 0 {
				t.Errorf("%s, filter %s: what nobody has finds %q", action, name, got)
			}
			if len(with(name, []string{"*"})) == 0 {
				without = append(without, name)
				continue
			}
			found := slices.Contains(strings.Fields(unshown[action]), name)
			for chunk := range slices.Chunk(texts, filterValuesMax) {
				found = found || len(with(name, chunk)) > 0
			}
			if !found {
				t.Errorf("%s, filter %s: nothing that the answer shows finds anything", action, name)
			}
		}
		for _, name := range without {
			if !slices.Contains(strings.Fields(unbuiltFilters[action]), name) {
				t.Errorf("%s: the filter %s finds nothing", action, name)
			}
		}
	}
	for action := range unbuiltFilters {
		if _, built := c.service.Server().Actions[action]; !built {
			t.Errorf("there is no action %s", action)
		}
	}
}

// shown are all texts of an answer but those of each.
func shown(answer node) []string {
	var texts []string
	for _, n := range answer.Nodes {
		switch {
		case n.XMLName.Local == "requestId":
		case len(n.Nodes) > 0:
			texts = append(texts, shown(n)...)
		case strings.TrimSpace(n.Text) != "":
			texts = append(texts, n.Text)
		}
	}
	return texts
}

// showcase makes something of each noun that fills the filters of those that
// describe it, and returns what actions need besides.
func (c *cloud) showcase() map[string][]string {
	c.Helper()
	d, n := c.dual(), vpnFixture(c)
	c.call("ModifyVpcAttribute", "VpcId", d.vpc, "EnableDnsHostnames.Value", "true")
	group, other := c.group(d.vpc, "web"), c.group(d.vpc, "others")
	c.call("AssociateSecurityGroupVpc", "GroupId", other, "VpcId", c.vpc("10.99.0.0/16"))
	list := c.prefixList("IPv4", "2", "192.168.0.0/16")
	for _, action := range []string{"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"} {
		c.call(action, "GroupId", group, "IpPermissions.1.IpProtocol", "tcp", "IpPermissions.1.FromPort", "22", "IpPermissions.1.ToPort", "23",
			"IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6", "2001:db8::/32",
			"IpPermissions.1.Groups.1.GroupId", other, "IpPermissions.1.PrefixListIds.1.PrefixListId", list)
	}
	c.profile("Shown", "reader")
	key := c.call("CreateKeyPair", "KeyName", "shown", "KeyType", "ed25519").text("keyPairId")
	run := c.run(d.subnet, "SecurityGroupId.1", group, "KeyName", "shown", "Ipv6AddressCount", "1", "IamInstanceProfile.Name", "Shown", "ClientToken", "shown", "InstanceType", "t3.small", "SecondaryPrivateIpAddressCount", "1")
	instance := run.text("instancesSet/item/instanceId")
	nic := run.text("instancesSet/item/networkInterfaceSet/item/networkInterfaceId")
	c.call("ModifyNetworkInterfaceAttribute", "NetworkInterfaceId", nic, "Description.Value", "shown")
	c.observe(instance, "running")
	stopped := c.launched(d.subnet, "t3.micro")
	c.call("StopInstances", "InstanceId.1", stopped)
	address, _ := c.address()
	c.call("AssociateAddress", "AllocationId", address, "InstanceId", instance)
	nat := c.call("CreateNatGateway", "SubnetId", d.subnet, "ConnectivityType", "private").text("natGateway/natGatewayId")
	table := c.call("CreateRouteTable", "VpcId", d.vpc).text("routeTable/routeTableId")
	c.call("AssociateRouteTable", "RouteTableId", table, "SubnetId", d.subnet)
	edge := c.call("CreateRouteTable", "VpcId", d.vpc).text("routeTable/routeTableId")
	c.call("AssociateRouteTable", "RouteTableId", edge, "GatewayId", d.gateway)
	for _, route := range [][]string{
		{"DestinationCidrBlock", "0.0.0.0/0", "GatewayId", d.gateway}, {"DestinationCidrBlock", "172.16.0.0/12", "NatGatewayId", nat}, {"DestinationCidrBlock", "172.32.0.0/16", "InstanceId", instance},
		{"DestinationIpv6CidrBlock", "::/0", "EgressOnlyInternetGatewayId", d.egressOnly}, {"DestinationPrefixListId", list, "NatGatewayId", nat},
	} {
		c.call("CreateRoute", append([]string{"RouteTableId", table}, route...)...)
	}
	acl := c.call("CreateNetworkAcl", "VpcId", d.vpc).text("networkAcl/networkAclId")
	c.call("CreateNetworkAclEntry", entry(acl, "10", "false", "6", "allow", "CidrBlock", "10.0.0.0/8", "PortRange.From", "22", "PortRange.To", "23")...)
	c.call("CreateNetworkAclEntry", entry(acl, "20", "false", "1", "deny", "CidrBlock", "10.0.0.0/8", "Icmp.Type", "8", "Icmp.Code", "0")...)
	c.call("CreateNetworkAclEntry", entry(acl, "30", "true", "-1", "deny", "Ipv6CidrBlock", "2001:db8::/32")...)
	dopt := c.dhcpOptions(dhcpConfiguration("1", "domain-name", "example.com")...)
	flows := c.call("CreateFlowLogs", c.flowLog(d.vpc)...).text("flowLogIdSet/item")
	reservation := c.reserve(d.subnet, "explicit", "10.0.1.64/28")
	c.call("CreateVpnConnectionRoute", "VpnConnectionId", n["vpn"], "DestinationCidrBlock", "192.168.0.0/16")
	tagged := []string{d.vpc, d.subnet, d.gateway, d.egressOnly, group, key, instance, nic, address, nat, table, acl, dopt, flows, reservation, c.exclusion(d.subnet), list, n["vpn"], n["vgw"], n["cgw"]}
	parameters := []string{"Tag.1.Key", "stage", "Tag.1.Value", "test"}
	for i, id := range tagged {
		parameters = append(parameters, fmt.Sprintf("ResourceId.%d", i+1), id)
	}
	c.call("CreateTags", parameters...)
	rule := c.call("DescribeSecurityGroupRules", filter("1", "group-id", group)...).text("securityGroupRuleSet/item/securityGroupRuleId")
	c.call("CreateTags", "ResourceId.1", rule, "Tag.1.Key", "stage", "Tag.1.Value", "test")
	return map[string][]string{
		"GetSubnetCidrReservations": {"SubnetId", d.subnet}, "GetSecurityGroupsForVpc": {"VpcId", d.vpc}, "DescribeInstanceStatus": {"IncludeAllInstances", "true"},
	}
}

// unshown are filters whose values are not in answers, by action.
var unshown = map[string]string{
	"DescribeInstances": "network-interface.addresses.association.allocation-id network-interface.addresses.association.association-id " +
		"network-interface.association.allocation-id network-interface.association.association-id",
	"DescribeVpnConnections": "bgp-asn customer-gateway-configuration", // within the document of the configuration
}

// unbuiltFilters are those of what is not built, which nothing has here, by action.
var unbuiltFilters = map[string]string{
	"DescribeAvailabilityZones": "group-long-name message parent-zone-id parent-zone-name",
	"DescribeCarrierGateways":   "carrier-gateway-id owner-id state tag-key tag:stage vpc-id",
	"DescribeImages": `block-device-mapping.delete-on-termination block-device-mapping.device-name block-device-mapping.encrypted block-device-mapping.snapshot-id
		block-device-mapping.volume-size block-device-mapping.volume-type creation-date free-tier-eligible hypervisor image-allowed kernel-id
		manifest-location platform product-code product-code.type ramdisk-id root-device-name source-image-id source-image-region
		source-instance-id sriov-net-support state-reason-code state-reason-message tag-key tag:stage`,
	"DescribeInstanceEventWindows": "dedicated-host-id event-window-name instance-id instance-tag instance-tag-key instance-tag-value tag-key tag-value tag:stage",
	"DescribeInstanceStatus": `attached-ebs-status.status event.code event.description event.instance-event-id event.not-after event.not-before event.not-before-deadline
		operator.managed operator.principal`,
	"DescribeInstanceTypes": `ebs-info.attachment-limit-type ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps ebs-info.ebs-optimized-info.baseline-iops
		ebs-info.ebs-optimized-info.baseline-throughput-in-mbps ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps ebs-info.ebs-optimized-info.maximum-iops
		ebs-info.ebs-optimized-info.maximum-throughput-in-mbps ebs-info.maximum-ebs-attachments hypervisor instance-storage-info.disk.count
		instance-storage-info.disk.size-in-gb instance-storage-info.disk.type instance-storage-info.encryption-support instance-storage-info.nvme-support
		instance-storage-info.total-size-in-gb network-info.bandwidth-weightings network-info.efa-info.maximum-efa-interfaces network-info.ena-support
		network-info.flexible-ena-queues-support network-info.network-performance nitro-enclaves-support nitro-tpm-info.supported-versions nitro-tpm-support
		processor-info.supported-features processor-info.sustained-clock-speed-in-ghz reboot-migration-support supported-boot-mode
		supported-virtualization-type vcpu-info.valid-cores vcpu-info.valid-threads-per-core`,
	"DescribeInstances": `affinity block-device-mapping.attach-time block-device-mapping.delete-on-termination block-device-mapping.device-name block-device-mapping.status
		block-device-mapping.volume-id boot-mode capacity-reservation-id capacity-reservation-specification.capacity-reservation-preference
		capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id
		capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn current-instance-boot-mode
		host-id hypervisor instance-lifecycle
		kernel-id metadata-options.http-protocol-ipv4 network-interface.addresses.association.carrier-ip
		network-interface.addresses.association.customer-owned-ip network-interface.association.carrier-ip network-interface.association.customer-owned-ip
		network-interface.deny-all-igw-traffic network-interface.ipv4-prefixes.ipv4-prefix
		network-interface.ipv6-prefixes.ipv6-prefix network-interface.operator.managed network-interface.operator.principal
		network-interface.outpost-arn network-interface.public-dns-name network-interface.requester-id network-performance-options.bandwidth-weighting
		operator.managed operator.principal outpost-arn placement-group-name placement-partition-number platform
		product-code product-code.type ramdisk-id requester-id root-device-name spot-instance-request-id tpm-support
		usage-operation-update-time`,
	"DescribeLaunchTemplateVersions": `create-time ebs-optimized host-resource-group-arn http-endpoint http-protocol-ipv4 http-tokens iam-instance-profile image-id
		instance-type is-default-version kernel-id license-configuration-arn network-card-index ram-disk-id`,
	"DescribeLaunchTemplates": "create-time launch-template-name tag-key tag:stage",
	"DescribeNetworkInterfacePermissions": `network-interface-permission.aws-account-id network-interface-permission.aws-service network-interface-permission.network-interface-id
		network-interface-permission.network-interface-permission-id network-interface-permission.permission`,
	"DescribeNetworkInterfaces": "operator.managed operator.principal requester-id",
	"DescribePrefixLists":       "prefix-list-id prefix-list-name",
	"DescribePublicIpv4Pools":   "tag-key tag:stage",
	"DescribeRouteTables":       "route.transit-gateway-id route.vpc-peering-connection-id",
	"DescribeSubnets":           "customer-owned-ipv4-pool enable-lni-at-device-index outpost-arn",
	"DescribeVolumes": `attachment.attach-time attachment.delete-on-termination attachment.device attachment.instance-id attachment.status availability-zone
		availability-zone-id create-time encrypted fast-restored multi-attach-enabled operator.managed operator.principal size snapshot-id status tag-key
		tag:stage volume-id volume-type`,
	"DescribeVpnConnections": "transit-gateway-id",
	"DescribeVpnGateways":    "availability-zone",
}
