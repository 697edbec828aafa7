package server


// A Call is a request that is about to be carried out: it is asked for by whom its
// caller claims to be, and its input is well-formed.
type Call struct {
	Caller  Caller
	Service string // "ec2"
	Action  string // "CreateVpc"

	// Targets finds out what the call is about: at least one. It is asked only
	// where policies are.
	Targets func() []Target
}

// A Target is something that a request is about, as policies name it.
type Target struct {
	ARN string // "*": nothing in particular

	// Action is what is done to the target where that is another permission
	// than the request's: "ec2:CreateTags".
	Action string

	// Keys are the condition keys that are about the target, by their names in
	// lower case: "aws:resourcetag/owner".
	Keys map[string][]string
}

// SetKey notes a condition key of the target with its values. None sets none.
func (t *Target) SetKey(name string, values ...string) {
	if len(values) == 0 {
		return
	}
	if t.Keys == nil {
		t.Keys = map[string][]string{}
	}
	t.Keys[name] = values
}

// A Denial says that a caller may not do what it asks for.
type Denial struct {
	Message string // in AWS's words: "User: … is not authorized to perform: …"
	Encoded string // more about it, for DecodeAuthorizationMessage; "" if there is no more
}

// Error is the message.
func (d *Denial) Error() string { return d.Message }
