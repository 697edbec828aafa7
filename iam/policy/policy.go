// Package policy reads IAM's policy documents and decides by them. It is pure: a
// request is a value, and so is the answer.
//
// The rules are those of the pages "Grammar of the IAM JSON policy language",
// "IAM JSON policy elements" and "Policy evaluation logic" of AWS's documentation.
//
//	d, err := policy.Parse(document, policy.Inline)
//	effect := policy.For("ec2:CreateVpc", d).Decide(policy.Request{Resource: arn, Keys: keys})
package policy

import (
	"slices"
	"strings"
)

// A Kind says where a document is to be used, which decides what it may hold.
type Kind uint8

const (
	Inline  Kind = iota // of one user, group or role, or of a session
	Managed             // on its own
	Trust               // of a role: who may take it on
)

// An Effect is what policies say of a request.
type Effect uint8

const (
	None  Effect = iota // nothing: the request is denied, unless another policy allows it
	Allow               // some statement allows it and none denies it
	Deny                // some statement denies it, whatever others say
)

// String names the effect.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	}
	return "none"
}

// A Document is a policy, ready to be asked. It never changes.
type Document struct{ statements []statement }

// Len is the number of its statements.
func (d *Document) Len() int { return len(d.statements) }

type statement struct {
	index      int // in its document
	effect     Effect
	actions    list
	resources  list // of all kinds but Trust
	principals *principals
	conditions []condition
}

// A list is an element such as Action, or NotAction.
type list struct {
	patterns []pattern
	not      bool
}

// Keys are the condition keys of a request: layers of values by the name of the
// key in lower case. A later layer is looked at first.
type Keys []map[string][]string

// Get returns the values of a key, and whether the request has it.
func (k Keys) Get(name string) ([]string, bool) {
	for i := len(k) - 1; i >= 0; i-- {
		if values, ok := k[i][name]; ok {
			return values, true
		}
	}
	return nil, false
}

// A Request is what a decision is about.
type Request struct {
	Resource  string // an ARN, or "*" where the action is on no resource in particular
	Principal Principal
	Keys      Keys
}

// A Principal is who asks, for policies of the kind Trust.
type Principal struct {
	Account   string   // 12 digits
	ARNs      []string // its names: a session has that of its role, too
	Named     bool     // leave out what allows all of an account, or everybody
	Service   string   // "vpn.amazonaws.com", if it is one
	Federated string   // ARN of the provider that vouches for it

	// Later are names that it got only after the policy was set. Nothing is allowed
	// by them, but what is denied to them is.
	Later []string
}

// Statements are those that speak of one action.
type Statements []*statement

// For returns the statements of documents that speak of an action ("ec2:CreateVpc").
func For(action string, documents ...*Document) Statements {
	action = strings.ToLower(action)
	var all Statements
	for _, d := range documents {
		for i := range d.statements {
			s := &d.statements[i]
			// Action names have no variables, so the keys are not needed.
			if s.actions.matches(func(p *pattern) bool { return p.match(action, nil) }) {
				all = append(all, s)
			}
		}
	}
	return all
}

// Decide says what the statements make of a request.
func (s Statements) Decide(r Request) Effect {
	effect := None
	arn := splitARN(r.Resource)
	for _, statement := range s {
		if statement.effect == effect || !statement.applies(&r, arn) {
			continue
		}
		if statement.effect == Deny {
			return Deny
		}
		effect = Allow
	}
	return effect
}

// Deciding returns which statements of one document, by their places in it from 0, have
// an effect on a request.
func (s Statements) Deciding(r Request, effect Effect) []int {
	var found []int
	arn := splitARN(r.Resource)
	for _, statement := range s {
		if statement.effect == effect && statement.applies(&r, arn) {
			found = append(found, statement.index)
		}
	}
	return found
}

// Asked returns the condition keys that the statements look at, in conditions or as
// variables: in lower case, sorted.
func (s Statements) Asked() []string {
	var keys []string
	note := func(p *pattern) {
		for _, v := range p.variables {
			keys = append(keys, v.key)
		}
	}
	for _, statement := range s {
		for i := range statement.resources.patterns {
			note(&statement.resources.patterns[i])
		}
		for i := range statement.conditions {
			c := &statement.conditions[i]
			keys = append(keys, c.key)
			for at := range c.values {
				note(&c.values[at].pattern)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (s *statement) applies(r *Request, arn []string) bool {
	if s.principals != nil {
		who := &r.Principal
		later := s.effect == Deny && !s.principals.not && s.principals.hasARN(who.Later)
		if !later && !s.principals.include(who, who.Named && s.effect == Allow) {
			return false
		}
	} else if s.effect == Allow && s.resources.not && !s.resources.resolves(r.Keys) {
		return false // all but what nobody can tell is nothing
	} else if !s.resources.matches(func(p *pattern) bool { return p.matchARN(arn, r.Keys) || p.matchWhole(r.Resource, r.Keys) }) {
		return false
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(r.Keys) {
			return false
		}
	}
	return true
}

func (l *list) matches(one func(*pattern) bool) bool {
	for i := range l.patterns {
		if one(&l.patterns[i]) {
			return !l.not
		}
	}
	return l.not
}

// resolves reports whether all variables of the list have values.
func (l *list) resolves(keys Keys) bool {
	for i := range l.patterns {
		if _, ok := l.patterns[i].resolve(keys); !ok {
			return false
		}
	}
	return true
}

// principals are the element Principal, or NotPrincipal.
type principals struct {
	not       bool
	anyone    bool
	accounts  []string
	arns      []string
	services  []string
	federated []string
}

func (p *principals) include(who *Principal, byName bool) bool {
	if byName && p.not {
		return false
	}
	return p.names(who, byName) != p.not
}

func (p *principals) names(who *Principal, byName bool) bool {
	if !byName && (p.anyone || contains(p.accounts, who.Account)) {
		return true
	}
	return p.hasARN(who.ARNs) || contains(p.services, who.Service) || contains(p.federated, who.Federated)
}

func (p *principals) hasARN(arns []string) bool {
	return slices.ContainsFunc(arns, func(arn string) bool { return contains(p.arns, arn) })
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s && s != "" {
			return true
		}
	}
	return false
}
