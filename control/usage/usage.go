// Package usage tells from the records in which times connections were
// available, and lets go of what no bill needs any more.
package usage

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"time"

	"causeway.dev/billing"
	"causeway.dev/control/reconcile"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Retention is how long a deleted connection can be billed: thirteen months, so
// that each month can be compared with that of the year before.
const Retention = 400 * 24 * time.Hour

// Of are the usages of an account's connections, or of all accounts' if it is
// empty. A connection is available from its creation to its deletion.
func Of(r store.Reader, account string) []billing.Usage {
	var all []billing.Usage
	for v := range store.VPNConnections.All(r) {
		if v.Deleted == nil && (account == "" || v.Account == account) {
			all = append(all, usage(v.Meta, v.Created, time.Time{}))
		}
	}
	for v := range store.ConnectionUsages.All(r) {
		if account == "" || v.Account == account {
			all = append(all, usage(v.Meta, v.From, v.Until))
		}
	}
	return all
}

func usage(m resource.Meta, from, until time.Time) billing.Usage {
	u := billing.Usage{Account: m.Account, Region: m.Region, Connection: m.ID, From: from, Until: until}
	if i := slices.IndexFunc(m.Tags, func(t resource.Tag) bool { return t.Key == "Name" }); i >= 0 {
		u.Name = m.Tags[i].Value
	}
	return u
}

// End puts down what is left of a connection that is deleted at until.
func End(tx *store.Tx, v resource.VPNConnection, until time.Time) {
	meta := v.Meta
	meta.Deleted = nil
	store.ConnectionUsages.Put(tx, resource.ConnectionUsage{Meta: meta, From: v.Created, Until: until})
}

// Forget removes what is older than Retention until ctx ends.
func Forget(ctx context.Context, s *store.Store, log *slog.Logger) error {
	return reconcile.Run(ctx, s, log, reconcile.Duty{
		Name: "forget usage",
		Due: func(snapshot *store.Snapshot) iter.Seq2[reconcile.Key, time.Time] {
			return func(yield func(reconcile.Key, time.Time) bool) {
				for v := range store.ConnectionUsages.All(snapshot) {
					if !yield(reconcile.KeyOf(&v.Meta), v.Until.Add(Retention)) {
						return
					}
				}
			}
		},
		Do: func(tx *store.Tx, key reconcile.Key, now time.Time) error {
			if v, ok := store.ConnectionUsages.Get(tx, key.Scope, key.ID); ok && !now.Before(v.Until.Add(Retention)) {
				store.ConnectionUsages.Delete(tx, key.Scope, key.ID)
			}
			return nil
		},
	})
}
