package resource

import (
	"cmp"
	"slices"
)

// What another account may do with a network interface, as AWS spells it.
const (
	PermitAttach    = "INSTANCE-ATTACH" // attach it to an instance of its own
	PermitAssociate = "EIP-ASSOCIATE"   // let an address of its own stand for one of the interface's
)

// An InterfacePermission lets another account use a network interface.
type InterfacePermission struct {
	ID         string `json:"id"` // "eni-perm-…"
	Account    string `json:"account"`
	Permission string `json:"permission"` // one of the above
}

// Permits reports whether an account that is not the interface's own may do something.
func (v *NetworkInterface) Permits(account, permission string) bool {
	return slices.ContainsFunc(v.Permissions, func(p InterfacePermission) bool { return p.Account == account && p.Permission == permission })
}

// Revoke takes a permission from those of the interface. What was done by it stays.
func (v *NetworkInterface) Revoke(id string) {
	v.Permissions = slices.DeleteFunc(slices.Clone(v.Permissions), func(p InterfacePermission) bool { return p.ID == id })
}

// InstanceAccount is whose the instance is that the interface is attached to.
func (v *NetworkInterface) InstanceAccount() string { return cmp.Or(v.InstanceOwner, v.Account) }

// OtherAccounts are those that may do something with the interface, or have it. Sorted.
func (v *NetworkInterface) OtherAccounts() []string {
	var accounts []string
	for _, p := range v.Permissions {
		accounts = append(accounts, p.Account)
	}
	if v.InstanceOwner != "" {
		accounts = append(accounts, v.InstanceOwner)
	}
	slices.Sort(accounts)
	return slices.Compact(accounts)
}
