package ec2

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/control/routes"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) prefixListActions() actions {
	return actions{
		"CreateManagedPrefixList":          server.Operation(s.CreateManagedPrefixList),
		"ModifyManagedPrefixList":          server.Operation(s.ModifyManagedPrefixList),
		"RestoreManagedPrefixListVersion":  server.Operation(s.RestoreManagedPrefixListVersion),
		"DeleteManagedPrefixList":          server.Operation(s.DeleteManagedPrefixList),
		"DescribeManagedPrefixLists":       server.Operation(s.DescribeManagedPrefixLists),
		"GetManagedPrefixListEntries":      server.Operation(s.GetManagedPrefixListEntries),
		"GetManagedPrefixListAssociations": server.Operation(s.GetManagedPrefixListAssociations),
		"DescribePrefixLists":              server.Operation(s.DescribePrefixLists),
	}
}

// Codes of prefix lists.
const (
	codePrefixListEntries resource.Code = "PrefixListMaxEntriesExceeded"
	codePrefixListVersion resource.Code = "PrefixListVersionMismatch"
)

// prefixListVersionsMax is how many versions of a list are kept ("quotas" in the
// VPC user guide).
const prefixListVersionsMax = 1000

// CreateManagedPrefixList makes a list, which nothing names yet.
func (s *Service) CreateManagedPrefixList(ctx context.Context, c server.Caller, in *model.CreateManagedPrefixListInput) (*model.CreateManagedPrefixListOutput, error) {
	v := resource.PrefixList{
		Name: val(in.PrefixListName), AddressFamily: val(in.AddressFamily), MaxEntries: val(in.MaxEntries), Version: 1,
		State: model.PrefixListStateCreateComplete,
	}
	if v.AddressFamily != resource.PrefixListIPv4 && v.AddressFamily != resource.PrefixListIPv6 {
		return nil, resource.InvalidValue("AddressFamily", v.AddressFamily, "Give IPv4 or IPv6.")
	}
	if err := resource.ValidatePrefixListName(v.Name); err != nil {
		return nil, err
	}
	var err error
	if v.Entries, err = changedEntries(&v, in.Entries, nil); err != nil {
		return nil, err
	}
	if err := checkMaxEntries(s.limitsOf(c.Account), &v); err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, prefixLists.kind)
	if err != nil {
		return nil, err
	}
	parameters := *in
	parameters.ClientToken, parameters.DryRun = nil, nil
	var out model.CreateManagedPrefixListOutput
	err = s.update(ctx, c, in.DryRun, func(w writer) error {
		created, err := s.idempotent(w.reader, "CreateManagedPrefixList", in.ClientToken, parameters)
		if err != nil {
			return err
		}
		id := created.newID(prefixLists.prefix, 0)
		if found, repeated := prefixLists.table.Get(w.Reader, w.scope, id); repeated {
			out.PrefixList = w.prefixListAnswer(&found)
			return created.check(&found.Meta)
		}
		if prefixLists.total(w.reader) >= w.limits.PrefixLists {
			return resource.Errorf("PrefixListLimitExceeded", "The maximum number of prefix lists has been reached: %d", w.limits.PrefixLists)
		}
		v.Meta = w.newMeta(id, tags[prefixLists.kind])
		created.mark(&v.Meta)
		putVersion(w, v)
		out.PrefixList = w.prefixListAnswer(&v)
		return nil
	})
	return &out, err
}

// checkMaxEntries checks the size of a list.
func checkMaxEntries(limits *Limits, v *resource.PrefixList) error {
	if v.MaxEntries < 1 || int(v.MaxEntries) > limits.EntriesPerPrefixList {
		return resource.InvalidValue("MaxEntries", fmt.Sprint(v.MaxEntries), fmt.Sprintf("Give 1 to %d.", limits.EntriesPerPrefixList))
	}
	if len(v.Entries) > int(v.MaxEntries) {
		return resource.Errorf(codePrefixListEntries, "The prefix list would have %d entries, and its maximum is %d", len(v.Entries), v.MaxEntries)
	}
	return nil
}

// changedEntries returns a list's entries after a change. An entry that is added
// again gets another description.
func changedEntries(v *resource.PrefixList, add []model.AddPrefixListEntry, remove []model.RemovePrefixListEntry) ([]resource.PrefixListEntry, error) {
	var added, removed []resource.PrefixListEntry
	read := func(into *[]resource.PrefixListEntry, cidr, description *string) error {
		entry, err := resource.ParsePrefixListEntry(val(cidr), val(description), v.AddressFamily)
		if err != nil {
			return err
		}
		if entryOf(added, entry) >= 0 || entryOf(removed, entry) >= 0 {
			return resource.InvalidValue("Cidr", entry.CIDR.String(), "The entry is given twice.")
		}
		*into = append(*into, entry)
		return nil
	}
	for _, e := range remove {
		if err := read(&removed, e.Cidr, nil); err != nil {
			return nil, err
		}
	}
	for _, e := range add {
		if err := read(&added, e.Cidr, e.Description); err != nil {
			return nil, err
		}
	}
	entries := slices.Clone(v.Entries)
	for _, e := range removed {
		at := entryOf(entries, e)
		if at < 0 {
			return nil, resource.Errorf("InvalidPrefixListModification", "The entry %s of the prefix list does not exist.", e.CIDR)
		}
		entries = slices.Delete(entries, at, at+1)
	}
	for _, e := range added {
		if at := entryOf(entries, e); at >= 0 {
			entries[at] = e
		} else {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b resource.PrefixListEntry) int { return routes.ComparePrefixes(a.CIDR, b.CIDR) })
	return entries, nil
}

func entryOf(entries []resource.PrefixListEntry, e resource.PrefixListEntry) int {
	return slices.IndexFunc(entries, func(o resource.PrefixListEntry) bool { return o.CIDR == e.CIDR })
}

// putVersion stores a list with its present version. Of too many versions the
// oldest goes.
func putVersion(w writer, v resource.PrefixList) {
	prefixLists.put(w, v)
	meta := resource.Meta{ID: versionID(v.ID, v.Version), Account: v.Account, Region: v.Region, Created: w.now.UTC()}
	store.PrefixListVersions.Put(w.tx, resource.PrefixListVersion{Meta: meta, Entries: v.Entries})
	store.PrefixListVersions.Delete(w.tx, w.scope, versionID(v.ID, v.Version-prefixListVersionsMax))
}

func versionID(list string, version int64) string { return fmt.Sprintf("%s/%d", list, version) }

// versionOf returns what a list was.
func versionOf(r reader, v *resource.PrefixList, version int64) ([]resource.PrefixListEntry, error) {
	found, ok := store.PrefixListVersions.Get(r.Reader, r.scope, versionID(v.ID, version))
	if !ok {
		return nil, resource.Errorf("InvalidPrefixListVersion.NotFound", "The prefix list %s has no version %d; the present one is %d", v.ID, version, v.Version)
	}
	return found.Entries, nil
}

// ModifyManagedPrefixList changes the entries of a list, or its name or size.
func (s *Service) ModifyManagedPrefixList(ctx context.Context, c server.Caller, in *model.ModifyManagedPrefixListInput) (*model.ModifyManagedPrefixListOutput, error) {
	if err := refuseUnbuilt(member{"IpamPrefixListResolverSyncEnabled", val(in.IpamPrefixListResolverSyncEnabled)}); err != nil {
		return nil, err
	}
	entries := len(in.AddEntries)+len(in.RemoveEntries) > 0
	switch {
	case entries && in.MaxEntries != nil:
		return nil, resource.Errorf(resource.CodeInvalidParameterCombination, "The entries of a prefix list and its MaxEntries cannot be modified at the same time")
	case entries && in.CurrentVersion == nil:
		return nil, resource.Missing("CurrentVersion")
	case !entries && in.MaxEntries == nil && in.PrefixListName == nil:
		return nil, resource.Errorf(resource.CodeMissingParameter, "The request must contain a name, a size or entries to modify")
	}
	var out model.ModifyManagedPrefixListOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := w.listAtVersion(val(in.PrefixListId), in.CurrentVersion)
		if err != nil {
			return err
		}
		v.State = model.PrefixListStateModifyComplete
		if in.PrefixListName != nil {
			v.Name = *in.PrefixListName
			if err := resource.ValidatePrefixListName(v.Name); err != nil {
				return err
			}
		}
		if in.MaxEntries != nil {
			v.MaxEntries = *in.MaxEntries
		}
		if v.Entries, err = changedEntries(&v, in.AddEntries, in.RemoveEntries); err != nil {
			return err
		}
		if err := checkMaxEntries(w.limits, &v); err != nil {
			return err
		}
		if entries {
			v.Version++
			putVersion(w, v)
		} else {
			prefixLists.put(w, v)
		}
		out.PrefixList = w.prefixListAnswer(&v)
		return s.checkReferences(w.reader, v.ID)
	})
	return &out, err
}

// listAtVersion returns a list, which must be at a version if one is given.
func (r reader) listAtVersion(id string, version *int64) (resource.PrefixList, error) {
	v, err := prefixLists.get(r, id)
	if err == nil && version != nil && *version != v.Version {
		err = resource.Errorf(codePrefixListVersion, "The prefix list %s has version %d, not %d", v.ID, v.Version, *version)
	}
	return v, err
}

// checkReferences refuses a list that is too large for what names it.
func (s *Service) checkReferences(r reader, list string) error {
	for table := range routeTables.list(r) {
		if namesList(&table, list) {
			if err := s.checkRouteLimit(r, &table); err != nil {
				return err
			}
		}
	}
	for g := range securityGroups.list(r) {
		if slices.ContainsFunc(g.Rules, func(rule resource.SecurityGroupRule) bool { return rule.PrefixList == list }) {
			if err := s.checkRuleLimit(r, &g); err != nil {
				return err
			}
		}
	}
	return nil
}

func namesList(table *resource.RouteTable, list string) bool {
	return slices.ContainsFunc(table.Routes, func(route resource.Route) bool { return route.PrefixList == list })
}

// RestoreManagedPrefixListVersion makes a new version with the entries of an
// earlier one.
func (s *Service) RestoreManagedPrefixListVersion(ctx context.Context, c server.Caller, in *model.RestoreManagedPrefixListVersionInput) (*model.RestoreManagedPrefixListVersionOutput, error) {
	var out model.RestoreManagedPrefixListVersionOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := w.listAtVersion(val(in.PrefixListId), in.CurrentVersion)
		if err != nil {
			return err
		}
		if v.Entries, err = versionOf(w.reader, &v, val(in.PreviousVersion)); err != nil {
			return err
		}
		v.State, v.Version = model.PrefixListStateRestoreComplete, v.Version+1
		if err := checkMaxEntries(w.limits, &v); err != nil {
			return err
		}
		putVersion(w, v)
		out.PrefixList = w.prefixListAnswer(&v)
		return nil
	})
	return &out, err
}

// DeleteManagedPrefixList removes a list that nothing names.
func (s *Service) DeleteManagedPrefixList(ctx context.Context, c server.Caller, in *model.DeleteManagedPrefixListInput) (*model.DeleteManagedPrefixListOutput, error) {
	var out model.DeleteManagedPrefixListOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := prefixLists.get(w.reader, val(in.PrefixListId))
		if err != nil {
			return err
		}
		if users := w.usersOf(v.ID); len(users) > 0 {
			return resource.Errorf(resource.CodeDependencyViolation, "The prefix list '%s' has dependencies and cannot be deleted: %s names it", v.ID, users[0])
		}
		for version := max(1, v.Version-prefixListVersionsMax); version <= v.Version; version++ {
			store.PrefixListVersions.Delete(w.tx, w.scope, versionID(v.ID, version))
		}
		prefixLists.delete(w, v.ID)
		v.State = model.PrefixListStateDeleteInProgress
		out.PrefixList = w.prefixListAnswer(&v)
		return nil
	})
	return &out, err
}

// usersOf returns the ids of the route tables and groups that name a list, sorted.
func (r reader) usersOf(list string) (users []string) {
	for table := range routeTables.list(r) {
		if namesList(&table, list) {
			users = append(users, table.ID)
		}
	}
	for g := range securityGroups.list(r) {
		if slices.ContainsFunc(g.Rules, func(rule resource.SecurityGroupRule) bool { return rule.PrefixList == list }) {
			users = append(users, g.ID)
		}
	}
	return users
}

// DescribeManagedPrefixLists lists prefix lists. There are none of AWS's own.
func (s *Service) DescribeManagedPrefixLists(_ context.Context, c server.Caller, in *model.DescribeManagedPrefixListsInput) (*model.DescribeManagedPrefixListsOutput, error) {
	r := s.read(c)
	found, next, err := describe(r, prefixLists, prefixListFields, query{"DescribeManagedPrefixLists", in.DryRun, in.PrefixListIds, in.Filters, in.MaxResults, in.NextToken})
	if err != nil {
		return nil, err
	}
	return &model.DescribeManagedPrefixListsOutput{PrefixLists: answers(found, r.prefixListAnswer), NextToken: next}, nil
}

var prefixListFields = fields[resource.PrefixList]{
	"owner-id":         func(_ reader, v *resource.PrefixList) []string { return one(v.Account) },
	"prefix-list-id":   func(_ reader, v *resource.PrefixList) []string { return one(v.ID) },
	"prefix-list-name": func(_ reader, v *resource.PrefixList) []string { return one(v.Name) },
}

func (r reader) prefixListAnswer(v *resource.PrefixList) *model.ManagedPrefixList {
	return &model.ManagedPrefixList{
		AddressFamily: &v.AddressFamily, MaxEntries: &v.MaxEntries, OwnerId: &v.Account, PrefixListArn: r.arn(prefixLists.kind, v.ID),
		PrefixListId: &v.ID, PrefixListName: &v.Name, State: &v.State, Tags: tagSet(v.Tags), Version: &v.Version,
	}
}

// GetManagedPrefixListEntries lists the entries of a list, of its present version
// or of an earlier one.
func (s *Service) GetManagedPrefixListEntries(_ context.Context, c server.Caller, in *model.GetManagedPrefixListEntriesInput) (*model.GetManagedPrefixListEntriesOutput, error) {
	r := s.read(c)
	q := query{"GetManagedPrefixListEntries", in.DryRun, nil, nil, in.MaxResults, in.NextToken}
	key := func(e *resource.PrefixListEntry) string { return e.CIDR.String() }
	page, next, err := list(r, nil, q, key, func() ([]resource.PrefixListEntry, error) {
		v, err := prefixLists.get(r, val(in.PrefixListId))
		if err != nil || in.TargetVersion == nil {
			return v.Entries, err
		}
		return versionOf(r, &v, *in.TargetVersion)
	})
	if err != nil {
		return nil, err
	}
	return &model.GetManagedPrefixListEntriesOutput{
		Entries: mapped(page, func(e *resource.PrefixListEntry) model.PrefixListEntry {
			return model.PrefixListEntry{Cidr: new(e.CIDR.String()), Description: str(e.Description)}
		}),
		NextToken: next,
	}, nil
}

// GetManagedPrefixListAssociations lists what names a list.
func (s *Service) GetManagedPrefixListAssociations(_ context.Context, c server.Caller, in *model.GetManagedPrefixListAssociationsInput) (*model.GetManagedPrefixListAssociationsOutput, error) {
	r := s.read(c)
	q := query{"GetManagedPrefixListAssociations", in.DryRun, nil, nil, in.MaxResults, in.NextToken}
	var owner string
	page, next, err := list(r, nil, q, func(id *string) string { return *id }, func() ([]string, error) {
		v, err := prefixLists.get(r, val(in.PrefixListId))
		owner = v.Account
		return r.usersOf(v.ID), err
	})
	if err != nil {
		return nil, err
	}
	return &model.GetManagedPrefixListAssociationsOutput{
		PrefixListAssociations: mapped(page, func(id *string) model.PrefixListAssociation {
			return model.PrefixListAssociation{ResourceId: id, ResourceOwner: &owner}
		}),
		NextToken: next,
	}, nil
}

// DescribePrefixLists lists the prefix lists of AWS's services: none.
func (s *Service) DescribePrefixLists(_ context.Context, _ server.Caller, in *model.DescribePrefixListsInput) (*model.DescribePrefixListsOutput, error) {
	unknown := func(id string) error { return cmp.Or(prefixLists.checkID(id), prefixLists.missing(id)) }
	return &model.DescribePrefixListsOutput{}, describeNone(query{"DescribePrefixLists", in.DryRun, in.PrefixListIds, in.Filters, in.MaxResults, in.NextToken}, unknown)
}
