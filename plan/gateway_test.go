package plan_test

import (
	"testing"

	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// TestNATGatewaysAreLogged gives a NAT gateway's interface, its subnet and its VPC a flow
// log, one after the other.
func TestNATGatewaysAreLogged(t *testing.T) {
	w := site()
	w.addNAT("a", "a", "subnet-a", "10.0.1.9")
	w.put(t, shared)
	log := func(of string) (end nodespec.LinkEnd) {
		t.Helper()
		err := shared.Update(t.Context(), func(tx *store.Tx) error {
			replace(tx, store.FlowLogs, nil)
			if of != "" {
				store.FlowLogs.Put(tx, resource.FlowLog{Meta: w.meta("fl-a"), Resource: of})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range plan.Compile(shared.Snapshot(), "node-1").Links {
			if link.ID == "nat-a:vpc-a" {
				end = link.Ends[1]
			}
		}
		return end
	}
	for of, want := range map[string]bool{"eni-nat-a": true, "subnet-a": true, "vpc-a": true, "eni-a": false} {
		if end := log(of); end.Counted != want || end.Interface != "eni-nat-a" {
			t.Errorf("with a flow log of %s the NAT gateway's link ends in %+v", of, end)
		}
	}
	if end := log(""); end.Counted {
		t.Errorf("without a flow log it ends in %+v", end)
	}
}
