// Package iam carries out the actions of AWS Identity and Access Management, a
// file a noun. What the identities may is decided in package access.
package iam

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/iam"
	"causeway.dev/iam/policy"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Config is what the actions need to know of the installation.
type Config struct {
	Store  *store.Store
	Limits Limits

	// LastUse tells when an access key of an account was used last, if ever.
	LastUse func(account, id string) (resource.AccessKeyUse, bool)
}

// A Service has the actions as its methods. They may be called by any goroutine.
type Service struct {
	store   *store.Store
	limits  Limits
	lastUse func(account, id string) (resource.AccessKeyUse, bool)
}

// New returns the actions on a store.
func New(cfg Config) *Service {
	return &Service{store: cfg.Store, limits: cfg.Limits.withDefaults(), lastUse: cfg.LastUse}
}

type actions map[string]server.Handler

// Server returns the service as api/server takes it.
func (s *Service) Server() server.Service {
	all := actions{}
	for _, some := range []actions{
		s.userActions(), s.accessKeyActions(), s.groupActions(), s.roleActions(), s.inlineActions(), s.attachmentActions(),
		s.boundaryActions(), s.policyActions(), s.policyVersionActions(), s.samlActions(), s.instanceProfileActions(), s.tagActions(), s.aliasActions(), s.absentActions(), s.simulateActions(),
	} {
		maps.Copy(all, some)
	}
	all["GetAccountSummary"] = server.Operation(s.GetAccountSummary)
	return server.Service{Model: model.Service, Global: true, ValidationCode: codeValidation, Actions: all, Targets: s.targets}
}

// The codes of errors, as the model has them.
const (
	codeConflict        = "DeleteConflict"
	codeExists          = "EntityAlreadyExists"
	codeInvalidInput    = "InvalidInput"
	codeLimit           = "LimitExceeded"
	codeMalformedPolicy = "MalformedPolicyDocument"
	codeNotFound        = "NoSuchEntity"
	codeUnmodifiable    = "UnmodifiableEntity"
	codeValidation      = "ValidationError"
)

func invalid(format string, args ...any) error {
	return resource.Errorf(codeValidation, format, args...)
}

func notFound(format string, args ...any) error {
	return resource.Errorf(codeNotFound, format, args...)
}

// exceeded says that a quota is used up.
func exceeded(quota string, limit int) error {
	return resource.Errorf(codeLimit, "Cannot exceed quota for %s: %d", quota, limit)
}

func scopeOf(c server.Caller) store.Scope {
	return store.Scope{Account: c.Account, Region: resource.GlobalRegion}
}

// A reader is one account's identities, as of a snapshot or within a transaction.
type reader struct {
	store.Reader
	scope store.Scope
}

// A writer is a reader within a transaction, which can write too.
type writer struct {
	reader
	tx *store.Tx
}

func (s *Service) read(c server.Caller) reader { return reader{s.store.Snapshot(), scopeOf(c)} }

// update runs f in a transaction. f may run several times, and changes nothing but
// through w and what it assigns to before it returns.
func (s *Service) update(ctx context.Context, c server.Caller, f func(w writer) error) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		return f(writer{reader{tx, scopeOf(c)}, tx})
	})
}

// newMeta is the Meta of something that is created now.
func newMeta(c server.Caller, id string, tags []resource.Tag) resource.Meta {
	return resource.Meta{ID: id, Account: c.Account, Region: resource.GlobalRegion, Created: now(c), Tags: tags}
}

// now is when the request came in, as exactly as answers show it.
func now(c server.Caller) time.Time { return c.Now.UTC().Truncate(time.Second) }

// The forms of names, as AWS's model states them.
var (
	nameForm       = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathForm       = regexp.MustCompile(`^(/|/[!-~]+/)$`)
	pathPrefixForm = regexp.MustCompile(`^/[!-\x7f]*$`)
)

func checkName(member, name string) error {
	if !nameForm.MatchString(name) {
		return invalid("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", member)
	}
	return nil
}

// pathOf is the path that a request gives, or "/".
func pathOf(given *string) (string, error) {
	if given == nil {
		return "/", nil
	}
	if !pathForm.MatchString(*given) {
		return "", invalid("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return *given, nil
}

func checkPathPrefix(prefix *string) error {
	if prefix != nil && !pathPrefixForm.MatchString(*prefix) {
		return invalid("The specified value for pathPrefix is invalid. It must begin with /.")
	}
	return nil
}

// checkDocument reads a policy document as the one who stores it.
func checkDocument(document string, kind policy.Kind) error {
	_, err := policy.Parse(document, kind)
	var malformed *policy.Error
	if errors.As(err, &malformed) {
		return resource.Errorf(codeMalformedPolicy, "%s", malformed.Message)
	}
	return err
}

// newUniqueID makes up an id that nothing else ever has.
func newUniqueID(prefix string) string {
	id, err := iam.NewUniqueID(rand.Reader, prefix)
	if err != nil {
		panic(fmt.Sprintf("make an id: %v", err)) // crypto/rand never fails
	}
	return id
}

// requestTags reads the tags of a request.
func requestTags(given []model.Tag) []resource.Tag {
	tags := make([]resource.Tag, len(given))
	for i, t := range given {
		tags[i] = resource.Tag{Key: val(t.Key), Value: val(t.Value)}
	}
	return tags
}

// mergeTags adds tags with IAM's codes for what is wrong with them. The quota is
// that of a noun: "TagsPerUser". IAM's page "Rules for tagging": keys keep their
// case, and none differs from another in it only.
func mergeTags(quota string, present []resource.Tag, given []model.Tag) ([]resource.Tag, error) {
	tags := requestTags(given)
	for i, t := range tags {
		if slices.ContainsFunc(tags[:i], t.SameKey) {
			return nil, resource.Errorf(codeInvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
	}
	kept := slices.DeleteFunc(slices.Clone(present), func(p resource.Tag) bool { return slices.ContainsFunc(tags, p.SameKey) })
	merged, err := resource.MergeTags(kept, tags)
	var refusal *resource.Error
	if !errors.As(err, &refusal) {
		return merged, err
	}
	if refusal.Code == resource.CodeTagLimitExceeded {
		return nil, exceeded(quota, resource.TagsMax)
	}
	return nil, resource.Errorf(codeInvalidInput, "%s", refusal.Message)
}

func shownTags(tags []resource.Tag) []model.Tag {
	shown := make([]model.Tag, len(tags))
	for i := range tags {
		shown[i] = model.Tag{Key: &tags[i].Key, Value: &tags[i].Value}
	}
	return shown
}

// shownBoundary is how answers show a permissions boundary.
func shownBoundary(arn string) *model.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	kind := "Policy" // the service's answers differ from its model, which has PermissionsBoundaryPolicy
	return &model.AttachedPermissionsBoundary{PermissionsBoundaryArn: &arn, PermissionsBoundaryType: &kind}
}

// escaped is how answers show documents: percent-encoded. RFC 3986 section 2.3.
func escaped(document string) *string {
	var b strings.Builder
	for i := range len(document) {
		c := document[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return new(b.String())
}

// count returns how many records there are.
func count[T any](r reader, table *store.Table[T]) int {
	n := 0
	for range table.Scan(r.Reader, r.scope) {
		n++
	}
	return n
}

// sorted returns the records that satisfy keep, by id.
func sorted[T any](r reader, table *store.Table[T], keep func(*T) bool) []T {
	return slices.Collect(func(yield func(T) bool) {
		for v := range table.List(r.Reader, r.scope) {
			if keep(&v) && !yield(v) {
				return
			}
		}
	})
}

// val is what a pointer points to, or zero.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// str is a pointer to a text; nil for the empty one, which is left out.
func str(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
