package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/api/sts"
	"causeway.dev/iam"
	"causeway.dev/resource"
)

const (
	testSecret   = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	testRegion   = "eu-west-1"
	testEndpoint = "http://127.0.0.1:4566/"
)

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var testKeys = []iam.AccessKey{
	{ID: "AKIDEXAMPLEROOT00000", Secret: testSecret, Account: "123456789012"},
	{ID: "AKIDEXAMPLEUSER00000", Secret: testSecret, Account: "123456789012", User: "alice", UserID: "AIDAEXAMPLEALICE234567"},
}

// ec2Service is an EC2 whose operations do as the request's CIDR says.
func ec2Service() server.Service {
	return server.Service{Model: ec2.Service, Actions: map[string]server.Handler{
		"CreateVpc":    server.Operation(createVpc),
		"DescribeVpcs": server.Operation(describeVpcs),
		"ModifyVpcAttribute": server.Operation(func(context.Context, server.Caller, *ec2.ModifyVpcAttributeInput) (*ec2.ModifyVpcAttributeOutput, error) {
			return nil, nil
		}),
		"CreateVpnConnection": server.Operation(func(context.Context, server.Caller, *ec2.CreateVpnConnectionInput) (*ec2.CreateVpnConnectionOutput, error) {
			return nil, nil
		}),
		"CreateTags": server.Operation(func(context.Context, server.Caller, *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
			return nil, nil
		}),
	}}
}

// enteredKey has a channel in the context of a request that is to wait: the
// operation closes it when it has begun.
type enteredKey struct{}

func createVpc(ctx context.Context, c server.Caller, in *ec2.CreateVpcInput) (*ec2.CreateVpcOutput, error) {
	if in.DryRun != nil && *in.DryRun {
		return nil, resource.Errorf("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	switch cidr := *in.CidrBlock; cidr {
	case "refuse":
		return nil, resource.Errorf("InvalidVpc.Range", "The CIDR '%s' is invalid.", cidr)
	case "refuse, wrapped":
		return nil, fmt.Errorf("create the VPC: %w", &resource.Error{Code: "VpcLimitExceeded", Message: "too many", Cause: errors.New("counted 5")})
	case "unauthorized":
		return nil, resource.Errorf("UnauthorizedOperation", "You are not authorized to perform this operation.")
	case "fail":
		return nil, errors.New("write /vpcs/1: connection to 10.9.8.7 refused")
	case "panic":
		panic("boom at 10.9.8.7")
	case "wait":
		close(ctx.Value(enteredKey{}).(chan struct{}))
		<-ctx.Done()
		return nil, ctx.Err()
	}
	state := "pending"
	return &ec2.CreateVpcOutput{Vpc: &ec2.Vpc{CidrBlock: in.CidrBlock, OwnerId: &c.Account, State: &state}}, nil
}

// describeVpcs answers with a VPC per filter, named after it.
func describeVpcs(_ context.Context, _ server.Caller, in *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
	out := &ec2.DescribeVpcsOutput{}
	for _, f := range in.Filters {
		out.Vpcs = append(out.Vpcs, ec2.Vpc{VpcId: f.Name, CidrBlock: &f.Values[0]})
	}
	return out, nil
}

// A fixture is a server with a clock that stands still.
type fixture struct {
	*server.Server
	log      *bytes.Buffer
	registry *prometheus.Registry
}

func newFixture(t *testing.T, change func(*server.Config)) *fixture {
	t.Helper()
	directory, err := iam.NewDirectory(testKeys...)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{log: new(bytes.Buffer), registry: prometheus.NewRegistry()}
	cfg := server.Config{
		Lookup:     directory.Lookup,
		Regions:    []string{testRegion, "eu-central-1"},
		Log:        slog.New(slog.NewJSONHandler(&lockedWriter{w: f.log}, nil)),
		Registerer: f.registry,
		Now:        func() time.Time { return testTime },
	}
	if change != nil {
		change(&cfg)
	}
	f.Server = server.New(cfg, ec2Service(), sts.New(sts.Config{}).Server(), logsService())
	return f
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	if r.Body == nil {
		r.Body = http.NoBody // as a server's requests have it
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// signer signs for the fixture, now, as root.
func signer(service string) sigv4test.Signer {
	return sigv4test.Signer{AccessKeyID: testKeys[0].ID, Secret: testSecret, Region: testRegion, Service: service, Now: testTime}
}

// values is a form of an action: names and values in turn.
func values(action string, pairs ...string) url.Values {
	v := url.Values{"Action": {action}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// post is a signed request to EC2.
func post(action string, pairs ...string) *http.Request {
	return signer("ec2").Post(testEndpoint, values(action, pairs...))
}

// raw is a signed request to EC2 with a body that no client would make.
func raw(body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, testEndpoint, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signer("ec2").Sign(r, "content-type", "host", "x-amz-date")
	return r
}

// A fault is an error answer in either form.
type fault struct {
	XMLName xml.Name
	EC2     struct {
		Code, Message string
	} `xml:"Errors>Error"`
	Query struct {
		Type, Code, Message string
	} `xml:"Error"`
	RequestID string
	RequestId string
}

func parseFault(t *testing.T, w *httptest.ResponseRecorder) (f fault, code, message string) {
	t.Helper()
	if err := xml.Unmarshal(w.Body.Bytes(), &f); err != nil {
		t.Fatalf("parse the answer: %v\n%s", err, w.Body)
	}
	if f.XMLName.Local == "Response" {
		return f, f.EC2.Code, f.EC2.Message
	}
	return f, f.Query.Code, f.Query.Message
}

func TestAnswers(t *testing.T) {
	f := newFixture(t, nil)
	user := signer("sts")
	user.AccessKeyID = testKeys[1].ID
	global := signer("sts")
	global.Region = "us-east-1"
	const stsClose = `</GetCallerIdentityResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
	const stsOpen = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>`
	identity := values("GetCallerIdentity", "Version", "2011-06-15")
	tests := []struct {
		name    string
		request *http.Request
		want    string // a part of the answer, in which ID is its request id
	}{
		{"EC2", post("DescribeVpcs", "Version", "2016-11-15", "Filter.1.Name", "n", "Filter.1.Value.1", "a b+c"), `<cidrBlock>a b+c</cidrBlock>`},
		{"EC2 without version", post("DescribeVpcs"), "<vpcSet/>"},
		{"EC2 without output", post("ModifyVpcAttribute", "VpcId", "vpc-1"),
			`<ModifyVpcAttributeResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>ID</requestId><return>true</return></ModifyVpcAttributeResponse>`},
		{"EC2 presigned", signer("ec2").Presign(testEndpoint, values("DescribeVpcs", "Filter.1.Name", "a b", "Filter.1.Value.1", "c/é~"), time.Hour), `<cidrBlock>c/é~</cidrBlock>`},
		{"EC2 with an unknown parameter", post("CreateVpc", "CidrBlock", "10.0.0.0/16", "NewInSDK.1.Name", "x"), "<ownerId>123456789012</ownerId>"},
		{"EC2 in the second region", func() *http.Request {
			s := signer("ec2")
			s.Region = "eu-central-1"
			return s.Post(testEndpoint, values("DescribeVpcs"))
		}(), "<vpcSet/>"},
		{"EC2 with the action in the query of a POST", func() *http.Request {
			r, err := http.NewRequest(http.MethodPost, testEndpoint+"?Action=DescribeVpcs", nil)
			if err != nil {
				t.Fatal(err)
			}
			signer("ec2").Sign(r, "host", "x-amz-date")
			return r
		}(), "<vpcSet/>"},
		{"STS for root", signer("sts").Post(testEndpoint, identity),
			stsOpen + `<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:root</Arn><UserId>123456789012</UserId>` + stsClose},
		{"STS for a user", user.Post(testEndpoint, identity),
			stsOpen + `<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/alice</Arn><UserId>AIDAEXAMPLEALICE234567</UserId>` + stsClose},
		{"STS signed for its global region", global.Post(testEndpoint, identity), "<Account>123456789012</Account>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := f.do(test.request)
			id := w.Header().Get("x-amzn-requestid")
			if len(id) != 36 {
				t.Errorf("the request id is %q", id)
			}
			if got := w.Header().Get("Content-Type"); got != "text/xml;charset=UTF-8" {
				t.Errorf("the content type is %q", got)
			}
			want := strings.ReplaceAll(test.want, "ID</requestId>", id+"</requestId>")
			want = strings.ReplaceAll(want, "ID</RequestId>", id+"</RequestId>")
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("got %d\n%s\nwant\n%s", w.Code, w.Body, want)
			}
		})
	}
}

func TestPages(t *testing.T) {
	var unready error
	f := newFixture(t, func(c *server.Config) {
		c.Ready = func(context.Context) error { return unready }
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics here") })
	})
	get := func(path string) (int, string) {
		w := f.do(httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ok\n", "/metrics": "metrics here"} {
		if code, body := get(path); code != http.StatusOK || body != want {
			t.Errorf("%s: %d %q, want %q", path, code, body, want)
		}
	}
	unready = errors.New("the store at 10.9.8.7 is away")
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || strings.Contains(body, "10.9.8.7") {
		t.Errorf("/readyz when not ready: %d %q", code, body)
	}
	if code, _ := get("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz when not ready: %d", code)
	}
}

// TestLimit: one operation more than allowed is told to come again, and finds
// room when another has ended.
func TestLimit(t *testing.T) {
	f := newFixture(t, func(c *server.Config) { c.InFlightMax = 1 })
	entered, first := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), enteredKey{}, entered))
	go func() {
		defer close(first)
		f.do(post("CreateVpc", "CidrBlock", "wait").WithContext(ctx))
	}()
	<-entered
	w := f.do(post("DescribeVpcs"))
	if _, code, _ := parseFault(t, w); code != "RequestLimitExceeded" || w.Code != http.StatusServiceUnavailable {
		t.Errorf("while the first runs: %s, %d", code, w.Code)
	}
	cancel()
	<-first
	if w := f.do(post("DescribeVpcs")); w.Code != http.StatusOK {
		t.Errorf("when the first has ended: %d", w.Code)
	}
}

// TestLog: each request has its line, with what identifies it and without what
// may be secret; causes are there for us only.
func TestLog(t *testing.T) {
	f := newFixture(t, nil)
	w := f.do(post("CreateVpnConnection", "CustomerGatewayId", "cgw-1", "Type", "ipsec.1",
		"Options.TunnelOptions.1.PreSharedKey", "hunter22", "Options.TunnelOptions.1.NewInSDK", "hunter22"))
	if w.Code != http.StatusOK {
		t.Fatalf("%d\n%s", w.Code, w.Body)
	}
	f.do(post("CreateVpnConnection", "CustomerGatewayId", "cgw-1", "Options.TunnelOptions.1.PreSharedKey", "hunter22"))
	f.do(post("CreateVpc", "CidrBlock", "fail"))
	text := f.log.String()
	for _, secret := range []string{"hunter22", testSecret} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %s:\n%s", secret, text)
		}
	}
	var lines []map[string]any
	for d := json.NewDecoder(f.log); d.More(); {
		var line map[string]any
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3:\n%s", len(lines), text)
	}
	for i, want := range []map[string]any{
		{"level": "INFO", "account": "123456789012", "region": testRegion, "service": "ec2", "action": "CreateVpnConnection", "code": "OK", "status": 200.0,
			"request": w.Header().Get("x-amzn-requestid")},
		{"level": "INFO", "code": "MissingParameter", "status": 400.0},
		{"level": "ERROR", "code": "InternalError", "status": 500.0, "error": "write /vpcs/1: connection to 10.9.8.7 refused"},
	} {
		for key, value := range want {
			if lines[i][key] != value {
				t.Errorf("line %d: %s is %v, want %v", i, key, lines[i][key], value)
			}
		}
	}
	if got := fmt.Sprint(lines[0]["ignored"]); got != "[Options.TunnelOptions.1.NewInSDK]" {
		t.Errorf("ignored: %s", got)
	}
}

// TestMetrics: requests are counted by what is known, never by what callers make
// up.
func TestMetrics(t *testing.T) {
	f := newFixture(t, nil)
	f.do(post("DescribeVpcs"))
	f.do(post("DescribeVpcs"))
	f.do(post("CreateVpc", "CidrBlock", "refuse"))
	f.do(post("MadeUpByTheCaller"))
	f.do(httptest.NewRequest(http.MethodGet, "/?Action=DescribeVpcs", nil))
	families, err := f.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount()) + m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"causeway_api_requests_total DescribeVpcs OK ec2":                        2,
		"causeway_api_requests_total CreateVpc InvalidVpc.Range ec2":             1,
		"causeway_api_requests_total unknown InvalidAction ec2":                  1,
		"causeway_api_requests_total unknown MissingAuthenticationToken unknown": 1,
		"causeway_api_request_seconds CreateVpc ec2":                             1,
		"causeway_api_request_seconds unknown ec2":                               1,
		"causeway_api_request_seconds unknown unknown":                           1,
		"causeway_api_request_seconds DescribeVpcs ec2":                          2,
		"causeway_api_operations_in_flight":                                      0,
	} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%s: %v, %v; want %v", name, n, ok, want)
		}
	}
	if len(got) != 9 {
		t.Errorf("%d series, want 9: %v", len(got), got)
	}
}

// TestWrongTables: a service that is put together wrongly does not start.
func TestWrongTables(t *testing.T) {
	cfg := server.Config{Lookup: iam.Directory{}.Lookup, Regions: []string{testRegion}}
	describe := ec2Service().Actions["DescribeVpcs"]
	noProtocol := ec2.Service
	noProtocol.Protocol = "soap"
	for name, start := range map[string]func(){
		"no services": func() { server.New(cfg) },
		"no regions":  func() { server.New(server.Config{Lookup: cfg.Lookup}, ec2Service()) },
		"no look-up":  func() { server.New(server.Config{Regions: cfg.Regions}, ec2Service()) },
		"unknown action": func() {
			server.New(cfg, server.Service{Model: ec2.Service, Actions: map[string]server.Handler{"DescribeVpc": describe}})
		},
		"another's action": func() {
			server.New(cfg, server.Service{Model: ec2.Service, Actions: map[string]server.Handler{"DescribeSubnets": describe}})
		},
		"unknown protocol": func() { server.New(cfg, server.Service{Model: noProtocol}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("New did not panic")
				}
			}()
			start()
		})
	}
}

func TestCoverage(t *testing.T) {
	got := server.Coverage(ec2Service(), sts.New(sts.Config{}).Server())
	for _, want := range []string{
		"## ec2 (version 2016-11-15)\n\n5 of 341 actions.\n",
		"| Tags | 1 of 3 | **CreateTags**, DeleteTags, DescribeTags |  |\n",
		"| STS | 5 of 6 | **GetCallerIdentity** | **AssumeRole**, AssumeRoleWithSAML, ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	directory, err := iam.NewDirectory(testKeys...)
	if err != nil {
		b.Fatal(err)
	}
	s := server.New(server.Config{Lookup: directory.Lookup, Regions: []string{testRegion}, Now: func() time.Time { return testTime }}, ec2Service())
	form := values("DescribeVpcs", "Filter.1.Name", "a", "Filter.1.Value.1", "b")
	body := form.Encode()
	signed := signer("ec2").Post(testEndpoint, form)
	b.ReportAllocs()
	for b.Loop() {
		signed.Body = io.NopCloser(strings.NewReader(body))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, signed)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

// TestPanicWhileWriting: an answer that has begun is broken off, so that the
// client does not take it for whole, and the log says why.
func TestPanicWhileWriting(t *testing.T) {
	f := newFixture(t, nil)
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("the handler ended with %v", p)
		}
		if text := f.log.String(); !strings.Contains(text, "boom while writing") {
			t.Errorf("the log is %s", text)
		}
	}()
	f.ServeHTTP(panickingWriter{httptest.NewRecorder()}, post("DescribeVpcs"))
}

type panickingWriter struct{ *httptest.ResponseRecorder }

func (panickingWriter) Write([]byte) (int, error) { panic("boom while writing") }
