package sdk

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Tests share an installation: what each makes is told apart by names.
func TestSDK(t *testing.T) {
	i := start(t)
	for name, test := range map[string]func(*testing.T){
		"paginators of EC2":      i.testNetworkPaginators,
		"paginators of lists":    i.testListPaginators,
		"paginators of the rest": i.testOtherPaginators,
		"paginators of IAM":      i.testIdentityPaginators,
		"pages under change":     i.testPagesUnderChange,
		"waiters of VPCs":        i.testNetworkWaiters,
		"waiters of VPN":         i.testVPNWaiters,
		"waiters of the rest":    i.testOtherWaiters,
		"filters":                i.testFilters,
		"client tokens":          i.testClientTokens,
		"dry runs":               i.testDryRuns,
		"errors of known types":  i.testTypedErrors,
		"what is not repeated":   i.testRefusalsAreFinal,
		"keys that open nothing": i.testWrongKeys,
	} {
		t.Run(name, test)
	}
}

// Filters are joined by AND, their values by OR; names have wildcards.
func (i *installation) testFilters(t *testing.T) {
	ctx := t.Context()
	byName := map[string]string{}
	for _, name := range []string{"filter-a", "filter-b", "filter-ab", "filter-*"} {
		byName[i.createVPC(t, name)] = name
	}
	for _, test := range []struct {
		name   string
		values []string
		want   []string
	}{
		{"tag:Name", []string{"filter-a"}, []string{"filter-a"}},
		{"tag:Name", []string{"filter-a", "filter-b"}, []string{"filter-a", "filter-b"}},
		{"tag:Name", []string{"filter-?"}, []string{"filter-*", "filter-a", "filter-b"}},
		{"tag:Name", []string{"filter-a*"}, []string{"filter-a", "filter-ab"}},
		{"tag:Name", []string{`filter-\*`}, []string{"filter-*"}},
		{"tag:Name", []string{"FILTER-A"}, nil},
		{"tag-key", []string{"N?me"}, []string{"filter-*", "filter-a", "filter-ab", "filter-b"}},
		{"cidr", []string{"10.0.*"}, []string{"filter-*", "filter-a", "filter-ab", "filter-b"}},
		{"is-default", []string{"true"}, nil},
	} {
		answer := must(i.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: append(filters("tag:Name", "filter-*"), types.Filter{Name: aws.String(test.name), Values: test.values})}))(t)
		var got []string
		for _, v := range answer.Vpcs {
			got = append(got, byName[*v.VpcId])
		}
		if slices.Sort(got); !slices.Equal(got, test.want) {
			t.Errorf("%s = %q: got %q, want %q", test.name, test.values, got, test.want)
		}
	}
	_, err := i.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: filters("colour", "red")})
	refused(t, err, "InvalidFilter", 400)
}

// A request that is repeated with its token makes nothing new; the SDK gives each
// call a token of its own if the program does not.
func (i *installation) testClientTokens(t *testing.T) {
	ctx := t.Context()
	vpc := i.createVPC(t, "tokens")
	subnet, other := i.createSubnet(t, vpc, 1), i.createSubnet(t, vpc, 2)
	table := func(vpc, token *string) (string, error) {
		answer, err := i.ec2.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: vpc, ClientToken: token})
		if err != nil {
			return "", err
		}
		return *answer.RouteTable.RouteTableId, nil
	}
	first := must(table(&vpc, aws.String("sdk-table")))(t)
	if again := must(table(&vpc, aws.String("sdk-table")))(t); again != first {
		t.Errorf("a repeated CreateRouteTable made %s beside %s", again, first)
	}
	if own := must(table(&vpc, nil))(t); own == first || own == must(table(&vpc, nil))(t) {
		t.Error("two calls without a token made one route table")
	}
	_, err := table(aws.String(i.createVPC(t, "tokens")), aws.String("sdk-table"))
	refused(t, err, "IdempotentParameterMismatch", 400)

	launched := *i.runInstances(t, subnet, 1, aws.String("sdk-launch"))[0].InstanceId
	if again := *i.runInstances(t, subnet, 1, aws.String("sdk-launch"))[0].InstanceId; again != launched {
		t.Errorf("a repeated RunInstances launched %s beside %s", again, launched)
	}
	_, err = i.ec2.RunInstances(ctx, &ec2.RunInstancesInput{ImageId: aws.String(i.hostImage(t)), SubnetId: &other, MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ClientToken: aws.String("sdk-launch")})
	refused(t, err, "IdempotentParameterMismatch", 400)

	nat := func(subnet string) (*ec2.CreateNatGatewayOutput, error) {
		return i.ec2.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{SubnetId: &subnet, ConnectivityType: types.ConnectivityTypePrivate, ClientToken: aws.String("sdk-nat")})
	}
	if one, two := must(nat(subnet))(t), must(nat(subnet))(t); *one.NatGateway.NatGatewayId != *two.NatGateway.NatGatewayId {
		t.Error("a repeated CreateNatGateway made another one")
	}
	_, err = nat(other)
	refused(t, err, "IdempotentParameterMismatch", 400)

	request := &acm.RequestCertificateInput{DomainName: aws.String("token.example.com"), IdempotencyToken: aws.String("sdk")}
	if one, two := must(i.acm.RequestCertificate(ctx, request))(t), must(i.acm.RequestCertificate(ctx, request))(t); *one.CertificateArn != *two.CertificateArn {
		t.Error("a repeated RequestCertificate made another one")
	}
}

// A dry run says what would happen, and nothing does.
func (i *installation) testDryRuns(t *testing.T) {
	ctx, yes := t.Context(), aws.Bool(true)
	vpc := i.createVPC(t, "dry")
	_, err := i.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16"), DryRun: yes})
	refused(t, err, "DryRunOperation", 412)
	_, err = i.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String("10.0.1.0/24"), DryRun: yes})
	refused(t, err, "DryRunOperation", 412)
	_, err = i.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String("10.1.1.0/24"), DryRun: yes})
	refused(t, err, "InvalidSubnet.Range", 400)
	_, err = i.ec2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &vpc, DryRun: yes})
	refused(t, err, "DryRunOperation", 412)
	_, err = i.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{DryRun: yes})
	refused(t, err, "DryRunOperation", 412)
	_, err = i.ec2.AllocateAddress(ctx, &ec2.AllocateAddressInput{DryRun: yes})
	refused(t, err, "DryRunOperation", 412)
	if n := len(must(i.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: filters("vpc-id", vpc)}))(t).Subnets); n != 0 {
		t.Errorf("dry runs have made %d subnets", n)
	}
	if n := len(must(i.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{vpc}}))(t).Vpcs); n != 1 {
		t.Error("a dry run has deleted the VPC")
	}
}

// typed checks that an error is one of the types that the SDK has for a service's
// errors.
func typed[E error](t testing.TB, err error) {
	t.Helper()
	if _, ok := errors.AsType[E](err); !ok {
		t.Errorf("%T is not known from %v", *new(E), err)
	}
}

// Errors of IAM, ACM and CloudWatch Logs have types of their own.
func (i *installation) testTypedErrors(t *testing.T) {
	ctx := t.Context()
	identity := must(i.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	if len(aws.ToString(identity.Account)) != 12 || aws.ToString(identity.Arn) == "" || aws.ToString(identity.UserId) == "" {
		t.Errorf("the caller is %v", identity)
	}
	name := aws.String("typed")
	_, err := i.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("nobody")})
	typed[*iamtypes.NoSuchEntityException](t, err)
	refused(t, err, "NoSuchEntity", 404)
	must(i.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
	_, err = i.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name})
	typed[*iamtypes.EntityAlreadyExistsException](t, err)
	refused(t, err, "EntityAlreadyExists", 409)
	must(i.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name}))(t)
	_, err = i.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	typed[*iamtypes.DeleteConflictException](t, err)
	refused(t, err, "DeleteConflict", 409)
	_, err = i.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: aws.String("{}")})
	typed[*iamtypes.MalformedPolicyDocumentException](t, err)

	_, err = i.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: aws.String("arn:aws:acm:" + i.region + ":" + *identity.Account + ":certificate/01234567-89ab-4cde-8f01-23456789abcd")})
	typed[*acmtypes.ResourceNotFoundException](t, err)
	_, err = i.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: aws.String("arn:aws:acm:nonsense:certificate")})
	typed[*acmtypes.InvalidArnException](t, err)

	must(i.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name}))(t)
	_, err = i.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name})
	typed[*logstypes.ResourceAlreadyExistsException](t, err)
	_, err = i.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String("none"), LogStreamName: name})
	typed[*logstypes.ResourceNotFoundException](t, err)
	_, err = i.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("a b")})
	typed[*logstypes.InvalidParameterException](t, err)
}

// A refusal is final: the SDK repeats nothing, also for actions that Causeway does
// not have.
func (i *installation) testRefusalsAreFinal(t *testing.T) {
	ctx := t.Context()
	for code, call := range map[string]func() error{
		"InvalidVpcID.NotFound": func() error {
			_, err := i.ec2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: aws.String("vpc-00000000000000000")})
			return err
		},
		"UnsupportedOperation": func() error {
			_, err := i.ec2.DescribeNetworkInsightsPaths(ctx, &ec2.DescribeNetworkInsightsPathsInput{})
			return err
		},
		"NoSuchEntity": func() error {
			_, err := i.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("nobody")})
			return err
		},
	} {
		before := i.requests.Load()
		refused(t, call(), code, 0)
		if n := i.requests.Load() - before; n != 1 {
			t.Errorf("%s: %d requests", code, n)
		}
	}
}

// Keys that are wrong, of each protocol. Clients are new: the SDK remembers what it
// derived from a secret by the key's id.
func (i *installation) testWrongKeys(t *testing.T) {
	wrong := *i
	wrong.secret += "x"
	wrong.connect()
	ctx := t.Context()
	_, err := wrong.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	refused(t, err, "AuthFailure", 401)
	_, err = wrong.iam.ListUsers(ctx, &iam.ListUsersInput{})
	refused(t, err, "SignatureDoesNotMatch", 403)
	_, err = wrong.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	refused(t, err, "InvalidSignatureException", 400)
	_, err = wrong.acm.ListCertificates(ctx, &acm.ListCertificatesInput{})
	refused(t, err, "InvalidSignatureException", 400)
	wrong.key = "AKIAOFNOBODYATALL000"
	wrong.connect()
	_, err = wrong.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	refused(t, err, "AuthFailure", 401)
	_, err = wrong.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId", 403)
	_, err = wrong.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
	refused(t, err, "UnrecognizedClientException", 400)
}
