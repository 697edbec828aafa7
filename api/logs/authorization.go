package logs

import (
	"reflect"
	"strings"

	"causeway.dev/api/server"
)

// targets tells what a request is about: a log group, or a stream of one. Where it
// is a group the name ends in the name of no stream, which a policy with ":*"
// behind the group's name means, too.
func (s *Service) targets(c server.Caller, _ string, input any) []server.Target {
	in := reflect.ValueOf(input).Elem()
	group := text(in, "LogGroupName")
	if group == "" {
		group = text(in, "LogGroupIdentifier")
	}
	var target server.Target
	switch arn := text(in, "ResourceArn"); {
	case arn != "":
		target.ARN = strings.TrimSuffix(arn, ":*")
	case strings.HasPrefix(group, "arn:"):
		target.ARN = strings.TrimSuffix(group, ":*") + ":log-stream:" + text(in, "LogStreamName")
	default:
		target.ARN = groupARN(c, group) + ":log-stream:" + text(in, "LogStreamName")
	}
	if name, err := groupOfARN(c, strings.Split(target.ARN, ":log-stream:")[0]); err == nil {
		if g, err := s.store.Group(scopeOf(c), name); err == nil {
			for key, value := range g.Tags {
				target.SetKey("aws:resourcetag/"+strings.ToLower(key), value)
			}
		}
	}
	if f := in.FieldByName("Tags"); f.IsValid() {
		given, _ := f.Interface().(map[string]string)
		var keys []string
		for key, value := range given {
			keys = append(keys, key)
			target.SetKey("aws:requesttag/"+strings.ToLower(key), value)
		}
		if len(keys) > 0 {
			target.SetKey("aws:tagkeys", keys...)
		}
	}
	return []server.Target{target}
}

// text returns the text member of a request; "" if it has none of that name.
func text(in reflect.Value, name string) string {
	if f := in.FieldByName(name); f.IsValid() {
		if p, ok := f.Interface().(*string); ok {
			return val(p)
		}
	}
	return ""
}
