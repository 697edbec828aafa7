package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// An Error says why a document is not a policy, in AWS's words where they are
// known. Its text may be told to the caller, as that of MalformedPolicyDocument.
type Error struct{ Message string }

// Error is the message.
func (e *Error) Error() string { return e.Message }

func malformed(format string, args ...any) *Error { return &Error{fmt.Sprintf(format, args...)} }

// DocumentLengthMax bounds the documents that are read, in bytes: AWS's own bound
// on the parameter.
const DocumentLengthMax = 131_072

// AWS's words for what has no better ones.
const (
	syntaxErrors  = "Syntax errors in policy."
	legacyParsing = "The policy failed legacy parsing"
)

// The versions of the language. Variables came with the second.
const (
	versionOld     = "2008-10-17"
	versionCurrent = "2012-10-17"
)

// Parse reads a document. The error, if any, is an *Error.
func Parse(document string, kind Kind) (*Document, error) {
	tree, err := parseJSON(document)
	if err != nil {
		if kind == Trust {
			return nil, malformed("This policy contains invalid Json")
		}
		return nil, malformed(syntaxErrors)
	}
	r := reader{kind: kind}
	if err := r.top(tree); err != nil {
		return nil, err
	}
	return &Document{r.statements}, nil
}

// A reader turns the JSON of a document into statements.
type reader struct {
	kind       Kind
	variables  bool
	statements []statement
	sids       []string
}

func (r *reader) top(tree any) error {
	top, ok := tree.(object)
	if !ok || !top.only("Version", "Id", "Statement") {
		return malformed(syntaxErrors)
	}
	version, given := top["Version"]
	switch {
	case version == versionCurrent:
		r.variables = true
	case r.kind == Managed:
		return malformed("Policy document must be version 2012-10-17 or greater.")
	case given && version != versionOld:
		return malformed(syntaxErrors)
	}
	if id, given := top["Id"]; given {
		if _, ok := id.(string); !ok {
			return malformed(syntaxErrors)
		}
	}
	// One statement may stand without brackets.
	all, ok := top["Statement"].([]any)
	if !ok {
		all = []any{top["Statement"]}
	}
	if len(all) == 0 {
		return malformed(syntaxErrors)
	}
	for _, one := range all {
		s, ok := one.(object)
		if !ok {
			return malformed(syntaxErrors)
		}
		if err := r.statement(s); err != nil {
			return err
		}
	}
	return nil
}

var sidForm = regexp.MustCompile(`^[0-9A-Za-z]*$`)

func (r *reader) statement(in object) error {
	if !in.only("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition") ||
		in.has("Action") && in.has("NotAction") || in.has("Resource") && in.has("NotResource") || in.has("Principal") && in.has("NotPrincipal") {
		return malformed(syntaxErrors)
	}
	var out statement
	switch in["Effect"] {
	case "Allow":
		out.effect = Allow
	case "Deny":
		out.effect = Deny
	case nil:
		if r.kind == Trust {
			return malformed("Missing required field Effect")
		}
		return malformed(syntaxErrors)
	default:
		return malformed(syntaxErrors)
	}
	for _, step := range []func(object, *statement) error{r.sid, r.actions, r.principals, r.resources, r.conditions} {
		if err := step(in, &out); err != nil {
			return err
		}
	}
	out.index = len(r.statements)
	r.statements = append(r.statements, out)
	return nil
}

func (r *reader) sid(in object, _ *statement) error {
	if !in.has("Sid") {
		return nil
	}
	sid, ok := in["Sid"].(string)
	switch {
	case !ok:
		return malformed(syntaxErrors)
	case !sidForm.MatchString(sid) && r.kind != Trust:
		return malformed("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
	case sid != "" && slices.Contains(r.sids, sid):
		return malformed("Statement IDs (SID) in a single policy must be unique.")
	}
	r.sids = append(r.sids, sid)
	return nil
}

var vendorForm = regexp.MustCompile(`^[a-zA-Z0-9.-]+$`)

func (r *reader) actions(in object, out *statement) error {
	texts, not, err := in.texts("Action", "NotAction")
	if err != nil {
		return err
	}
	if len(texts) == 0 {
		if r.kind == Trust {
			return malformed("Missing required field Action")
		}
		return malformed("Policy statement must contain actions.")
	}
	out.actions.not = not
	for _, text := range texts {
		if err := r.checkAction(text); err != nil {
			return err
		}
		p, _ := parsePattern(strings.ToLower(text), true, false)
		out.actions.patterns = append(out.actions.patterns, p)
	}
	return nil
}

func (r *reader) checkAction(action string) error {
	vendor, name, ok := strings.Cut(action, ":")
	switch {
	case r.kind == Trust && !strings.EqualFold(vendor, "sts"):
		return malformed("AssumeRole policy may only specify STS AssumeRole actions.")
	case action == "*":
		return nil
	case !ok || name == "":
		return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
	case strings.Contains(name, ":"):
		return malformed("Actions/Condition can contain only one colon.")
	case !vendorForm.MatchString(vendor):
		return malformed("Vendor %s is not valid", clip(vendor))
	}
	return nil
}

// resources reads what a statement is about. A trust policy is about its own role.
func (r *reader) resources(in object, out *statement) error {
	if r.kind == Trust {
		for _, name := range []string{"Resource", "NotResource"} {
			if in.has(name) {
				return malformed("Has prohibited field %s", name)
			}
		}
		return nil
	}
	texts, not, err := in.texts("Resource", "NotResource")
	if err != nil {
		return err
	}
	if len(texts) == 0 {
		return malformed("Policy statement must contain resources.")
	}
	out.resources.not = not
	for _, text := range texts {
		if err := checkResource(text); err != nil {
			return err
		}
		p, ok := parsePattern(text, true, r.variables)
		if !ok {
			return malformed(syntaxErrors)
		}
		out.resources.patterns = append(out.resources.patterns, p.forResources())
	}
	return nil
}

func checkResource(text string) error {
	if text == "*" {
		return nil
	}
	arn, _ := parsePattern(text, true, true)
	parts := strings.SplitN(text, ":", arnParts)
	switch {
	case parts[0] != "arn" || len(parts) < 2:
		return malformed(`Resource %s must be in ARN format or "*".`, clip(text))
	case parts[1] != "aws" && parts[1] != "aws-cn" && parts[1] != "aws-us-gov" && parts[1] != "*":
		return malformed("Partition \"%s\" is not valid for resource \"%s\".", clip(parts[1]), clip(text))
	case len(arn.forARNs().parts) != arnParts:
		return malformed(legacyParsing)
	case len(parts) > 2 && (parts[2] == "" || strings.ContainsAny(parts[2], "*?") && parts[2] != "*"):
		return malformed("Resource vendor must be fully qualified and cannot contain regexes.")
	case len(parts) > 3 && parts[2] == "iam" && parts[3] != "" && parts[3] != "*":
		return malformed("IAM resource %s cannot contain region information.", clip(text))
	}
	return nil
}

var accountForm = regexp.MustCompile(`^[0-9]{12}$`)

// principals reads who a trust policy trusts. No other kind has it.
func (r *reader) principals(in object, out *statement) error {
	not := in.has("NotPrincipal")
	value, given := in["Principal"]
	if not {
		value, given = in["NotPrincipal"], true
	}
	switch {
	case r.kind != Trust && given:
		return malformed("Policy document should not specify a principal.")
	case r.kind != Trust:
		return nil
	case !given:
		return malformed("Missing required field Principal")
	}
	out.principals = &principals{not: not}
	if value == "*" {
		out.principals.anyone = true
		return nil
	}
	kinds, ok := value.(object)
	if !ok {
		return malformed("Invalid principal in policy")
	}
	if len(kinds) == 0 {
		return malformed("Missing required field Principal cannot be empty!")
	}
	for kind := range kinds {
		names, _, err := kinds.texts(kind, kind)
		if err != nil || len(names) == 0 {
			return malformed("Invalid principal in policy")
		}
		for _, name := range names {
			if !out.principals.add(kind, name) {
				return malformed(`Invalid principal in policy: "%s":"%s"`, clip(kind), clip(name))
			}
		}
	}
	return nil
}

// add notes a principal. It returns false for what is none.
func (p *principals) add(kind, name string) bool {
	switch kind {
	case "AWS":
		return p.addAWS(name)
	case "Service":
		p.services = append(p.services, name)
		return strings.Contains(name, ".")
	case "Federated":
		p.federated = append(p.federated, name)
		return name != ""
	}
	return false
}

func (p *principals) addAWS(name string) bool {
	parts := splitARN(name)
	switch {
	case name == "*":
		p.anyone = true
	case accountForm.MatchString(name):
		p.accounts = append(p.accounts, name)
	case len(parts) != arnParts || parts[0] != "arn" || parts[2] != "iam" && parts[2] != "sts" || !accountForm.MatchString(parts[4]) || strings.ContainsAny(name, "*?"):
		return false
	case parts[5] == "root":
		p.accounts = append(p.accounts, parts[4])
	default:
		p.arns = append(p.arns, name)
	}
	return true
}

func (r *reader) conditions(in object, out *statement) error {
	if !in.has("Condition") {
		return nil
	}
	blocks, ok := in["Condition"].(object)
	if !ok {
		return malformed(syntaxErrors)
	}
	for name, block := range blocks {
		keys, ok := block.(object)
		form, known := parseOperator(name)
		if !ok || !known {
			return malformed(syntaxErrors)
		}
		for key := range keys {
			c := form
			c.denies = out.effect == Deny
			if err := r.condition(&c, key, keys[key]); err != nil {
				return err
			}
			out.conditions = append(out.conditions, c)
		}
	}
	return nil
}

// condition reads the values of one key.
func (r *reader) condition(c *condition, key string, value any) error {
	if !strings.Contains(key, ":") {
		return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
	}
	c.key = strings.ToLower(key)
	texts, ok := textsOf(value)
	if !ok {
		return malformed(syntaxErrors)
	}
	for _, text := range texts {
		w := operand{text: text}
		if w.pattern, ok = parsePattern(text, c.operator.like, r.variables); !ok {
			return malformed(syntaxErrors)
		}
		if c.operator.read != nil && !c.operator.read(&w) {
			return malformed(legacyParsing)
		}
		c.values = append(c.values, w)
	}
	return nil
}

// An object is one of JSON.
type object map[string]any

func (o object) has(name string) bool {
	_, ok := o[name]
	return ok
}

// only tells whether the object has no other members.
func (o object) only(names ...string) bool {
	for name := range o {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// texts returns the texts of one of two members, and whether it was the second.
func (o object) texts(name, notName string) (texts []string, not bool, err error) {
	value, given := o[name]
	if !given {
		if value, not = o[notName]; !not {
			return nil, false, nil
		}
	}
	texts, ok := textsOf(value)
	if !ok {
		return nil, not, malformed(syntaxErrors)
	}
	return texts, not, nil
}

// textsOf reads a text or a list of texts. Numbers and truth values may stand
// without quotes.
func textsOf(value any) ([]string, bool) {
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	texts := make([]string, 0, len(items))
	for _, item := range items {
		switch v := item.(type) {
		case string:
			texts = append(texts, v)
		case json.Number:
			texts = append(texts, v.String())
		case bool:
			texts = append(texts, fmt.Sprint(v))
		default:
			return nil, false
		}
	}
	return texts, true
}

// clip bounds what a message repeats of a document.
func clip(s string) string {
	const most = 128
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
