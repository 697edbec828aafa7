package acm

import (
	"context"
	"errors"
	"slices"

	model "causeway.dev/api/model/acm"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) tagActions() actions {
	return actions{
		"AddTagsToCertificate":      server.Operation(s.AddTagsToCertificate),
		"ListTagsForCertificate":    server.Operation(s.ListTagsForCertificate),
		"RemoveTagsFromCertificate": server.Operation(s.RemoveTagsFromCertificate),
	}
}

// AddTagsToCertificate adds tags, or changes the values of those that are there.
func (s *Service) AddTagsToCertificate(ctx context.Context, c server.Caller, in *model.AddTagsToCertificateInput) (*model.AddTagsToCertificateOutput, error) {
	return nil, s.change(ctx, c, in.CertificateArn, func(_ *store.Tx, v *resource.Certificate) (err error) {
		v.Tags, err = mergeTags(v.Tags, in.Tags)
		return err
	})
}

// RemoveTagsFromCertificate removes tags: those with the value that is given, if
// one is.
func (s *Service) RemoveTagsFromCertificate(ctx context.Context, c server.Caller, in *model.RemoveTagsFromCertificateInput) (*model.RemoveTagsFromCertificateOutput, error) {
	return nil, s.change(ctx, c, in.CertificateArn, func(_ *store.Tx, v *resource.Certificate) error {
		v.Tags = slices.DeleteFunc(slices.Clone(v.Tags), func(t resource.Tag) bool {
			return slices.ContainsFunc(in.Tags, func(given model.Tag) bool {
				return val(given.Key) == t.Key && (given.Value == nil || *given.Value == t.Value)
			})
		})
		return nil
	})
}

// ListTagsForCertificate lists tags by key.
func (s *Service) ListTagsForCertificate(_ context.Context, c server.Caller, in *model.ListTagsForCertificateInput) (*model.ListTagsForCertificateOutput, error) {
	v, err := find(s.store.Snapshot(), c, in.CertificateArn)
	if err != nil {
		return nil, err
	}
	out := &model.ListTagsForCertificateOutput{Tags: []model.Tag{}}
	for _, t := range v.Tags {
		out.Tags = append(out.Tags, model.Tag{Key: &t.Key, Value: &t.Value})
	}
	return out, nil
}

// requestTags reads the tags of a request.
func requestTags(given []model.Tag) []resource.Tag {
	var tags []resource.Tag
	for _, t := range given {
		tags = append(tags, resource.Tag{Key: val(t.Key), Value: val(t.Value)})
	}
	return tags
}

// mergeTags adds tags with ACM's codes for what is wrong with them.
func mergeTags(present []resource.Tag, given []model.Tag) ([]resource.Tag, error) {
	merged, err := resource.MergeTags(present, requestTags(given))
	var refusal *resource.Error
	if !errors.As(err, &refusal) {
		return merged, err
	}
	code := resource.Code(codeInvalidTag)
	if refusal.Code == resource.CodeTagLimitExceeded {
		code = codeTooManyTags
	}
	return nil, resource.Errorf(code, "%s", refusal.Message)
}
