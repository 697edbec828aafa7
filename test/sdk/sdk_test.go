// Package sdk drives `causeway serve` with AWS's SDK for Go as programs do: its
// paginators, waiters, client tokens and typed errors. It is a module of its own,
// so that the SDK does not become a dependency of Causeway.
//
// CAUSEWAY_PROGRAM names the executable; `make test-sdk` builds it. Where
// CAUSEWAY_ENDPOINT names an API that is served already, that one is driven, with
// the keys of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in AWS_REGION.
package sdk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"causeway.dev/internal/netlab"
)

const (
	accountID    = "123456789012"
	accessKey    = "AKIASOFTWAREKITTESTS"
	accessSecret = "sdk.secret.of.a.test.only.00000000000000"

	// startMax bounds how long the API may take to come up on a busy machine.
	startMax = 30 * time.Second

	// waitMax bounds each waiter.
	waitMax = 30 * time.Second
)

// An installation is an API with the SDK's clients of it.
type installation struct {
	endpoint, region, key, secret string

	requests *atomic.Int64 // HTTP requests, with those that the SDK repeats
	ec2      *ec2.Client
	sts      *sts.Client
	iam      *iam.Client
	acm      *acm.Client
	logs     *cloudwatchlogs.Client
}

// start serves an installation of its own, or takes the one of the environment.
func start(t *testing.T) *installation {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a whole installation")
	}
	i := &installation{endpoint: os.Getenv("CAUSEWAY_ENDPOINT"), region: cmp.Or(os.Getenv("AWS_REGION"), "us-east-1"), key: accessKey, secret: accessSecret, requests: new(atomic.Int64)}
	if i.endpoint != "" {
		i.key, i.secret = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	} else {
		i.endpoint = serve(t)
	}
	i.connect()
	return i
}

// connect makes clients that sign with the keys.
func (i *installation) connect() {
	keys := credentials.NewStaticCredentialsProvider(i.key, i.secret, "")
	i.ec2 = ec2.New(ec2.Options{Region: i.region, BaseEndpoint: &i.endpoint, Credentials: keys, HTTPClient: i})
	i.sts = sts.New(sts.Options{Region: i.region, BaseEndpoint: &i.endpoint, Credentials: keys, HTTPClient: i})
	i.iam = iam.New(iam.Options{Region: i.region, BaseEndpoint: &i.endpoint, Credentials: keys, HTTPClient: i})
	i.acm = acm.New(acm.Options{Region: i.region, BaseEndpoint: &i.endpoint, Credentials: keys, HTTPClient: i})
	i.logs = cloudwatchlogs.New(cloudwatchlogs.Options{Region: i.region, BaseEndpoint: &i.endpoint, Credentials: keys, HTTPClient: i})
}

// Do makes the SDK's HTTP requests and counts them.
func (i *installation) Do(r *http.Request) (*http.Response, error) {
	i.requests.Add(1)
	return http.DefaultClient.Do(r)
}

// serve runs `causeway serve` on an internet of its own until the test ends, and
// returns its endpoint.
func serve(t *testing.T) string {
	t.Helper()
	program := os.Getenv("CAUSEWAY_PROGRAM")
	if program == "" {
		t.Skip("CAUSEWAY_PROGRAM names no executable: make test-sdk")
	}
	lab := netlab.New(t, "nft")
	internet := lab.Host("inet")
	data := filepath.Join(lab.Dir(), "data")
	config := lab.File("causeway.yaml", fmt.Sprintf(`data_dir: %s
listen: 127.0.0.1:0
hand_over: 0s
accounts:
  - id: %q
    access_keys: [{ id: %s, secret: %s }]
limits: { vpcs: 40, internet_gateways: 40, egress_only_internet_gateways: 40, elastic_addresses: 40, nat_gateways_per_zone: 40 }
outside:
  namespace: %s
  tunnel_addresses: [203.0.113.0/24]
`, data, accountID, accessKey, accessSecret, internet.Name))
	server := lab.Start("serve", program, "serve", "--config", config)
	t.Cleanup(func() {
		server.Stop()
		clean := lab.Start("clean", program, "clean", "--config", config, "--data")
		lab.Eventually(startMax, "clean removes everything", func() error {
			if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("the data directory is left: %v\n%s", err, clean.Log())
			}
			return nil
		})
	})
	var endpoint string
	lab.Eventually(startMax, "the API is served", func() error {
		text, err := os.ReadFile(filepath.Join(data, "endpoint"))
		if err != nil {
			return fmt.Errorf("%w\n%s", err, server.Log())
		}
		if endpoint = strings.TrimSpace(string(text)); endpoint == "" {
			return errors.New("the address is not written yet")
		}
		return nil
	})
	return endpoint
}

// must returns an answer that must not be an error.
func must[T any](answer T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// refused checks an error for AWS's code and, unless it is 0, the HTTP status.
func refused(t testing.TB, err error, code string, status int) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || len(api.ErrorMessage()) < 10 {
		t.Errorf("got %v, want %s with a message", err, code)
		return
	}
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || status != 0 && answer.HTTPStatusCode() != status || answer.ServiceRequestID() == "" {
		t.Errorf("%s: %+v, want HTTP status %d and a request id", code, answer, status)
	}
}

// A pager is any paginator of the SDK: its options are those of its service.
type pager[Out, Options any] interface {
	HasMorePages() bool
	NextPage(ctx context.Context, options ...func(*Options)) (Out, error)
}

// collect turns the pages of a paginator and returns what is on each.
func collect[Out, Options any](t testing.TB, p pager[Out, Options], ids func(Out) []string) (pages [][]string) {
	t.Helper()
	for p.HasMorePages() {
		if len(pages) > 1000 {
			t.Fatal("the pages have no end")
		}
		pages = append(pages, ids(must(p.NextPage(t.Context()))(t)))
	}
	return pages
}

// wantsPages checks that pages are full but for the last one, and show each of a
// number of things once.
func wantsPages(t testing.TB, what string, pages [][]string, size, things int) {
	t.Helper()
	all := slices.Sorted(slices.Values(slices.Concat(pages...)))
	if different := slices.Compact(slices.Clone(all)); len(different) != len(all) {
		t.Errorf("%s: something is shown twice: %v", what, all)
	}
	if len(all) != things {
		t.Errorf("%s: %d in %d pages, want %d", what, len(all), len(pages), things)
	}
	for n, page := range pages[:len(pages)-1] {
		if len(page) != size {
			t.Errorf("%s: page %d of %d has %d, want %d", what, n+1, len(pages), len(page), size)
		}
	}
	if things > size && len(pages) < 2 {
		t.Errorf("%s: all %d are on one page of %d", what, things, size)
	}
}

// texts maps items to a text of each.
func texts[T any](items []T, text func(*T) *string) []string {
	all := make([]string, len(items))
	for n := range items {
		all[n] = aws.ToString(text(&items[n]))
	}
	return all
}

// filters makes filters of names and values by turns.
func filters(pairs ...string) []types.Filter {
	var all []types.Filter
	for n := 0; n < len(pairs); n += 2 {
		all = append(all, types.Filter{Name: &pairs[n], Values: []string{pairs[n+1]}})
	}
	return all
}

// named is a tag specification with a name.
func named(kind types.ResourceType, name string) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: aws.String("Name"), Value: &name}}}}
}

func (i *installation) createVPC(t testing.TB, name string) string {
	t.Helper()
	return *must(i.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), TagSpecifications: named(types.ResourceTypeVpc, name)}))(t).Vpc.VpcId
}

func (i *installation) createSubnet(t testing.TB, vpc string, n int) string {
	t.Helper()
	return *must(i.ec2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String(fmt.Sprintf("10.0.%d.0/24", n))}))(t).Subnet.SubnetId
}

// hostImage is the image of what the machine itself has installed.
func (i *installation) hostImage(t testing.TB) string {
	t.Helper()
	return *must(i.ec2.DescribeImages(t.Context(), &ec2.DescribeImagesInput{}))(t).Images[0].ImageId
}

func (i *installation) runInstances(t testing.TB, subnet string, count int32, token *string) []types.Instance {
	t.Helper()
	return must(i.ec2.RunInstances(t.Context(), &ec2.RunInstancesInput{
		ImageId: aws.String(i.hostImage(t)), SubnetId: &subnet, MinCount: &count, MaxCount: &count, ClientToken: token,
	}))(t).Instances
}

// createProfile makes an instance profile with a role of the same name.
func (i *installation) createProfile(t testing.TB, name string) string {
	t.Helper()
	ctx := t.Context()
	must(i.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}))(t)
	must(i.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &name}))(t)
	must(i.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &name}))(t)
	return name
}
