package telemetry

import (
	"maps"
	"time"

	"causeway.dev/resource"
)

// What is written of a tunnel that speaks BGP: some changes at once, as when its session
// begins, then one in an interval. A customer gateway whose routes never rest, 100 of them
// with paths of 64 ASNs, makes etcd write less than 50 kB a second so.
const (
	budgetBurst    = 10
	budgetInterval = 2 * time.Second
)

// A budget says how much may be written of one tunnel.
type budget struct {
	left  int
	since time.Time // for each interval from then on there is one more, up to budgetBurst
}

// take returns the zero time if one more change may be written, and else when.
func (b *budget) take(now time.Time) time.Time {
	b.earn(now)
	if b.left == 0 {
		return b.since.Add(budgetInterval)
	}
	b.left--
	return time.Time{}
}

func (b *budget) earn(now time.Time) {
	earned := max(0, now.Sub(b.since)/budgetInterval)
	b.since = b.since.Add(earned * budgetInterval)
	if b.left += int(min(earned, budgetBurst)); b.left >= budgetBurst {
		b.left, b.since = budgetBurst, now
	}
}

// mayWrite reports whether the status of a tunnel that speaks BGP is to be written now.
// That it is down is written at once: nothing shall be led to it.
func (r *Reporter) mayWrite(k key, before, status *resource.TunnelStatus, now time.Time) bool {
	if before.Up && !status.Up {
		return true
	}
	b := r.budgets[k]
	if b == nil {
		b = &budget{budgetBurst, now}
		r.budgets[k] = b
	}
	if next := b.take(now); !next.IsZero() {
		r.wait(next)
		return false
	}
	return true
}

// forgetBudgets removes those that are as good as new.
func (r *Reporter) forgetBudgets(now time.Time) {
	maps.DeleteFunc(r.budgets, func(_ key, b *budget) bool {
		b.earn(now)
		return b.left == budgetBurst
	})
}

// What records take in the store at most: a connection; a status but for learned
// routes; one of these without its path; and an ASN of it.
const (
	connectionBytes = 32 << 10
	recordBytes     = 2 << 10
	routeBytes      = 128
	asnBytes        = 11
)

// statusBytes is what the status of a tunnel takes at most.
func statusBytes(status *resource.TunnelStatus) int {
	bytes := recordBytes
	for _, route := range status.Routes {
		bytes += routeBytes + asnBytes*len(route.Path)
	}
	return bytes
}
