package sigv4_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"causeway.dev/api/sigv4"
	"causeway.dev/api/sigv4/sigv4test"
)

// The key, the time and the scope of AWS's published examples.
const (
	exampleKey    = "AKIDEXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func lookup(id, token string) (string, sigv4.Reason) {
	switch {
	case token == "expired":
		return "", sigv4.ExpiredToken
	case id != exampleKey || token != "" && token != "good":
		return "", sigv4.UnknownKey
	}
	return exampleSecret, 0
}

// authorization is the header of the examples.
func authorization(service, headers, signature string) string {
	return "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/" + service + "/aws4_request, SignedHeaders=" + headers + ", Signature=" + signature
}

// request makes a request of the examples from headers of the form "Name: value".
func request(method, path, query, host, body string, headers ...string) sigv4.Request {
	h := http.Header{"X-Amz-Date": {"20150830T123600Z"}}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		h.Add(name, value)
	}
	return sigv4.Request{Method: method, Path: path, RawQuery: query, Host: host, Header: h, Body: []byte(body)}
}

// TestVectors verifies signatures that others have made: those of AWS's test suite
// and documentation, and of botocore 1.43.11 for what the suite doesn't have.
func TestVectors(t *testing.T) {
	const suite = "example.amazonaws.com"
	const form = "Content-Type: application/x-www-form-urlencoded"
	presigned := request("GET", "/", "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=tag%3AName&Filter.1.Value.1=a%20b"+
		"&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fec2%2Faws4_request"+
		"&X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"+
		"&X-Amz-Signature=17446723a2edbd53abaf8d15edf02e85d240db3a3c495deb37da9a6b9861d03f", "ec2.us-east-1.amazonaws.com", "")
	delete(presigned.Header, "X-Amz-Date")

	tests := []struct {
		name    string
		request sigv4.Request
		service string
	}{
		{"suite get-vanilla", request("GET", "/", "", suite, "",
			"Authorization: "+authorization("service", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")), "service"},
		{"suite post-vanilla", request("POST", "/", "", suite, "",
			"Authorization: "+authorization("service", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")), "service"},
		{"suite get-vanilla-query-order-key-case", request("GET", "/", "Param2=value2&Param1=value1", suite, "",
			"Authorization: "+authorization("service", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")), "service"},
		{"suite get-vanilla-query-order-value", request("GET", "/", "Param1=value2&Param1=Value1", suite, "",
			"Authorization: "+authorization("service", "host;x-amz-date", "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1")), "service"},
		{"suite post-x-www-form-urlencoded", request("POST", "/", "", suite, "Param1=value1", form,
			"Authorization: "+authorization("service", "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a")), "service"},
		{"documentation ListUsers", request("GET", "/", "Action=ListUsers&Version=2010-05-08", "iam.amazonaws.com", "", form+"; charset=utf-8",
			"Authorization: "+authorization("iam", "content-type;host;x-amz-date", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")), "iam"},
		{"botocore path and header spaces", request("GET", "/example/..//a%20b/./", "x=a%20b%2Bc", suite, "", "My-Header1:   a   b   c ",
			"Authorization: "+authorization("service", "host;my-header1;x-amz-date", "0f0466944a8d05e22a75832c67bec56a5a5500e75a7bede8649edf1648fddbb1")), "service"},
		{"botocore CreateTags", request("POST", "/", "", "127.0.0.1:4566",
			"Action=CreateTags&Version=2016-11-15&ResourceId.1=vpc-1&Tag.1.Key=Name&Tag.1.Value=a+b%2F%2B~%C3%A9", form+"; charset=utf-8",
			"Authorization: "+authorization("ec2", "content-type;host;x-amz-date", "6cb18863032cc7c4a1e51e6bb3b49efa0fc3026cda65d30a421b4f513bb6ec50")), "ec2"},
		{"botocore presigned", presigned, "ec2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := sigv4.Verify(test.request, lookup, exampleTime.Add(time.Minute))
			want := sigv4.Identity{AccessKeyID: exampleKey, Region: "us-east-1", Service: test.service}
			if err != nil || got != want {
				t.Fatalf("Verify = %+v, %v; want %+v", got, err, want)
			}
			if scope, ok := sigv4.ClaimedScope(test.request); !ok || scope.Service != test.service {
				t.Errorf("ClaimedScope = %+v, %v", scope, ok)
			}
			for what, change := range map[string]func(*sigv4.Request){
				"method": func(r *sigv4.Request) { r.Method = "PUT" },
				"path":   func(r *sigv4.Request) { r.Path += "x" },
				"query":  func(r *sigv4.Request) { r.RawQuery += "&y=1" },
				"host":   func(r *sigv4.Request) { r.Host += "." },
				"body":   func(r *sigv4.Request) { r.Body = append(r.Body, ' ') },
			} {
				changed := test.request
				change(&changed)
				if _, err := sigv4.Verify(changed, lookup, exampleTime); reasonOf(err) != sigv4.Mismatch {
					t.Errorf("with another %s: %v, want a mismatch", what, err)
				}
			}
		})
	}
}

func reasonOf(err error) sigv4.Reason {
	var e *sigv4.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Reason
}

var signer = sigv4test.Signer{AccessKeyID: exampleKey, Secret: exampleSecret, Region: "eu-west-1", Service: "ec2", Now: exampleTime}

// parts is a request as a server sees it.
func parts(t *testing.T, r *http.Request) sigv4.Request {
	t.Helper()
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			t.Fatal(err)
		}
	}
	return sigv4.Request{Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.URL.Host, Header: r.Header, Body: body}
}

var form = url.Values{"Action": {"DescribeVpcs"}, "Version": {"2016-11-15"}, "Filter.1.Value.1": {"a b+c/é~"}}

// TestGoClient verifies the headers that aws-sdk-go-v2 signs.
func TestGoClient(t *testing.T) {
	r := signer.Post("http://127.0.0.1:4566/", form)
	r.Header.Set("Amz-Sdk-Request", "attempt=1; max=25")
	r.Header.Set("Amz-Sdk-Invocation-Id", "5f3a")
	signer.Sign(r, "amz-sdk-invocation-id", "amz-sdk-request", "content-length", "content-type", "host", "x-amz-date")
	q := parts(t, r)
	if _, err := sigv4.Verify(q, lookup, exampleTime); err != nil {
		t.Fatal(err)
	}
	http.Header(q.Header).Set("Amz-Sdk-Request", "attempt=2; max=25")
	if _, err := sigv4.Verify(q, lookup, exampleTime); reasonOf(err) != sigv4.Mismatch {
		t.Errorf("with another signed header: %v, want a mismatch", err)
	}
	http.Header(q.Header).Del("Amz-Sdk-Request")
	if _, err := sigv4.Verify(q, lookup, exampleTime); reasonOf(err) != sigv4.Mismatch {
		t.Errorf("without a signed header: %v, want a mismatch", err)
	}
}

// TestHeaderForm breaks a good request in one way each.
func TestHeaderForm(t *testing.T) {
	change := func(old, new string) func(*sigv4.Request) {
		return func(r *sigv4.Request) {
			changed := strings.Replace(r.Header["Authorization"][0], old, new, 1)
			if changed == r.Header["Authorization"][0] {
				panic("the test's request has no " + old)
			}
			r.Header["Authorization"] = []string{changed}
		}
	}
	set := func(name string, values ...string) func(*sigv4.Request) {
		return func(r *sigv4.Request) { r.Header[name] = values }
	}
	tests := []struct {
		name   string
		change func(*sigv4.Request)
		want   sigv4.Reason
	}{
		{"nothing", func(*sigv4.Request) {}, 0},
		{"no spaces in the header", func(r *sigv4.Request) {
			r.Header["Authorization"][0] = strings.ReplaceAll(r.Header["Authorization"][0], ", ", ",")
		}, 0},
		{"a header that isn't signed", set("User-Agent", "aws-cli"), 0},
		{"no authorization", func(r *sigv4.Request) { delete(r.Header, "Authorization") }, sigv4.Missing},
		{"two authorizations", func(r *sigv4.Request) {
			r.Header["Authorization"] = append(r.Header["Authorization"], r.Header["Authorization"][0])
		}, sigv4.Incomplete},
		{"presigned as well", func(r *sigv4.Request) { r.RawQuery = "X-Amz-Signature=0" }, sigv4.Incomplete},
		{"basic authorization", set("Authorization", "Basic QUtJRDpzZWNyZXQ="), sigv4.Incomplete},
		{"empty authorization", set("Authorization", ""), sigv4.Incomplete},
		{"algorithm only", set("Authorization", "AWS4-HMAC-SHA256"), sigv4.Incomplete},
		{"another algorithm", change("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), sigv4.Incomplete},
		{"no credential", change("Credential=", "Credentials="), sigv4.Incomplete},
		{"no signature", change(", Signature=", ", Sig="), sigv4.Incomplete},
		{"a fourth part", change(", Signature=", ", Expires=1, Signature="), sigv4.Incomplete},
		{"a part twice", change(", Signature=", ", Signature=0, Signature="), sigv4.Incomplete},
		{"a part without value", change(", Signature=", ", Credential, Signature="), sigv4.Incomplete},
		{"credential with four parts", change("/ec2/", "/"), sigv4.Incomplete},
		{"credential with six parts", change("/ec2/", "/ec2/x/"), sigv4.Incomplete},
		{"credential without key", change("AKIDEXAMPLE/", "/"), sigv4.Incomplete},
		{"another terminator", change("aws4_request", "aws5_request"), sigv4.Incomplete},
		{"another day", change("/20150830/", "/20150829/"), sigv4.Incomplete},
		{"short signature", func(r *sigv4.Request) {
			r.Header["Authorization"][0] = strings.TrimRight(r.Header["Authorization"][0], "0123456789abcdef") + "abc"
		}, sigv4.Incomplete},
		{"signature in upper case", func(r *sigv4.Request) {
			head, tail, _ := strings.Cut(r.Header["Authorization"][0], "Signature=")
			r.Header["Authorization"][0] = head + "Signature=" + strings.ToUpper(tail[:63]) + "A"
		}, sigv4.Incomplete},
		{"signed headers in upper case", change("host;", "Host;"), sigv4.Incomplete},
		{"signed headers unsorted", change("content-type;host", "host;content-type"), sigv4.Incomplete},
		{"a signed header twice", change("host;", "host;host;"), sigv4.Incomplete},
		{"an empty signed header", change("host;", ";host;"), sigv4.Incomplete},
		{"host not signed", change("host;", ""), sigv4.Incomplete},
		{"date not signed", change(";x-amz-date", ""), sigv4.Incomplete},
		{"too many signed headers", change("content-type;", strings.Repeat("a;", 65)), sigv4.Incomplete},
		{"x-amz header not signed", set("X-Amz-Target", "Logs.X"), sigv4.Incomplete},
		{"no date", func(r *sigv4.Request) { delete(r.Header, "X-Amz-Date") }, sigv4.Incomplete},
		{"bad date", set("X-Amz-Date", "2015-08-30T12:36:00Z"), sigv4.Incomplete},
		{"two dates", set("X-Amz-Date", "20150830T123600Z", "20150830T123600Z"), sigv4.Incomplete},
		{"bad query", func(r *sigv4.Request) { r.RawQuery = "a=%zz" }, sigv4.Incomplete},
		{"another second", set("X-Amz-Date", "20150830T123601Z"), sigv4.Mismatch},
		{"another region", change("/eu-west-1/", "/eu-west-2/"), sigv4.Mismatch},
		{"another service", change("/ec2/", "/iam/"), sigv4.Mismatch},
		{"another content type", set("Content-Type", "text/plain"), sigv4.Mismatch},
		{"a header less signed", change("content-type;", ""), sigv4.Mismatch},
		{"a signed header missing", change("host;", "host;user-agent;"), sigv4.Mismatch},
		{"one digit of the signature", func(r *sigv4.Request) {
			a := []byte(r.Header["Authorization"][0])
			a[len(a)-1] = "10"[a[len(a)-1]&1]
			r.Header["Authorization"][0] = string(a)
		}, sigv4.Mismatch},
		{"an unknown key", change("AKIDEXAMPLE", "AKIDOTHER"), sigv4.UnknownKey},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := parts(t, signer.Post("http://127.0.0.1:4566/", form))
			test.change(&r)
			if _, err := sigv4.Verify(r, lookup, exampleTime); reasonOf(err) != test.want {
				t.Errorf("Verify: %v (%v), want %v", err, reasonOf(err), test.want)
			}
		})
	}
}

// TestSessionToken: a token must belong to the access key, and be signed in either
// form of a request.
func TestSessionToken(t *testing.T) {
	for token, want := range map[string]sigv4.Reason{"good": 0, "another's": sigv4.UnknownKey, "expired": sigv4.ExpiredToken} {
		r := signer.Post("http://127.0.0.1/", form)
		r.Header.Set("X-Amz-Security-Token", token)
		signer.Sign(r, "content-type", "host", "x-amz-date", "x-amz-security-token")
		if _, err := sigv4.Verify(parts(t, r), lookup, exampleTime); reasonOf(err) != want {
			t.Errorf("token %s in the header: %v, want %v", token, err, want)
		}
		query := url.Values{"X-Amz-Security-Token": {token}}
		p := signer.Presign("http://127.0.0.1/", query, time.Hour)
		if _, err := sigv4.Verify(parts(t, p), lookup, exampleTime); reasonOf(err) != want {
			t.Errorf("token %s in the query: %v, want %v", token, err, want)
		}
	}
	r := signer.Post("http://127.0.0.1/", form)
	r.Header.Set("X-Amz-Security-Token", "good")
	if _, err := sigv4.Verify(parts(t, r), lookup, exampleTime); reasonOf(err) != sigv4.Incomplete {
		t.Errorf("token that is not signed: %v", err)
	}
}

// TestDateHeader: without X-Amz-Date, the time is that of Date, which must be
// signed as well.
func TestDateHeader(t *testing.T) {
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/?Action=DescribeVpcs", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Date", exampleTime.Format(http.TimeFormat))
	signer.Sign(r, "date", "host")
	if _, err := sigv4.Verify(parts(t, r), lookup, exampleTime); err != nil {
		t.Error(err)
	}
	if _, err := sigv4.Verify(parts(t, r), lookup, exampleTime.Add(time.Hour)); reasonOf(err) != sigv4.OutsideTime {
		t.Errorf("an hour later: %v, want outside time", err)
	}
	signer.Sign(r, "host")
	if _, err := sigv4.Verify(parts(t, r), lookup, exampleTime); reasonOf(err) != sigv4.Incomplete {
		t.Errorf("date not signed: %v, want incomplete", err)
	}
}

func TestPresignedForm(t *testing.T) {
	change := func(old, new string) func(*sigv4.Request) {
		return func(r *sigv4.Request) {
			changed := strings.Replace(r.RawQuery, old, new, 1)
			if changed == r.RawQuery {
				panic("the test's request has no " + old)
			}
			r.RawQuery = changed
		}
	}
	tests := []struct {
		name   string
		change func(*sigv4.Request)
		want   sigv4.Reason
	}{
		{"nothing", func(*sigv4.Request) {}, 0},
		{"plus for space", change("a%20b", "a+b"), 0},
		{"another order", func(r *sigv4.Request) {
			first, rest, _ := strings.Cut(r.RawQuery, "&")
			r.RawQuery = rest + "&" + first
		}, 0},
		{"no algorithm", change("X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""), sigv4.Incomplete},
		{"another algorithm", change("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), sigv4.Incomplete},
		{"no signature", func(r *sigv4.Request) { r.RawQuery, _, _ = strings.Cut(r.RawQuery, "&X-Amz-Signature") }, sigv4.Incomplete},
		{"two signatures", func(r *sigv4.Request) { r.RawQuery += "&X-Amz-Signature=" + strings.Repeat("0", 64) }, sigv4.Incomplete},
		{"no credential", change("X-Amz-Credential", "X-Amz-Credentials"), sigv4.Incomplete},
		{"no date", change("X-Amz-Date", "X-Amz-Day"), sigv4.Incomplete},
		{"no expiry", change("X-Amz-Expires=3600&", ""), sigv4.Incomplete},
		{"expiry 0", change("X-Amz-Expires=3600", "X-Amz-Expires=0"), sigv4.Incomplete},
		{"expiry negative", change("X-Amz-Expires=3600", "X-Amz-Expires=-1"), sigv4.Incomplete},
		{"expiry of more than a week", change("X-Amz-Expires=3600", "X-Amz-Expires=604801"), sigv4.Incomplete},
		{"expiry beyond all numbers", change("X-Amz-Expires=3600", "X-Amz-Expires=99999999999999999999"), sigv4.Incomplete},
		{"host not signed", change("SignedHeaders=host", "SignedHeaders=accept"), sigv4.Incomplete},
		{"longer expiry", change("X-Amz-Expires=3600", "X-Amz-Expires=3601"), sigv4.Mismatch},
		{"another action", change("DescribeVpcs", "DescribeSubnets"), sigv4.Mismatch},
		{"an unknown key", change("AKIDEXAMPLE", "AKIDOTHER"), sigv4.UnknownKey},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := parts(t, signer.Presign("http://127.0.0.1:4566/", form, time.Hour))
			test.change(&r)
			if _, err := sigv4.Verify(r, lookup, exampleTime); reasonOf(err) != test.want {
				t.Errorf("Verify: %v (%v), want %v", err, reasonOf(err), test.want)
			}
		})
	}
}

func TestTime(t *testing.T) {
	tests := []struct {
		name      string
		presigned bool
		elapsed   time.Duration
		want      sigv4.Reason
	}{
		{"header, at once", false, 0, 0},
		{"header, oldest", false, sigv4.SkewMax, 0},
		{"header, too old", false, sigv4.SkewMax + time.Second, sigv4.OutsideTime},
		{"header, our clock is behind", false, -sigv4.SkewMax, 0},
		{"header, too far ahead", false, -sigv4.SkewMax - time.Second, sigv4.OutsideTime},
		{"presigned, last moment", true, time.Hour, 0},
		{"presigned, expired", true, time.Hour + time.Second, sigv4.OutsideTime},
		{"presigned, our clock is behind", true, -sigv4.SkewMax, 0},
		{"presigned, too far ahead", true, -sigv4.SkewMax - time.Second, sigv4.OutsideTime},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := signer.Post("http://127.0.0.1/", form)
			if test.presigned {
				r = signer.Presign("http://127.0.0.1/", form, time.Hour)
			}
			if _, err := sigv4.Verify(parts(t, r), lookup, exampleTime.Add(test.elapsed)); reasonOf(err) != test.want {
				t.Errorf("Verify: %v, want %v", err, test.want)
			}
		})
	}
}

// TestLongestExpiry: a week is allowed, and no more.
func TestLongestExpiry(t *testing.T) {
	r := parts(t, signer.Presign("http://127.0.0.1/", form, sigv4.ExpiresMax))
	if _, err := sigv4.Verify(r, lookup, exampleTime.Add(sigv4.ExpiresMax)); err != nil {
		t.Error(err)
	}
}

// TestErrorsKeepSecrets: no refusal repeats the secret or the right signature.
func TestErrorsKeepSecrets(t *testing.T) {
	signed := signer.Post("http://127.0.0.1/", form)
	_, right, _ := strings.Cut(signed.Header.Get("Authorization"), "Signature=")
	signed.Header.Set("Authorization", strings.Replace(signed.Header.Get("Authorization"), right, strings.Repeat("0", 64), 1))
	_, err := sigv4.Verify(parts(t, signed), lookup, exampleTime)
	if err == nil || strings.Contains(err.Error(), right) || strings.Contains(err.Error(), exampleSecret) {
		t.Errorf("Verify: %v", err)
	}
}

// FuzzVerify: whatever the request, Verify doesn't panic, and lets nothing pass
// but by the right signature, which a fuzzer can't make.
func FuzzVerify(f *testing.F) {
	r := signer.Post("http://127.0.0.1/", form)
	f.Add("POST", "/", "", "127.0.0.1", r.Header.Get("Authorization"), "20150830T123600Z", []byte(form.Encode()))
	p := signer.Presign("http://127.0.0.1/", form, time.Hour)
	f.Add("GET", "/", p.URL.RawQuery, "127.0.0.1", "", "", []byte(nil))
	noSecret := func(string, string) (string, sigv4.Reason) { return "a secret that no seed is signed with", 0 }
	f.Fuzz(func(t *testing.T, method, path, query, host, authorization, date string, body []byte) {
		q := sigv4.Request{Method: method, Path: path, RawQuery: query, Host: host, Header: http.Header{}, Body: body}
		if authorization != "" {
			q.Header["Authorization"] = []string{authorization}
		}
		if date != "" {
			q.Header["X-Amz-Date"] = []string{date}
		}
		if id, err := sigv4.Verify(q, noSecret, exampleTime); err == nil {
			t.Fatalf("accepted as %+v", id)
		} else if reasonOf(err) == 0 {
			t.Fatalf("not an *Error: %v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := signer.Post("http://127.0.0.1/", form)
	q := sigv4.Request{Method: "POST", Path: "/", Host: "127.0.0.1", Header: r.Header, Body: []byte(form.Encode())}
	for b.Loop() {
		if _, err := sigv4.Verify(q, lookup, exampleTime); err != nil {
			b.Fatal(err)
		}
	}
}
