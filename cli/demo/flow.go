package demo

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// A flow runs functions side by side, each as soon as what it needs is done. The
// first error ends all.
type flow struct {
	group *errgroup.Group
	ctx   context.Context
}

func newFlow(ctx context.Context) *flow {
	group, ctx := errgroup.WithContext(ctx)
	return &flow{group, ctx}
}

// begin runs do after all that it needs, and returns what says that it is done.
func (f *flow) begin(do func(context.Context) error, needs ...<-chan struct{}) <-chan struct{} {
	return f.run(f.ctx, do, needs)
}

// aside is begin for what others go before if processors are short.
func (f *flow) aside(do func(context.Context) error, needs ...<-chan struct{}) <-chan struct{} {
	return f.run(context.WithValue(f.ctx, asideKey{}, true), do, needs)
}

func (f *flow) run(ctx context.Context, do func(context.Context) error, needs []<-chan struct{}) <-chan struct{} {
	done := make(chan struct{})
	f.group.Go(func() error {
		for _, need := range needs {
			select {
			case <-need:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := do(ctx); err != nil {
			return err
		}
		close(done)
		return nil
	})
	return done
}

func (f *flow) wait() error { return f.group.Wait() }

type asideKey struct{}

// niceAside is how nice a program is that others go before.
const niceAside = 5

// isAside reports whether aside has begun what ctx belongs to.
func isAside(ctx context.Context) bool { return ctx.Value(asideKey{}) != nil }
