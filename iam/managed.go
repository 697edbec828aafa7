package iam

import (
	"crypto/sha256"
	"encoding/base32"
	"maps"
	"slices"
	"strings"
)

// managedPrefix begins the ARNs of the policies that AWS itself offers to all
// accounts.
const managedPrefix = "arn:aws:iam::aws:policy/"

// managed are the actions that AWS's own policies allow on everything, by the name
// of the policy: those that are about what is served here, and as far as they are.
var managed = map[string][]string{
	"AdministratorAccess":             {"*"},
	"AmazonEC2FullAccess":             {"ec2:*"},
	"AmazonEC2ReadOnlyAccess":         {"ec2:Describe*", "ec2:GetSecurityGroupsForVpc"},
	"AmazonVPCReadOnlyAccess":         {"ec2:Describe*", "ec2:Get*"},
	"AWSCertificateManagerFullAccess": {"acm:*"},
	"AWSCertificateManagerReadOnly":   {"acm:DescribeCertificate", "acm:ListCertificates", "acm:GetCertificate", "acm:ListTagsForCertificate"},
	"CloudWatchLogsFullAccess":        {"logs:*"},
	"CloudWatchLogsReadOnlyAccess":    {"logs:Describe*", "logs:Get*", "logs:List*", "logs:FilterLogEvents"},
	"IAMFullAccess":                   {"iam:*"},
	"IAMReadOnlyAccess":               {"iam:Get*", "iam:List*"},
	"ReadOnlyAccess": {
		"ec2:Describe*", "ec2:Get*", "ec2:Search*", "acm:Describe*", "acm:Get*", "acm:List*",
		"logs:Describe*", "logs:Get*", "logs:List*", "logs:FilterLogEvents", "iam:Get*", "iam:List*", "sts:GetAccessKeyInfo",
	},
}

// ManagedPolicy returns the document of the policy of AWS's own that an ARN names.
func ManagedPolicy(arn string) (document string, ok bool) {
	name, _ := strings.CutPrefix(arn, managedPrefix)
	actions, ok := managed[name]
	if !ok || name == arn {
		return "", false
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}]}`, true
}

// ManagedPolicies are the ARNs of AWS's own policies, sorted.
func ManagedPolicies() []string {
	arns := slices.Sorted(maps.Keys(managed))
	for i, name := range arns {
		arns[i] = managedPrefix + name
	}
	return arns
}

// ManagedPolicyID is the unique id of one of AWS's own policies. It is the same in
// every installation.
func ManagedPolicyID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return PrefixPolicy + base32.StdEncoding.EncodeToString(sum[:keyIDBytes])
}
