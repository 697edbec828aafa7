package logs

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	model "causeway.dev/api/model/logs"
	"causeway.dev/api/server"
	store "causeway.dev/logs"
	"causeway.dev/resource"
)

func (s *Service) tagActions() actions {
	return actions{
		"TagResource":         server.Operation(s.TagResource),
		"UntagResource":       server.Operation(s.UntagResource),
		"ListTagsForResource": server.Operation(s.ListTagsForResource),
	}
}

// The limits of tags, from AWS's model.
const (
	tagsMax     = 50
	tagKeyMax   = 128 // characters
	tagValueMax = 256
)

func checkTags(tags map[string]string) error {
	for key, value := range tags {
		switch {
		case key == "" || utf8.RuneCountInString(key) > tagKeyMax:
			return invalid("A tag's key must have 1 to %d characters.", tagKeyMax)
		case utf8.RuneCountInString(value) > tagValueMax:
			return invalid("The value of tag '%s' must have at most %d characters.", resource.Clip(key), tagValueMax)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("Tag keys that begin with aws: are reserved.")
		}
	}
	return nil
}

// TagResource adds tags to a log group, and replaces those with the same keys.
func (s *Service) TagResource(_ context.Context, c server.Caller, in *model.TagResourceInput) (*model.TagResourceOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return nil, s.retag(c, *in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

// UntagResource removes tags from a log group.
func (s *Service) UntagResource(_ context.Context, c server.Caller, in *model.UntagResourceInput) (*model.UntagResourceOutput, error) {
	return nil, s.retag(c, *in.ResourceArn, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
}

func (s *Service) retag(c server.Caller, arn string, change func(map[string]string)) error {
	name, err := groupOfARN(c, arn)
	if err != nil {
		return err
	}
	return explain(s.store.UpdateGroup(scopeOf(c), name, func(g *store.Group) error {
		tags := maps.Clone(g.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		change(tags)
		if len(tags) > tagsMax {
			return resource.Errorf(codeTooManyTags, "A log group can have at most %d tags.", tagsMax)
		}
		g.Tags = tags
		return nil
	}))
}

// ListTagsForResource returns the tags of a log group.
func (s *Service) ListTagsForResource(_ context.Context, c server.Caller, in *model.ListTagsForResourceInput) (*model.ListTagsForResourceOutput, error) {
	name, err := groupOfARN(c, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	g, err := s.store.Group(scopeOf(c), name)
	if err != nil {
		return nil, explain(err)
	}
	if g.Tags == nil {
		g.Tags = map[string]string{}
	}
	return &model.ListTagsForResourceOutput{Tags: g.Tags}, nil
}
