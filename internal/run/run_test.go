package run

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestFirstErrorEndsAll(t *testing.T) {
	g, boom := New(t.Context()), errors.New("boom")
	ended := make(chan struct{})
	g.Go("waiter", func(ctx context.Context) error { <-ctx.Done(); close(ended); return ctx.Err() })
	g.Go("failer", func(context.Context) error { return boom })
	if err := g.Wait(); !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "failer: ") {
		t.Fatalf("Wait = %v, want failer: boom", err)
	}
	select {
	case <-ended:
	default:
		t.Fatal("Wait returned before the waiter had ended")
	}
}

func TestStopIsOrderly(t *testing.T) {
	g := New(t.Context())
	g.Go("waiter", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	g.Stop(nil)
	if err := g.Wait(); err != nil {
		t.Fatalf("Wait = %v, want nil", err)
	}
}

func TestCancelledParentIsOrderly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := New(ctx)
	g.Go("waiter", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	cancel()
	if err := g.Wait(); err != nil {
		t.Fatalf("Wait = %v, want nil", err)
	}
}
