package policy_test

import (
	"fmt"
	"slices"
	"testing"

	"causeway.dev/iam/policy"
)

// Statements stand where IAM's documentation of its simulator shows one: from behind the
// bracket to behind its own last one.
func TestSpans(t *testing.T) {
	const pretty = `{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "codecommit:ListRepositories",
            "Resource": "*",
            "Sid": "e"
        },
        {"Effect": "Deny", "Action": "a:b", "Resource": "*"}
    ],
    "Id": "x"
}`
	for document, want := range map[string]string{
		pretty: "[{{3 19} {9 10}} {{9 11} {10 61}}]",
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"},"Version":"2012-10-17"}`: "[{{1 14} {1 62}}]",
	} {
		parse(t, policy.Inline, document)
		if got := fmt.Sprint(policy.Spans(document)); got != want {
			t.Errorf("%s: %s, want %s", document, got, want)
		}
	}
	for _, broken := range []string{"", "{", "[", `{"Statement"`, `{"Statement":[`, `{"Statement":[{]}`, `{"Statement":[{},`} {
		policy.Spans(broken) // ends
	}
}

// What decides and what is looked at, statement by statement.
func TestDeciding(t *testing.T) {
	d := parse(t, policy.Inline, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"ec2:*","Resource":"*"},
		{"Effect":"Deny","Action":"ec2:DeleteVpc","Resource":"arn:aws:ec2:*:*:vpc/${aws:username}","Condition":{"StringEquals":{"aws:SourceIp":"${aws:PrincipalTag/ip}"}}},
		{"Effect":"Allow","Action":"ec2:Delete*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}},
		{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"Bool":{"a:b":"true"}}}]}`)
	about := policy.For("ec2:DeleteVpc", d)
	request := policy.Request{Resource: "*", Keys: policy.Keys{{"aws:securetransport": {"true"}}}}
	if got := about.Deciding(request, policy.Allow); !slices.Equal(got, []int{0, 2}) {
		t.Errorf("allowed by %v", got)
	}
	if got := about.Deciding(request, policy.Deny); got != nil {
		t.Errorf("denied by %v", got)
	}
	if got, want := about.Asked(), []string{"aws:principaltag/ip", "aws:securetransport", "aws:sourceip", "aws:username"}; !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
}
