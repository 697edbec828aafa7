package sts

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"causeway.dev/api/access"
	model "causeway.dev/api/model/sts"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
)

// STS's page on AssumeRole.
const (
	roleDurationDefault  = 3600 // seconds
	chainedDurationMax   = 3600 // seconds, of a role that a role's session takes on
	sessionPoliciesMax   = 10   // managed ones
	sessionPolicyLength  = 2048 // characters, of the policy and the ARNs together
	sessionTagsLengthMax = 2048 // characters, of keys and values together
)

var sessionNameForm = regexp.MustCompile(`^[\w+=,.@-]*$`)

// AssumeRole gives the keys of a role for a time to who may take it on.
func (s *Service) AssumeRole(_ context.Context, c server.Caller, in *model.AssumeRoleInput) (*model.AssumeRoleOutput, error) {
	if err := checkAssumeRole(in); err != nil {
		return nil, err
	}
	if c.Key.Root() {
		return nil, resource.Errorf(codeAccessDenied, "Roles may not be assumed by root accounts.")
	}
	role, ok := access.FindRole(s.cfg.Store.Snapshot(), *in.RoleArn)
	if !ok {
		return nil, resource.Errorf(codeAccessDenied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.ARN, *in.RoleArn)
	}
	target, actions := assumption(in, &role)
	if err := s.cfg.Guard.MayAssume(c, role, target, actions...); err != nil {
		return nil, err
	}
	seconds, err := duration(c, in, role)
	if err != nil {
		return nil, err
	}
	session := iam.Session{
		Role: role.Name, RoleID: role.UniqueID, Name: *in.RoleSessionName, SourceIdentity: val(in.SourceIdentity), Tags: tagsOf(in),
	}
	if err := s.limit(&session, role, in); err != nil {
		return nil, err
	}
	k := iam.AccessKey{Account: role.Account, Path: role.Path, Session: &session}
	out := &model.AssumeRoleOutput{
		AssumedRoleUser: &model.AssumedRoleUser{Arn: new(k.ARN()), AssumedRoleId: new(k.CallerID())},
		SourceIdentity:  in.SourceIdentity,
	}
	out.Credentials, err = s.issue(c, k, session, seconds)
	return out, err
}

// checkAssumeRole refuses what is malformed or not built.
func checkAssumeRole(in *model.AssumeRoleInput) error {
	for name, value := range map[string]*string{"roleSessionName": in.RoleSessionName, "sourceIdentity": in.SourceIdentity} {
		if !sessionNameForm.MatchString(val(value)) {
			return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", resource.Clip(*value), name)
		}
	}
	if len(in.ProvidedContexts) > 0 || len(in.TransitiveTagKeys) > 0 {
		return resource.Unsupported("The parameters ProvidedContexts and TransitiveTagKeys")
	}
	length := 0
	for i, t := range in.Tags {
		if slices.ContainsFunc(in.Tags[:i], func(o model.Tag) bool { return strings.EqualFold(*o.Key, *t.Key) }) {
			return invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		length += utf8.RuneCountInString(*t.Key) + utf8.RuneCountInString(*t.Value)
	}
	if length > sessionTagsLengthMax {
		return resource.Errorf(codePackedTooLarge, "The session tags have more than %d characters", sessionTagsLengthMax)
	}
	return refuseSecondFactor(in.SerialNumber, in.TokenCode)
}

// assumption is what policies are asked: who a session is asked for by, and the
// actions that it takes.
func assumption(in *model.AssumeRoleInput, role *resource.Role) (target server.Target, actions []string) {
	target.ARN = role.ARN()
	actions = []string{"sts:AssumeRole"}
	target.SetKey("sts:rolesessionname", *in.RoleSessionName)
	if in.ExternalId != nil {
		target.SetKey("sts:externalid", *in.ExternalId)
	}
	if in.SourceIdentity != nil {
		target.SetKey("sts:sourceidentity", *in.SourceIdentity)
		actions = append(actions, "sts:SetSourceIdentity")
	}
	target.SetResourceTags("aws:resourcetag/", role.Tags)
	target.SetResourceTags("iam:resourcetag/", role.Tags)
	var tags []resource.Tag
	for _, t := range in.Tags {
		tags = append(tags, resource.Tag{Key: *t.Key, Value: *t.Value})
	}
	target.SetRequestTags(tags)
	if len(tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	return target, actions
}

// duration is how long the session shall be, in seconds.
func duration(c server.Caller, in *model.AssumeRoleInput, role resource.Role) (int32, error) {
	seconds := int32(roleDurationDefault)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	switch {
	case seconds > role.MaxSessionDuration:
		return 0, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case seconds > chainedDurationMax && c.Key.Session != nil && c.Key.Session.Role != "":
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return seconds, nil
}

func tagsOf(in *model.AssumeRoleInput) map[string]string {
	if len(in.Tags) == 0 {
		return nil
	}
	tags := make(map[string]string, len(in.Tags))
	for _, t := range in.Tags {
		tags[*t.Key] = *t.Value
	}
	return tags
}

// limit gives the session the policies that shall bound it.
func (s *Service) limit(session *iam.Session, role resource.Role, in *model.AssumeRoleInput) error {
	length := 0
	if in.Policy != nil {
		_, err := policy.Parse(*in.Policy, policy.Inline)
		var malformed *policy.Error
		if errors.As(err, &malformed) {
			return resource.Errorf(codeMalformedPolicy, "%s", malformed.Message)
		}
		session.Policies = []string{*in.Policy}
		length = policy.Length(*in.Policy)
	}
	if len(in.PolicyArns) > sessionPoliciesMax {
		return invalid("At most %d managed session policies can be given.", sessionPoliciesMax)
	}
	for _, p := range in.PolicyArns {
		arn := val(p.Arn)
		if !s.cfg.Guard.ManagedExists(role.Account, arn) {
			return resource.Errorf(codeMalformedPolicy, "Policy %s does not exist in account %s.", resource.Clip(arn), role.Account)
		}
		session.PolicyARNs = append(session.PolicyARNs, arn)
		length += len(arn)
	}
	if length > sessionPolicyLength {
		return resource.Errorf(codePackedTooLarge, "The session policies have %d characters; at most %d are allowed", length, sessionPolicyLength)
	}
	return nil
}
