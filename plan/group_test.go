package plan_test

import (
	"net/netip"
	"testing"

	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
)

// A group holds in further VPCs among what is there: a rule that names its members
// means those of the same VPC.
func TestGroupsOfSeveralVPCs(t *testing.T) {
	w := site()
	w.addVPC("b", "10.1.0.0/16")
	w.addInstance("guest", "b", 5, "sg-a")
	w.groups[0].Associated = []string{"vpc-b"}
	w.groups[0].Rules = append(w.groups[0].Rules, resource.SecurityGroupRule{ID: "sgr-own", Protocol: "-1", FromPort: -1, ToPort: -1, Group: "sg-a"})
	var groups = map[string]nodespec.Group{}
	for _, n := range plan.Compile(w.put(t, shared), "node-1").Networks {
		for _, g := range n.Groups {
			if g.ID == "sg-a" {
				groups[n.ID] = g
			}
		}
	}
	for vpc, member := range map[string]string{"vpc-a": "10.0.1.4", "vpc-b": "10.1.1.5"} {
		g := groups[vpc]
		if len(g.Members) != 1 || g.Members[0] != netip.MustParseAddr(member) {
			t.Errorf("in %s its members are %v", vpc, g.Members)
		}
		named := 0
		for _, rule := range g.Rules {
			if rule.PeerGroup == "sg-a" {
				named++
			}
		}
		if named != 1 || len(g.Rules) != len(groups["vpc-a"].Rules) {
			t.Errorf("in %s its rules are %+v", vpc, g.Rules)
		}
	}
}
