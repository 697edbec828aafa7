package policy_test

import (
	"errors"
	"testing"

	"causeway.dev/iam/policy"
)

// FuzzPolicy: no document breaks the parser, and none that it takes the evaluator;
// a refusal has words for the caller; to add a denial of everything to what is
// taken denies everything.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":["ec2:*"],"Resource":"arn:aws:ec2:*:*:vpc/${aws:username}-*","Condition":{"ForAllValues:StringLikeIfExists":{"aws:TagKeys":["a*","?"]}}}]}`, "ec2:CreateVpc", "arn:aws:ec2:us-east-1:1:vpc/al-1", "al", uint8(0))
	f.Add(`{"Statement":{"Effect":"Deny","NotAction":"iam:*","NotResource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"NumericLessThan":{"k:n":"1.5"},"DateGreaterThan":{"k:n":"2026-01-01"}}}}`, "iam:X", "*", "10.1.2.3", uint8(1))
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["1","arn:aws:iam::123456789012:root"]},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x"}}}}`, "sts:AssumeRole", "", "x", uint8(2))
	everything, err := policy.Parse(`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`, policy.Inline)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, document, action, resource, value string, kind uint8) {
		d, err := policy.Parse(document, policy.Kind(kind%3))
		if err != nil {
			var e *policy.Error
			if !errors.As(err, &e) || e.Message == "" {
				t.Fatalf("refused by %v", err)
			}
			return
		}
		keys := policy.Keys{{"aws:username": {value}, "aws:tagkeys": {value, action}, "aws:sourceip": {value}, "k:n": {value}, "sts:externalid": {value}}}
		request := policy.Request{Resource: resource, Keys: keys, Principal: policy.Principal{Account: "123456789012", ARNs: []string{value}}}
		policy.For(action, d).Decide(request)
		if spans := policy.Spans(document); len(spans) != d.Len() {
			t.Fatalf("%d statements stand at %v", d.Len(), spans)
		}
		if got := policy.For(action, d, everything).Decide(request); got != policy.Deny {
			t.Fatalf("with everything denied: %v", got)
		}
	})
}
