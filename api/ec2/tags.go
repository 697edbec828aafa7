package ec2

import (
	"context"
	"fmt"
	"iter"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) tagActions() actions {
	return actions{
		"CreateTags":   server.Operation(s.CreateTags),
		"DeleteTags":   server.Operation(s.DeleteTags),
		"DescribeTags": server.Operation(s.DescribeTags),
	}
}

// tagsFor returns the tags that a creation asks for, for what it creates. The
// types are those that the action creates; others are refused.
func tagsFor(specifications []model.TagSpecification, types ...string) (map[string][]resource.Tag, error) {
	tags := make(map[string][]resource.Tag, len(specifications))
	for _, specification := range specifications {
		kind := val(specification.ResourceType)
		if kind == "" {
			return nil, resource.Errorf(resource.CodeInvalidParameterValue, "Tag specification resource type must have a value")
		}
		if !slices.Contains(types, kind) {
			return nil, resource.Errorf(resource.CodeInvalidParameterValue, "'%s' is not a valid taggable resource type for this operation.", kind)
		}
		if _, twice := tags[kind]; twice {
			return nil, resource.Errorf(resource.CodeInvalidParameterValue, "Duplicate resource type '%s' in the tag specifications", kind)
		}
		merged, err := resource.MergeTags(nil, requestTags(specification.Tags))
		if err != nil {
			return nil, err
		}
		tags[kind] = merged
	}
	return tags, nil
}

func requestTags(given []model.Tag) []resource.Tag {
	tags := make([]resource.Tag, len(given))
	for i, t := range given {
		tags[i] = resource.Tag{Key: val(t.Key), Value: val(t.Value)}
	}
	return tags
}

// A taggable is a noun, as far as its tags are concerned.
type taggable interface {
	owns(id string) bool // by its form
	resourceType() string

	// allTags returns ids with their tags.
	allTags(r reader) iter.Seq2[string, []resource.Tag]

	// retag replaces the tags of one.
	retag(w writer, id string, change func([]resource.Tag) ([]resource.Tag, error)) error
}

// taggables are all that tags can be put on.
var taggables = []taggable{
	vpcs, subnets, routeTables, networkACLs, securityGroups, securityGroupRules{}, networkInterfaces, instances,
	customerGateways, vpnGateways, vpnConnections,
	internetGateways, egressOnlyInternetGateways, addresses, natGateways, dhcpOptions, prefixLists, keyPairs, flowLogs, cidrReservations{}, publicAccessExclusions,
}

func (n *noun[T]) owns(id string) bool  { return wellFormed(n.prefix, id) }
func (n *noun[T]) resourceType() string { return n.kind }

func (n *noun[T]) allTags(r reader) iter.Seq2[string, []resource.Tag] {
	return func(yield func(string, []resource.Tag) bool) {
		for v := range n.list(r) {
			if m := metaOf(&v); !yield(m.ID, m.Tags) {
				return
			}
		}
	}
}

func (n *noun[T]) retag(w writer, id string, change func([]resource.Tag) ([]resource.Tag, error)) error {
	v, err := n.get(w.reader, id)
	if err != nil {
		return err
	}
	m := metaOf(&v)
	if m.Tags, err = change(m.Tags); err != nil {
		return err
	}
	n.put(w, v)
	return nil
}

// taggedResourcesMax is how many resources one CreateTags or DeleteTags can name.
const taggedResourcesMax = 1000

// retag changes the tags of all resources, or of none.
func (s *Service) retag(ctx context.Context, c server.Caller, dryRun *bool, ids []string, change func([]resource.Tag) ([]resource.Tag, error)) error {
	if len(ids) > taggedResourcesMax {
		return resource.Errorf(resource.CodeInvalidParameterValue, "At most %d resources can be given", taggedResourcesMax)
	}
	return s.update(ctx, c, dryRun, func(w writer) error {
		for _, id := range ids {
			at := slices.IndexFunc(taggables, func(t taggable) bool { return t.owns(id) })
			if at < 0 {
				return resource.Errorf("InvalidID", "The ID '%s' is not valid", resource.Clip(id))
			}
			if err := taggables[at].retag(w, id, change); err != nil {
				return err
			}
		}
		return nil
	})
}

// CreateTags adds tags to resources, and replaces those with the same keys.
func (s *Service) CreateTags(ctx context.Context, c server.Caller, in *model.CreateTagsInput) (*model.CreateTagsOutput, error) {
	given := requestTags(in.Tags)
	if _, err := resource.MergeTags(nil, given); err != nil {
		return nil, err
	}
	return nil, s.retag(ctx, c, in.DryRun, in.Resources, func(present []resource.Tag) ([]resource.Tag, error) {
		return resource.MergeTags(present, given)
	})
}

// DeleteTags removes tags from resources: those with a given key, if a value is
// given only where it is the same, and all if no tag is given. It does not mind
// tags that are not there.
func (s *Service) DeleteTags(ctx context.Context, c server.Caller, in *model.DeleteTagsInput) (*model.DeleteTagsOutput, error) {
	for i, t := range in.Tags {
		if val(t.Key) == "" {
			return nil, resource.Missing(fmt.Sprintf("Tag.%d.Key", i+1))
		}
	}
	goes := func(present resource.Tag) bool {
		return in.Tags == nil || slices.ContainsFunc(in.Tags, func(t model.Tag) bool {
			return *t.Key == present.Key && (t.Value == nil || *t.Value == present.Value)
		})
	}
	return nil, s.retag(ctx, c, in.DryRun, in.Resources, func(present []resource.Tag) ([]resource.Tag, error) {
		return slices.DeleteFunc(slices.Clone(present), goes), nil
	})
}

// A tagOf is a tag with what it is on.
type tagOf struct {
	tag          resource.Tag
	id           string
	resourceType string
}

func (t *tagOf) tags() []resource.Tag { return []resource.Tag{t.tag} }

var tagFields = fields[tagOf]{
	"key":           func(_ reader, t *tagOf) []string { return []string{t.tag.Key} },
	"value":         func(_ reader, t *tagOf) []string { return []string{t.tag.Value} },
	"resource-id":   func(_ reader, t *tagOf) []string { return []string{t.id} },
	"resource-type": func(_ reader, t *tagOf) []string { return []string{t.resourceType} },
}

// DescribeTags lists tags of all kinds of resources.
func (s *Service) DescribeTags(_ context.Context, c server.Caller, in *model.DescribeTagsInput) (*model.DescribeTagsOutput, error) {
	r := s.read(c)
	q := query{"DescribeTags", in.DryRun, nil, in.Filters, in.MaxResults, in.NextToken}
	key := func(t *tagOf) string { return t.id + "\x00" + t.tag.Key }
	page, next, err := list(r, tagFields, q, key, func() (all []tagOf, _ error) {
		for _, t := range taggables {
			for id, tags := range t.allTags(r) {
				for _, tag := range tags {
					all = append(all, tagOf{tag: tag, id: id, resourceType: t.resourceType()})
				}
			}
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	out := &model.DescribeTagsOutput{NextToken: next, Tags: make([]model.TagDescription, len(page))}
	for i := range page {
		t := &page[i]
		out.Tags[i] = model.TagDescription{Key: &t.tag.Key, Value: &t.tag.Value, ResourceId: &t.id, ResourceType: &t.resourceType}
	}
	return out, nil
}
