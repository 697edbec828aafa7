package ec2

import (
	"fmt"
	"net/netip"
	"testing"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// BenchmarkDescribeInstances lists all instances, and finds one by its address.
func BenchmarkDescribeInstances(b *testing.B) {
	for _, count := range []int{10, 1000, 10_000} {
		c := newCloud(b)
		vpc := c.vpc("10.0.0.0/16")
		subnet := c.subnet(vpc, "10.0.0.0/16")
		for done := 0; done < count; done += 1000 {
			c.update(func(tx *store.Tx, s store.Scope) {
				for i := done; i < min(count, done+1000); i++ {
					v := resource.Instance{
						Meta: resource.Meta{ID: c.service.newID("i"), Account: s.Account, Region: s.Region},
						VPC:  vpc, Subnet: subnet, Interfaces: []string{c.service.newID("eni")}, Wanted: resource.InstanceRunning,
					}
					store.Instances.Put(tx, v)
					store.NetworkInterfaces.Put(tx, resource.NetworkInterface{
						Meta: resource.Meta{ID: v.Interfaces[0], Account: s.Account, Region: s.Region}, Instance: v.ID,
						VPC: vpc, Subnet: subnet, Address: netip.AddrFrom4([4]byte{10, 0, byte((i + 4) >> 8), byte(i + 4)}),
					})
				}
			})
		}
		for name, filters := range map[string][]model.Filter{
			"all": nil,
			"one": {{Name: new("private-ip-address"), Values: []string{"10.0.0.9"}}},
		} {
			b.Run(fmt.Sprintf("%s/%d", name, count), func(b *testing.B) {
				for b.Loop() {
					if _, err := c.service.DescribeInstances(b.Context(), c.caller(), &model.DescribeInstancesInput{Filters: filters}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
