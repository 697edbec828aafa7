package ec2

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/resource"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"abc", "abc", true},
		{"abc", "ABC", false},
		{"abc", "abcd", false},
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c", "ac", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "acb", false},
		{"?", "é", true},
		{"?", "", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{`a\*c`, "a*c", true},
		{`a\*c`, "abc", false},
		{`\?*`, "?x", true},
		{`a\\c`, `a\c`, true},
		{`a\bc`, "abc", true},
		{"10.0.*.0/24", "10.0.12.0/24", true},
	} {
		if got := parsePattern(test.pattern).matches(test.text); got != test.want {
			t.Errorf("%q matches %q: got %v", test.pattern, test.text, got)
		}
	}
}

// FuzzPattern compares with a regular expression made of the pattern.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{{"a*b?c", "aXXbYc"}, {`\*\\?`, `*\x`}, {"**a**", "bab"}, {strings.Repeat("*a", 20), strings.Repeat("a", 60)}, {strings.Repeat("a", 254) + "?", strings.Repeat("a", 255)}, {strings.Repeat("?", 64) + "*é", strings.Repeat("b", 64) + "éé"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		text, value = strings.ToValidUTF8(text, ""), strings.ToValidUTF8(value, "")
		if utf8.RuneCountInString(text) > filterValueLengthMax {
			return // such a one is refused
		}
		var expression strings.Builder
		escaped := false
		for _, c := range strings.TrimSuffix(text, `\`) {
			switch {
			case escaped || c != '*' && c != '?' && c != '\\':
				expression.WriteString(regexp.QuoteMeta(string(c)))
				escaped = false
			case c == '\\':
				escaped = true
			case c == '*':
				expression.WriteString(".*")
			case c == '?':
				expression.WriteString(".")
			}
		}
		if escaped || strings.HasSuffix(text, `\`) {
			return // what a last, lonely backslash means is not AWS's to say
		}
		want := regexp.MustCompile(`(?s)\A` + expression.String() + `\z`).MatchString(value)
		if got := parsePattern(text).matches(value); got != want {
			t.Errorf("%q matches %q: got %v", text, value, got)
		}
	})
}

// TestFieldsAreFilters finds misspelt filters: what a noun has values for must
// be among the filters of its action in the model.
func TestFieldsAreFilters(t *testing.T) {
	t.Parallel()
	s := newCloud(t).service
	r := reader{}
	check(t, "DescribeVpcs", vpcFields)
	check(t, "DescribeSubnets", subnetView{service: s}.fields())
	check(t, "DescribeRouteTables", routeTableView{reader: r}.fields())
	check(t, "DescribeSecurityGroups", securityGroupFields)
	check(t, "DescribeSecurityGroupRules", ruleFields)
	check(t, "DescribeNetworkAcls", networkACLFields)
	check(t, "DescribeTags", tagFields)
	check(t, "DescribeInternetGateways", internetGatewayFields)
	check(t, "DescribeAddresses", addressFields)
	check(t, "DescribeNatGateways", natGatewayFields)
	nic := s.networkInterfaceFields()
	delete(nic, "group-name") // instances' only
	check(t, "DescribeNetworkInterfaces", nic)
	instance := s.newInstanceView(r).fields()
	maps.DeleteFunc(instance, func(name string, _ func(reader, *resource.Instance) []string) bool {
		_, known := nic[strings.TrimPrefix(name, "network-interface.")]
		return known && strings.HasPrefix(name, "network-interface.") // instances take some of them
	})
	check(t, "DescribeInstances", instance)
}

func check[T any](t *testing.T, action string, f fields[T]) {
	t.Helper()
	for name := range f {
		if !slices.Contains(model.Actions[action].Filters, name) {
			t.Errorf("%s has no filter %q", action, name)
		}
	}
}

// TestUnbuiltFilters uses a filter that AWS has for a feature that is not built:
// it matches nothing, and is not unknown.
func TestUnbuiltFilters(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.vpc("10.0.0.0/16")
	if n := len(c.call("DescribeVpcs", filter("1", "ipv6-cidr-block-association.state", "*")...).all("vpcSet/item")); n != 0 {
		t.Errorf("%d VPCs have IPv6", n)
	}
	if n := len(c.call("DescribeVpcs", append(filter("1", "state", "pending", "available"), filter("2", "is-default", "false")...)...).all("vpcSet/item")); n != 1 {
		t.Errorf("%d VPCs match one value of each filter", n)
	}
}

// TestHostilePatternsAreQuick matches the patterns that cost most against the
// texts that cost most, as many as a request can have and a region has records.
func TestHostilePatternsAreQuick(t *testing.T) {
	t.Parallel()
	var c criterion[Image]
	for range filterValuesMax {
		c.patterns = append(c.patterns, parsePattern("*"+strings.Repeat("a", filterValueLengthMax/2)+"?"+strings.Repeat("a", filterValueLengthMax/2-3)+"b"))
	}
	text := strings.Repeat("a", 256)
	begin := time.Now()
	for range 100 {
		if c.accepts(text) {
			t.Fatal("a pattern with b matches a text without")
		}
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("100 records took %v", took)
	}
}

func TestLongFilterValues(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.call("DescribeVpcs", filter("1", "tag:Name", strings.Repeat("é", filterValueLengthMax))...)
	c.refuse("FilterLimitExceeded", "DescribeVpcs", filter("1", "tag:Name", strings.Repeat("é", filterValueLengthMax+1))...)
}
