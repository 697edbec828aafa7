package logs

import (
	"path/filepath"
	"testing"
	"time"

	model "causeway.dev/api/model/logs"
	"causeway.dev/api/server"
	"causeway.dev/logs"
)

// A request is about the group or the stream that it names, in whatever way, with
// the group's tags.
func TestTargets(t *testing.T) {
	records, err := logs.Open(filepath.Join(t.TempDir(), "logs"), logs.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	c := server.Caller{Account: "123456789012", Region: "eu-west-1", Now: time.Now()}
	s := New(records)
	group, stream := "app", "one"
	if _, err := s.CreateLogGroup(t.Context(), c, &model.CreateLogGroupInput{LogGroupName: &group, Tags: map[string]string{"Team": "red"}}); err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:logs:eu-west-1:123456789012:log-group:app"
	starred := arn + ":*"
	for _, test := range []struct {
		action string
		input  any
		want   string
	}{
		{"DeleteLogGroup", &model.DeleteLogGroupInput{LogGroupName: &group}, arn + ":log-stream:"},
		{"PutLogEvents", &model.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}, arn + ":log-stream:one"},
		{"GetLogEvents", &model.GetLogEventsInput{LogGroupIdentifier: &group, LogStreamName: &stream}, arn + ":log-stream:one"},
		{"GetLogEvents", &model.GetLogEventsInput{LogGroupIdentifier: &starred, LogStreamName: &stream}, arn + ":log-stream:one"},
		{"ListTagsForResource", &model.ListTagsForResourceInput{ResourceArn: &starred}, arn},
	} {
		got := s.targets(c, test.action, test.input)
		if len(got) != 1 || got[0].ARN != test.want || got[0].Keys["aws:resourcetag/team"][0] != "red" {
			t.Errorf("%s is about %+v, want %s", test.action, got, test.want)
		}
	}
	other := "other"
	got := s.targets(c, "CreateLogGroup", &model.CreateLogGroupInput{LogGroupName: &other, Tags: map[string]string{"Team": "red"}})
	if len(got) != 2 || got[1].Action != "logs:TagResource" || got[0].Keys["aws:tagkeys"][0] != "Team" || got[1].Keys["aws:requesttag/team"][0] != "red" {
		t.Errorf("a group that is made is %+v", got)
	}
}
