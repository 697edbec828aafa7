package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"causeway.dev/iam/policy"
)

func parse(t *testing.T, kind policy.Kind, document string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(document, kind)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	return d
}

// document wraps the inside of one statement.
func document(statement string) string {
	return `{"Version":"2012-10-17","Statement":[{` + statement + `}]}`
}

// Refusals have AWS's words.
func TestMalformed(t *testing.T) {
	const allow = `"Effect":"Allow","Action":"ec2:*","Resource":"*"`
	const trust = `"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"`
	for _, test := range []struct {
		kind     policy.Kind
		document string
		want     string
	}{
		{policy.Inline, ``, "Syntax errors in policy."},
		{policy.Inline, `[]`, "Syntax errors in policy."},
		{policy.Inline, `{"Version":"2012-10-17"}`, "Syntax errors in policy."},
		{policy.Inline, `{"Statement":[]}`, "Syntax errors in policy."},
		{policy.Inline, `{"Version":"2011-01-01","Statement":{` + allow + `}}`, "Syntax errors in policy."},
		{policy.Inline, `{"Statement":{` + allow + `}} x`, "Syntax errors in policy."},
		{policy.Inline, `{"Statement":{` + allow + `},"Statement":{` + allow + `}}`, "Syntax errors in policy."},
		{policy.Inline, `{"Statement":{` + allow + `},"Other":1}`, "Syntax errors in policy."},
		{policy.Inline, strings.Repeat(`{"Statement":`, 20) + "1" + strings.Repeat("}", 20), "Syntax errors in policy."},
		{policy.Managed, `{"Statement":{` + allow + `}}`, "Policy document must be version 2012-10-17 or greater."},
		{policy.Inline, document(`"Effect":"allow","Action":"ec2:*","Resource":"*"`), "Syntax errors in policy."},
		{policy.Inline, document(`"Action":"ec2:*","Resource":"*"`), "Syntax errors in policy."},
		{policy.Inline, document(allow + `,"NotAction":"a:b"`), "Syntax errors in policy."},
		{policy.Inline, document(`"Sid":"a b",` + allow), "Statement IDs (SID) must be alpha-numeric"},
		{policy.Inline, `{"Statement":[{"Sid":"a",` + allow + `},{"Sid":"a",` + allow + `}]}`, "Statement IDs (SID) in a single policy must be unique."},
		{policy.Inline, document(`"Effect":"Allow","Resource":"*"`), "Policy statement must contain actions."},
		{policy.Inline, document(`"Effect":"Allow","Action":[],"Resource":"*"`), "Policy statement must contain actions."},
		{policy.Inline, document(`"Effect":"Allow","Action":"describe","Resource":"*"`), "Actions/Conditions must be prefaced by a vendor"},
		{policy.Inline, document(`"Effect":"Allow","Action":"a:b:c","Resource":"*"`), "Actions/Condition can contain only one colon."},
		{policy.Inline, document(`"Effect":"Allow","Action":"e_2:*","Resource":"*"`), "Vendor e_2 is not valid"},
		{policy.Inline, document(`"Effect":"Allow","Action":"ec2:*"`), "Policy statement must contain resources."},
		{policy.Inline, document(`"Effect":"Allow","Action":"ec2:*","Resource":"vpc-1"`), `Resource vpc-1 must be in ARN format or "*".`},
		{policy.Inline, document(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:mars:ec2:::vpc/1"`), `Partition "mars" is not valid for resource "arn:mars:ec2:::vpc/1".`},
		{policy.Inline, document(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2"`), "The policy failed legacy parsing"},
		{policy.Inline, document(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:us-*:vpc/vpc-1"`), "The policy failed legacy parsing"},
		{policy.Inline, document(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec*:::vpc/1"`), "Resource vendor must be fully qualified and cannot contain regexes."},
		{policy.Inline, document(`"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam:us-east-1:123456789012:user/a"`), "cannot contain region information."},
		{policy.Inline, document(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:::${aws:username"`), "Syntax errors in policy."},
		{policy.Inline, document(`"Principal":"*",` + allow), "Policy document should not specify a principal."},
		{policy.Inline, document(allow + `,"Condition":{"StringIs":{"a:b":"c"}}`), "Syntax errors in policy."},
		{policy.Inline, document(allow + `,"Condition":{"StringEquals":{"ab":"c"}}`), "Actions/Conditions must be prefaced by a vendor"},
		{policy.Inline, document(allow + `,"Condition":{"StringEquals":{"a:b":{}}}`), "Syntax errors in policy."},
		{policy.Inline, document(allow + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/40"}}`), "The policy failed legacy parsing"},
		{policy.Inline, document(allow + `,"Condition":{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}`), "The policy failed legacy parsing"},
		{policy.Inline, document(allow + `,"Condition":{"NumericLessThan":{"a:b":"1e999999999"}}`), "The policy failed legacy parsing"},
		{policy.Inline, document(allow + `,"Condition":{"Bool":{"a:b":"maybe"}}`), "The policy failed legacy parsing"},
		{policy.Trust, `{`, "This policy contains invalid Json"},
		{policy.Trust, document(`"Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"`), "Missing required field Effect"},
		{policy.Trust, document(`"Effect":"Allow","Action":"sts:AssumeRole"`), "Missing required field Principal"},
		{policy.Trust, document(`"Effect":"Allow","Principal":{},"Action":"sts:AssumeRole"`), "Missing required field Principal cannot be empty!"},
		{policy.Trust, document(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/*"},"Action":"sts:AssumeRole"`), `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/*"`},
		{policy.Trust, document(`"Effect":"Allow","Principal":{"Someone":"x"},"Action":"sts:AssumeRole"`), `Invalid principal in policy: "Someone":"x"`},
		{policy.Trust, document(`"Effect":"Allow","Principal":{"AWS":"123456789012"}`), "Missing required field Action"},
		{policy.Trust, document(`"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"ec2:RunInstances"`), "AssumeRole policy may only specify STS AssumeRole actions."},
		{policy.Trust, document(trust + `,"Resource":"*"`), "Has prohibited field Resource"},
	} {
		_, err := policy.Parse(test.document, test.kind)
		var e *policy.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, test.want) {
			t.Errorf("%s: %v, want %s", test.document, err, test.want)
		}
	}
}

func TestStatements(t *testing.T) {
	const vpc = "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1"
	for _, test := range []struct {
		statement, action, resource string
		want                        policy.Effect
	}{
		{`"Effect":"Allow","Action":"*","Resource":"*"`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","Action":"EC2:createvpc","Resource":"*"`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","Action":"ec2:Create???","Resource":"*"`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","Action":"ec2:Create????","Resource":"*"`, "ec2:CreateVpc", vpc, policy.None},
		{`"Effect":"Allow","NotAction":"iam:*","Resource":"*"`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","NotAction":"ec2:*","Resource":"*"`, "ec2:CreateVpc", vpc, policy.None},
		{`"Effect":"Deny","Action":"ec2:*","Resource":"*"`, "ec2:CreateVpc", vpc, policy.Deny},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:us-east-1:123456789012:vpc/*"`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:vpc/vpc-?"`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*"`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:vpc/vpc-1:x"`, "ec2:CreateVpc", vpc, policy.None},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:eu-west-1:*:vpc/*"`, "ec2:CreateVpc", vpc, policy.None},
		{`"Effect":"Allow","Action":"*","Resource":["arn:aws:ec2:*:*:subnet/*","arn:aws:ec2:*:*:vpc/*"]`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","Action":"*","NotResource":"arn:aws:ec2:*:*:subnet/*"`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","Action":"*","NotResource":"arn:aws:ec2:*:*:vpc/*"`, "ec2:CreateVpc", vpc, policy.None},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:vpc/*"`, "ec2:DescribeVpcs", "*", policy.None},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:vpc/${aws:username}"`, "ec2:CreateVpc", "arn:aws:ec2:us-east-1:123456789012:vpc/al*ce", policy.Allow},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:vpc/${aws:username}"`, "ec2:CreateVpc", "arn:aws:ec2:us-east-1:123456789012:vpc/alice", policy.None}, // the * in the name is no wildcard
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:vpc/${aws:nobody}"`, "ec2:CreateVpc", vpc, policy.None},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:vpc/${aws:nobody, 'vpc-1'}"`, "ec2:CreateVpc", vpc, policy.Allow},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:vpc/${*}"`, "ec2:CreateVpc", vpc, policy.None},
		{`"Effect":"Deny","Action":"*","Resource":"arn:aws:logs:*:log-group:*"`, "logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:/vpn", policy.Deny}, // the * that ends a part reaches beyond it
		{`"Effect":"Deny","Action":"*","Resource":"arn:aws:logs:*east-1:log-group:*"`, "logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:/vpn", policy.None},
	} {
		d := parse(t, policy.Inline, document(test.statement))
		got := policy.For(test.action, d).Decide(policy.Request{Resource: test.resource, Keys: policy.Keys{{"aws:username": {"al*ce"}}}})
		if got != test.want {
			t.Errorf("%s: %s on %s: %v, want %v", test.statement, test.action, test.resource, got, test.want)
		}
	}
}

// What one policy denies no other allows, in whatever order they come.
func TestDenyFirst(t *testing.T) {
	allow := parse(t, policy.Inline, document(`"Effect":"Allow","Action":"ec2:*","Resource":"*"`))
	deny := parse(t, policy.Inline, document(`"Effect":"Deny","Action":"ec2:DeleteVpc","Resource":"*"`))
	for _, documents := range [][]*policy.Document{{allow, deny}, {deny, allow}} {
		if got := policy.For("ec2:DeleteVpc", documents...).Decide(policy.Request{Resource: "*"}); got != policy.Deny {
			t.Errorf("DeleteVpc: %v", got)
		}
		if got := policy.For("ec2:CreateVpc", documents...).Decide(policy.Request{Resource: "*"}); got != policy.Allow {
			t.Errorf("CreateVpc: %v", got)
		}
		if got := policy.For("iam:CreateUser", documents...).Decide(policy.Request{Resource: "*"}); got != policy.None {
			t.Errorf("CreateUser: %v", got)
		}
	}
}

func TestConditions(t *testing.T) {
	keys := policy.Keys{
		{
			"a:text": {"Hello"}, "a:number": {"10"}, "a:time": {"2026-03-01T12:00:00Z"}, "a:true": {"true"}, "a:v4": {"192.0.2.7"}, "a:v6": {"2001:db8::7"},
			"a:arn": {"arn:aws:iam::123456789012:user/team/alice"}, "a:many": {"x", "y"}, "a:layer": {"below"},
		},
		{"a:layer": {"above"}},
	}
	for _, test := range []struct {
		condition string
		want      bool
	}{
		{`{"StringEquals":{"a:text":"Hello"}}`, true},
		{`{"stringequals":{"A:Text":"Hello"}}`, true},
		{`{"StringEquals":{"a:text":"hello"}}`, false},
		{`{"StringEquals":{"a:text":["no","Hello"]}}`, true},
		{`{"StringEquals":{"a:text":"H*"}}`, false},
		{`{"StringEquals":{"a:absent":"Hello"}}`, false},
		{`{"StringEqualsIfExists":{"a:absent":"Hello"}}`, true},
		{`{"StringEqualsIfExists":{"a:text":"no"}}`, false},
		{`{"StringNotEquals":{"a:text":["no","Hello"]}}`, false},
		{`{"StringNotEquals":{"a:text":["no","never"]}}`, true},
		{`{"StringNotEquals":{"a:absent":"x"}}`, true},
		{`{"StringEqualsIgnoreCase":{"a:text":"hELLO"}}`, true},
		{`{"StringNotEqualsIgnoreCase":{"a:text":"hELLO"}}`, false},
		{`{"StringLike":{"a:text":"H*l?"}}`, true},
		{`{"StringLike":{"a:text":"h*"}}`, false},
		{`{"StringNotLike":{"a:text":"h*"}}`, true},
		{`{"StringLike":{"a:text":"${a:text}"}}`, true},
		{`{"StringLike":{"a:text":"H*","a:number":"11"}}`, false},
		{`{"StringLike":{"a:text":"H*"},"NumericEquals":{"a:number":"10"}}`, true},
		{`{"StringLike":{"a:text":"H*"},"NumericEquals":{"a:number":"11"}}`, false},
		{`{"NumericEquals":{"a:number":10}}`, true},
		{`{"NumericEquals":{"a:number":"10.0"}}`, true},
		{`{"NumericNotEquals":{"a:number":"10"}}`, false},
		{`{"NumericLessThan":{"a:number":"9"}}`, false},
		{`{"NumericLessThanEquals":{"a:number":"10"}}`, true},
		{`{"NumericGreaterThan":{"a:number":"9"}}`, true},
		{`{"NumericGreaterThanEquals":{"a:number":"11"}}`, false},
		{`{"NumericEquals":{"a:text":"10"}}`, false},
		{`{"DateEquals":{"a:time":"2026-03-01T13:00:00+01:00"}}`, true},
		{`{"DateNotEquals":{"a:time":"2026-03-01T12:00:00Z"}}`, false},
		{`{"DateLessThan":{"a:time":"2026-03-02"}}`, true},
		{`{"DateLessThanEquals":{"a:time":"2026-03-01T12:00:00Z"}}`, true},
		{`{"DateGreaterThan":{"a:time":"2026-03-01T12:00:00Z"}}`, false},
		{`{"DateGreaterThanEquals":{"a:time":"1772366400"}}`, true},
		{`{"Bool":{"a:true":"true"}}`, true},
		{`{"Bool":{"a:true":false}}`, false},
		{`{"Bool":{"a:absent":"false"}}`, false},
		{`{"BoolIfExists":{"a:absent":"true"}}`, true},
		{`{"IpAddress":{"a:v4":"192.0.2.0/24"}}`, true},
		{`{"IpAddress":{"a:v4":"192.0.2.8"}}`, false},
		{`{"NotIpAddress":{"a:v4":["198.51.100.0/24","192.0.2.0/28"]}}`, false},
		{`{"IpAddress":{"a:v6":"2001:db8::/32"}}`, true},
		{`{"IpAddress":{"a:text":"0.0.0.0/0"}}`, false},
		{`{"ArnEquals":{"a:arn":"arn:aws:iam::*:user/team/*"}}`, true},
		{`{"ArnLike":{"a:arn":"arn:aws:iam::123456789012:user/other/*"}}`, false},
		{`{"ArnLike":{"a:arn":"arn:*:user/team/alice"}}`, false}, // a star stays in its part
		{`{"ArnNotLike":{"a:arn":"arn:aws:iam::*:role/*"}}`, true},
		{`{"Null":{"a:absent":"true"}}`, true},
		{`{"Null":{"a:text":"true"}}`, false},
		{`{"Null":{"a:text":"false"}}`, true},
		{`{"ForAllValues:StringEquals":{"a:many":["x","y","z"]}}`, true},
		{`{"ForAllValues:StringEquals":{"a:many":["x","z"]}}`, false},
		{`{"ForAllValues:StringEquals":{"a:absent":"x"}}`, true},
		{`{"ForAnyValue:StringEquals":{"a:many":["y","z"]}}`, true},
		{`{"ForAnyValue:StringEquals":{"a:many":["z"]}}`, false},
		{`{"ForAnyValue:StringEquals":{"a:absent":"x"}}`, false},
		{`{"ForAnyValue:StringEqualsIfExists":{"a:absent":"x"}}`, false},
		{`{"ForAnyValue:StringNotEqualsIfExists":{"a:absent":"x"}}`, false},
		{`{"ForAllValues:StringEqualsIfExists":{"a:absent":"x"}}`, true},
		{`{"ForAllValues:StringNotEquals":{"a:many":["y"]}}`, false},
		{`{"ForAllValues:StringNotEquals":{"a:many":["z"]}}`, true},
		{`{"ForAnyValue:StringNotEquals":{"a:many":["y"]}}`, true},
		{`{"StringEquals":{"a:many":"y"}}`, false},
		{`{"StringEquals":{"a:many":["x","y"]}}`, true},
		{`{"StringNotEquals":{"a:many":"y"}}`, false},
		{`{"StringNotEquals":{"a:many":"z"}}`, true},
		{`{"StringEquals":{"a:layer":"above"}}`, true},
		{`{}`, true},
	} {
		d := parse(t, policy.Inline, document(`"Effect":"Allow","Action":"*","Resource":"*","Condition":`+test.condition))
		got := policy.For("a:b", d).Decide(policy.Request{Resource: "*", Keys: keys}) == policy.Allow
		if got != test.want {
			t.Errorf("%s: %v, want %v", test.condition, got, test.want)
		}
	}
}

// Of a key with several values under an operator for one, all must allow and each
// can deny: tags that differ in case only open nothing.
func TestSeveralValuesDeny(t *testing.T) {
	keys := policy.Keys{{"a:many": {"x", "y"}}}
	for condition, want := range map[string]policy.Effect{
		`{"StringEquals":{"a:many":"x"}}`:          policy.Deny,
		`{"StringEquals":{"a:many":"z"}}`:          policy.None,
		`{"StringNotEquals":{"a:many":"x"}}`:       policy.Deny,
		`{"StringNotEquals":{"a:many":["x","y"]}}`: policy.None,
	} {
		d := parse(t, policy.Inline, document(`"Effect":"Deny","Action":"*","Resource":"*","Condition":`+condition))
		if got := policy.For("a:b", d).Decide(policy.Request{Resource: "*", Keys: keys}); got != want {
			t.Errorf("%s: %v, want %v", condition, got, want)
		}
	}
}

// White space counts where it is part of a text, as that is kept.
func TestLength(t *testing.T) {
	for document, want := range map[string]int{
		"{ \n\t\"a\" : 1 }":   7,
		`{"a b" :"\" c" , 1}`: 16,
	} {
		if got := policy.Length(document); got != want {
			t.Errorf("%s: %d, want %d", document, got, want)
		}
	}
}

// Before the version of 2012 there were no variables.
func TestOldVersionHasNoVariables(t *testing.T) {
	const text = `{"Version":%q,"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:b":"${a:c}"}}}}`
	for version, value := range map[string]string{"2008-10-17": "${a:c}", "2012-10-17": "v"} {
		d := parse(t, policy.Inline, fmt.Sprintf(text, version))
		request := policy.Request{Resource: "*", Keys: policy.Keys{{"a:b": {value}, "a:c": {"v"}}}}
		if got := policy.For("x:Y", d).Decide(request); got != policy.Allow {
			t.Errorf("%s with %s: %v", version, value, got)
		}
	}
}

func TestPrincipals(t *testing.T) {
	alice := policy.Principal{Account: "123456789012", ARNs: []string{"arn:aws:iam::123456789012:user/alice"}}
	named := alice
	named.Named = true
	for _, test := range []struct {
		principal   string
		who         policy.Principal
		want, wantN policy.Effect // for who, and for who by name only
	}{
		{`"Principal":"*"`, alice, policy.Allow, policy.None},
		{`"Principal":{"AWS":"*"}`, alice, policy.Allow, policy.None},
		{`"Principal":{"AWS":"123456789012"}`, alice, policy.Allow, policy.None},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:root"}`, alice, policy.Allow, policy.None},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:user/alice"}`, alice, policy.Allow, policy.Allow},
		{`"Principal":{"AWS":["210987654321","arn:aws:iam::123456789012:user/bob"]}`, alice, policy.None, policy.None},
		{`"NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/bob"}`, alice, policy.Allow, policy.None},
		{`"NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/alice"}`, alice, policy.None, policy.None},
		{`"Principal":{"Service":"vpn.amazonaws.com"}`, alice, policy.None, policy.None},
		{`"Principal":{"Service":"vpn.amazonaws.com"}`, policy.Principal{Service: "vpn.amazonaws.com"}, policy.Allow, policy.Allow},
		{`"Principal":{"Federated":"arn:aws:iam::123456789012:saml-provider/p"}`, policy.Principal{Federated: "arn:aws:iam::123456789012:saml-provider/p"}, policy.Allow, policy.Allow},
	} {
		d := parse(t, policy.Trust, document(`"Effect":"Allow","Action":"sts:AssumeRole",`+test.principal))
		named := test.who
		named.Named = true
		got, gotN := policy.For("sts:AssumeRole", d).Decide(policy.Request{Principal: test.who}), policy.For("sts:AssumeRole", d).Decide(policy.Request{Principal: named})
		if got != test.want || gotN != test.wantN {
			t.Errorf("%s: %v and by name %v, want %v and %v", test.principal, got, gotN, test.want, test.wantN)
		}
	}
	deny := parse(t, policy.Trust, document(`"Effect":"Deny","Action":"sts:*","Principal":{"AWS":"123456789012"}`))
	if got := policy.For("sts:AssumeRole", deny).Decide(policy.Request{Principal: named}); got != policy.Deny {
		t.Errorf("who is denied as one of an account is denied by name, too: %v", got)
	}
}

// All but what a variable without a value names is nothing that is allowed, and
// everything that is denied.
func TestAllButTheUnknown(t *testing.T) {
	for statement, want := range map[string]policy.Effect{
		`"Effect":"Allow","Action":"*","NotResource":"arn:aws:ec2:*:*:vpc/${aws:nobody}"`: policy.None,
		`"Effect":"Deny","Action":"*","NotResource":"arn:aws:ec2:*:*:vpc/${aws:nobody}"`:  policy.Deny,
		`"Effect":"Allow","Action":"*","NotResource":"arn:aws:ec2:*:*:vpc/${aws:known}"`:  policy.Allow,
	} {
		got := policy.For("ec2:DeleteVpc", parse(t, policy.Inline, document(statement))).Decide(policy.Request{Resource: "arn:aws:ec2:us-east-1:1:vpc/vpc-1", Keys: policy.Keys{{"aws:known": {"x"}}}})
		if got != want {
			t.Errorf("%s: %v, want %v", statement, got, want)
		}
	}
}

// Names that a principal got later allow it nothing, and deny it what they deny.
func TestLaterNames(t *testing.T) {
	const alice = "arn:aws:iam::123456789012:user/alice"
	for statement, want := range map[string]policy.Effect{
		`"Effect":"Allow","Principal":{"AWS":"` + alice + `"},"Action":"sts:AssumeRole"`:   policy.None,
		`"Effect":"Deny","Principal":{"AWS":"` + alice + `"},"Action":"sts:AssumeRole"`:    policy.Deny,
		`"Effect":"Deny","NotPrincipal":{"AWS":"` + alice + `"},"Action":"sts:AssumeRole"`: policy.Deny,
	} {
		request := policy.Request{Principal: policy.Principal{Account: "123456789012", Later: []string{alice}}}
		if got := policy.For("sts:AssumeRole", parse(t, policy.Trust, document(statement))).Decide(request); got != want {
			t.Errorf("%s: %v, want %v", statement, got, want)
		}
	}
}
