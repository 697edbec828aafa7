package demo

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestFlowKeepsTheOrderOfNeeds(t *testing.T) {
	var mu sync.Mutex
	at := map[string]int{}
	step := func(name string) func(context.Context) error {
		return func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			at[name] = len(at) + 1
			return nil
		}
	}
	f := newFlow(t.Context())
	a := f.begin(step("a"))
	b := f.aside(step("b"))
	c := f.begin(step("c"), a, b)
	f.aside(step("d"), c)
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
	if at["c"] != 3 || at["d"] != 4 {
		t.Errorf("order %v", at)
	}
}

func TestFlowEndsWithTheFirstError(t *testing.T) {
	boom := errors.New("boom")
	f := newFlow(t.Context())
	failed := f.begin(func(context.Context) error { return boom })
	f.begin(func(context.Context) error {
		t.Error("what needs the failed step was run")
		return nil
	}, failed)
	f.begin(func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err := f.wait(); !errors.Is(err, boom) {
		t.Errorf("wait = %v", err)
	}
}
