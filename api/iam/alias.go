package iam

import (
	"context"
	"regexp"

	model "causeway.dev/api/model/iam"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// The account's other name, of which it has one at most.
func (s *Service) aliasActions() actions {
	return actions{
		"CreateAccountAlias": server.Operation(s.CreateAccountAlias),
		"DeleteAccountAlias": server.Operation(s.DeleteAccountAlias),
		"ListAccountAliases": server.Operation(s.ListAccountAliases),
	}
}

var aliasForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// CreateAccountAlias names the account, in place of a name that it had.
func (s *Service) CreateAccountAlias(ctx context.Context, c server.Caller, in *model.CreateAccountAliasInput) (*model.CreateAccountAliasOutput, error) {
	alias := *in.AccountAlias
	if !aliasForm.MatchString(alias) {
		return nil, invalid("The specified value for accountAlias is invalid. It must contain only digits, lower case letters and dashes, which are neither at an end nor two in a row.")
	}
	return nil, s.update(ctx, c, func(w writer) error {
		for v := range store.AccountAliases.All(w.Reader) {
			switch {
			case v.ID == alias:
				return resource.Errorf(codeExists, "The account alias %s already exists.", alias)
			case v.Account == c.Account:
				store.AccountAliases.Delete(w.tx, w.scope, v.ID)
			}
		}
		store.AccountAliases.Put(w.tx, resource.AccountAlias{Meta: newMeta(c, alias, nil)})
		return nil
	})
}

// DeleteAccountAlias takes the account's name away.
func (s *Service) DeleteAccountAlias(ctx context.Context, c server.Caller, in *model.DeleteAccountAliasInput) (*model.DeleteAccountAliasOutput, error) {
	return nil, s.update(ctx, c, func(w writer) error {
		if _, ok := store.AccountAliases.Get(w.Reader, w.scope, *in.AccountAlias); !ok {
			return notFound("The account alias %s cannot be found.", *in.AccountAlias)
		}
		store.AccountAliases.Delete(w.tx, w.scope, *in.AccountAlias)
		return nil
	})
}

// ListAccountAliases shows the account's name, if it has one.
func (s *Service) ListAccountAliases(_ context.Context, c server.Caller, in *model.ListAccountAliasesInput) (*model.ListAccountAliasesOutput, error) {
	r := s.read(c)
	all := sorted(r, store.AccountAliases, func(*resource.AccountAlias) bool { return true })
	part, more, next, err := page(all, func(v *resource.AccountAlias) string { return v.ID }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &model.ListAccountAliasesOutput{AccountAliases: mapped(part, func(v *resource.AccountAlias) string { return v.ID }), IsTruncated: more, Marker: next}, nil
}
