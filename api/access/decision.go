package access

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
)

// Authorize decides whether a call may be carried out: nil, a *server.Denial, or
// what keeps it from deciding. The account's root may everything.
func (g *Guard) Authorize(call server.Call) error {
	k := call.Caller.Key
	if err := checkSession(k, call); err != nil {
		return err
	}
	if k.Root() {
		return nil
	}
	all, unread := g.rulesOf(g.cfg.Store.Snapshot(), k)
	keys := globalKeys(call.Caller, call.Service, all.tags)
	said := map[string]spoken{} // by action
	for _, target := range call.Targets() {
		action := target.Action
		if action == "" {
			action = call.Service + ":" + call.Action
		}
		request := policy.Request{Resource: target.ARN, Keys: policy.Keys{keys, accountKeys(target.ARN), target.Keys}}
		if unread != nil {
			return g.deny(call, action, request, "because "+unread.Error(), unread)
		}
		if _, ok := said[action]; !ok {
			said[action] = all.about(action)
		}
		if reason := said[action].decide(request, action); reason != "" {
			return g.deny(call, action, request, reason, nil)
		}
	}
	return nil
}

// checkSession refuses to temporary keys of a user or of root what they never may.
// STS's page on GetSessionToken: no call of IAM without a second factor, which
// does not exist here, and of STS only AssumeRole and GetCallerIdentity.
func checkSession(k iam.AccessKey, call server.Call) error {
	if k.Session == nil || k.Session.Role != "" || call.Service != "iam" && call.Service != "sts" {
		return nil
	}
	return resource.Errorf("InvalidClientTokenId", "The security token included in the request is invalid")
}

// spoken are the statements about one action.
type spoken struct{ identity, boundary, session policy.Statements }

func (r rules) about(action string) spoken {
	s := spoken{identity: policy.For(action, r.identity...)}
	if r.boundary != nil {
		s.boundary = append(policy.Statements{}, policy.For(action, *r.boundary...)...)
	}
	if r.session != nil {
		s.session = append(policy.Statements{}, policy.For(action, *r.session...)...)
	}
	return s
}

// decide returns why a request is denied, in AWS's words, or "". What one kind of
// policy denies no other can allow, and each kind that there is must allow it.
func (s spoken) decide(request policy.Request, action string) string {
	kinds := []struct {
		statements policy.Statements
		bound      bool // nothing of it: it does not count
		name       string
	}{
		{s.identity, false, "identity-based policy"},
		{s.boundary, true, "permissions boundary"},
		{s.session, true, "session policy"},
	}
	silent := ""
	for _, kind := range kinds {
		if kind.bound && kind.statements == nil {
			continue
		}
		switch kind.statements.Decide(request) {
		case policy.Deny:
			article := "a"
			if kind.name[0] == 'i' {
				article = "an"
			}
			return "with an explicit deny in " + article + " " + kind.name
		case policy.None:
			if silent == "" {
				silent = fmt.Sprintf("because no %s allows the %s action", kind.name, action)
			}
		}
	}
	return silent
}

// withinBounds reports whether all bounds that there are allow a request.
func (s spoken) withinBounds(request policy.Request) bool {
	for _, bound := range []policy.Statements{s.boundary, s.session} {
		if bound != nil && bound.Decide(request) != policy.Allow {
			return false
		}
	}
	return true
}

// globalKeys are the condition keys that every request has.
func globalKeys(c server.Caller, service string, tags []resource.Tag) map[string][]string {
	k := c.Key
	keys := map[string][]string{
		"aws:currenttime":      {c.Now.UTC().Format(time.RFC3339)},
		"aws:epochtime":        {strconv.FormatInt(c.Now.Unix(), 10)},
		"aws:securetransport":  {strconv.FormatBool(c.Secure)},
		"aws:requestedregion":  {c.Region},
		"aws:principalarn":     {k.PrincipalARN()},
		"aws:principalaccount": {k.Account},
		"aws:principaltype":    {"User"},
		"aws:userid":           {k.CallerID()},
		"aws:viaawsservice":    {"false"},

		"aws:principalisawsservice": {"false"},
	}
	if service == "ec2" {
		keys["ec2:region"] = []string{c.Region}
	}
	if c.Source.IsValid() {
		keys["aws:sourceip"] = []string{c.Source.String()}
	}
	if c.UserAgent != "" {
		keys["aws:useragent"] = []string{c.UserAgent[:min(len(c.UserAgent), server.KeyLengthMax)]}
	}
	for _, t := range tags {
		keys["aws:principaltag/"+strings.ToLower(t.Key)] = []string{t.Value}
	}
	if k.Session == nil || k.Session.Role == "" {
		keys["aws:username"] = []string{k.User}
	}
	if s := k.Session; s != nil {
		keys["aws:tokenissuetime"] = []string{s.Issued.UTC().Format(time.RFC3339)}
		keys["aws:multifactorauthpresent"] = []string{"false"}
		if s.Role != "" {
			keys["aws:principaltype"] = []string{"AssumedRole"}
		}
		if s.Instance != "" {
			keys["ec2:sourceinstancearn"] = []string{s.Instance}
		}
		if s.SourceIdentity != "" {
			keys["aws:sourceidentity"] = []string{s.SourceIdentity}
		}
		for key, value := range s.Tags {
			keys["aws:principaltag/"+strings.ToLower(key)] = []string{value}
		}
	}
	return keys
}

// accountKeys are the condition keys that follow from a resource's ARN.
func accountKeys(arn string) map[string][]string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[4] == "" {
		return nil
	}
	return map[string][]string{"aws:resourceaccount": {parts[4]}}
}

// deny words a denial. The cause is what kept policies from being asked, or nil.
func (g *Guard) deny(call server.Call, action string, request policy.Request, reason string, cause error) error {
	d := &server.Denial{Message: fmt.Sprintf("User: %s is not authorized to perform: %s", call.Caller.Key.ARN(), action), Cause: cause}
	if request.Resource != "*" {
		d.Message += " on resource: " + resource.Clip(request.Resource)
	}
	d.Message += " " + reason
	if call.Service == "ec2" {
		e := explain(call, action, request, reason)
		text, err := json.Marshal(e)
		if len(text) > messageMax {
			e.Context.Conditions.Items = nil
			text, err = json.Marshal(e)
		}
		if err != nil {
			return fmt.Errorf("write an authorization message: %w", err)
		}
		d.Encoded = g.cfg.Sealer.Seal(string(text), messagePlace+call.Caller.Account)
	}
	return d
}

// messageMax bounds an authorization message before it is sealed, so that what
// clients decode has at most the 10,240 characters that AWS's has.
const messageMax = 7000

// messagePlace is what sealed authorization messages are for, with the account.
const messagePlace = "authorization message for "

// DecodeMessage returns what a denial's encoded message tells the account.
func (g *Guard) DecodeMessage(account, encoded string) (string, error) {
	return g.cfg.Sealer.Open(encoded, messagePlace+account)
}

// The JSON of a decoded authorization message, as AWS's has it.
type (
	explanation struct {
		Allowed      bool `json:"allowed"`
		ExplicitDeny bool `json:"explicitDeny"`
		Context      struct {
			Principal struct {
				ID  string `json:"id"`
				ARN string `json:"arn"`
			} `json:"principal"`
			Action     string              `json:"action"`
			Resource   string              `json:"resource"`
			Conditions items[conditionKey] `json:"conditions"`
		} `json:"context"`
	}
	conditionKey struct {
		Key    string       `json:"key"`
		Values items[value] `json:"values"`
	}
	value struct {
		Value string `json:"value"`
	}
	items[T any] struct {
		Items []T `json:"items"`
	}
)

func explain(call server.Call, action string, request policy.Request, reason string) explanation {
	var e explanation
	e.ExplicitDeny = strings.HasPrefix(reason, "with an explicit deny")
	e.Context.Principal.ID, e.Context.Principal.ARN = call.Caller.UserID, call.Caller.ARN
	e.Context.Action, e.Context.Resource = action, request.Resource
	merged := map[string][]string{}
	for _, layer := range request.Keys {
		maps.Copy(merged, layer)
	}
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		shown := conditionKey{Key: key}
		for _, v := range merged[key] {
			shown.Values.Items = append(shown.Values.Items, value{resource.Clip(v)})
		}
		e.Context.Conditions.Items = append(e.Context.Conditions.Items, shown)
	}
	return e
}
