package logs

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// targets tells what a request is about: a log group, or a stream of one. Where it
// is a group the name ends in the name of no stream, which a policy with ":*"
// behind the group's name means, too.
func (s *Service) targets(c server.Caller, action string, input any) []server.Target {
	in := reflect.ValueOf(input).Elem()
	group := server.Text(in, "LogGroupName")
	if group == "" {
		group = server.Text(in, "LogGroupIdentifier")
	}
	var target server.Target
	switch arn := server.Text(in, "ResourceArn"); {
	case arn != "":
		target.ARN = strings.TrimSuffix(arn, ":*")
	case strings.HasPrefix(group, "arn:"):
		target.ARN = strings.TrimSuffix(group, ":*") + ":log-stream:" + server.Text(in, "LogStreamName")
	default:
		target.ARN = groupARN(c, group) + ":log-stream:" + server.Text(in, "LogStreamName")
	}
	if name, err := groupOfARN(c, strings.Split(target.ARN, ":log-stream:")[0]); err == nil {
		if g, err := s.store.Group(scopeOf(c), name); err == nil {
			for key, value := range g.Tags {
				target.SetTag("aws:resourcetag/", key, value)
			}
		}
	}
	f := in.FieldByName("Tags")
	if !f.IsValid() {
		return []server.Target{target}
	}
	given, _ := f.Interface().(map[string]string)
	var tags []resource.Tag
	for _, key := range slices.Sorted(maps.Keys(given)) {
		tags = append(tags, resource.Tag{Key: key, Value: given[key]})
	}
	target.SetRequestTags(tags)
	targets := []server.Target{target}
	if action == "CreateLogGroup" && len(tags) > 0 {
		// To give it tags at once needs the permission to tag, too.
		tagging := server.Target{ARN: target.ARN, Action: "logs:TagResource"}
		tagging.SetRequestTags(tags)
		targets = append(targets, tagging)
	}
	return targets
}
