package lifecycle

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"causeway.dev/control/reconcile"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// releaseNATAddresses takes from NAT gateways the addresses that they are to lose, once
// no connection runs under them or their time is over.
var releaseNATAddresses = reconcile.Duty{
	Name: "release addresses of NAT gateways",
	Due: func(snapshot *store.Snapshot) iter.Seq2[reconcile.Key, time.Time] {
		return func(yield func(reconcile.Key, time.Time) bool) {
			for gateway := range store.NATGateways.Scan(snapshot, store.Scope{}) {
				key := reconcile.Key{Scope: store.Scope{Account: gateway.Account, Region: gateway.Region}, ID: gateway.ID}
				status, _ := store.NATGatewayStatuses.Get(snapshot, key.Scope, key.ID)
				for i := range gateway.Secondary {
					a := &gateway.Secondary[i]
					if !gateway.Works() || !a.Draining() {
						continue
					}
					due := a.DrainUntil
					if drained(&status, a) {
						due = time.Time{}
					}
					if !yield(key, due) {
						return
					}
				}
			}
		}
	},
	Do: func(tx *store.Tx, key reconcile.Key, now time.Time) error {
		gateway, ok := store.NATGateways.Get(tx, key.Scope, key.ID)
		if !ok || !gateway.Works() {
			return nil
		}
		status, _ := store.NATGatewayStatuses.Get(tx, key.Scope, key.ID)
		nic, _ := store.NetworkInterfaces.Get(tx, key.Scope, gateway.NetworkInterface)
		keeps := make([]resource.NATGatewayAddress, 0, len(gateway.Secondary))
		for _, a := range gateway.Secondary {
			if !a.Draining() || now.Before(a.DrainUntil) && !drained(&status, &a) {
				keeps = append(keeps, a)
				continue
			}
			nic.Secondary = slices.DeleteFunc(slices.Clone(nic.Secondary), func(other netip.Addr) bool { return other == a.PrivateAddress })
			if address, ok := store.Addresses.Get(tx, key.Scope, a.Allocation); ok {
				address.Free()
				store.Addresses.Put(tx, address)
			}
		}
		if len(keeps) == len(gateway.Secondary) {
			return nil
		}
		gateway.Secondary = keeps
		store.NATGateways.Put(tx, gateway)
		store.NetworkInterfaces.Put(tx, nic)
		return nil
	},
}

// drained reports whether a node that has the gateway sees no connection under an
// address that the gateway is to lose.
func drained(status *resource.NATGatewayStatus, a *resource.NATGatewayAddress) bool {
	return status.Stands && !slices.Contains(status.Addresses, a.PrivateAddress)
}
