package policy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"causeway.dev/iam/policy"
)

// A naive evaluator: it reads the JSON anew for each question and matches with
// regular expressions. It knows what random policies below can have.

func naiveGlob(pattern, text string) bool {
	var b strings.Builder
	for _, r := range pattern {
		switch r {
		case '*':
			b.WriteString("(?s:.*)")
		case '?':
			b.WriteString("(?s:.)")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return regexp.MustCompile("^" + b.String() + "$").MatchString(text)
}

func naiveARN(pattern, arn string) bool {
	if pattern == "*" {
		return true
	}
	p, a := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(a) != 6 {
		return false
	}
	for len(p) < 6 {
		p = append(p, "*")
	}
	inParts := true
	for i := range p {
		inParts = inParts && naiveGlob(p[i], a[i])
	}
	return inParts || naiveWhole(pattern, arn)
}

// naiveWhole lets the stars that end parts match colons, too.
func naiveWhole(pattern, arn string) bool {
	parts := strings.SplitN(pattern, ":", 6)
	for i := range min(len(parts), 5) {
		end := ""
		if rest, found := strings.CutSuffix(parts[i], "*"); found {
			parts[i], end = rest, "(?s:.*)"
		}
		parts[i] = strings.NewReplacer(`\*`, "[^:]*", `\?`, "[^:]").Replace(regexp.QuoteMeta(parts[i])) + end
	}
	if len(parts) == 6 {
		parts[5] = strings.NewReplacer(`\*`, "(?s:.*)", `\?`, "(?s:.)").Replace(regexp.QuoteMeta(parts[5]))
	}
	return regexp.MustCompile("^" + strings.Join(parts, ":") + "$").MatchString(arn)
}

type naiveStatement struct {
	Effect                string
	Action, NotAction     []string
	Resource, NotResource []string
	Condition             map[string]map[string][]string
}

func naiveDecide(document, action, resource string, keys map[string][]string) policy.Effect {
	var d struct{ Statement []naiveStatement }
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		panic(err)
	}
	allowed := false
	for _, s := range d.Statement {
		speaks := slices.ContainsFunc(s.Action, func(p string) bool { return naiveGlob(strings.ToLower(p), strings.ToLower(action)) })
		if s.NotAction != nil {
			speaks = !slices.ContainsFunc(s.NotAction, func(p string) bool { return naiveGlob(strings.ToLower(p), strings.ToLower(action)) })
		}
		about := slices.ContainsFunc(s.Resource, func(p string) bool { return naiveARN(p, resource) })
		if s.NotResource != nil {
			about = !slices.ContainsFunc(s.NotResource, func(p string) bool { return naiveARN(p, resource) })
		}
		if !speaks || !about || !naiveConditions(s.Effect, s.Condition, keys) {
			continue
		}
		if s.Effect == "Deny" {
			return policy.Deny
		}
		allowed = true
	}
	if allowed {
		return policy.Allow
	}
	return policy.None
}

func naiveConditions(effect string, blocks map[string]map[string][]string, keys map[string][]string) bool {
	for operator, block := range blocks {
		for key, want := range block {
			if !naiveCondition(effect, operator, keys[key], want) {
				return false
			}
		}
	}
	return true
}

func naiveCondition(effect, operator string, given, want []string) bool {
	if operator == "Null" {
		return slices.Contains(want, fmt.Sprint(len(given) == 0))
	}
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	set, base, found := strings.Cut(operator, ":")
	if !found {
		set, base = "", operator
	}
	negated := strings.Contains(base, "Not")
	match := func(g string) bool {
		for _, w := range want {
			if base == "StringEquals" || base == "StringNotEquals" {
				if g == w {
					return true
				}
			} else if naiveGlob(w, g) {
				return true
			}
		}
		return false
	}
	holds := func(g string) bool { return match(g) != negated }
	switch {
	case len(given) == 0 && set == "ForAllValues":
		return true
	case len(given) == 0 && set == "ForAnyValue":
		return false
	case len(given) == 0:
		return ifExists || negated
	case set == "ForAllValues", set == "" && effect == "Allow":
		return !slices.ContainsFunc(given, func(g string) bool { return !holds(g) })
	}
	return slices.ContainsFunc(given, holds)
}

// The evaluator says what the naive one says, for random policies and requests
// over words that often match.
func TestAgainstNaive(t *testing.T) {
	const rounds = 2_000
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	some := func(words ...string) []string {
		list := make([]string, 1+r.IntN(2))
		for i := range list {
			list[i] = pick(words...)
		}
		return list
	}
	value := func() string { return pick("a", "b", "ab", "ba", "*", "a*", "?b", "*b*a", "a?", "", "aab*") }
	statement := func() map[string]any {
		s := map[string]any{"Effect": pick("Allow", "Allow", "Deny")}
		s[pick("Action", "Action", "NotAction")] = some("*", "ec2:*", "ec2:Create*", "ec2:CreateVpc", "EC2:deletevpc", "iam:*", "ec2:*Vpc", "ec2:?reateVpc")
		s[pick("Resource", "Resource", "NotResource")] = some("*", "arn:aws:ec2:*:*:vpc/*", "arn:aws:ec2:us-east-1:1:vpc/v?", "arn:aws:ec2:*", "arn:aws:ec2:*:1:*", "arn:*:ec2:us-*-1:*:*/v*1", "arn:aws:iam::1:user/*", "arn:aws:logs:*:log-group:*", "arn:aws:logs:us-*:?og-group:a?:*", "arn:aws:logs:*-1:log-*:a*")
		if r.IntN(2) == 0 {
			block := map[string]any{}
			for range 1 + r.IntN(2) {
				block[pick("k:one", "k:two", "k:none")] = []string{value(), value()}
			}
			operator := pick("", "", "ForAllValues:", "ForAnyValue:") + pick("StringEquals", "StringNotEquals", "StringLike", "StringNotLike") + pick("", "", "IfExists")
			if r.IntN(8) == 0 {
				operator, block = "Null", map[string]any{pick("k:one", "k:none"): []string{pick("true", "false")}}
			}
			s["Condition"] = map[string]any{operator: block}
		}
		return s
	}
	for range rounds {
		statements := []any{}
		for range 1 + r.IntN(4) {
			statements = append(statements, statement())
		}
		text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
		if err != nil {
			t.Fatal(err)
		}
		d, err := policy.Parse(string(text), policy.Inline)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, text, err)
		}
		keys := map[string][]string{"k:one": {value()}}
		if r.IntN(2) == 0 {
			keys["k:two"] = []string{value(), value()}
		}
		action := pick("ec2:CreateVpc", "ec2:DeleteVpc", "iam:CreateUser")
		resource := pick("*", "arn:aws:ec2:us-east-1:1:vpc/v1", "arn:aws:ec2:eu-west-1:2:vpc/v2", "arn:aws:iam::1:user/u", "arn:aws:logs:us-east-1:1:log-group:ab", "arn:aws:logs:us-east-1:1:log-group:ab:log-stream:c")
		want := naiveDecide(string(text), action, resource, keys)
		if got := policy.For(action, d).Decide(policy.Request{Resource: resource, Keys: policy.Keys{keys}}); got != want {
			t.Fatalf("seed %d: %s: %s on %s with %v: %v, the naive one says %v", seed, text, action, resource, keys, got, want)
		}
	}
}
