package logs_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway.dev/api/logs"
	"causeway.dev/api/server"
	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/iam"
	store "causeway.dev/logs"
)

const (
	secret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	region  = "eu-west-1"
	account = "123456789012"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A fixture is a server with the service alone.
type fixture struct {
	t      *testing.T
	server *server.Server
	key    string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	keys, err := iam.NewDirectory(
		iam.AccessKey{ID: "AKIDEXAMPLEONE000000", Secret: secret, Account: account},
		iam.AccessKey{ID: "AKIDEXAMPLETWO000000", Secret: secret, Account: "999999999999"},
	)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(t.TempDir(), "logs.db"), store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &fixture{
		t: t, key: "AKIDEXAMPLEONE000000",
		server: server.New(server.Config{Lookup: keys.Lookup, Regions: []string{region}, Now: func() time.Time { return now }}, logs.New(s).Server()),
	}
}

// try calls an action with a body of JSON, in which ' stands for ".
func (f *fixture) try(action, body string, out any) (code, message string) {
	f.t.Helper()
	signer := sigv4test.Signer{AccessKeyID: f.key, Secret: secret, Region: region, Service: "logs", Now: now}
	w := httptest.NewRecorder()
	f.server.ServeHTTP(w, signer.PostJSON("http://127.0.0.1/", "Logs_20140328."+action, strings.ReplaceAll(body, "'", `"`)))
	text, err := io.ReadAll(w.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	var refusal struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	target := out
	if w.Code != http.StatusOK {
		target = &refusal
	}
	if target != nil {
		if err := json.Unmarshal(text, target); err != nil {
			f.t.Fatalf("%s: %v\n%s", action, err, text)
		}
	}
	return refusal.Type, refusal.Message
}

func (f *fixture) call(action, body string, out any) {
	f.t.Helper()
	if code, message := f.try(action, body, out); code != "" {
		f.t.Fatalf("%s %.200s: %s: %s", action, body, code, message)
	}
}

type page struct {
	Events []struct {
		Message, EventId, LogStreamName string
		Timestamp, IngestionTime        int64
	}
	NextToken, NextForwardToken, NextBackwardToken string
}

func (p page) String() string {
	var all []string
	for _, e := range p.Events {
		all = append(all, e.Message)
	}
	return strings.Join(all, " ")
}

// events are a batch for PutLogEvents, one a second, the last now.
func events(messages ...string) string {
	var all []string
	for i, m := range messages {
		all = append(all, fmt.Sprintf("{'timestamp':%d,'message':'%s'}", now.Add(time.Duration(i-len(messages)+1)*time.Second).UnixMilli(), m))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func TestGroups(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"/vpn/b", "/vpn/a", "other"} {
		f.call("CreateLogGroup", `{'logGroupName':'`+name+`','tags':{'name':'`+name+`'}}`, nil)
	}
	type group struct {
		LogGroupName, Arn, LogGroupArn, LogGroupClass string
		CreationTime, StoredBytes                     int64
		RetentionInDays                               *int
	}
	var got struct {
		LogGroups []group
		NextToken string
	}
	f.call("DescribeLogGroups", `{'logGroupNamePrefix':'/vpn/','limit':1}`, &got)
	want := group{"/vpn/a", "arn:aws:logs:eu-west-1:123456789012:log-group:/vpn/a:*", "arn:aws:logs:eu-west-1:123456789012:log-group:/vpn/a", "STANDARD", now.UnixMilli(), 0, nil}
	if len(got.LogGroups) != 1 || got.LogGroups[0] != want || got.NextToken == "" {
		t.Errorf("first page %+v", got)
	}
	next := got.NextToken
	got.NextToken = ""
	f.call("DescribeLogGroups", `{'logGroupNamePrefix':'/vpn/','nextToken':'`+next+`'}`, &got)
	if len(got.LogGroups) != 1 || got.LogGroups[0].LogGroupName != "/vpn/b" || got.NextToken != "" {
		t.Errorf("second page %+v", got)
	}
	f.call("DescribeLogGroups", `{'logGroupIdentifiers':['other','arn:aws:logs:eu-west-1:123456789012:log-group:/vpn/b','none']}`, &got)
	if len(got.LogGroups) != 2 {
		t.Errorf("by name %+v", got)
	}

	f.call("PutRetentionPolicy", `{'logGroupName':'other','retentionInDays':30}`, nil)
	f.call("DescribeLogGroups", `{'logGroupNamePattern':'the'}`, &got)
	if len(got.LogGroups) != 1 || got.LogGroups[0].RetentionInDays == nil || *got.LogGroups[0].RetentionInDays != 30 {
		t.Errorf("with retention %+v", got)
	}
	f.call("DeleteRetentionPolicy", `{'logGroupName':'other'}`, nil)
	got.LogGroups = nil
	f.call("DescribeLogGroups", `{'logGroupNamePattern':'the'}`, &got)
	if got.LogGroups[0].RetentionInDays != nil {
		t.Errorf("without retention %+v", got)
	}

	const arn = "'resourceArn':'arn:aws:logs:eu-west-1:123456789012:log-group:other:*'"
	f.call("TagResource", `{`+arn+`,'tags':{'a':'1','b':'2'}}`, nil)
	f.call("UntagResource", `{`+arn+`,'tagKeys':['a','none']}`, nil)
	var tags struct{ Tags map[string]string }
	f.call("ListTagsForResource", `{`+arn+`}`, &tags)
	if fmt.Sprint(tags.Tags) != "map[b:2 name:other]" {
		t.Errorf("tags %v", tags)
	}
	f.call("TagLogGroup", `{'logGroupName':'other','tags':{'c':'3'}}`, nil)
	f.call("UntagLogGroup", `{'logGroupName':'other','tags':['b']}`, nil)
	tags.Tags = nil
	f.call("ListTagsLogGroup", `{'logGroupName':'other'}`, &tags)
	if fmt.Sprint(tags.Tags) != "map[c:3 name:other]" {
		t.Errorf("tags by the group's name %v", tags)
	}
	for action, parameters := range map[string]string{"DescribeMetricFilters": `{'logGroupName':'other'}`, "DescribeSubscriptionFilters": `{'logGroupName':'other'}`, "DescribeResourcePolicies": `{}`} {
		none := map[string]any{}
		f.call(action, parameters, &none)
		for member, list := range none {
			if all, ok := list.([]any); !ok || len(all) != 0 {
				t.Errorf("%s: %s is %v", action, member, list)
			}
		}
		if len(none) != 1 {
			t.Errorf("%s: %v", action, none)
		}
	}

	f.call("CreateLogGroup", `{'logGroupName':'kept','deletionProtectionEnabled':true}`, nil)
	if code, _ := f.try("DeleteLogGroup", `{'logGroupName':'kept'}`, nil); code != "ValidationException" {
		t.Errorf("a protected group is deleted: %s", code)
	}
	f.call("DeleteLogGroup", `{'logGroupName':'other'}`, nil)
	f.key = "AKIDEXAMPLETWO000000"
	f.call("DescribeLogGroups", `{}`, &got)
	if len(got.LogGroups) != 0 {
		t.Errorf("another account sees %+v", got)
	}
}

func TestStreams(t *testing.T) {
	f := newFixture(t)
	f.call("CreateLogGroup", `{'logGroupName':'g'}`, nil)
	for _, name := range []string{"c", "a", "b"} {
		f.call("CreateLogStream", `{'logGroupName':'g','logStreamName':'`+name+`'}`, nil)
	}
	f.call("PutLogEvents", `{'logGroupName':'g','logStreamName':'b','logEvents':[{'timestamp':`+fmt.Sprint(now.UnixMilli()-5)+`,'message':'x'}]}`, nil)
	f.call("PutLogEvents", `{'logGroupName':'g','logStreamName':'a','logEvents':`+events("1", "2")+`}`, nil)
	list := func(more string) string {
		var names []string
		token := ""
		for {
			var got struct {
				LogStreams []struct {
					LogStreamName, Arn                                         string
					FirstEventTimestamp, LastEventTimestamp, LastIngestionTime int64
				}
				NextToken string
			}
			f.call("DescribeLogStreams", `{'logGroupName':'g','limit':2`+more+token+`}`, &got)
			for _, s := range got.LogStreams {
				names = append(names, s.LogStreamName)
				if s.LogStreamName == "a" && (s.FirstEventTimestamp != now.UnixMilli()-1000 || s.LastEventTimestamp != now.UnixMilli() ||
					s.LastIngestionTime != now.UnixMilli() || s.Arn != "arn:aws:logs:eu-west-1:123456789012:log-group:g:log-stream:a") {
					t.Errorf("stream %+v", s)
				}
			}
			if got.NextToken == "" {
				return strings.Join(names, " ")
			}
			token = `,'nextToken':'` + got.NextToken + `'`
		}
	}
	for more, want := range map[string]string{
		"":                           "a b c",
		`,'descending':true`:         "c b a",
		`,'orderBy':'LastEventTime'`: "c b a",
		`,'orderBy':'LastEventTime','descending':true`: "a b c",
		`,'logStreamNamePrefix':'b'`:                   "b",
	} {
		if got := list(more); got != want {
			t.Errorf("%s: %s, want %s", more, got, want)
		}
	}
	f.call("DeleteLogStream", `{'logGroupName':'g','logStreamName':'a'}`, nil)
	if got := list(""); got != "b c" {
		t.Errorf("after deletion: %s", got)
	}
}

func TestGetLogEvents(t *testing.T) {
	f := newFixture(t)
	f.call("CreateLogGroup", `{'logGroupName':'g'}`, nil)
	f.call("CreateLogStream", `{'logGroupName':'g','logStreamName':'s'}`, nil)
	get := func(more string) (p page) {
		t.Helper()
		f.call("GetLogEvents", `{'logGroupName':'g','logStreamName':'s'`+more+`}`, &p)
		return p
	}
	empty := get("")
	f.call("PutLogEvents", `{'logGroupName':'g','logStreamName':'s','logEvents':`+events("1", "2", "3", "4", "5")+`}`, nil)
	if p := get(`,'nextToken':'` + empty.NextForwardToken + `'`); p.String() != "1 2 3 4 5" {
		t.Errorf("behind the empty stream: %v", p)
	}
	p := get(`,'limit':2`)
	if p.String() != "4 5" {
		t.Errorf("the last: %v", p)
	}
	end := get(`,'limit':2,'nextToken':'` + p.NextForwardToken + `'`)
	if end.String() != "" || end.NextForwardToken != p.NextForwardToken {
		t.Errorf("behind the last: %v", end)
	}
	p = get(`,'limit':2,'nextToken':'` + p.NextBackwardToken + `'`)
	if p.String() != "2 3" {
		t.Errorf("before: %v", p)
	}
	if p = get(`,'limit':2,'nextToken':'` + p.NextBackwardToken + `'`); p.String() != "1" {
		t.Errorf("before that: %v", p)
	}
	if p = get(`,'limit':2,'startFromHead':true`); p.String() != "1 2" {
		t.Errorf("the first: %v", p)
	}
	if p = get(`,'limit':2,'nextToken':'` + p.NextForwardToken + `'`); p.String() != "3 4" {
		t.Errorf("behind: %v", p)
	}
	if p = get(fmt.Sprintf(`,'startTime':%d,'endTime':%d`, now.UnixMilli()-2000, now.UnixMilli())); p.String() != "3 4" {
		t.Errorf("a range: %v", p)
	}
}

func TestFilterLogEvents(t *testing.T) {
	f := newFixture(t)
	f.call("CreateLogGroup", `{'logGroupName':'g'}`, nil)
	for _, stream := range []string{"vpn-1-a", "vpn-1-b", "other"} {
		f.call("CreateLogStream", `{'logGroupName':'g','logStreamName':'`+stream+`'}`, nil)
		f.call("PutLogEvents", `{'logGroupName':'g','logStreamName':'`+stream+`','logEvents':`+events(stream+":up", stream+":down")+`}`, nil)
	}
	find := func(more string) string {
		t.Helper()
		var all []string
		token := ""
		for {
			var p page
			f.call("FilterLogEvents", `{'logGroupName':'g','limit':2,'interleaved':true`+more+token+`}`, &p)
			for _, e := range p.Events {
				all = append(all, e.Message)
				if len(e.EventId) != 56 || !strings.HasPrefix(e.Message, e.LogStreamName) || e.IngestionTime != now.UnixMilli() {
					t.Errorf("event %+v", e)
				}
			}
			if p.NextToken == "" {
				return strings.Join(all, " ")
			}
			token = `,'nextToken':'` + p.NextToken + `'`
		}
	}
	for more, want := range map[string]string{
		"":                               "vpn-1-a:up vpn-1-b:up other:up vpn-1-a:down vpn-1-b:down other:down",
		`,'filterPattern':'down'`:        "vpn-1-a:down vpn-1-b:down other:down",
		`,'logStreamNamePrefix':'vpn-'`:  "vpn-1-a:up vpn-1-b:up vpn-1-a:down vpn-1-b:down",
		`,'logStreamNames':['other']`:    "other:up other:down",
		`,'filterPattern':'{ $.a = 1 }'`: "",
		fmt.Sprintf(`,'startTime':%d`, now.UnixMilli()): "vpn-1-a:down vpn-1-b:down other:down",
	} {
		if got := find(more); got != want {
			t.Errorf("%s: %s, want %s", more, got, want)
		}
	}
}

func TestRejectedEvents(t *testing.T) {
	f := newFixture(t)
	f.call("CreateLogGroup", `{'logGroupName':'g'}`, nil)
	f.call("PutRetentionPolicy", `{'logGroupName':'g','retentionInDays':3}`, nil)
	f.call("CreateLogStream", `{'logGroupName':'g','logStreamName':'s'}`, nil)
	for _, test := range []struct {
		at   []time.Duration
		want string
	}{
		{[]time.Duration{-15 * 24 * time.Hour, -14*24*time.Hour - time.Hour}, "map[expiredLogEventEndIndex:2 tooOldLogEventEndIndex:2]"},
		{[]time.Duration{-74 * time.Hour, -73 * time.Hour, -71 * time.Hour}, "map[expiredLogEventEndIndex:2]"},
		{[]time.Duration{0, time.Hour, 3 * time.Hour}, "map[tooNewLogEventStartIndex:2]"},
	} {
		var batch []string
		for i, d := range test.at {
			batch = append(batch, fmt.Sprintf("{'timestamp':%d,'message':'%d'}", now.Add(d).UnixMilli(), i))
		}
		var got struct{ RejectedLogEventsInfo map[string]int }
		f.call("PutLogEvents", `{'logGroupName':'g','logStreamName':'s','logEvents':[`+strings.Join(batch, ",")+`]}`, &got)
		if fmt.Sprint(got.RejectedLogEventsInfo) != test.want {
			t.Errorf("%v: %v, want %s", test.at, got, test.want)
		}
	}
	var p page
	f.call("GetLogEvents", `{'logGroupIdentifier':'g','logStreamName':'s'}`, &p)
	if p.String() != "2 0 1" {
		t.Errorf("stored: %v", p)
	}
}

func TestLargestBatch(t *testing.T) {
	f := newFixture(t)
	f.call("CreateLogGroup", `{'logGroupName':'g'}`, nil)
	f.call("CreateLogStream", `{'logGroupName':'g','logStreamName':'s'}`, nil)
	batch := func(n, size int) string {
		e := fmt.Sprintf("{'timestamp':%d,'message':'%s'}", now.UnixMilli(), strings.Repeat("x", size))
		return `{'logGroupName':'g','logStreamName':'s','logEvents':[` + strings.Repeat(e+",", n-1) + e + `]}`
	}
	f.call("PutLogEvents", batch(10_000, (1<<20)/10_000-26), nil)
	var p page
	f.call("FilterLogEvents", `{'logGroupName':'g'}`, &p)
	if len(p.Events) != 10_000 || p.NextToken != "" {
		t.Errorf("%d events, token %q", len(p.Events), p.NextToken)
	}
	for _, body := range []string{batch(10_001, 1), batch(10, 1<<17)} {
		if code, message := f.try("PutLogEvents", body, nil); code != "InvalidParameterException" || len(message) > 300 {
			t.Errorf("%s: %s", code, message)
		}
	}
}

func TestRefusals(t *testing.T) {
	f := newFixture(t)
	f.call("CreateLogGroup", `{'logGroupName':'g'}`, nil)
	f.call("CreateLogStream", `{'logGroupName':'g','logStreamName':'s'}`, nil)
	at := fmt.Sprint(now.UnixMilli())
	long := strings.Repeat("a", 513)
	for _, test := range []struct{ action, body, code string }{
		{"CreateLogGroup", `{}`, "InvalidParameterException"},
		{"CreateLogGroup", `{'logGroupName':'a b'}`, "InvalidParameterException"},
		{"CreateLogGroup", `{'logGroupName':'aws/x'}`, "InvalidParameterException"},
		{"CreateLogGroup", `{'logGroupName':'` + long + `'}`, "InvalidParameterException"},
		{"CreateLogGroup", `{'logGroupName':'g'}`, "ResourceAlreadyExistsException"},
		{"CreateLogGroup", `{'logGroupName':'k','kmsKeyId':'k'}`, "InvalidParameterException"},
		{"CreateLogGroup", `{'logGroupName':'k','logGroupClass':'DELIVERY'}`, "InvalidParameterException"},
		{"CreateLogGroup", `{'logGroupName':'k','tags':{'aws:x':'y'}}`, "InvalidParameterException"},
		{"CreateLogStream", `{'logGroupName':'g','logStreamName':'s'}`, "ResourceAlreadyExistsException"},
		{"CreateLogStream", `{'logGroupName':'g','logStreamName':'a:b'}`, "InvalidParameterException"},
		{"CreateLogStream", `{'logGroupName':'h','logStreamName':'s'}`, "ResourceNotFoundException"},
		{"DeleteLogGroup", `{'logGroupName':'h'}`, "ResourceNotFoundException"},
		{"DeleteLogStream", `{'logGroupName':'g','logStreamName':'t'}`, "ResourceNotFoundException"},
		{"DescribeLogGroups", `{'logGroupNamePrefix':'a','logGroupNamePattern':'b'}`, "InvalidParameterException"},
		{"DescribeLogGroups", `{'limit':51}`, "InvalidParameterException"},
		{"DescribeLogGroups", `{'nextToken':'?'}`, "InvalidParameterException"},
		{"DescribeLogStreams", `{}`, "InvalidParameterException"},
		{"DescribeLogStreams", `{'logGroupName':'g','logGroupIdentifier':'g'}`, "InvalidParameterException"},
		{"DescribeLogStreams", `{'logGroupName':'g','logStreamNamePrefix':'a','orderBy':'LastEventTime'}`, "InvalidParameterException"},
		{"DescribeLogStreams", `{'logGroupName':'g','nextToken':'YQ'}`, "InvalidParameterException"},
		{"DescribeLogStreams", `{'logGroupIdentifier':'arn:aws:logs:eu-west-1:999999999999:log-group:g'}`, "ResourceNotFoundException"},
		{"PutRetentionPolicy", `{'logGroupName':'g','retentionInDays':2}`, "InvalidParameterException"},
		{"PutRetentionPolicy", `{'logGroupName':'h','retentionInDays':1}`, "ResourceNotFoundException"},
		{"PutLogEvents", `{'logGroupName':'g','logStreamName':'t','logEvents':` + events("x") + `}`, "ResourceNotFoundException"},
		{"PutLogEvents", `{'logGroupName':'g','logStreamName':'s','logEvents':[]}`, "InvalidParameterException"},
		{"PutLogEvents", `{'logGroupName':'g','logStreamName':'s','logEvents':[{'timestamp':` + at + `}]}`, "InvalidParameterException"},
		{"PutLogEvents", `{'logGroupName':'g','logStreamName':'s','logEvents':[{'timestamp':` + at + `,'message':'a'},{'timestamp':1,'message':'b'}]}`, "InvalidParameterException"},
		{"PutLogEvents", `{'logGroupName':'g','logStreamName':'s','logEvents':[{'timestamp':1,'message':'a'},{'timestamp':` + at + `,'message':'b'}]}`, "InvalidParameterException"},
		{"GetLogEvents", `{'logGroupName':'g','logStreamName':'t'}`, "ResourceNotFoundException"},
		{"GetLogEvents", `{'logGroupName':'g','logStreamName':'s','nextToken':'f/1'}`, "InvalidParameterException"},
		{"GetLogEvents", `{'logGroupName':'g','logStreamName':'s','startTime':2,'endTime':1}`, "InvalidParameterException"},
		{"FilterLogEvents", `{'logGroupName':'g','logStreamNames':['s'],'logStreamNamePrefix':'s'}`, "InvalidParameterException"},
		{"FilterLogEvents", `{'logGroupName':'g','logStreamNames':['t']}`, "ResourceNotFoundException"},
		{"FilterLogEvents", `{'logGroupName':'g','filterPattern':'{ $.a'}`, "InvalidParameterException"},
		{"FilterLogEvents", `{'logGroupName':'g','nextToken':'b/` + strings.Repeat("0", 56) + `'}`, "InvalidParameterException"},
		{"FilterLogEvents", `{'logGroupName':'g','nextToken':'f/` + strings.Repeat("9", 56) + `'}`, "InvalidParameterException"},
		{"TagResource", `{'resourceArn':'g','tags':{'a':'b'}}`, "InvalidParameterException"},
		{"TagLogGroup", `{'logGroupName':'none','tags':{'a':'b'}}`, "ResourceNotFoundException"},
		{"TagLogGroup", `{'logGroupName':'none','tags':{'aws:a':'b'}}`, "InvalidParameterException"},
		{"UntagLogGroup", `{'logGroupName':'none','tags':['a']}`, "ResourceNotFoundException"},
		{"ListTagsLogGroup", `{'logGroupName':'none'}`, "ResourceNotFoundException"},
		{"DescribeMetricFilters", `{'logGroupName':'none'}`, "ResourceNotFoundException"},
		{"DescribeMetricFilters", `{'nextToken':'x'}`, "InvalidParameterException"},
		{"DescribeSubscriptionFilters", `{'logGroupName':'none'}`, "ResourceNotFoundException"},
		{"DescribeSubscriptionFilters", `{}`, "InvalidParameterException"},
		{"DescribeResourcePolicies", `{'nextToken':'x'}`, "InvalidParameterException"},
		{"ListTagsForResource", `{'resourceArn':'arn:aws:logs:eu-west-1:123456789012:log-group:h'}`, "ResourceNotFoundException"},
		{"StartQuery", `{}`, "UnsupportedOperationException"},
	} {
		if code, message := f.try(test.action, test.body, nil); code != test.code || message == "" || len(message) > 500 {
			t.Errorf("%s %.150s: %s: %s; want %s", test.action, test.body, code, message, test.code)
		}
	}
}
