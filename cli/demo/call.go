package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// A call is one run of the AWS CLI, `aws ec2 ACTION …`. The CLI's start takes ten
// times what the API takes, so all calls start at once: what one needs of the
// answers to others it reads from a file, as the CLI's parameters can
// (file://NAME), and that file is a pipe that is filled when the answer is there.
type call struct {
	action    string
	arguments []any  // strings and refs
	query     string // what of the answer counts

	// needs are calls to be done before this one asks the API, beside those
	// that its arguments refer to. Only a call with refs can wait.
	needs []*call

	then  func(ctx context.Context, answer string) error // when it is done; may be nil
	aside bool                                           // others go before if processors are short

	answer string        // valid when done is closed
	done   chan struct{} // made by callAll
}

// A ref stands for the answer of another call.
type ref struct {
	of     *call
	format string // of the file, with %s for the answer; "" for the answer itself
}

func (c *call) refers() bool {
	for _, a := range c.arguments {
		if _, ok := a.(ref); ok {
			return true
		}
	}
	return false
}

// callAll runs the calls. Those that refer to nothing begin when all others are
// at the point where they need an answer. The first error ends all.
func (s *stage) callAll(ctx context.Context, calls ...*call) error {
	group, ctx := errgroup.WithContext(ctx)
	var preparing sync.WaitGroup
	for _, c := range calls {
		c.done = make(chan struct{})
		if c.refers() {
			preparing.Add(1)
		}
	}
	prepared := make(chan struct{})
	group.Go(func() error {
		preparing.Wait() // each call says so once, also when it fails
		close(prepared)
		return nil
	})
	for _, c := range calls {
		group.Go(func() error {
			ready := sync.OnceFunc(preparing.Done)
			if c.refers() {
				defer ready()
			} else if err := await(ctx, prepared); err != nil {
				return err
			}
			return s.runCall(ctx, c, ready)
		})
	}
	return group.Wait()
}

// runCall runs one call; ready is called when the CLI waits for an answer.
func (s *stage) runCall(ctx context.Context, c *call, ready func()) error {
	handing, stop := context.WithCancel(ctx)
	defer stop()
	var hands errgroup.Group
	argv := []string{c.action}
	for i, a := range c.arguments {
		r, ok := a.(ref)
		if !ok {
			argv = append(argv, a.(string))
			continue
		}
		name := c.action + "." + strings.TrimPrefix(fmt.Sprint(c.arguments[i-1]), "--") // "create-subnet.vpc-id"
		if err := unix.Mkfifo(filepath.Join(s.dir, name), 0o600); err != nil {
			return fmt.Errorf("make pipe for %s: %w", c.action, err)
		}
		argv = append(argv, "file://"+name)
		hands.Go(func() error { return s.hand(handing, c, r, name, ready) })
	}
	if c.query != "" {
		argv = append(argv, "--query", c.query, "--output", "text")
	}
	if c.aside {
		ctx = context.WithValue(ctx, asideKey{}, true)
	}
	out, err := s.aws(ctx, argv...)
	stop()
	if handed := hands.Wait(); err == nil && !errors.Is(handed, context.Canceled) {
		err = handed
	}
	if err != nil {
		return err
	}
	c.answer = strings.TrimSuffix(out, "\n")
	if c.query == "" || strings.Contains(c.answer, "\n") {
		s.say("  %s: done", c.action)
	} else {
		s.say("  %s: %s", c.action, c.answer)
	}
	if c.then != nil {
		if err := c.then(ctx, c.answer); err != nil {
			return err
		}
	}
	close(c.done)
	return nil
}

// hand writes an answer into a pipe when the CLI reads there and the answer, and
// all else that the call needs, is there.
func (s *stage) hand(ctx context.Context, c *call, r ref, name string, ready func()) error {
	pipe, err := openPipe(ctx, filepath.Join(s.dir, name))
	if err != nil {
		return err
	}
	defer pipe.Close()
	ready()
	for _, need := range append([]*call{r.of}, c.needs...) {
		if err := await(ctx, need.done); err != nil {
			return err
		}
	}
	format := r.format
	if format == "" {
		format = "%s"
	}
	if _, err := fmt.Fprintf(pipe, format, r.of.answer); err != nil {
		return fmt.Errorf("hand %s its parameter: %w", c.action, err)
	}
	return nil
}

// openPipe opens a named pipe for writing once somebody reads it.
func openPipe(ctx context.Context, name string) (*os.File, error) {
	for {
		pipe, err := os.OpenFile(name, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if !errors.Is(err, unix.ENXIO) {
			return pipe, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type asideKey struct{}

// niceAside is how nice a program is that others go before.
const niceAside = 5

// isAside reports whether the call that ctx belongs to lets others go before.
func isAside(ctx context.Context) bool { return ctx.Value(asideKey{}) != nil }
