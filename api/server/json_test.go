package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"causeway.dev/api/model/logs"
	"causeway.dev/api/server"
	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/resource"
)

// logsBodyMax is more than server.BodyMax.
const logsBodyMax = server.BodyMax + 1000

// logsService is a service of the JSON protocol.
func logsService() server.Service {
	return server.Service{
		Model: logs.Service, ValidationCode: "InvalidParameterException", BodyMax: logsBodyMax,
		Actions: map[string]server.Handler{
			"CreateLogGroup": server.Operation(func(_ context.Context, _ server.Caller, in *logs.CreateLogGroupInput) (*logs.CreateLogGroupOutput, error) {
				switch *in.LogGroupName {
				case "there":
					return nil, resource.Errorf("ResourceAlreadyExistsException", "The specified log group already exists")
				case "panic":
					panic("boom at 10.9.8.7")
				}
				return nil, nil
			}),
			"ListTagsForResource": server.Operation(func(_ context.Context, c server.Caller, in *logs.ListTagsForResourceInput) (*logs.ListTagsForResourceOutput, error) {
				return &logs.ListTagsForResourceOutput{Tags: map[string]string{"account": c.Account, "of": *in.ResourceArn}}, nil
			}),
		},
	}
}

const logsTarget = "Logs_20140328."

func postLogs(action, body string) *http.Request {
	return signer("logs").PostJSON(testEndpoint, logsTarget+action, body)
}

func TestJSONAnswers(t *testing.T) {
	f := newFixture(t, nil)
	for _, test := range []struct {
		action, body, want string
	}{
		{"CreateLogGroup", `{"logGroupName":"new"}`, `{}`},
		{"ListTagsForResource", `{"resourceArn":"a\"ü","newInSDK":{"a":[1,{}]}}`, `{"tags":{"account":"123456789012","of":"a\"ü"}}`},
		{"CreateLogGroup", `{"logGroupName":"new","padding":"` + strings.Repeat("a", server.BodyMax) + `"}`, `{}`},
	} {
		w := f.do(postLogs(test.action, test.body))
		if w.Code != http.StatusOK || w.Body.String() != test.want || w.Header().Get("Content-Type") != "application/x-amz-json-1.1" {
			t.Errorf("%s: got %d, %v\n%s", test.action, w.Code, w.Header(), w.Body)
		}
	}
}

func TestJSONRefusals(t *testing.T) {
	with := func(change func(*sigv4test.Signer)) *http.Request {
		s := signer("logs")
		change(&s)
		return s.PostJSON(testEndpoint, logsTarget+"CreateLogGroup", `{"logGroupName":"new"}`)
	}
	changed := func(change func(*http.Request)) *http.Request {
		r := postLogs("CreateLogGroup", `{"logGroupName":"new"}`)
		change(r)
		signer("logs").Sign(r, "host", "x-amz-date", "x-amz-target")
		return r
	}
	unsigned := postLogs("CreateLogGroup", "{}")
	unsigned.Header.Del("Authorization")
	retargeted := postLogs("CreateLogGroup", `{"logGroupName":"new"}`)
	retargeted.Header.Set("X-Amz-Target", logsTarget+"DeleteLogGroup")
	tests := []struct {
		name    string
		request *http.Request
		code    string
		status  int
	}{
		{"no signature", unsigned, "MissingAuthenticationTokenException", 400},
		{"wrong secret", with(func(s *sigv4test.Signer) { s.Secret += "x" }), "InvalidSignatureException", 400},
		{"unknown key", with(func(s *sigv4test.Signer) { s.AccessKeyID = "AKIDNOBODY0000000000" }), "UnrecognizedClientException", 400},
		{"old", with(func(s *sigv4test.Signer) { s.Now = testTime.AddDate(0, 0, -1) }), "InvalidSignatureException", 400},
		{"another region", with(func(s *sigv4test.Signer) { s.Region = "us-west-2" }), "InvalidSignatureException", 400},
		{"another service", with(func(s *sigv4test.Signer) { s.Service = "dynamodb" }), "UnknownOperationException", 400},
		{"target changed on the way", retargeted, "InvalidSignatureException", 400},
		{"GET", changed(func(r *http.Request) { r.Method = http.MethodGet }), "MethodNotAllowed", 405},
		{"a form", changed(func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }), "UnsupportedProtocol", 400},
		{"no target", changed(func(r *http.Request) { r.Header.Set("X-Amz-Target", "") }), "UnknownOperationException", 400},
		{"another service's target", changed(func(r *http.Request) { r.Header.Set("X-Amz-Target", "CertificateManager.CreateLogGroup") }), "UnknownOperationException", 400},
		{"unknown action", postLogs("CreateLogRope", "{}"), "UnknownOperationException", 400},
		{"action that is not built", postLogs("StartQuery", "{}"), "UnsupportedOperationException", 400},
		{"not JSON", postLogs("CreateLogGroup", `{"logGroupName"`), "SerializationException", 400},
		{"wrong type", postLogs("CreateLogGroup", `{"logGroupName":1}`), "SerializationException", 400},
		{"required member missing", postLogs("CreateLogGroup", ""), "InvalidParameterException", 400},
		{"member that is too long", postLogs("CreateLogGroup", `{"logGroupName":"`+strings.Repeat("a", 513)+`"}`), "InvalidParameterException", 400},
		{"large body", postLogs("CreateLogGroup", `{"x":"`+strings.Repeat("a", logsBodyMax)+`"}`), "RequestEntityTooLargeException", 413},
		{"large body of somebody unknown", func() *http.Request {
			s := signer("logs")
			s.AccessKeyID = "AKIDNOBODY0000000000"
			return s.PostJSON(testEndpoint, logsTarget+"CreateLogGroup", `{"x":"`+strings.Repeat("a", server.BodyMax)+`"}`)
		}(), "RequestEntityTooLargeException", 413},
		{"refused", postLogs("CreateLogGroup", `{"logGroupName":"there"}`), "ResourceAlreadyExistsException", 400},
		{"panicked", postLogs("CreateLogGroup", `{"logGroupName":"panic"}`), "InternalFailure", 500},
	}
	f := newFixture(t, nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := f.do(test.request)
			var got struct {
				Type    string `json:"__type"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%v\n%s", err, w.Body)
			}
			if got.Type != test.code || w.Code != test.status || w.Header().Get("X-Amzn-Errortype") != test.code {
				t.Errorf("got %d, %s, header %s; want %s\n%s", w.Code, got.Type, w.Header().Get("X-Amzn-Errortype"), strconv.Itoa(test.status)+" "+test.code, w.Body)
			}
			if got.Message == "" || len(got.Message) > 1000 || strings.Contains(got.Message, "10.9.8.7") {
				t.Errorf("the message is %q", got.Message)
			}
			if w.Header().Get("x-amzn-requestid") == "" || w.Header().Get("Content-Type") != "application/x-amz-json-1.1" {
				t.Errorf("the headers are %v", w.Header())
			}
		})
	}
}
