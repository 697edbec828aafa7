package iam

import (
	"context"
	"slices"
	"strings"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Managed policies.
func (s *Service) policyActions() actions {
	return actions{
		"CreatePolicy":          server.Operation(s.CreatePolicy),
		"DeletePolicy":          server.Operation(s.DeletePolicy),
		"GetPolicy":             server.Operation(s.GetPolicy),
		"ListEntitiesForPolicy": server.Operation(s.ListEntitiesForPolicy),
		"ListPolicies":          server.Operation(s.ListPolicies),
	}
}

// findPolicy returns the managed policy of an ARN: one of the account's own, or
// one of AWS's.
func findPolicy(r reader, arn string) (resource.Policy, error) {
	account, _, name, ok := resource.ParsePolicyARN(arn)
	if !ok {
		return resource.Policy{}, invalid("ARN %s is not valid.", resource.Clip(arn))
	}
	if account == awsAccount {
		if p, ok := awsPolicy(arn); ok {
			return p, nil
		}
	}
	p, found := store.Policies.Get(r.Reader, r.scope, resource.IdentityID(name))
	if !found || p.ARN() != arn {
		return resource.Policy{}, notFound("Policy %s was not found.", resource.Clip(arn))
	}
	return p, nil
}

// awsAccount is whose AWS's own policies are.
const awsAccount = "aws"

// awsPolicy makes a noun of one of AWS's own policies.
func awsPolicy(arn string) (resource.Policy, bool) {
	document, ok := iam.ManagedPolicy(arn)
	if !ok {
		return resource.Policy{}, false
	}
	_, path, name, _ := resource.ParsePolicyARN(arn)
	return resource.Policy{
		Meta: resource.Meta{ID: resource.IdentityID(name), Account: awsAccount}, Name: name, Path: path, UniqueID: iam.ManagedPolicyID(arn),
		Versions: []resource.PolicyVersion{{ID: "v1", Document: document}}, Default: "v1", Last: 1,
	}, true
}

// changePolicy updates one of the account's own policies in one transaction.
func (s *Service) changePolicy(ctx context.Context, c server.Caller, arn *string, f func(w writer, v *resource.Policy) error) error {
	return s.update(ctx, c, func(w writer) error {
		v, err := findPolicy(w.reader, *arn)
		if err != nil {
			return err
		}
		if v.Account == awsAccount {
			return resource.Errorf("AccessDenied", "Policy %s is AWS's own and cannot be changed", *arn)
		}
		if err := f(w, &v); err != nil {
			return err
		}
		store.Policies.Put(w.tx, v)
		return nil
	})
}

// checkManagedDocument reads the document of a managed policy.
func (s *Service) checkManagedDocument(document string) error {
	if err := checkDocument(document, policy.Managed); err != nil {
		return err
	}
	if limit := s.limits.ManagedPolicyLength; policy.Length(document) > limit {
		return exceeded("PolicySize", limit)
	}
	return nil
}

// CreatePolicy makes a policy that nobody has yet.
func (s *Service) CreatePolicy(ctx context.Context, c server.Caller, in *model.CreatePolicyInput) (*model.CreatePolicyOutput, error) {
	tags, err := mergeTags("TagsPerPolicy", nil, in.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkName("policyName", *in.PolicyName); err != nil {
		return nil, err
	}
	path, err := pathOf(in.Path)
	if err != nil {
		return nil, err
	}
	if err := s.checkManagedDocument(*in.PolicyDocument); err != nil {
		return nil, err
	}
	v := resource.Policy{
		Meta: newMeta(c, resource.IdentityID(*in.PolicyName), tags), Name: *in.PolicyName, Path: path, UniqueID: newUniqueID(iam.PrefixPolicy),
		Description: val(in.Description), Default: "v1", Last: 1, Updated: now(c),
		Versions: []resource.PolicyVersion{{ID: "v1", Document: *in.PolicyDocument, Created: now(c)}},
	}
	err = s.update(ctx, c, func(w writer) error {
		if _, taken := store.Policies.Get(w.Reader, w.scope, v.ID); taken {
			return resource.Errorf(codeExists, "A policy called %s already exists. Duplicate names are not allowed.", v.Name)
		}
		if limit := s.limits.Policies; count(w.reader, store.Policies) >= limit {
			return exceeded("PoliciesPerAccount", limit)
		}
		store.Policies.Put(w.tx, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.CreatePolicyOutput{Policy: new(showPolicy(&v, usage{}))}, nil
}

// A usage is how many identities have a policy.
type usage struct{ attached, boundary int32 }

// usages counts who has which policy, by ARN.
func usages(r reader) map[string]usage {
	all := map[string]usage{}
	note := func(i *resource.Identity, boundary string) {
		for _, arn := range i.Attached {
			u := all[arn]
			u.attached++
			all[arn] = u
		}
		if boundary != "" {
			u := all[boundary]
			u.boundary++
			all[boundary] = u
		}
	}
	for v := range store.Users.List(r.Reader, r.scope) {
		note(&v.Identity, v.Boundary)
	}
	for v := range store.Groups.List(r.Reader, r.scope) {
		note(&v.Identity, "")
	}
	for v := range store.Roles.List(r.Reader, r.scope) {
		note(&v.Identity, v.Boundary)
	}
	return all
}

// GetPolicy shows a policy without its document.
func (s *Service) GetPolicy(_ context.Context, c server.Caller, in *model.GetPolicyInput) (*model.GetPolicyOutput, error) {
	r := s.read(c)
	v, err := findPolicy(r, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &model.GetPolicyOutput{Policy: new(showPolicy(&v, usages(r)[v.ARN()]))}, nil
}

// DeletePolicy removes a policy that nobody has and that has one version only.
func (s *Service) DeletePolicy(ctx context.Context, c server.Caller, in *model.DeletePolicyInput) (*model.DeletePolicyOutput, error) {
	return nil, s.update(ctx, c, func(w writer) error {
		v, err := findPolicy(w.reader, *in.PolicyArn)
		if err != nil {
			return err
		}
		switch u := usages(w.reader)[v.ARN()]; {
		case v.Account == awsAccount:
			return resource.Errorf("AccessDenied", "Policy %s is AWS's own and cannot be deleted", *in.PolicyArn)
		case u.attached+u.boundary > 0:
			return resource.Errorf(codeConflict, "Cannot delete a policy attached to entities.")
		case len(v.Versions) > 1:
			return resource.Errorf(codeConflict, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		store.Policies.Delete(w.tx, w.scope, v.ID)
		return nil
	})
}

// ListPolicies lists policies by ARN: the account's own, AWS's, or all.
func (s *Service) ListPolicies(_ context.Context, c server.Caller, in *model.ListPoliciesInput) (*model.ListPoliciesOutput, error) {
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	r := s.read(c)
	var all []resource.Policy
	if val(in.Scope) != model.PolicyScopeTypeLocal {
		for _, arn := range iam.ManagedPolicies() {
			p, _ := awsPolicy(arn)
			all = append(all, p)
		}
	}
	if val(in.Scope) != model.PolicyScopeTypeAWS {
		all = slices.AppendSeq(all, store.Policies.List(r.Reader, r.scope))
	}
	used := usages(r)
	all = slices.DeleteFunc(all, func(p resource.Policy) bool {
		u := used[p.ARN()]
		return !strings.HasPrefix(p.Path, val(in.PathPrefix)) || val(in.OnlyAttached) && u.attached == 0 ||
			val(in.PolicyUsageFilter) == model.PolicyUsageTypePermissionsPolicy && u.attached == 0 ||
			val(in.PolicyUsageFilter) == model.PolicyUsageTypePermissionsBoundary && u.boundary == 0
	})
	key := func(p *resource.Policy) string { return p.ARN() }
	slices.SortFunc(all, func(a, b resource.Policy) int { return strings.Compare(key(&a), key(&b)) })
	part, more, next, err := page(all, key, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	shown := mapped(part, func(p *resource.Policy) model.Policy {
		listed := showPolicy(p, used[p.ARN()])
		listed.Tags, listed.Description = nil, nil // lists tell less
		return listed
	})
	return &model.ListPoliciesOutput{Policies: shown, IsTruncated: more, Marker: next}, nil
}

// ListEntitiesForPolicy lists who has a policy.
func (s *Service) ListEntitiesForPolicy(_ context.Context, c server.Caller, in *model.ListEntitiesForPolicyInput) (*model.ListEntitiesForPolicyOutput, error) {
	r := s.read(c)
	v, err := findPolicy(r, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	has := func(i *resource.Identity, boundary, kind string) bool {
		attached := slices.Contains(i.Attached, v.ARN()) && val(in.PolicyUsageFilter) != model.PolicyUsageTypePermissionsBoundary
		bounds := boundary == v.ARN() && val(in.PolicyUsageFilter) != model.PolicyUsageTypePermissionsPolicy
		return (attached || bounds) && strings.HasPrefix(i.Path, val(in.PathPrefix)) && (in.EntityFilter == nil || *in.EntityFilter == kind)
	}
	// What has it, in one list, so that pages go through all three kinds.
	type holder struct {
		key string
		add func(*model.ListEntitiesForPolicyOutput)
	}
	var holders []holder
	for u := range store.Groups.List(r.Reader, r.scope) {
		if has(&u.Identity, "", model.EntityTypeGroup) {
			holders = append(holders, holder{"group " + u.ID, func(out *model.ListEntitiesForPolicyOutput) {
				out.PolicyGroups = append(out.PolicyGroups, model.PolicyGroup{GroupId: &u.UniqueID, GroupName: &u.Name})
			}})
		}
	}
	for u := range store.Roles.List(r.Reader, r.scope) {
		if has(&u.Identity, u.Boundary, model.EntityTypeRole) {
			holders = append(holders, holder{"role " + u.ID, func(out *model.ListEntitiesForPolicyOutput) {
				out.PolicyRoles = append(out.PolicyRoles, model.PolicyRole{RoleId: &u.UniqueID, RoleName: &u.Name})
			}})
		}
	}
	for u := range store.Users.List(r.Reader, r.scope) {
		if has(&u.Identity, u.Boundary, model.EntityTypeUser) {
			holders = append(holders, holder{"user " + u.ID, func(out *model.ListEntitiesForPolicyOutput) {
				out.PolicyUsers = append(out.PolicyUsers, model.PolicyUser{UserId: &u.UniqueID, UserName: &u.Name})
			}})
		}
	}
	out := &model.ListEntitiesForPolicyOutput{}
	var part []holder
	part, out.IsTruncated, out.Marker, err = page(holders, func(h *holder) string { return h.key }, in.Marker, in.MaxItems)
	for _, h := range part {
		h.add(out)
	}
	return out, err
}

func showPolicy(v *resource.Policy, u usage) model.Policy {
	attachable := true
	shown := model.Policy{
		Arn: str(v.ARN()), AttachmentCount: &u.attached, PermissionsBoundaryUsageCount: &u.boundary, DefaultVersionId: &v.Default,
		Description: str(v.Description), IsAttachable: &attachable, Path: &v.Path, PolicyId: &v.UniqueID, PolicyName: &v.Name, Tags: shownTags(v.Tags),
	}
	if v.Account != awsAccount {
		shown.CreateDate, shown.UpdateDate = &v.Created, &v.Updated
	}
	return shown
}
