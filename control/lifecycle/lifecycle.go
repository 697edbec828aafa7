// Package lifecycle ends what has ended: it frees what a terminated instance
// had, and removes the records of what was deleted once nobody needs to see
// them any more.
package lifecycle

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"causeway.dev/control/reconcile"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// RetentionDefault is how long what was deleted stays visible: about as long
// as AWS shows it.
const RetentionDefault = time.Hour

// A Lifecycle does its duties while it runs.
type Lifecycle struct {
	store  *store.Store
	logger *slog.Logger

	// Retention is how long deleted records stay visible. It may be set before
	// Run; the default is RetentionDefault.
	Retention time.Duration
}

// New returns a Lifecycle for the records of a store.
func New(s *store.Store, logger *slog.Logger) *Lifecycle {
	return &Lifecycle{store: s, logger: logger, Retention: RetentionDefault}
}

// Run does the duties until ctx ends.
func (l *Lifecycle) Run(ctx context.Context) error {
	return reconcile.Run(ctx, l.store, l.logger,
		powerOffInstances,
		endInstances,
		endAttachments,
		releaseNATAddresses,
		forgetFormerKeys,
		forget(store.Instances, l.Retention, func(tx *store.Tx, key reconcile.Key) {
			store.InstanceStatuses.Delete(tx, key.Scope, key.ID)
		}),
		forget(store.VPNConnections, l.Retention, func(tx *store.Tx, key reconcile.Key) {
			for number := 1; number <= len(resource.VPNConnection{}.Tunnels); number++ {
				store.TunnelStatuses.Delete(tx, key.Scope, resource.TunnelID(key.ID, number))
			}
		}),
		forget(store.NATGateways, l.Retention, func(tx *store.Tx, key reconcile.Key) {
			store.NATGatewayStatuses.Delete(tx, key.Scope, key.ID)
		}),
		forget(store.VPNGateways, l.Retention, nil),
		forget(store.CustomerGateways, l.Retention, nil),
	)
}

// forgetFormerKeys removes pre-shared keys whose time is over: a clock that is set back
// is not to make them valid again.
var forgetFormerKeys = reconcile.Duty{
	Name: "forget former pre-shared keys",
	Due: func(snapshot *store.Snapshot) iter.Seq2[reconcile.Key, time.Time] {
		return func(yield func(reconcile.Key, time.Time) bool) {
			for connection := range store.VPNConnections.All(snapshot) {
				key := reconcile.KeyOf(&connection.Meta)
				for i := range connection.Tunnels {
					if t := &connection.Tunnels[i]; t.FormerPreSharedKey != "" && !yield(key, t.FormerPreSharedKeyUntil) {
						return
					}
				}
			}
		}
	},
	Do: func(tx *store.Tx, key reconcile.Key, now time.Time) error {
		connection, ok := store.VPNConnections.Get(tx, key.Scope, key.ID)
		if !ok {
			return nil
		}
		changed := false
		for i := range connection.Tunnels {
			if t := &connection.Tunnels[i]; t.FormerPreSharedKey != "" && !now.Before(t.FormerPreSharedKeyUntil) {
				t.ForgetFormerPreSharedKey()
				changed = true
			}
		}
		if changed {
			store.VPNConnections.Put(tx, connection)
		}
		return nil
	},
}

// powerOffInstances lets instances that have switched themselves off be stopped or
// terminated, as they shall be then.
var powerOffInstances = settle("settle instances that have switched themselves off",
	func(s *store.Snapshot) iter.Seq[*resource.InstanceStatus] {
		return store.InstanceStatuses.Find(s, store.Scope{}, store.ByPoweredOff, "")
	}, poweredOff,
	func(tx *store.Tx, key reconcile.Key, instance resource.Instance, _ time.Time) {
		instance.ShutDown()
		for _, id := range instance.Interfaces {
			freeAddresses(tx, id, func(a *resource.Address) bool { return a.Auto })
		}
		store.Instances.Put(tx, instance)
	})

// poweredOff returns an instance, and whether it has switched itself off.
func poweredOff(r store.Reader, key reconcile.Key) (resource.Instance, bool) {
	status, known := store.InstanceStatuses.Get(r, key.Scope, key.ID)
	if !known || !status.PoweredOff {
		return resource.Instance{}, false
	}
	instance, ok := store.Instances.Get(r, key.Scope, key.ID)
	return instance, ok && instance.PoweredOff(&status)
}

// endInstances frees the network interfaces and outside addresses of instances that have stopped
// running and shall not run: until then their addresses are in use.
var endInstances = settle("end instances",
	func(s *store.Snapshot) iter.Seq[*resource.InstanceStatus] {
		return store.InstanceStatuses.Find(s, store.Scope{}, store.ByState, resource.InstanceTerminated)
	}, ended,
	func(tx *store.Tx, key reconcile.Key, instance resource.Instance, now time.Time) {
		for _, id := range instance.Interfaces {
			scope := store.InterfaceScope(&instance, id)
			store.NetworkInterfaceStatuses.Delete(tx, scope, id)
			nic, ok := store.NetworkInterfaces.Get(tx, scope, id)
			switch {
			case !ok:
			case nic.DeleteOnTermination && !nic.Detaching:
				store.NetworkInterfaces.Delete(tx, scope, id)
				freeAddresses(tx, id, func(*resource.Address) bool { return true })
			default:
				nic.AutoPublicIP = false
				freeAddresses(tx, id, func(a *resource.Address) bool { return a.Auto })
				nic.Detach(now)
				store.NetworkInterfaces.Put(tx, nic)
			}
		}
		instance.Interfaces, instance.ForeignInterfaces = nil, nil
		if instance.Deleted == nil {
			instance.Deleted = new(now.UTC().Truncate(time.Millisecond))
		}
		store.Instances.Put(tx, instance)
	})

// endAttachments makes network interfaces available that nobody has any more where
// they are being detached.
var endAttachments = settle("end attachments",
	func(s *store.Snapshot) iter.Seq[*resource.NetworkInterfaceStatus] {
		return store.NetworkInterfaceStatuses.Scan(s, store.Scope{})
	}, detached,
	func(tx *store.Tx, key reconcile.Key, nic resource.NetworkInterface, now time.Time) {
		if instance, ok := store.Instances.Get(tx, store.InstanceScope(&nic), nic.Instance); ok {
			instance.Unplug(nic.ID)
			store.Instances.Put(tx, instance)
		}
		nic.Detach(now)
		store.NetworkInterfaces.Put(tx, nic)
		store.NetworkInterfaceStatuses.Delete(tx, key.Scope, key.ID)
	})

// detached returns an interface, and whether it is being detached and has gone from
// where it was: a node has looked since and has not seen it.
func detached(r store.Reader, key reconcile.Key) (resource.NetworkInterface, bool) {
	seen, _ := store.NetworkInterfaceStatuses.Get(r, key.Scope, key.ID)
	nic, ok := store.NetworkInterfaces.Get(r, key.Scope, key.ID)
	return nic, ok && nic.Detaching && seen.Attachment == nic.AttachmentID && !seen.Attached
}

// freeAddresses takes an interface from outside addresses, whose ever they are; those
// that came with it go.
func freeAddresses(tx *store.Tx, nic string, which func(*resource.Address) bool) {
	for found := range store.Addresses.Find(tx, store.Scope{}, store.ByInterface, nic) {
		address := *found
		if !which(&address) {
			continue
		}
		if address.Auto {
			store.Addresses.Delete(tx, store.Scope{Account: address.Account, Region: address.Region}, address.ID)
			continue
		}
		address.Free()
		store.Addresses.Put(tx, address)
	}
}

// ended returns an instance, and whether it has ended and still has something
// to free.
func ended(r store.Reader, key reconcile.Key) (resource.Instance, bool) {
	status, _ := store.InstanceStatuses.Get(r, key.Scope, key.ID)
	if status.State != resource.InstanceTerminated {
		return resource.Instance{}, false
	}
	instance, ok := store.Instances.Get(r, key.Scope, key.ID)
	return instance, ok && instance.Wanted == resource.InstanceTerminated && (instance.Deleted == nil || len(instance.Interfaces) > 0)
}

// settle changes a record as soon as its status says so. look returns the statuses that
// may, and find the record of one and whether it is to be changed.
func settle[S, T any, P noun[S]](name string, look func(*store.Snapshot) iter.Seq[P], find func(store.Reader, reconcile.Key) (T, bool),
	change func(tx *store.Tx, key reconcile.Key, record T, now time.Time)) reconcile.Duty {
	return reconcile.Duty{
		Name: name,
		Due: func(snapshot *store.Snapshot) iter.Seq2[reconcile.Key, time.Time] {
			return func(yield func(reconcile.Key, time.Time) bool) {
				for status := range look(snapshot) {
					key := reconcile.KeyOf(status.GetMeta())
					if _, due := find(snapshot, key); due && !yield(key, time.Time{}) {
						return
					}
				}
			}
		},
		Do: func(tx *store.Tx, key reconcile.Key, now time.Time) error {
			if record, due := find(tx, key); due {
				change(tx, key, record, now)
			}
			return nil
		},
	}
}

// noun is a record that has an id, an account and a region.
type noun[T any] interface {
	*T
	GetMeta() *resource.Meta
}

// forget removes the deleted records of a table when their retention is over,
// with what along removes with them.
func forget[T any, P noun[T]](table *store.Table[T], retention time.Duration, along func(tx *store.Tx, key reconcile.Key)) reconcile.Duty {
	return reconcile.Duty{
		Name: "forget deleted records of " + table.Name(),
		Due: func(snapshot *store.Snapshot) iter.Seq2[reconcile.Key, time.Time] {
			return func(yield func(reconcile.Key, time.Time) bool) {
				for record := range table.Find(snapshot, store.Scope{}, store.ByDeleted, "") {
					meta := P(record).GetMeta()
					if !yield(reconcile.KeyOf(meta), meta.Deleted.Add(retention)) {
						return
					}
				}
			}
		},
		Do: func(tx *store.Tx, key reconcile.Key, now time.Time) error {
			record, ok := table.Get(tx, key.Scope, key.ID)
			if !ok {
				return nil
			}
			if deleted := P(&record).GetMeta().Deleted; deleted == nil || now.Before(deleted.Add(retention)) {
				return nil
			}
			table.Delete(tx, key.Scope, key.ID)
			if along != nil {
				along(tx, key)
			}
			return nil
		},
	}
}
