package metadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	testKey = [KeyLength]byte{1, 2, 3}
	now     = time.Unix(1_700_000_000, 0)
	host    = Host{Instance: "i-1", HopLimit: 1, Items: []Item{
		{"dynamic/instance-identity/document", "{}", false},
		{"meta-data/ami-id", "ami-1", false},
		{"meta-data/placement/region", "us-east-1", false},
		{"meta-data/public-keys/", "0=my-key", false},
		{"meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAA my-key", false},
		{"user-data", "secret", false},
		{"meta-data/iam/security-credentials/web", "", true},
	}}
)

func ask(h Host, method, path, token string) Response {
	return Answer(testKey, now, h, Request{Method: method, Path: path, Token: token})
}

func token(t *testing.T, h Host, ttl string) string {
	t.Helper()
	r := Answer(testKey, now, h, Request{Method: "PUT", Path: "/latest/api/token", TTL: ttl})
	if r.Status != 200 || fmt.Sprint(r.TTL) != ttl {
		t.Fatalf("a token for %s s: %+v", ttl, r)
	}
	return r.Body
}

func TestPathsLeadToValuesAndLists(t *testing.T) {
	held := token(t, host, "60")
	for path, want := range map[string]string{
		"/latest":                                     "dynamic\nmeta-data\nuser-data",
		"/latest/meta-data/":                          "ami-id\niam/\nplacement/\npublic-keys/",
		"/2021-07-15/meta-data/ami-id":                "ami-1",
		"/latest/meta-data//placement/":               "region",
		"/latest/meta-data/placement":                 "region",
		"/latest/meta-data/public-keys/":              "0=my-key",
		"/latest/meta-data/public-keys/0/":            "openssh-key",
		"/latest/user-data":                           "secret",
		"/latest/dynamic/instance-identity/":          "document",
		"/1.0/dynamic/instance-identity/document":     "{}",
		"/latest/meta-data/public-keys/0/openssh-key": "ssh-ed25519 AAAA my-key",
	} {
		if r := ask(host, "GET", path, held); r.Status != 200 || r.Body != want || r.TTL != 60 {
			t.Errorf("%s: %+v, want %q", path, r, want)
		}
	}
	if r := ask(host, "GET", "/", held); !strings.HasPrefix(r.Body, "1.0\n") || !strings.HasSuffix(r.Body, "\nlatest") {
		t.Errorf("versions: %q", r.Body)
	}
	for _, path := range []string{"/latest/meta-data/ami", "/latest/meta-data/../user-data", "/1999-01-01/meta-data/", "/latest/meta-data/ami-id/x", "/latest/api"} {
		if r := ask(host, "GET", path, held); r.Status != 404 {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

// Credentials are found by the name of their role, and their place by nobody's.
func TestCredentials(t *testing.T) {
	held := token(t, host, "60")
	const place = "/latest/meta-data/iam/security-credentials/"
	if r := ask(host, "GET", place, held); r.Body != "web" || r.Credentials {
		t.Errorf("the roles: %+v", r)
	}
	if r := ask(host, "GET", place+"web", held); r.Status != 200 || !r.Credentials || r.Body != "" {
		t.Errorf("the credentials: %+v", r)
	}
	for what, r := range map[string]Response{"another role": ask(host, "GET", place+"db", held), "without a token": ask(host, "GET", place+"web", "")} {
		if r.Status == 200 || r.Credentials {
			t.Errorf("%s: %+v", what, r)
		}
	}
	c := Credentials{AccessKeyID: "ASIA1", Secret: "secret1", Token: "token1", Issued: now, Expires: now.Add(time.Hour)}
	const want = `{"Code":"Success","LastUpdated":"2023-11-14T22:13:20Z","Type":"AWS-HMAC","AccessKeyId":"ASIA1","SecretAccessKey":"secret1","Token":"token1","Expiration":"2023-11-14T23:13:20Z"}`
	var got bytes.Buffer
	if err := json.Compact(&got, []byte(c.Text())); err != nil || got.String() != want {
		t.Errorf("told as %s, %v", got.String(), err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", c, c, c, c); strings.Contains(text, "secret1") || strings.Contains(text, "token1") {
		t.Error(text)
	}
}

func TestWhoIsRefused(t *testing.T) {
	held := token(t, host, "21600")
	optional, disabled, other := host, host, host
	optional.TokensOptional, disabled.Disabled, other.Instance = true, true, "i-2"
	put := func(ttl string, forwarded bool) Request {
		return Request{Method: "PUT", Path: "/latest/api/token", TTL: ttl, Forwarded: forwarded}
	}
	get := func(token string) Request {
		return Request{Method: "GET", Path: "/latest/meta-data/ami-id", Token: token}
	}
	for _, c := range []struct {
		name   string
		host   Host
		r      Request
		status int
	}{
		{"with a token", host, get(held), 200},
		{"without a token", host, get(""), 401},
		{"without a token, in version 1", optional, get(""), 200},
		{"with a wrong token, in version 1", optional, get("x"), 401},
		{"with another instance's token", other, get(held), 401},
		{"with a changed token", host, get("_" + held[1:]), 401},
		{"a proxy asks for a token", host, put("60", true), 403},
		{"a token without an end", host, put("", false), 400},
		{"a token for no time", host, put("0", false), 400},
		{"a token for too long", host, put("21601", false), 400},
		{"reading the place of tokens", host, Request{Method: "GET", Path: "/latest/api/token", Token: held}, 405},
		{"writing", host, Request{Method: "POST", Path: "/latest/user-data", Token: held}, 405},
		{"where it is disabled", disabled, get(held), 403},
		{"a token where it is disabled", disabled, put("60", false), 403},
	} {
		if r := Answer(testKey, now, c.host, c.r); r.Status != c.status {
			t.Errorf("%s: %+v, want %d", c.name, r, c.status)
		}
	}
	late := now.Add(21600 * time.Second)
	if r := Answer(testKey, late, host, get(held)); r.Status != 401 {
		t.Errorf("a token whose time is over: %+v", r)
	}
	if r := Answer([KeyLength]byte{9}, now, host, get(held)); r.Status != 401 {
		t.Errorf("a token of another key: %+v", r)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", host, host, host, host); strings.Contains(text, "secret") {
		t.Error(text)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add("GET", "/latest/meta-data/", "", "", false)
	f.Add("PUT", "/latest/api/token", "", "60", false)
	f.Add("GET", "/latest/user-data", "AAAA", "", true)
	f.Fuzz(func(t *testing.T, method, path, token, ttl string, forwarded bool) {
		r := Answer(testKey, now, host, Request{Method: method, Path: path, Token: token, TTL: ttl, Forwarded: forwarded})
		if r.Status == 200 && path != tokenPath {
			t.Errorf("%s %q is answered without a token of ours: %+v", method, path, r)
		}
	})
}
