package iam

import (
	"context"
	"fmt"
	"slices"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/resource"
)

func (s *Service) policyVersionActions() actions {
	return actions{
		"CreatePolicyVersion":     server.Operation(s.CreatePolicyVersion),
		"DeletePolicyVersion":     server.Operation(s.DeletePolicyVersion),
		"GetPolicyVersion":        server.Operation(s.GetPolicyVersion),
		"ListPolicyVersions":      server.Operation(s.ListPolicyVersions),
		"SetDefaultPolicyVersion": server.Operation(s.SetDefaultPolicyVersion),
	}
}

func noVersion(arn, id *string) error {
	return notFound("Policy %s version %s does not exist or is not attachable.", *arn, resource.Clip(*id))
}

// CreatePolicyVersion gives a policy a new document, which holds from now on if the
// request says so.
func (s *Service) CreatePolicyVersion(ctx context.Context, c server.Caller, in *model.CreatePolicyVersionInput) (*model.CreatePolicyVersionOutput, error) {
	if err := s.checkManagedDocument(*in.PolicyDocument); err != nil {
		return nil, err
	}
	out := &model.CreatePolicyVersionOutput{}
	return out, s.changePolicy(ctx, c, in.PolicyArn, func(_ writer, v *resource.Policy) error {
		if limit := s.limits.PolicyVersions; len(v.Versions) >= limit {
			return resource.Errorf(codeLimit, "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", limit)
		}
		v.Last++
		version := resource.PolicyVersion{ID: fmt.Sprintf("v%d", v.Last), Document: *in.PolicyDocument, Created: now(c)}
		v.Versions = append(slices.Clone(v.Versions), version)
		if val(in.SetAsDefault) {
			v.Default = version.ID
		}
		v.Updated = now(c)
		shown := showVersion(v, &version)
		shown.Document = nil
		out.PolicyVersion = &shown
		return nil
	})
}

// SetDefaultPolicyVersion chooses the version that holds.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, c server.Caller, in *model.SetDefaultPolicyVersionInput) (*model.SetDefaultPolicyVersionOutput, error) {
	return nil, s.changePolicy(ctx, c, in.PolicyArn, func(_ writer, v *resource.Policy) error {
		if v.Version(*in.VersionId) == nil {
			return noVersion(in.PolicyArn, in.VersionId)
		}
		v.Default, v.Updated = *in.VersionId, now(c)
		return nil
	})
}

// DeletePolicyVersion removes a version that does not hold.
func (s *Service) DeletePolicyVersion(ctx context.Context, c server.Caller, in *model.DeletePolicyVersionInput) (*model.DeletePolicyVersionOutput, error) {
	return nil, s.changePolicy(ctx, c, in.PolicyArn, func(_ writer, v *resource.Policy) error {
		switch {
		case v.Version(*in.VersionId) == nil:
			return noVersion(in.PolicyArn, in.VersionId)
		case v.Default == *in.VersionId:
			return resource.Errorf(codeConflict, "Cannot delete the default version of a policy.")
		}
		v.Versions = slices.DeleteFunc(slices.Clone(v.Versions), func(p resource.PolicyVersion) bool { return p.ID == *in.VersionId })
		v.Updated = now(c)
		return nil
	})
}

// GetPolicyVersion shows a version with its document.
func (s *Service) GetPolicyVersion(_ context.Context, c server.Caller, in *model.GetPolicyVersionInput) (*model.GetPolicyVersionOutput, error) {
	v, err := findPolicy(s.read(c), *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	version := v.Version(*in.VersionId)
	if version == nil {
		return nil, noVersion(in.PolicyArn, in.VersionId)
	}
	return &model.GetPolicyVersionOutput{PolicyVersion: new(showVersion(&v, version))}, nil
}

// ListPolicyVersions lists versions, the newest first, without their documents.
func (s *Service) ListPolicyVersions(_ context.Context, c server.Caller, in *model.ListPolicyVersionsInput) (*model.ListPolicyVersionsOutput, error) {
	v, err := findPolicy(s.read(c), *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	versions := slices.Clone(v.Versions)
	slices.Reverse(versions)
	// Keys that grow as the versions' numbers fall.
	key := func(p *resource.PolicyVersion) string {
		var number int
		_, _ = fmt.Sscanf(p.ID, "v%d", &number) // we have written it
		return fmt.Sprintf("%010d", 1<<31-number)
	}
	part, more, next, err := page(versions, key, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	shown := mapped(part, func(p *resource.PolicyVersion) model.PolicyVersion {
		listed := showVersion(&v, p)
		listed.Document = nil
		return listed
	})
	return &model.ListPolicyVersionsOutput{Versions: shown, IsTruncated: more, Marker: next}, nil
}

func showVersion(v *resource.Policy, p *resource.PolicyVersion) model.PolicyVersion {
	shown := model.PolicyVersion{Document: escaped(p.Document), IsDefaultVersion: new(p.ID == v.Default), VersionId: &p.ID}
	if !p.Created.IsZero() {
		shown.CreateDate = &p.Created
	}
	return shown
}
