package ec2

import (
	"context"
	"fmt"
	"slices"
	"time"

	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// installation is the scope of the note that Upgrade leaves: that of no account.
var installation = store.Scope{Account: "installation", Region: "all"}

// Upgrade gives the VPCs that earlier versions have made what they would be made
// with now: the region's own DHCP options, without which their instances have nobody
// to ask for names, and a default network ACL that guards their subnets, which lets
// all pass. It does so once in the life of a store, so that what a user has chosen
// since stays, and goes on where it was cut off. It has to be called before anything
// is served.
func (s *Service) Upgrade(ctx context.Context, now time.Time) error {
	snapshot := s.store.Snapshot()
	if _, done := store.InitialStates.Get(snapshot, installation, resource.UpgradedID); done {
		return nil
	}
	for vpc := range store.VPCs.Scan(snapshot, store.Scope{}) {
		caller := server.Caller{Account: vpc.Account, Region: vpc.Region, Now: now}
		err := s.update(ctx, caller, nil, func(w writer) error {
			if v, err := vpcs.get(w.reader, vpc.ID); err == nil { // else it has gone
				s.upgradeVPC(w, v)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("upgrade %s: %w", vpc.ID, err)
		}
	}
	return s.store.Update(ctx, func(tx *store.Tx) error {
		store.InitialStates.Put(tx, resource.InitialState{Meta: resource.Meta{
			ID: resource.UpgradedID, Account: installation.Account, Region: installation.Region, Created: now.UTC().Truncate(time.Millisecond),
		}})
		return nil
	})
}

func (s *Service) upgradeVPC(w writer, v resource.VPC) {
	if v.DHCPOptionsID == resource.NoDHCPOptions {
		v.DHCPOptionsID = s.defaultDHCPOptions(w)
		vpcs.put(w, v)
	}
	guarded := map[string]bool{}
	var open resource.NetworkACL
	for acl := range networkACLs.of(w.reader, v.ID) {
		if acl.IsDefault {
			open = acl
		}
		for _, association := range acl.Associations {
			guarded[association.Subnet] = true
		}
	}
	if open.ID == "" {
		open = s.newDefaultNetworkACL(w.reader, v.ID)
		networkACLs.put(w, open)
		if len(v.IPv6) > 0 {
			s.openDefaults(w, v.ID)
		}
	}
	for _, subnet := range slices.Collect(subnets.of(w.reader, v.ID)) {
		if !guarded[subnet.ID] {
			acl, _ := networkACLs.get(w.reader, open.ID)
			s.guard(w, acl, subnet.ID)
		}
	}
}
