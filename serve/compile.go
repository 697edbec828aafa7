package serve

import (
	"context"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/store"
)

// compileSettle is how long compile waits after a change for more to come, so
// that a burst of calls is compiled once.
const compileSettle = 5 * time.Millisecond

// compile hands the node what the records ask for, each time that they have
// changed in a way that matters to it.
//
// An instance counts as terminated when the node has applied a state that is as
// new as its termination (Observed.Revision), and so does a network interface as
// detached. So the node gets a state of the same content again if these have
// changed: one that was launched and terminated between two looks leaves no other
// trace.
func compile(ctx context.Context, records *store.Store, set func(nodespec.Desired)) error {
	var compiler plan.Compiler
	var told int64 // the newest revision that the node knows of
	for {
		snapshot := records.Snapshot()
		desired, changed := compiler.Compile(snapshot)
		asked := max(store.Instances.Revision(snapshot), store.NetworkInterfaces.Revision(snapshot))
		if changed || asked > told {
			set(desired)
			told = desired.Revision
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-records.Changed(snapshot.Revision()):
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(compileSettle):
		}
	}
}
