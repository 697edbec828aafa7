package server_test

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"causeway.dev/api/server"
	"causeway.dev/api/sigv4/sigv4test"
)

// TestRefusals sends what is malformed or forbidden, and wants the code and the
// status that AWS's clients act on. None of it may be a 5xx, which clients repeat
// up to 25 times, unless the fault is ours.
func TestRefusals(t *testing.T) {
	with := func(service string, change func(*sigv4test.Signer)) sigv4test.Signer {
		s := signer(service)
		change(&s)
		return s
	}
	wrongSecret := func(s *sigv4test.Signer) { s.Secret += "x" }
	unknownKey := func(s *sigv4test.Signer) { s.AccessKeyID = "AKIDNOBODY0000000000" }
	old := func(s *sigv4test.Signer) { s.Now = testTime.Add(-time.Hour) }
	early := func(s *sigv4test.Signer) { s.Now = testTime.Add(time.Hour) }
	farAway := func(s *sigv4test.Signer) { s.Region = "us-west-2" }
	global := func(s *sigv4test.Signer) { s.Region = "us-east-1" }
	vpcs, identity := values("DescribeVpcs"), values("GetCallerIdentity")

	changed := func(r *http.Request, change func(*http.Request)) *http.Request {
		change(r)
		return r
	}
	header := func(name, value string) *http.Request {
		return changed(post("DescribeVpcs"), func(r *http.Request) { r.Header.Set(name, value) })
	}
	request := func(method, path, contentType string, body io.Reader) *http.Request {
		r, err := http.NewRequest(method, testEndpoint+path, body)
		if err != nil {
			t.Fatal(err)
		}
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		signer("ec2").Sign(r, "host", "x-amz-date")
		return r
	}
	vpn := func(pairs ...string) *http.Request {
		return post("CreateVpnConnection", append([]string{"CustomerGatewayId", "cgw-1", "Type", "ipsec.1"}, pairs...)...)
	}
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	if err := errors.Join(parts.WriteField("Action", "DescribeVpcs"), parts.Close()); err != nil {
		t.Fatal(err)
	}

	const ec2, query = "Response", "ErrorResponse"
	tests := []struct {
		name    string
		request *http.Request
		code    string
		status  int
		form    string // the root element
	}{
		// Signatures.
		{"no signature", changed(post("DescribeVpcs"), func(r *http.Request) { r.Header.Del("Authorization") }), "MissingAuthenticationToken", 403, ec2},
		{"no signature in a GET", changed(request("GET", "?Action=DescribeVpcs", "", nil), func(r *http.Request) { r.Header.Del("Authorization") }), "MissingAuthenticationToken", 403, ec2},
		{"not a signature", header("Authorization", "Bearer x"), "IncompleteSignature", 400, ec2},
		{"half a signature", header("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/ec2/aws4_request"), "IncompleteSignature", 400, ec2},
		{"wrong secret, EC2", with("ec2", wrongSecret).Post(testEndpoint, vpcs), "AuthFailure", 401, ec2},
		{"wrong secret, STS", with("sts", wrongSecret).Post(testEndpoint, identity), "SignatureDoesNotMatch", 403, query},
		{"unknown key, EC2", with("ec2", unknownKey).Post(testEndpoint, vpcs), "AuthFailure", 401, ec2},
		{"unknown key, STS", with("sts", unknownKey).Post(testEndpoint, identity), "InvalidClientTokenId", 403, query},
		{"old, EC2", with("ec2", old).Post(testEndpoint, vpcs), "RequestExpired", 400, ec2},
		{"old, STS", with("sts", old).Post(testEndpoint, identity), "SignatureDoesNotMatch", 403, query},
		{"early, EC2", with("ec2", early).Post(testEndpoint, vpcs), "RequestExpired", 400, ec2},
		{"presigned and expired", with("ec2", old).Presign(testEndpoint, vpcs, time.Minute), "RequestExpired", 400, ec2},
		{"presigned for too long", signer("ec2").Presign(testEndpoint, vpcs, 8*24*time.Hour), "IncompleteSignature", 400, ec2},
		{"presigned with a wrong secret", with("ec2", wrongSecret).Presign(testEndpoint, vpcs, time.Hour), "AuthFailure", 401, ec2},
		{"presigned and changed", changed(signer("ec2").Presign(testEndpoint, vpcs, time.Hour), func(r *http.Request) { r.URL.RawQuery += "&DryRun=true" }), "AuthFailure", 401, ec2},
		{"presigned and signed", changed(signer("ec2").Presign(testEndpoint, vpcs, time.Hour), func(r *http.Request) { r.Header.Set("Authorization", "x") }), "IncompleteSignature", 400, ec2},
		{"body changed", changed(post("DescribeVpcs"), func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("Action=DeleteVpc&VpcId=vpc-1")) }), "AuthFailure", 401, ec2},
		{"host changed", changed(post("DescribeVpcs"), func(r *http.Request) { r.Host = "elsewhere" }), "AuthFailure", 401, ec2},
		{"action added to the query", changed(post("DescribeVpcs"), func(r *http.Request) { r.URL.RawQuery = "DryRun=true" }), "AuthFailure", 401, ec2},
		{"x-amz header added", header("X-Amz-Target", "Logs.X"), "IncompleteSignature", 400, ec2},
		{"session token", changed(post("DescribeVpcs"), func(r *http.Request) {
			r.Header.Set("X-Amz-Security-Token", "t")
			signer("ec2").Sign(r, "host", "x-amz-date", "x-amz-security-token")
		}), "AuthFailure", 401, ec2},
		{"another region, EC2", with("ec2", farAway).Post(testEndpoint, vpcs), "AuthFailure", 401, ec2},
		{"another region, STS", with("sts", farAway).Post(testEndpoint, identity), "SignatureDoesNotMatch", 403, query},
		{"the global region, EC2", with("ec2", global).Post(testEndpoint, vpcs), "AuthFailure", 401, ec2},
		{"another service", signer("s3").Post(testEndpoint, vpcs), "InvalidAction", 400, ec2},
		{"another service, wrong secret", with("s3", wrongSecret).Post(testEndpoint, vpcs), "AuthFailure", 401, ec2},

		// HTTP.
		{"PUT", request("PUT", "", "", nil), "MethodNotAllowed", 405, ec2},
		{"DELETE", request("DELETE", "", "", nil), "MethodNotAllowed", 405, ec2},
		{"another path", request("GET", "latest/meta-data", "", nil), "InvalidRequest", 400, ec2},
		{"JSON", request("POST", "", "application/x-amz-json-1.1", strings.NewReader("{}")), "UnsupportedProtocol", 400, ec2},
		{"a form of parts", request("POST", "", parts.FormDataContentType(), &form), "UnsupportedProtocol", 400, ec2},
		{"malformed content type", request("POST", "", "application/", strings.NewReader("a=b")), "UnsupportedProtocol", 400, ec2},
		{"large body", changed(post("DescribeVpcs"), func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("a", server.BodyMax+1))) }), "RequestEntityTooLarge", 413, ec2},
		{"large body, STS", signer("sts").Post(testEndpoint, values("GetCallerIdentity", "X", strings.Repeat("a", server.BodyMax))), "RequestEntityTooLarge", 413, query},
		{"body that breaks off", changed(post("DescribeVpcs"), func(r *http.Request) {
			r.Body = io.NopCloser(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("Action=DescribeVpcs"))))
		}), "IncompleteBody", 400, ec2},

		// Actions.
		{"no action", raw("Version=2016-11-15"), "MissingAction", 400, ec2},
		{"no parameters", raw(""), "MissingAction", 400, ec2},
		{"empty action", raw("Action="), "MissingAction", 400, ec2},
		{"two actions", raw("Action=DescribeVpcs&Action=CreateVpc"), "MalformedQueryString", 400, ec2},
		{"unknown action", post("DescribeVpc"), "InvalidAction", 400, ec2},
		{"action in lower case", post("describevpcs"), "InvalidAction", 400, ec2},
		{"long action", post(strings.Repeat("A", 5000)), "InvalidAction", 400, ec2},
		{"another service's action", post("GetCallerIdentity"), "InvalidAction", 400, ec2},
		{"another service's action, STS", signer("sts").Post(testEndpoint, vpcs), "InvalidAction", 400, query},
		{"action that is not built", post("CreateTransitGateway"), "UnsupportedOperation", 400, ec2},
		{"action that is not built, STS", signer("sts").Post(testEndpoint, values("AssumeRoleWithSAML")), "UnsupportedOperation", 400, query},
		{"another version", post("DescribeVpcs", "Version", "2010-01-01"), "InvalidAction", 400, ec2},
		{"another version, STS", signer("sts").Post(testEndpoint, values("GetCallerIdentity", "Version", "2016-11-15")), "InvalidAction", 400, query},

		// Parameters.
		{"required parameter missing", post("ModifyVpcAttribute"), "MissingParameter", 400, ec2},
		{"required parameter empty", post("ModifyVpcAttribute", "VpcId", ""), "MissingParameter", 400, ec2},
		{"required list missing", post("CreateTags", "Tag.1.Key", "k"), "MissingParameter", 400, ec2},
		{"required list empty", post("CreateTags", "Tag.1.Key", "k", "ResourceId", ""), "MissingParameter", 400, ec2},
		{"boolean in capitals", post("DescribeVpcs", "DryRun", "TRUE"), "InvalidParameterValue", 400, ec2},
		{"empty boolean", post("DescribeVpcs", "DryRun", ""), "InvalidParameterValue", 400, ec2},
		{"boolean as a number", post("ModifyVpcAttribute", "VpcId", "v", "EnableDnsSupport.Value", "1"), "InvalidParameterValue", 400, ec2},
		{"value for a structure", post("ModifyVpcAttribute", "VpcId", "v", "EnableDnsSupport", "true"), "InvalidParameterValue", 400, ec2},
		{"number that is a word", post("DescribeVpcs", "MaxResults", "all"), "InvalidParameterValue", 400, ec2},
		{"number with a fraction", post("DescribeVpcs", "MaxResults", "10.0"), "InvalidParameterValue", 400, ec2},
		{"number of many digits", post("DescribeVpcs", "MaxResults", strings.Repeat("9", 1000)), "InvalidParameterValue", 400, ec2},
		{"number below the range", post("DescribeVpcs", "MaxResults", "4"), "InvalidParameterValue", 400, ec2},
		{"number above the range", post("DescribeVpcs", "MaxResults", "1001"), "InvalidParameterValue", 400, ec2},
		{"negative number", post("DescribeVpcs", "MaxResults", "-1"), "InvalidParameterValue", 400, ec2},
		{"not in the enumeration", post("CreateVpc", "CidrBlock", "10.0.0.0/16", "InstanceTenancy", "shared"), "InvalidParameterValue", 400, ec2},
		{"resource type that AWS has not", vpn("TagSpecification.1.ResourceType", "tunnel"), "InvalidParameterValue", 400, ec2},
		{"list without number", post("DescribeVpcs", "VpcId", "vpc-1"), "InvalidParameterValue", 400, ec2},
		{"list of the Query protocol", post("DescribeVpcs", "VpcId.member.1", "vpc-1"), "InvalidParameterValue", 400, ec2},
		{"list item 0", post("DescribeVpcs", "VpcId.0", "vpc-1"), "InvalidParameterValue", 400, ec2},
		{"list item 007", post("DescribeVpcs", "VpcId.007", "vpc-1"), "InvalidParameterValue", 400, ec2},
		{"giant list item", post("DescribeVpcs", "VpcId.4294967297", "vpc-1"), "InvalidParameterValue", 400, ec2},
		{"giant list item inside of an item", post("DescribeVpcs", "Filter.1.Name", "n", "Filter.1.Value.99999999", "x"), "InvalidParameterValue", 400, ec2},
		{"list item without a name", post("DescribeVpcs", "Filter..Name", "n"), "InvalidParameterValue", 400, ec2},
		{"value for an item that is a structure", post("DescribeVpcs", "Filter.1", "n"), "InvalidParameterValue", 400, ec2},
		{"parts of an item that is a text", post("DescribeVpcs", "VpcId.1.Name", "n"), "InvalidParameterValue", 400, ec2},
		{"list under two names", post("DescribeVpcs", "Filter.1.Name", "n", "Filters.1.Name", "m"), "InvalidParameterValue", 400, ec2},
		{"word deep inside", vpn("Options.TunnelOptions.1.Phase1DHGroupNumber.1.Value", "modp2048"), "InvalidParameterValue", 400, ec2},
		{"parameter twice", raw("Action=DescribeVpcs&MaxResults=5&MaxResults=6"), "MalformedQueryString", 400, ec2},
		{"parameter in query and body", changed(post("DescribeVpcs", "MaxResults", "5"), func(r *http.Request) {
			r.URL.RawQuery = "MaxResults=6"
			signer("ec2").Sign(r, "host", "x-amz-date")
		}), "MalformedQueryString", 400, ec2},
		{"too many parameters", raw("Action=DescribeVpcs" + strings.Repeat("&a=", 10_001)), "MalformedQueryString", 400, ec2},
		{"bad escape", raw("Action=DescribeVpcs&VpcId.1=%G1"), "MalformedQueryString", 400, ec2},
		{"name that is too long", raw("Action=DescribeVpcs&" + strings.Repeat("A.", 400) + "=1"), "MalformedQueryString", 400, ec2},
		{"value without a name", raw("Action=DescribeVpcs&=1"), "MalformedQueryString", 400, ec2},
		{"value that is not UTF-8", raw("Action=DescribeVpcs&VpcId.1=%C3%28"), "InvalidCharacter", 400, ec2},
		{"control character", post("CreateTags", "ResourceId.1", "r", "Tag.1.Key", "bell\a"), "InvalidCharacter", 400, ec2},
		{"value that is too long", raw("Action=DescribeVpcs&NextToken=" + strings.Repeat("a", 300_000)), "InvalidParameterValue", 400, ec2},

		// Operations.
		{"refused", post("CreateVpc", "CidrBlock", "refuse"), "InvalidVpc.Range", 400, ec2},
		{"refused, wrapped", post("CreateVpc", "CidrBlock", "refuse, wrapped"), "VpcLimitExceeded", 400, ec2},
		{"unauthorized", post("CreateVpc", "CidrBlock", "unauthorized"), "UnauthorizedOperation", 403, ec2},
		{"dry run", post("CreateVpc", "CidrBlock", "10.0.0.0/16", "DryRun", "true"), "DryRunOperation", 412, ec2},
		{"failed", post("CreateVpc", "CidrBlock", "fail"), "InternalError", 500, ec2},
		{"panicked", post("CreateVpc", "CidrBlock", "panic"), "InternalError", 500, ec2},
	}
	f := newFixture(t, nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := f.do(test.request)
			fault, code, message := parseFault(t, w)
			if code != test.code || w.Code != test.status || fault.XMLName.Local != test.form {
				t.Errorf("got %s, %d, as %s; want %s, %d, as %s\n%s", code, w.Code, fault.XMLName.Local, test.code, test.status, test.form, w.Body)
			}
			if message == "" || len(message) > 1000 || strings.Contains(message, "10.9.8.7") {
				t.Errorf("the message is %q", message)
			}
			if id := w.Header().Get("x-amzn-requestid"); id == "" || fault.RequestID+fault.RequestId != id {
				t.Errorf("the request id is %q in the header and %q in the body", id, fault.RequestID+fault.RequestId)
			}
			if fault.Query.Type != "" && (fault.Query.Type == "Sender") != (w.Code < 500) {
				t.Errorf("%s for status %d", fault.Query.Type, w.Code)
			}
		})
	}
}
