package ec2

import (
	"context"
	"slices"
	"time"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) instanceProfileActions() actions {
	return actions{
		"AssociateIamInstanceProfile":            server.Operation(s.AssociateIamInstanceProfile),
		"DescribeIamInstanceProfileAssociations": server.Operation(s.DescribeIamInstanceProfileAssociations),
		"DisassociateIamInstanceProfile":         server.Operation(s.DisassociateIamInstanceProfile),
		"ReplaceIamInstanceProfileAssociation":   server.Operation(s.ReplaceIamInstanceProfileAssociation),
	}
}

const profileAssociationPrefix = "iip-assoc"

// profileNamed returns the instance profile that a request names, by its name or its
// ARN, and its role. The errors' words are what clients look for who try again until
// a new profile is known everywhere.
func profileNamed(r reader, named *model.IamInstanceProfileSpecification) (p resource.InstanceProfile, role resource.Role, err error) {
	name, parameter, what := val(named.Name), "iamInstanceProfile.name", "name"
	switch arn := val(named.Arn); {
	case arn != "" && name != "":
		return p, role, resource.Errorf(resource.CodeInvalidParameterCombination, "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'")
	case arn == "" && name == "":
		return p, role, resource.Missing("IamInstanceProfile.Name")
	case arn != "":
		parameter, what = "iamInstanceProfile.arn", "ARN"
		var account string
		if account, name, _ = resource.ParseInstanceProfileARN(arn); account != r.scope.Account {
			return p, role, resource.InvalidValue(parameter, arn, "Invalid IAM Instance Profile ARN")
		}
	}
	identities := store.Scope{Account: r.scope.Account, Region: resource.GlobalRegion}
	p, ok := store.InstanceProfiles.Get(r.Reader, identities, resource.IdentityID(name))
	if !ok || p.Name != name || named.Arn != nil && p.ARN() != *named.Arn {
		return p, role, resource.InvalidValue(parameter, val(named.Name)+val(named.Arn), "Invalid IAM Instance Profile "+what)
	}
	if role, ok = store.Roles.Get(r.Reader, identities, p.Role); !ok {
		return p, role, resource.Errorf(resource.CodeInvalidParameterValue, "IAM Instance Profile %q has no associated IAM Roles", p.ARN())
	}
	return p, role, nil
}

// giveProfile gives an instance the instance profile that a request names.
func (s *Service) giveProfile(r reader, v *resource.Instance, named *model.IamInstanceProfileSpecification) error {
	p, _, err := profileNamed(r, named)
	if err != nil {
		return err
	}
	v.Profile = resource.ProfileAssociation{ID: s.newID(profileAssociationPrefix), Profile: p.ID, UniqueID: p.UniqueID, ARN: p.ARN(), At: r.now.UTC().Truncate(time.Second)}
	return nil
}

// addPassedRole adds the permission to pass the role of a profile to instances. Where
// there is none, the operation says so.
func (t *targeting) addPassedRole() {
	f := t.in.FieldByName("IamInstanceProfile")
	if !f.IsValid() || f.IsNil() {
		return
	}
	_, role, err := profileNamed(t.reader, f.Interface().(*model.IamInstanceProfileSpecification))
	if err != nil {
		return
	}
	passed := server.Target{ARN: role.ARN(), Action: "iam:PassRole"}
	passed.SetKey("iam:passedtoservice", iam.ServiceEC2)
	t.add(passed)
}

// AssociateIamInstanceProfile gives an instance that has none an instance profile.
func (s *Service) AssociateIamInstanceProfile(ctx context.Context, c server.Caller, in *model.AssociateIamInstanceProfileInput) (*model.AssociateIamInstanceProfileOutput, error) {
	var out model.AssociateIamInstanceProfileOutput
	err := s.update(ctx, c, nil, func(w writer) error {
		v, err := instances.get(w.reader, val(in.InstanceId))
		if err != nil {
			return err
		}
		switch state, _ := instanceState(w.reader, &v); {
		case state != resource.InstanceRunning && state != resource.InstanceStopped && state != resource.InstancePending:
			return resource.Errorf(codeIncorrectInstanceState, "The instance '%s' is not in the 'running' or 'stopped' states.", v.ID)
		case v.Profile.ID != "":
			return resource.Errorf(resource.CodeIncorrectState, "There is an existing association for instance %s", v.ID)
		}
		if err := s.giveProfile(w.reader, &v, in.IamInstanceProfile); err != nil {
			return err
		}
		instances.put(w, v)
		out.IamInstanceProfileAssociation = profileAssociationAnswer(&v, model.IamInstanceProfileAssociationStateAssociating)
		return nil
	})
	return &out, err
}

// changeAssociated changes the instance that has an association. How that was before
// is what change is given.
func (s *Service) changeAssociated(ctx context.Context, c server.Caller, id *string, change func(w writer, v *resource.Instance) error) error {
	return s.update(ctx, c, nil, func(w writer) error {
		for v := range instances.table.Scan(w.Reader, w.scope) {
			if v.Profile.ID == "" || v.Profile.ID != val(id) || v.Wanted == resource.InstanceTerminated {
				continue
			}
			changed := *v
			if err := change(w, &changed); err != nil {
				return err
			}
			instances.put(w, changed)
			return nil
		}
		return noSuch(codeProfileAssociationNotFound, "association ID")(val(id))
	})
}

const codeProfileAssociationNotFound resource.Code = "InvalidAssociationID.NotFound"

// DisassociateIamInstanceProfile takes an instance's profile. Credentials that the
// instance has hold until they expire.
func (s *Service) DisassociateIamInstanceProfile(ctx context.Context, c server.Caller, in *model.DisassociateIamInstanceProfileInput) (*model.DisassociateIamInstanceProfileOutput, error) {
	var out model.DisassociateIamInstanceProfileOutput
	return &out, s.changeAssociated(ctx, c, in.AssociationId, func(_ writer, v *resource.Instance) error {
		out.IamInstanceProfileAssociation = profileAssociationAnswer(v, model.IamInstanceProfileAssociationStateDisassociating)
		v.Profile = resource.ProfileAssociation{}
		return nil
	})
}

// ReplaceIamInstanceProfileAssociation gives an instance another profile in place of
// the one that it has. The association is a new one.
func (s *Service) ReplaceIamInstanceProfileAssociation(ctx context.Context, c server.Caller, in *model.ReplaceIamInstanceProfileAssociationInput) (*model.ReplaceIamInstanceProfileAssociationOutput, error) {
	var out model.ReplaceIamInstanceProfileAssociationOutput
	return &out, s.changeAssociated(ctx, c, in.AssociationId, func(w writer, v *resource.Instance) error {
		if err := s.giveProfile(w.reader, v, in.IamInstanceProfile); err != nil {
			return err
		}
		out.IamInstanceProfileAssociation = profileAssociationAnswer(v, model.IamInstanceProfileAssociationStateAssociating)
		return nil
	})
}

var profileAssociationFields = fields[resource.Instance]{
	"instance-id": func(_ reader, v *resource.Instance) []string { return one(v.ID) },
	"state": func(reader, *resource.Instance) []string {
		return one(model.IamInstanceProfileAssociationStateAssociated)
	},
}

// DescribeIamInstanceProfileAssociations lists which instances have which profiles.
func (s *Service) DescribeIamInstanceProfileAssociations(_ context.Context, c server.Caller, in *model.DescribeIamInstanceProfileAssociationsInput) (*model.DescribeIamInstanceProfileAssociationsOutput, error) {
	r := s.read(c)
	asked := query{"DescribeIamInstanceProfileAssociations", nil, in.AssociationIds, in.Filters, in.MaxResults, in.NextToken}
	shown, next, err := list(r, profileAssociationFields, asked, func(v *resource.Instance) string { return v.Profile.ID }, func() ([]resource.Instance, error) {
		all := instances.where(r, func(v *resource.Instance) bool { return v.Profile.ID != "" && v.Wanted != resource.InstanceTerminated })
		for _, id := range in.AssociationIds {
			if !slices.ContainsFunc(all, func(v resource.Instance) bool { return v.Profile.ID == id }) {
				return nil, noSuch(codeProfileAssociationNotFound, "association ID")(id)
			}
		}
		return slices.DeleteFunc(all, func(v resource.Instance) bool {
			return len(in.AssociationIds) > 0 && !slices.Contains(in.AssociationIds, v.Profile.ID)
		}), nil
	})
	if err != nil {
		return nil, err
	}
	return &model.DescribeIamInstanceProfileAssociationsOutput{
		IamInstanceProfileAssociations: answers(shown, func(v *resource.Instance) *model.IamInstanceProfileAssociation {
			return profileAssociationAnswer(v, model.IamInstanceProfileAssociationStateAssociated)
		}),
		NextToken: next,
	}, nil
}

func profileAssociationAnswer(v *resource.Instance, state string) *model.IamInstanceProfileAssociation {
	associated := v.Profile // which the caller may be about to change
	return &model.IamInstanceProfileAssociation{
		AssociationId: &associated.ID, IamInstanceProfile: profileAnswer(associated), InstanceId: &v.ID, State: &state, Timestamp: &associated.At,
	}
}

// profileAnswer is how answers show an instance's profile; nil for none.
func profileAnswer(p resource.ProfileAssociation) *model.IamInstanceProfile {
	if p.ID == "" {
		return nil
	}
	return &model.IamInstanceProfile{Arn: &p.ARN, Id: &p.UniqueID}
}
