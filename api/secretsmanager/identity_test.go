package secretsmanager

import (
	"strings"
	"testing"

	"causeway.dev/resource"
	"causeway.dev/store"
)

const userID = "AIDAEXAMPLEU"

// allow gives the user one policy in place of others, and has the user sign.
func (c *cloud) allow(statements string) {
	c.Helper()
	user := resource.User{Identity: resource.Identity{
		Meta: resource.Meta{ID: "u", Account: account, Region: resource.GlobalRegion}, Name: "u", Path: "/", UniqueID: userID,
	}}
	user.Inline = []resource.InlinePolicy{{Name: "own", Document: `{"Version":"2012-10-17","Statement":[` + statements + `]}`}}
	if err := c.store.Update(c.Context(), func(tx *store.Tx) error { store.Users.Put(tx, user); return nil }); err != nil {
		c.Fatal(err)
	}
	c.key = userKey
}

// inputs are good ones of all actions.
func inputs(id string) map[string]object {
	return map[string]object{
		"DescribeSecret": {"SecretId": id},
		"GetSecretValue": {"SecretId": id},
		"PutSecretValue": {"SecretId": id, "ClientRequestToken": version(1), "SecretString": keyOf(address, newKey)},
	}
}

func statement(effect, action, rest string) string {
	return `{"Effect":"` + effect + `","Action":"` + action + `",` + rest + `}`
}

// Each action is allowed by a policy that names it and the secret, and by none that
// names another action, another secret or other tags, or that denies it. Who is refused
// is told nothing of the secret, not even whether it exists.
func TestPoliciesDecideOnEachAction(t *testing.T) {
	t.Parallel()
	whole := resource.KeySecretARN(account, region, connection)
	on := func(arn string) string { return `"Resource":"` + arn + `"` }
	tagged := func(team string) string {
		return on("*") + `,"Condition":{"StringEquals":{"aws:ResourceTag/team":"` + team + `"}}`
	}
	const prefix = "secretsmanager:"
	for action := range newCloud(t).service.Actions {
		input, ok := inputs("s2svpn!" + connection)[action]
		if !ok {
			t.Errorf("no test knows how to call %s", action)
			continue
		}
		others := ""
		for other := range inputs("") {
			if other != action {
				others += statement("Allow", prefix+other, on("*")) + ","
			}
		}
		for _, p := range []struct {
			name, statements string
			may              bool
		}{
			{"the action on the secret", statement("Allow", prefix+action, on(whole)), true},
			{"the secret by its name", statement("Allow", prefix+action, on(strings.TrimSuffix(whole, "-bcdef0")+"-??????")), true},
			{"the tag of its connection", statement("Allow", prefix+action, tagged("network")), true},
			{"all actions", statement("Allow", prefix+"*", on("*")), true},
			{"the other actions", strings.TrimSuffix(others, ","), false},
			{"another secret", statement("Allow", prefix+action, on(strings.ReplaceAll(whole, "abcdef0", "abcdef1"))), false},
			{"another tag", statement("Allow", prefix+action, tagged("finance")), false},
			{"what is denied", statement("Allow", "*", on("*")) + "," + statement("Deny", prefix+action, on(whole)), false},
			{"EC2 only", statement("Allow", "ec2:*", on("*")), false},
		} {
			t.Run(action+" by "+p.name, func(t *testing.T) {
				t.Parallel()
				c := newCloud(t)
				before := c.secret()
				c.allow(p.statements)
				answer, code, message := c.try(action, input)
				if p.may {
					if code != "" {
						t.Errorf("refused: %s: %s", code, message)
					}
					return
				}
				if code != "AccessDeniedException" || answer != nil || strings.Contains(message, oldKey) || strings.Contains(message, newKey) {
					t.Errorf("got %v, %s: %s", answer, code, message)
				}
				if c.secret() != before {
					t.Error("what was refused has changed the secret")
				}
				missing := strings.ReplaceAll(input["SecretId"].(string), "abcdef0", "abcdef2")
				if _, code, _ := c.try(action, inputs(missing)[action]); p.name == "the other actions" && code != "AccessDeniedException" {
					t.Errorf("whether a secret exists is told by %s", code)
				}
			})
		}
	}
}
