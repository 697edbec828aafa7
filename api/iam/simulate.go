package iam

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) simulateActions() actions {
	return actions{
		"SimulateCustomPolicy":    server.Operation(s.SimulateCustomPolicy),
		"SimulatePrincipalPolicy": server.Operation(s.SimulatePrincipalPolicy),
	}
}

// codePolicyEvaluation says that a policy could not be asked.
const codePolicyEvaluation = "PolicyEvaluation"

// simulatedMax bounds the pairs of actions and resources of one request.
const simulatedMax = 100_000

// A simulated policy is one that is asked, with what it is called in answers.
type simulated struct {
	id, kind string
	text     string
	document *policy.Document
}

// A simulation decides as calls are decided, without carrying them out.
type simulation struct {
	policies []simulated
	boundary []simulated // nil: there is none
	keys     map[string][]string
}

// A simulatedCall is one action on one resource.
type simulatedCall struct {
	at               string // its place among all, as the key of pages
	action, resource string
}

// SimulateCustomPolicy tells what the policies of the request would allow.
func (s *Service) SimulateCustomPolicy(_ context.Context, c server.Caller, in *model.SimulateCustomPolicyInput) (*model.SimulateCustomPolicyOutput, error) {
	whole := model.SimulatePrincipalPolicyInput{
		ActionNames: in.ActionNames, CallerArn: in.CallerArn, ContextEntries: in.ContextEntries, Marker: in.Marker, MaxItems: in.MaxItems,
		PermissionsBoundaryPolicyInputList: in.PermissionsBoundaryPolicyInputList, PolicyInputList: in.PolicyInputList, ResourceArns: in.ResourceArns,
		ResourceHandlingOption: in.ResourceHandlingOption, ResourceOwner: in.ResourceOwner, ResourcePolicy: in.ResourcePolicy,
	}
	var all simulation
	if in.CallerArn != nil {
		if err := all.callAs(s.read(c), *in.CallerArn); err != nil {
			return nil, err
		}
	}
	results, truncated, next, err := all.run(&whole)
	return &model.SimulateCustomPolicyOutput{EvaluationResults: results, IsTruncated: truncated, Marker: next}, err
}

// SimulatePrincipalPolicy tells what the policies of a user, with those of its groups, of
// a group or of a role would allow, together with those of the request.
func (s *Service) SimulatePrincipalPolicy(_ context.Context, c server.Caller, in *model.SimulatePrincipalPolicyInput) (*model.SimulatePrincipalPolicyOutput, error) {
	var all simulation
	r := s.read(c)
	if err := all.principal(r, *in.PolicySourceArn); err != nil {
		return nil, err
	}
	if in.CallerArn != nil {
		if err := all.callAs(r, *in.CallerArn); err != nil {
			return nil, err
		}
	}
	results, truncated, next, err := all.run(in)
	return &model.SimulatePrincipalPolicyOutput{EvaluationResults: results, IsTruncated: truncated, Marker: next}, err
}

// run decides about the page that a request asks for.
func (s *simulation) run(in *model.SimulatePrincipalPolicyInput) (results []model.EvaluationResult, truncated *bool, next *string, err error) {
	switch {
	case in.ResourcePolicy != nil:
		return nil, nil, nil, resource.Errorf(codeInvalidInput, "ResourcePolicy: nothing here has a policy of its own.")
	case in.ResourceHandlingOption != nil:
		return nil, nil, nil, resource.Errorf(codeInvalidInput, "ResourceHandlingOption is not supported: name the resources of the call in ResourceArns.")
	}
	if err := s.add(in.PolicyInputList, "PolicyInputList", &s.policies); err != nil {
		return nil, nil, nil, err
	}
	if len(in.PermissionsBoundaryPolicyInputList) > 0 {
		s.boundary = nil // it stands for the one that there is
		if err := s.add(in.PermissionsBoundaryPolicyInputList, "PermissionsBoundaryPolicyInputList", &s.boundary); err != nil {
			return nil, nil, nil, err
		}
	}
	if err := s.context(in.ContextEntries, in.ResourceOwner); err != nil {
		return nil, nil, nil, err
	}
	calls, err := simulatedCalls(in.ActionNames, in.ResourceArns)
	if err != nil {
		return nil, nil, nil, err
	}
	calls, truncated, next, err = page(calls, func(v *simulatedCall) string { return v.at }, in.Marker, in.MaxItems)
	return mapped(calls, s.decide), truncated, next, err
}

// actionForm is that of the names of actions, which have no wildcards here.
var actionForm = regexp.MustCompile(`^[a-zA-Z0-9-]+:[a-zA-Z0-9]+$`)

// simulatedCalls pairs each action with each resource.
func simulatedCalls(names, resources []string) ([]simulatedCall, error) {
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	if len(names)*len(resources) > simulatedMax {
		return nil, resource.Errorf(codeInvalidInput, "A request can simulate at most %d pairs of actions and resources.", simulatedMax)
	}
	var calls []simulatedCall
	for _, action := range names {
		if !actionForm.MatchString(action) {
			return nil, resource.Errorf(codeInvalidInput, "Invalid action name: %s", resource.Clip(action))
		}
		for _, arn := range resources {
			if arn != "*" && !strings.HasPrefix(arn, "arn:") {
				return nil, resource.Errorf(codeInvalidInput, "Invalid resource: %s is neither an ARN nor *.", resource.Clip(arn))
			}
			calls = append(calls, simulatedCall{fmt.Sprintf("%06d", len(calls)), action, arn})
		}
	}
	return calls, nil
}

// add reads policies of the request.
func (s *simulation) add(texts []string, member string, to *[]simulated) error {
	for i, text := range texts {
		id := fmt.Sprintf("%s.%d", member, i+1)
		d, err := policy.Parse(text, policy.Inline)
		if err != nil {
			return resource.Errorf(codeInvalidInput, "%s: %v", id, err)
		}
		*to = append(*to, simulated{id, model.PolicySourceTypeNone, text, d})
	}
	return nil
}

// context notes the condition keys that the request gives, over those of the principal.
func (s *simulation) context(entries []model.ContextEntry, owner *string) error {
	if s.keys == nil {
		s.keys = map[string][]string{}
	}
	for _, e := range entries {
		if !strings.Contains(val(e.ContextKeyName), ":") || e.ContextKeyType == nil {
			return resource.Errorf(codeInvalidInput, "The context key %q needs a name with a prefix, and a type.", resource.Clip(val(e.ContextKeyName)))
		}
		if !strings.HasSuffix(*e.ContextKeyType, "List") && len(e.ContextKeyValues) > 1 {
			return resource.Errorf(codeInvalidInput, "The context key %s of type %s has several values.", resource.Clip(*e.ContextKeyName), *e.ContextKeyType)
		}
		s.keys[strings.ToLower(*e.ContextKeyName)] = e.ContextKeyValues
	}
	if owner != nil {
		account, _, ok := strings.Cut(strings.TrimPrefix(*owner, "arn:aws:iam::"), ":")
		if !ok {
			return resource.Errorf(codeInvalidInput, "Invalid ResourceOwner: %s is not the ARN of an account's root.", resource.Clip(*owner))
		}
		s.keys["aws:resourceaccount"] = []string{account}
	}
	return nil
}

// decide simulates one call.
func (s *simulation) decide(call *simulatedCall) model.EvaluationResult {
	keys := policy.Keys{s.keys}
	if account := strings.SplitN(call.resource, ":", 6); len(account) == 6 && account[4] != "" {
		keys = append(policy.Keys{{"aws:resourceaccount": {account[4]}}}, keys...)
	}
	request := policy.Request{Resource: call.resource, Keys: keys}
	effect, missing := decide(call.action, request, s.policies)
	result := model.EvaluationResult{EvalActionName: &call.action, EvalResourceName: &call.resource}
	bounded := policy.Allow
	if s.boundary != nil {
		var more []string
		bounded, more = decide(call.action, request, s.boundary)
		missing = append(missing, more...)
		result.PermissionsBoundaryDecisionDetail = &model.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: new(bounded == policy.Allow)}
	}
	slices.Sort(missing)
	result.MissingContextValues = slices.Compact(missing)
	var from []simulated
	switch {
	case effect == policy.Deny || bounded == policy.Deny:
		result.EvalDecision = new(model.PolicyEvaluationDecisionTypeExplicitDeny)
		from, effect = slices.Concat(s.policies, s.boundary), policy.Deny
	case effect == policy.Allow && bounded == policy.Allow:
		result.EvalDecision = new(model.PolicyEvaluationDecisionTypeAllowed)
		from = slices.Concat(s.policies, s.boundary)
	default:
		result.EvalDecision = new(model.PolicyEvaluationDecisionTypeImplicitDeny)
	}
	for _, p := range from {
		result.MatchedStatements = append(result.MatchedStatements, p.matched(call.action, request, effect)...)
	}
	return result
}

// decide asks policies of one kind, and says which condition keys they look at that the
// request does not have.
func decide(action string, request policy.Request, all []simulated) (effect policy.Effect, missing []string) {
	var documents []*policy.Document
	for _, p := range all {
		documents = append(documents, p.document)
	}
	statements := policy.For(action, documents...)
	for _, key := range statements.Asked() {
		if _, ok := request.Keys.Get(key); !ok {
			missing = append(missing, key)
		}
	}
	return statements.Decide(request), missing
}

// matched are the statements of a policy that have an effect on a request.
func (p *simulated) matched(action string, request policy.Request, effect policy.Effect) []model.Statement {
	deciding := policy.For(action, p.document).Deciding(request, effect)
	if len(deciding) == 0 {
		return nil
	}
	spans := policy.Spans(p.text)
	return mapped(deciding, func(index *int) model.Statement {
		span := spans[*index]
		return model.Statement{SourcePolicyId: &p.id, SourcePolicyType: &p.kind, StartPosition: position(span.Start), EndPosition: position(span.End)}
	})
}

func position(p policy.Position) *model.Position {
	return &model.Position{Line: new(int32(p.Line)), Column: new(int32(p.Column))}
}

// principal takes the policies of whom an ARN names.
func (s *simulation) principal(r reader, arn string) error {
	kind, name, found := r.principalOf(arn)
	switch kind {
	case "user":
		v, ok := store.Users.Get(r.Reader, r.scope, resource.IdentityID(name))
		if !ok || v.ARN() != arn {
			return notFound("The user with name %s cannot be found.", resource.Clip(name))
		}
		if err := s.identity(r, kind, &v.Identity); err != nil {
			return err
		}
		for _, id := range v.Groups {
			group, ok := store.Groups.Get(r.Reader, r.scope, id)
			if !ok {
				return unreadable("group " + id)
			}
			if err := s.identity(r, "group", &group.Identity); err != nil {
				return err
			}
		}
		s.keys = principalKeys(v.ARN(), r.scope.Account, "User", v.Tags)
		s.keys["aws:username"], s.keys["aws:userid"] = []string{v.Name}, []string{v.UniqueID}
		return s.bound(r, v.Boundary)
	case "group":
		v, ok := store.Groups.Get(r.Reader, r.scope, resource.IdentityID(name))
		if !ok || v.ARN() != arn {
			return notFound("The group with name %s cannot be found.", resource.Clip(name))
		}
		return s.identity(r, kind, &v.Identity)
	case "role":
		v, ok := store.Roles.Get(r.Reader, r.scope, resource.IdentityID(name))
		if !ok || v.ARN() != arn {
			return notFound("The role with name %s cannot be found.", resource.Clip(name))
		}
		if err := s.identity(r, kind, &v.Identity); err != nil {
			return err
		}
		s.keys = principalKeys(v.ARN(), r.scope.Account, "AssumedRole", v.Tags)
		return s.bound(r, v.Boundary)
	}
	if found {
		return notFound("%s cannot be found.", resource.Clip(arn))
	}
	return resource.Errorf(codeInvalidInput, "Invalid Entity Arn: %s does not clearly define entity type and name.", resource.Clip(arn))
}

// principalOf takes an ARN of the account's apart: "user" and the name without its path.
// ok is false for what is no such ARN.
func (r reader) principalOf(arn string) (kind, name string, ok bool) {
	rest, ok := strings.CutPrefix(arn, "arn:aws:iam::")
	account, rest, cut := strings.Cut(rest, ":")
	kind, path, named := strings.Cut(rest, "/")
	if !ok || !cut || !named || !slices.Contains([]string{"user", "group", "role"}, kind) {
		return "", "", false
	}
	if account != r.scope.Account {
		return "", "", true
	}
	return kind, path[strings.LastIndexByte(path, '/')+1:], true
}

// callAs takes whose calls are simulated: a user.
func (s *simulation) callAs(r reader, arn string) error {
	kind, name, ok := r.principalOf(arn)
	if !ok || kind != "user" {
		return resource.Errorf(codeInvalidInput, "Invalid CallerArn: %s is not the ARN of a user of the account.", resource.Clip(arn))
	}
	v, ok := store.Users.Get(r.Reader, r.scope, resource.IdentityID(name))
	if !ok || v.ARN() != arn {
		return notFound("The user with name %s cannot be found.", resource.Clip(name))
	}
	s.keys = principalKeys(arn, r.scope.Account, "User", v.Tags)
	s.keys["aws:username"], s.keys["aws:userid"] = []string{v.Name}, []string{v.UniqueID}
	return nil
}

func principalKeys(arn, account, kind string, tags []resource.Tag) map[string][]string {
	keys := map[string][]string{"aws:principalarn": {arn}, "aws:principalaccount": {account}, "aws:principaltype": {kind}}
	for _, t := range tags {
		keys["aws:principaltag/"+strings.ToLower(t.Key)] = []string{t.Value}
	}
	return keys
}

// identity takes the policies of one user, group or role.
func (s *simulation) identity(r reader, kind string, v *resource.Identity) error {
	for _, p := range v.Inline {
		d, err := policy.Parse(p.Document, policy.Inline)
		if err != nil {
			return unreadable(p.Name)
		}
		s.policies = append(s.policies, simulated{p.Name, kind, p.Document, d})
	}
	for _, arn := range v.Attached {
		p, err := managedPolicy(r, arn)
		if err != nil {
			return err
		}
		s.policies = append(s.policies, p)
	}
	return nil
}

// bound takes a permissions boundary.
func (s *simulation) bound(r reader, arn string) error {
	if arn == "" {
		return nil
	}
	p, err := managedPolicy(r, arn)
	s.boundary = []simulated{p}
	return err
}

// managedPolicy reads a managed policy that is attached to somebody.
func managedPolicy(r reader, arn string) (simulated, error) {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	text, ours := iam.ManagedPolicy(arn)
	p := simulated{id: name, kind: model.PolicySourceTypeAwsManaged, text: text}
	if !ours {
		p.kind = model.PolicySourceTypeUserManaged
		v, ok := store.Policies.Get(r.Reader, r.scope, resource.IdentityID(name))
		version := v.Version(v.Default)
		if !ok || version == nil || v.ARN() != arn {
			return p, unreadable(arn)
		}
		p.text = version.Document
	}
	var err error
	if p.document, err = policy.Parse(p.text, policy.Managed); err != nil {
		return p, unreadable(arn)
	}
	return p, nil
}

func unreadable(name string) error {
	return resource.Errorf(codePolicyEvaluation, "The policies of %s can't be read; calls of whom it holds for are denied.", cmp.Or(resource.Clip(name), "the principal"))
}
