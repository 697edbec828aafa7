package ec2

import (
	"context"
	"regexp"
	"slices"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

func (s *Service) interfacePermissionActions() actions {
	return actions{
		"CreateNetworkInterfacePermission":    server.Operation(s.CreateNetworkInterfacePermission),
		"DeleteNetworkInterfacePermission":    server.Operation(s.DeleteNetworkInterfacePermission),
		"DescribeNetworkInterfacePermissions": server.Operation(s.DescribeNetworkInterfacePermissions),
	}
}

// permissionGranted is the state of all permissions. The service's answers differ from
// its model, which has it in lower case: Terraform's provider waits for this.
const permissionGranted = "GRANTED"

// permissionPrefix begins the ids of permissions.
const permissionPrefix = "eni-perm"

const (
	codePermissionMalformed resource.Code = "InvalidPermissionID.Malformed"
	codePermissionNotFound  resource.Code = "InvalidPermissionID.NotFound"
)

var accountForm = regexp.MustCompile(`^[0-9]{12}$`)

// CreateNetworkInterfacePermission lets another account attach a network interface to an
// instance of its own, or let an address of its own stand for it. An interface can be
// lent to one account at a time.
func (s *Service) CreateNetworkInterfacePermission(ctx context.Context, c server.Caller, in *model.CreateNetworkInterfacePermissionInput) (*model.CreateNetworkInterfacePermissionOutput, error) {
	if err := refuseUnbuilt(member{"AwsService", in.AwsService != nil}); err != nil {
		return nil, err
	}
	account := val(in.AwsAccountId)
	switch {
	case in.AwsAccountId == nil:
		return nil, resource.Missing("AwsAccountId")
	case !accountForm.MatchString(account):
		return nil, resource.InvalidValue("AwsAccountId", account, "It is not an account, which has 12 digits.")
	case account == c.Account:
		return nil, resource.InvalidValue("AwsAccountId", account, "The network interface is this account's own.")
	}
	p := resource.InterfacePermission{ID: s.newID(permissionPrefix), Account: account, Permission: *in.Permission}
	var out model.CreateNetworkInterfacePermissionOutput
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		v, err := networkInterfaces.get(w.reader, *in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		if err := checkManaged(w.reader, v.ID); err != nil {
			return err
		}
		for _, other := range v.Permissions {
			switch {
			case other.Account != account:
				return resource.InvalidValue("AwsAccountId", account, v.ID+" is lent to account "+other.Account+" already, and to one at a time.")
			case other.Permission == p.Permission:
				return resource.InvalidValue("Permission", p.Permission, "The account "+account+" has it already, by "+other.ID+".")
			}
		}
		v.Permissions = append(slices.Clone(v.Permissions), p)
		networkInterfaces.put(w, v)
		out.InterfacePermission = permissionAnswer(&lent{p, v.ID})
		return nil
	})
	return &out, err
}

// DeleteNetworkInterfacePermission ends a permission, with Force also one that the other
// account makes use of. What it has done by it stays as it is.
func (s *Service) DeleteNetworkInterfacePermission(ctx context.Context, c server.Caller, in *model.DeleteNetworkInterfacePermissionInput) (*model.DeleteNetworkInterfacePermissionOutput, error) {
	err := s.update(ctx, c, in.DryRun, func(w writer) error {
		all, err := w.lent([]string{*in.NetworkInterfacePermissionId})
		if err != nil {
			return err
		}
		v, err := networkInterfaces.get(w.reader, all[0].nic)
		if err != nil {
			return err
		}
		if p := all[0].InterfacePermission; !val(in.Force) && w.uses(&v, p) {
			return resource.Errorf(resource.CodeOperationNotPermitted, "The permission %s of %s is in use by account %s. Specify Force to delete it all the same", p.ID, v.ID, p.Account)
		}
		v.Revoke(all[0].ID)
		networkInterfaces.put(w, v)
		return nil
	})
	return &model.DeleteNetworkInterfacePermissionOutput{Return: new(err == nil)}, err
}

// uses reports whether an account makes use of a permission.
func (r reader) uses(v *resource.NetworkInterface, p resource.InterfacePermission) bool {
	if p.Permission == resource.PermitAttach {
		return v.InstanceOwner == p.Account
	}
	return slices.ContainsFunc(r.addressesOf(v.ID), func(a resource.Address) bool { return a.Account == p.Account })
}

// lent is a permission with its interface.
type lent struct {
	resource.InterfacePermission
	nic string
}

// lent returns the permissions of some ids, or all without ids.
func (r reader) lent(ids []string) ([]lent, error) {
	var all []lent
	for v := range networkInterfaces.table.Scan(r.Reader, r.scope) {
		for _, p := range v.Permissions {
			if len(ids) == 0 || slices.Contains(ids, p.ID) {
				all = append(all, lent{p, v.ID})
			}
		}
	}
	for _, id := range ids {
		switch {
		case !wellFormed(permissionPrefix, id):
			return nil, resource.Errorf(codePermissionMalformed, "Invalid id: %q (expecting \"%s-...\")", resource.Clip(id), permissionPrefix)
		case !slices.ContainsFunc(all, func(v lent) bool { return v.ID == id }):
			return nil, noSuch(codePermissionNotFound, "network interface permission ID")(id)
		}
	}
	return all, nil
}

var lentFields = fields[lent]{
	"network-interface-permission.aws-account-id":                  func(_ reader, v *lent) []string { return one(v.Account) },
	"network-interface-permission.network-interface-id":            func(_ reader, v *lent) []string { return one(v.nic) },
	"network-interface-permission.network-interface-permission-id": func(_ reader, v *lent) []string { return one(v.ID) },
	"network-interface-permission.permission":                      func(_ reader, v *lent) []string { return one(v.Permission) },
}

// DescribeNetworkInterfacePermissions lists what other accounts may do with the caller's
// network interfaces.
func (s *Service) DescribeNetworkInterfacePermissions(_ context.Context, c server.Caller, in *model.DescribeNetworkInterfacePermissionsInput) (*model.DescribeNetworkInterfacePermissionsOutput, error) {
	r := s.read(c)
	asked := query{"DescribeNetworkInterfacePermissions", nil, in.NetworkInterfacePermissionIds, in.Filters, in.MaxResults, in.NextToken}
	shown, next, err := list(r, lentFields, asked, func(v *lent) string { return v.ID }, func() ([]lent, error) { return r.lent(in.NetworkInterfacePermissionIds) })
	if err != nil {
		return nil, err
	}
	return &model.DescribeNetworkInterfacePermissionsOutput{NetworkInterfacePermissions: answers(shown, permissionAnswer), NextToken: next}, nil
}

func permissionAnswer(v *lent) *model.NetworkInterfacePermission {
	return &model.NetworkInterfacePermission{
		AwsAccountId: &v.Account, NetworkInterfaceId: &v.nic, NetworkInterfacePermissionId: &v.ID, Permission: &v.Permission,
		PermissionState: &model.NetworkInterfacePermissionState{State: new(permissionGranted)},
	}
}

// at is a reader of the records of another place.
func (r reader) at(scope store.Scope) reader {
	r.scope = scope
	return r
}

// of is a reader of the records of where a network interface is.
func (r reader) of(v *resource.NetworkInterface) reader {
	return r.at(store.Scope{Account: v.Account, Region: v.Region})
}

// usable returns a network interface of the caller's own, or one that another account
// lets it use in some way. Others do not exist for it.
func (r reader) usable(id, permission string) (resource.NetworkInterface, error) {
	v, err := networkInterfaces.get(r, id)
	if err == nil {
		return v, nil
	}
	for other := range r.foreignInterfaces() {
		if other.ID == id && other.Permits(r.scope.Account, permission) {
			return *other, nil
		}
	}
	return v, err
}

// foreignInterfaces yields the network interfaces of other accounts that this one may
// use, or has attached to its instances.
func (r reader) foreignInterfaces() func(yield func(*resource.NetworkInterface) bool) {
	return func(yield func(*resource.NetworkInterface) bool) {
		for v := range networkInterfaces.table.Find(r.Reader, store.Scope{}, store.ByOtherAccount, r.scope.Account) {
			if v.Region == r.scope.Region && !yield(v) {
				return
			}
		}
	}
}
