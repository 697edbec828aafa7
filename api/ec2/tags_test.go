package ec2

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestTags(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	group := c.group(vpc, "web")
	rule := c.call("DescribeSecurityGroupRules", filter("1", "group-id", group)...).text("securityGroupRuleSet/item/securityGroupRuleId")
	tags := func(filters ...string) (got []string) {
		t.Helper()
		for _, tag := range c.call("DescribeTags", filters...).all("tagSet/item") {
			got = append(got, tag.text("resourceType")+" "+tag.text("key")+"="+tag.text("value"))
		}
		return got
	}
	expect := func(got []string, want ...string) {
		t.Helper()
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}

	c.call("CreateTags", "ResourceId.1", vpc, "ResourceId.2", group, "ResourceId.3", rule,
		"Tag.1.Key", "Name", "Tag.1.Value", "a b+é", "Tag.2.Key", "empty", "Tag.2.Value", "")
	expect(tags(), "security-group Name=a b+é", "security-group empty=", "security-group-rule Name=a b+é", "security-group-rule empty=", "vpc Name=a b+é", "vpc empty=")
	expect(tags(append(filter("1", "resource-id", vpc), filter("2", "key", "N*")...)...), "vpc Name=a b+é")
	expect(tags(filter("1", "resource-type", "security-group-rule")...), "security-group-rule Name=a b+é", "security-group-rule empty=")

	c.call("CreateTags", "ResourceId.1", vpc, "Tag.1.Key", "Name", "Tag.1.Value", "other")
	expect(c.call("DescribeVpcs", filter("1", "tag:Name", "other")...).texts("vpcSet/item/vpcId"), vpc)
	expect(c.call("DescribeVpcs", filter("1", "tag-key", "empty")...).texts("vpcSet/item/vpcId"), vpc)

	c.call("DeleteTags", "ResourceId.1", vpc, "Tag.1.Key", "Name", "Tag.1.Value", "something else") // another value: stays
	expect(tags(filter("1", "resource-id", vpc)...), "vpc Name=other", "vpc empty=")
	c.call("DeleteTags", "ResourceId.1", vpc, "Tag.1.Key", "Name", "Tag.2.Key", "unknown")
	expect(tags(filter("1", "resource-id", vpc)...), "vpc empty=")
	c.call("DeleteTags", "ResourceId.1", group)
	expect(tags(filter("1", "resource-id", group)...))
}

func TestTagLimit(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	vpc, other := c.vpc("10.0.0.0/16"), c.vpc("10.0.0.0/16")
	full := []string{"ResourceId.1", vpc}
	for i := range 50 {
		n := strconv.Itoa(i + 1)
		full = append(full, "Tag."+n+".Key", "key"+n, "Tag."+n+".Value", n)
	}
	c.call("CreateTags", full...)
	c.call("CreateTags", "ResourceId.1", vpc, "Tag.1.Key", "key7", "Tag.1.Value", "replaced")
	c.refuse("TagLimitExceeded", "CreateTags", "ResourceId.1", other, "ResourceId.2", vpc, "Tag.1.Key", "one too many", "Tag.1.Value", "")
	if n := len(c.call("DescribeTags", filter("1", "resource-id", other)...).all("tagSet/item")); n != 0 {
		t.Error("a refused call has tagged one of its resources")
	}
	if n := len(c.call("DescribeTags", filter("1", "key", "key*")...).all("tagSet/item")); n != 50 {
		t.Errorf("%d tags", n)
	}
	var got []string
	for token := []string(nil); ; {
		answer := c.call("DescribeTags", append(token, "MaxResults", "7")...)
		got = append(got, answer.texts("tagSet/item/key")...)
		next := answer.text("nextToken")
		if next == "" {
			break
		}
		token = []string{"NextToken", next}
	}
	if len(got) != 50 || !strings.Contains(strings.Join(got, " "), "key50") {
		t.Errorf("pages have %d tags", len(got))
	}
}
