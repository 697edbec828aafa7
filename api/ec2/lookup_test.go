package ec2

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	model "causeway.dev/api/model/ec2"
)

// Whether a filter is answered by an index or by a look at all records makes no
// difference to who passes.
func TestIndexedFiltersPassWhatALookAtAllPasses(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for i := range 2 {
		vpc := c.vpc(fmt.Sprintf("10.%d.0.0/16", i))
		subnet, further := c.subnet(vpc, fmt.Sprintf("10.%d.1.0/24", i)), c.subnet(vpc, fmt.Sprintf("10.%d.2.0/24", i))
		group := c.group(vpc, fmt.Sprintf("web-%d", i))
		c.run(subnet, "SecurityGroupId.1", group, "PrivateIpAddress", fmt.Sprintf("10.%d.1.9", i))
		gone := c.run(further).text("instancesSet/item/instanceId")
		c.call("TerminateInstances", "InstanceId.1", gone)
		for _, id := range []string{vpc, subnet, group, gone} {
			c.call("CreateTags", "ResourceId.1", id, "Tag.1.Key", "Name", "Tag.1.Value", fmt.Sprintf("n%d", i), "Tag.2.Key", "All", "Tag.2.Value", "yes")
		}
	}
	r := c.service.read(c.caller())
	indexed := []string{}
	indexed = append(indexed, compareLookups(t, r, "DescribeVpcs", vpcs, vpcFields)...)
	indexed = append(indexed, compareLookups(t, r, "DescribeSubnets", subnets, subnetView{service: c.service, reader: r}.fields())...)
	indexed = append(indexed, compareLookups(t, r, "DescribeNetworkInterfaces", networkInterfaces, c.service.networkInterfaceFields())...)
	indexed = append(indexed, compareLookups(t, r, "DescribeInstances", instances, c.service.newInstanceView(r).fields())...)
	for _, want := range []string{
		"DescribeSubnets vpc-id", "DescribeVpcs tag:All", "DescribeNetworkInterfaces attachment.instance-id", "DescribeNetworkInterfaces group-id",
		"DescribeInstances private-ip-address", "DescribeInstances network-interface.addresses.private-ip-address", "DescribeInstances instance-id",
	} {
		if !slices.Contains(indexed, want) {
			t.Errorf("%s is answered by no index; these are: %s", want, strings.Join(indexed, ", "))
		}
	}
}

// compareLookups asks with each filter for each value that a record has, and for
// two together, and returns the filters that an index answers.
func compareLookups[T any](t *testing.T, r reader, action string, n *noun[T], f fields[T]) (indexed []string) {
	t.Helper()
	ids := func(all iter.Seq[T]) (ids []string) {
		for v := range all {
			ids = append(ids, metaOf(&v).ID)
		}
		return ids
	}
	for _, name := range append(slices.Sorted(maps.Keys(f)), "tag:Name", "tag:All") {
		values, known := f.lookup(model.Actions[action].Filters, name)
		if !known {
			continue
		}
		asked := []string{"none-has-this"}
		for v := range n.list(r) {
			asked = append(asked, values(r, &v)...)
		}
		asked = slices.Compact(slices.Sorted(slices.Values(asked)))
		for _, value := range append(asked, asked[0]+"*") {
			filters := []model.Filter{{Name: new(name), Values: []string{value, asked[len(asked)-1]}}, {Name: new("tag:All"), Values: []string{"yes"}}}
			for _, few := range [][]model.Filter{filters[:1], filters} {
				chosen, err := f.compile(action, few)
				if err != nil {
					t.Fatal(err)
				}
				got, err := n.selected(r, nil, chosen)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := ids(got), ids(chosen.filter(r, n.list(r))); !slices.Equal(got, want) {
					t.Errorf("%s with %d filters, %s=%q: got %v, want %v", action, len(few), name, value, got, want)
				}
			}
		}
		if n.finder(name) != nil {
			indexed = append(indexed, action+" "+name)
		}
	}
	return indexed
}
