package resource

import (
	"slices"
	"strings"
	"time"
)

// GlobalRegion is the Region of nouns that belong to no region: identities.
const GlobalRegion = "global"

// An Identity is what users, groups and roles have in common. The Meta.ID of each
// is its name in lower case, as no two differ in case only.
type Identity struct {
	Meta
	Name     string `json:"name"`
	Path     string `json:"path"`     // "/" or "/division/team/"
	UniqueID string `json:"uniqueId"` // "AIDA…": never given to another of the same name

	// Renamed is when the name or the path was last changed; zero if never. Who was
	// named otherwise before is not meant by what named this name until then.
	Renamed time.Time `json:"renamed,omitzero"`

	Inline   []InlinePolicy `json:"inline,omitempty"`   // sorted by name
	Attached []string       `json:"attached,omitempty"` // ARNs of managed policies, in the order of their attachment
}

// An InlinePolicy belongs to one identity and goes with it.
type InlinePolicy struct {
	Name     string `json:"name"`
	Document string `json:"document"` // as it was given
}

// IdentityID is the Meta.ID of the identity of a name.
func IdentityID(name string) string { return strings.ToLower(name) }

// GetIdentity gives generic code access to what users, groups and roles share.
func (i *Identity) GetIdentity() *Identity { return i }

// Policy returns the index of the inline policy of a name, or -1.
func (i *Identity) Policy(name string) int {
	return slices.IndexFunc(i.Inline, func(p InlinePolicy) bool { return p.Name == name })
}

func (i *Identity) arn(kind string) string {
	return "arn:aws:iam::" + i.Account + ":" + kind + i.Path + i.Name
}

// A User is a person or a program that has keys of its own.
type User struct {
	Identity
	Groups     []string `json:"groups,omitempty"`     // Meta.IDs, sorted
	AccessKeys []string `json:"accessKeys,omitempty"` // ids, oldest first
	Boundary   string   `json:"boundary,omitempty"`   // ARN of the policy beyond which nothing is allowed
}

// ARN is the user's name to all of AWS.
func (u *User) ARN() string { return u.arn("user") }

// A Group lends its policies to users.
type Group struct{ Identity }

// ARN is the group's name to all of AWS.
func (g *Group) ARN() string { return g.arn("group") }

// A Role is an identity that others take on for a time.
type Role struct {
	Identity
	Trust              string    `json:"trust"`    // the policy that says who may take it on
	TrustSet           time.Time `json:"trustSet"` // when; who is made later is not meant by it
	Description        string    `json:"description,omitempty"`
	MaxSessionDuration int32     `json:"maxSessionDuration"` // seconds
	Boundary           string    `json:"boundary,omitempty"`
}

// ARN is the role's name to all of AWS.
func (r *Role) ARN() string { return r.arn("role") }

// An InstanceProfile hands a role to instances. It has no policies of its own.
type InstanceProfile struct {
	Identity
	Role string `json:"role,omitempty"` // Meta.ID; "" for none
}

// ARN is the profile's name to all of AWS.
func (p *InstanceProfile) ARN() string { return p.arn("instance-profile") }

// ParseInstanceProfileARN returns the name of the instance profile of an ARN, and whose
// it is. ok is false for what is not such an ARN.
func ParseInstanceProfileARN(arn string) (account, name string, ok bool) {
	rest, ok := strings.CutPrefix(arn, "arn:aws:iam::")
	account, rest, found := strings.Cut(rest, ":instance-profile/")
	name = rest[strings.LastIndexByte(rest, '/')+1:]
	return account, name, ok && found && account != "" && name != ""
}

// Statuses of access keys.
const (
	AccessKeyActive   = "Active"
	AccessKeyInactive = "Inactive"
)

// An AccessKey signs requests in the name of a user. Its id says the account, so
// that it is found without knowing that.
type AccessKey struct {
	Meta
	User   string `json:"user"` // Meta.ID
	Secret string `json:"secret"`
	Status string `json:"status"`
}

// Secrets are what the store seals.
func (k *AccessKey) Secrets() []*string { return []*string{&k.Secret} }

// String names the key, so that its secret is not printed by accident.
func (k AccessKey) String() string { return "access key " + k.ID }

// An AccessKeyUse is when a key has signed a request last. Its Meta.ID is the key's.
// It is a record of its own, so that what is known of identities does not change
// with each of their calls.
type AccessKeyUse struct {
	Meta
	At       time.Time `json:"at"`
	Service  string    `json:"service"`  // "ec2"
	InRegion string    `json:"inRegion"` // "us-east-1"
}

// A Policy is one that many identities can have: a managed one. Its Meta.ID is its
// name in lower case.
type Policy struct {
	Meta
	Name        string          `json:"name"`
	Path        string          `json:"path"`
	UniqueID    string          `json:"uniqueId"` // "ANPA…"
	Description string          `json:"description,omitempty"`
	Versions    []PolicyVersion `json:"versions"` // newest last
	Default     string          `json:"default"`  // "v1": the version that holds
	Last        int             `json:"last"`     // the number of the newest version that there ever was
	Updated     time.Time       `json:"updated"`
}

// A PolicyVersion is a document that a policy has or had.
type PolicyVersion struct {
	ID       string    `json:"id"` // "v1"
	Document string    `json:"document"`
	Created  time.Time `json:"created"`
}

// ARN is the policy's name to all of AWS.
func (p *Policy) ARN() string { return "arn:aws:iam::" + p.Account + ":policy" + p.Path + p.Name }

// Version returns the version of an id, or nil.
func (p *Policy) Version(id string) *PolicyVersion {
	at := slices.IndexFunc(p.Versions, func(v PolicyVersion) bool { return v.ID == id })
	if at < 0 {
		return nil
	}
	return &p.Versions[at]
}

// ParsePolicyARN returns the name of the managed policy of an ARN, and whose it
// is: an account's number, or "aws". ok is false for what is not such an ARN.
func ParsePolicyARN(arn string) (account, path, name string, ok bool) {
	rest, ok := strings.CutPrefix(arn, "arn:aws:iam::")
	account, rest, found := strings.Cut(rest, ":policy/")
	at := strings.LastIndexByte(rest, '/')
	path, name = "/"+rest[:at+1], rest[at+1:]
	return account, path, name, ok && found && account != "" && name != ""
}

// A SAMLProvider is an identity provider whose word on users is taken. Its Meta.ID
// is its name in lower case.
type SAMLProvider struct {
	Meta
	Name       string     `json:"name"`
	UUID       string     `json:"uuid"`
	Metadata   string     `json:"metadata"` // as it was given: an EntityDescriptor in XML
	ValidUntil *time.Time `json:"validUntil,omitempty"`

	// EncryptionMode is "Required" or "Allowed" where assertions may be
	// encrypted; PrivateKeys are what opens them.
	EncryptionMode string            `json:"encryptionMode,omitempty"`
	PrivateKeys    [2]SAMLPrivateKey `json:"privateKeys"`
}

// A SAMLPrivateKey opens encrypted assertions. Its zero value is none.
type SAMLPrivateKey struct {
	ID      string    `json:"id"`
	PEM     string    `json:"pem"`
	Created time.Time `json:"created"`
}

// String names the key.
func (k SAMLPrivateKey) String() string { return "private key " + k.ID }

// Secrets are what the store seals.
func (p *SAMLProvider) Secrets() []*string {
	return []*string{&p.PrivateKeys[0].PEM, &p.PrivateKeys[1].PEM}
}

// ARN is the provider's name to all of AWS.
func (p *SAMLProvider) ARN() string {
	return "arn:aws:iam::" + p.Account + ":saml-provider/" + p.Name
}

// An AccountAlias is another name of an account. Its Meta.ID is the name.
type AccountAlias struct{ Meta }
