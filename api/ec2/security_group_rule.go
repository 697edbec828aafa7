package ec2

import (
	"iter"
	"slices"

	"causeway.dev/resource"
)

// securityGroupRules are the rules of all groups, as far as tags are concerned:
// they have ids and tags and are part of their groups' records.
type securityGroupRules struct{}

func (securityGroupRules) owns(id string) bool  { return wellFormed("sgr", id) }
func (securityGroupRules) resourceType() string { return "security-group-rule" }

func (securityGroupRules) allTags(r reader) iter.Seq2[string, []resource.Tag] {
	return func(yield func(string, []resource.Tag) bool) {
		for g := range securityGroups.list(r) {
			for _, rule := range g.Rules {
				if !yield(rule.ID, rule.Tags) {
					return
				}
			}
		}
	}
}

func (securityGroupRules) retag(w writer, id string, change func([]resource.Tag) ([]resource.Tag, error)) error {
	g, at, err := ruleByID(w.reader, id)
	if err != nil {
		return err
	}
	g.Rules = slices.Clone(g.Rules)
	if g.Rules[at].Tags, err = change(g.Rules[at].Tags); err != nil {
		return err
	}
	securityGroups.put(w, g)
	return nil
}

// ruleByID finds a rule: its group, and where it stands there.
func ruleByID(r reader, id string) (resource.SecurityGroup, int, error) {
	if !wellFormed("sgr", id) {
		return resource.SecurityGroup{}, 0, resource.Errorf("InvalidSecurityGroupRuleId.Malformed", "Invalid id: %q (expecting \"sgr-...\")", clip(id))
	}
	for g := range securityGroups.list(r) {
		if at := slices.IndexFunc(g.Rules, func(rule resource.SecurityGroupRule) bool { return rule.ID == id }); at >= 0 {
			return g, at, nil
		}
	}
	return resource.SecurityGroup{}, 0, resource.Errorf("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
}
