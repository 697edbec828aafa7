// Package run owns goroutines: each has a name, an owner that waits for it, and
// a cause when it ends the others.
package run

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"sync"
)

// A Group is a set of goroutines that live and end together. The first that
// returns an error cancels the context of all; Wait joins them. A Group must be
// made by New.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

// New returns a group whose goroutines end when ctx does.
func New(ctx context.Context) *Group {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Group{ctx: ctx, cancel: cancel}
}

// Context ends when the group does; its cause is the first error.
func (g *Group) Context() context.Context { return g.ctx }

// Go runs f. The name labels the goroutine in profiles and its error.
func (g *Group) Go(name string, f func(ctx context.Context) error) {
	g.wg.Add(1)
	go pprof.Do(g.ctx, pprof.Labels("run", name), func(ctx context.Context) {
		defer g.wg.Done()
		if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
			g.cancel(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// Stop asks all goroutines to end; cause is what Wait then returns, unless an
// error came first. A nil cause means an orderly end.
func (g *Group) Stop(cause error) {
	if cause == nil {
		cause = errStopped
	}
	g.cancel(cause)
}

// Wait joins all goroutines and returns why the group ended, or nil for an
// orderly end.
func (g *Group) Wait() error {
	g.wg.Wait()
	defer g.cancel(errStopped)
	if g.ctx.Err() == nil {
		return nil
	}
	if err := context.Cause(g.ctx); !errors.Is(err, errStopped) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

var errStopped = errors.New("stopped")
