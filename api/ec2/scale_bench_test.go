package ec2

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"time"

	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// What BenchmarkScale has in one account's region.
const (
	scaleVPCs        = 1_000
	scaleInterfaces  = 10_000 // each of an instance of its own
	scaleConnections = 2_000
)

// BenchmarkScale asks and writes where there is much, through the whole chain of a
// request, with no network to apply anything to. It reports the median and the
// 99th percentile, in milliseconds.
func BenchmarkScale(b *testing.B) {
	c, ids := manyConnections(b, scaleConnections)
	c.service.limits.SecurityGroups, c.service.limits.Instances, c.service.limits.NetworkInterfaces = 1_000_000, 1_000_000, 1_000_000
	vpc, subnet, instance, nic := manyVPCs(c)
	connection, fresh := ids[len(ids)/2], 0
	next := func(form string) string { fresh++; return fmt.Sprintf(form, fresh) }
	for _, bench := range []struct {
		name string
		call func() string
	}{
		{"describe/connection-by-id", func() string { return "DescribeVpnConnections&VpnConnectionId.1=" + connection }},
		{"describe/connection-by-tag", func() string {
			return "DescribeVpnConnections&Filter.1.Name=tag:Name&Filter.1.Value.1=site-" + connection
		}},
		{"describe/vpc-by-id", func() string { return "DescribeVpcs&VpcId.1=" + vpc }},
		{"describe/vpc-by-tag", func() string { return "DescribeVpcs&Filter.1.Name=tag:Name&Filter.1.Value.1=" + vpc }},
		{"describe/subnet-by-vpc", func() string { return "DescribeSubnets&Filter.1.Name=vpc-id&Filter.1.Value.1=" + vpc }},
		{"describe/instance-by-id", func() string { return "DescribeInstances&InstanceId.1=" + instance }},
		{"describe/instance-by-vpc", func() string { return "DescribeInstances&Filter.1.Name=vpc-id&Filter.1.Value.1=" + vpc }},
		{"describe/instance-by-address", func() string {
			return "DescribeInstances&Filter.1.Name=private-ip-address&Filter.1.Value.1=10.0.0.9"
		}},
		{"describe/interface-by-id", func() string { return "DescribeNetworkInterfaces&NetworkInterfaceId.1=" + nic }},
		{"describe/interface-by-instance", func() string {
			return "DescribeNetworkInterfaces&Filter.1.Name=attachment.instance-id&Filter.1.Value.1=" + instance
		}},
		{"write/tag", func() string { return "CreateTags&ResourceId.1=" + nic + next("&Tag.1.Key=n&Tag.1.Value=%d") }},
		{"write/route", func() string {
			fresh++
			return fmt.Sprintf("CreateVpnConnectionRoute&VpnConnectionId=%s&DestinationCidrBlock=10.%d.%d.0/24", ids[fresh%len(ids)], fresh>>8&0xff, fresh&0xff)
		}},
		{"write/group", func() string { return "CreateSecurityGroup&GroupDescription=d&VpcId=" + vpc + next("&GroupName=g%d") }},
		{"write/instance", func() string {
			return "RunInstances&MinCount=1&MaxCount=1&ImageId=" + HostImage + "&SubnetId=" + subnet
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				took = append(took, c.timed(b, bench.call()))
			}
			slices.Sort(took)
			for percent, name := range map[int]string{50: "p50-ms", 99: "p99-ms"} {
				b.ReportMetric(took[(len(took)-1)*percent/100].Seconds()*1e3, name)
			}
			b.ReportMetric(0, "ns/op") // has the signing in it
		})
	}
}

// timed makes a request that must succeed and returns how long its answer takes.
func (c *cloud) timed(b *testing.B, call string) time.Duration {
	parts := splitCall(call)
	form := url.Values{"Action": {parts[0]}, "Version": {"2016-11-15"}}
	for i := 1; i < len(parts); i += 2 {
		form.Set(parts[i], parts[i+1])
	}
	signer := sigv4test.Signer{AccessKeyID: keyPrefix + c.account, Secret: testSecret, Region: c.region, Service: "ec2", Now: testTime}
	request, answer := signer.Post("http://127.0.0.1/", form), httptest.NewRecorder()
	begin := time.Now()
	c.server.ServeHTTP(answer, request)
	took := time.Since(begin)
	if answer.Code != http.StatusOK {
		b.Fatalf("%s: %s", call, answer.Body)
	}
	return took
}

// manyVPCs writes VPCs of one subnet each, with instances of one interface spread
// over them, as the API made the first ones. What it returns is in the middle.
func manyVPCs(c *cloud) (vpc, subnet, instance, nic string) {
	c.Helper()
	first := c.vpc("10.0.0.0/16")
	run := c.run(c.subnet(first, "10.0.0.0/16"))
	scope := store.Scope{Account: c.account, Region: c.region}
	now := c.service.config.Store.Snapshot()
	vpcTemplate, _ := store.VPCs.Get(now, scope, first)
	instanceTemplate, ok := store.Instances.Get(now, scope, run.text("instancesSet/item/instanceId"))
	if !ok {
		c.Fatal("the first instance is not stored")
	}
	subnetTemplate, _ := store.Subnets.Get(now, scope, instanceTemplate.Subnet)
	groups := c.call("DescribeSecurityGroups", filter("1", "vpc-id", first)...)
	groupTemplate, _ := store.SecurityGroups.Get(now, scope, groups.text("securityGroupInfo/item/groupId"))
	nicTemplate, _ := store.NetworkInterfaces.Get(now, scope, instanceTemplate.Interfaces[0])
	const each = scaleInterfaces / scaleVPCs
	for n := range scaleVPCs {
		v, s := vpcTemplate, subnetTemplate
		v.ID, s.ID = fmt.Sprintf("vpc-%017x", n), fmt.Sprintf("subnet-%017x", n)
		g := groupTemplate
		g.ID, g.VPC = fmt.Sprintf("sg-%017x", n), v.ID
		v.Tags, s.VPC = []resource.Tag{{Key: "Name", Value: v.ID}}, v.ID
		if err := c.service.config.Store.Update(c.Context(), func(tx *store.Tx) error {
			store.VPCs.Put(tx, v)
			store.Subnets.Put(tx, s)
			store.SecurityGroups.Put(tx, g)
			for m := range each {
				i, e := instanceTemplate, nicTemplate
				i.ID, e.ID = fmt.Sprintf("i-%017x", n*each+m), fmt.Sprintf("eni-%017x", n*each+m)
				i.VPC, i.Subnet, i.Interfaces, i.Reservation = v.ID, s.ID, []string{e.ID}, fmt.Sprintf("r-%017x", n*each+m)
				e.VPC, e.Subnet, e.Instance, e.Address = v.ID, s.ID, i.ID, netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), byte(4 + m)}) // of nobody else, so that it can be looked for
				store.Instances.Put(tx, i)
				store.NetworkInterfaces.Put(tx, e)
			}
			return nil
		}); err != nil {
			c.Fatal(err)
		}
	}
	const middle = scaleVPCs / 2
	return fmt.Sprintf("vpc-%017x", middle), fmt.Sprintf("subnet-%017x", middle), fmt.Sprintf("i-%017x", middle*each), fmt.Sprintf("eni-%017x", middle*each)
}
