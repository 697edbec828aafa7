package resource

import (
	"strings"
	"testing"
)

func TestParseProtocol(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"tcp": "tcp", "TCP": "tcp", "6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "-1": "-1", "50": "50", "0": "0", "255": "255",
		"": "", "all": "", "256": "", "-2": "", "tls": "", "+6": "", " 6": "",
	} {
		got, err := ParseProtocol(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestParsePorts(t *testing.T) {
	t.Parallel()
	n := func(v int32) *int32 { return &v }
	for _, test := range []struct {
		protocol         string
		from, to         *int32
		wantFrom, wantTo int32
		refused          bool
	}{
		{"tcp", n(22), n(22), 22, 22, false},
		{"udp", n(0), n(65535), 0, 65535, false},
		{"tcp", nil, n(22), 0, 0, true},
		{"tcp", n(22), nil, 0, 0, true},
		{"tcp", n(23), n(22), 0, 0, true},
		{"tcp", n(-1), n(-1), 0, 0, true},
		{"tcp", n(0), n(65536), 0, 0, true},
		{"icmp", n(8), n(0), 8, 0, false},
		{"icmp", n(8), n(-1), 8, -1, false},
		{"icmp", nil, nil, -1, -1, false},
		{"icmp", n(-1), n(0), 0, 0, true},
		{"icmp", n(256), n(0), 0, 0, true},
		{"icmpv6", n(128), n(256), 0, 0, true},
		{"-1", n(22), n(22), -1, -1, false}, // ports of all protocols mean nothing
		{"50", nil, nil, -1, -1, false},
	} {
		from, to, err := ParsePorts(test.protocol, test.from, test.to)
		if from != test.wantFrom || to != test.wantTo || (err != nil) != test.refused {
			t.Errorf("%+v: got %d, %d, %v", test, from, to, err)
		}
	}
}

func TestSecurityGroupTexts(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"web": true, "a b._-:/()#,@[]+=&;{}!$*": true, strings.Repeat("x", 255): true,
		"": false, "sg-1": false, "default": false, "DEFAULT": false, "a<b": false, "für": false, "a\nb": false, strings.Repeat("x", 256): false,
	} {
		if err := ValidateSecurityGroupName(name); (err == nil) != ok {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if ValidateSecurityGroupDescription("") == nil || ValidateRuleDescription("") != nil {
		t.Error("a group needs a description, a rule does not")
	}
}

func TestMergeTags(t *testing.T) {
	t.Parallel()
	present := []Tag{{"b", "1"}, {"d", "2"}}
	merged, err := MergeTags(present, []Tag{{"a", "3"}, {"d", "4"}, {"c", ""}})
	if err != nil || len(merged) != 4 || merged[0] != (Tag{"a", "3"}) || merged[3] != (Tag{"d", "4"}) {
		t.Errorf("got %v, %v", merged, err)
	}
	if present[1] != (Tag{"d", "2"}) {
		t.Error("merging changed what was present")
	}
	for _, bad := range [][]Tag{
		{{"", "v"}}, {{"aws:x", "v"}}, {{"AWS:x", "v"}}, {{strings.Repeat("é", 128), ""}}, {{"k", strings.Repeat("é", 257)}}, {{"k", "\xff"}}, {{"k", "1"}, {"k", "1"}},
	} {
		if _, err := MergeTags(nil, bad); code(err) != CodeInvalidParameterValue {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := MergeTags(nil, []Tag{{strings.Repeat("é", 127), strings.Repeat("é", 256)}}); err != nil {
		t.Errorf("the longest tag: %v", err)
	}
}
