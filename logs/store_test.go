package logs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	scope = Scope{"123456789012", "us-east-1"}
	now   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func open(t *testing.T, options Options) *Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "logs.db"), options)
}

func openFile(t *testing.T, file string, options Options) *Store {
	t.Helper()
	options.NoSync = true
	s, err := Open(file, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some tests close it themselves
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// add appends messages, one per millisecond from at.
func add(t *testing.T, s *Store, group, stream string, at int64, messages ...string) {
	t.Helper()
	b := Batch{Scope: scope, Group: group, Stream: stream, Create: true}
	for i, m := range messages {
		b.Events = append(b.Events, Event{Timestamp: at + int64(i), Message: m})
	}
	must(t, s.Append(now, b))
}

func messages(p Page) string {
	var all []string
	for _, e := range p.Events {
		all = append(all, e.Message)
	}
	return strings.Join(all, " ")
}

func read(t *testing.T, s *Store, q Query) Page {
	t.Helper()
	q.Scope = scope
	p, err := s.Read(now, q)
	must(t, err)
	return p
}

func TestGroupsAndStreams(t *testing.T) {
	s := open(t, Options{})
	other := Scope{scope.Account, "us-east-2"}
	for _, name := range []string{"b", "a", "ab", "a/b"} {
		must(t, s.CreateGroup(scope, Group{Name: name, Created: now, Tags: map[string]string{"k": name}}))
	}
	must(t, s.CreateGroup(other, Group{Name: "a", Created: now}))
	if err := s.CreateGroup(scope, Group{Name: "a"}); !errors.Is(err, ErrGroupExists) {
		t.Errorf("the same again: %v", err)
	}
	names := func(prefix, part, after string, limit int) string {
		list, more, err := s.Groups(scope, prefix, part, after, limit)
		must(t, err)
		text := fmt.Sprint(more)
		for _, g := range list {
			text += " " + g.Name
		}
		return text
	}
	for _, test := range []struct {
		prefix, part, after string
		limit               int
		want                string
	}{
		{"", "", "", 10, "false a a/b ab b"},
		{"", "", "", 2, "true a a/b"},
		{"", "", "a/b", 2, "false ab b"},
		{"a", "", "", 10, "false a a/b ab"},
		{"a", "", "a", 1, "true a/b"},
		{"a", "", "b", 1, "false"},
		{"b", "", "a", 1, "false b"},
		{"", "b", "", 10, "false a/b ab b"},
	} {
		if got := names(test.prefix, test.part, test.after, test.limit); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}

	must(t, s.CreateStream(scope, "a", "s1", now))
	if err := s.CreateStream(scope, "a", "s1", now); !errors.Is(err, ErrStreamExists) {
		t.Errorf("the same stream again: %v", err)
	}
	if err := s.CreateStream(scope, "none", "s1", now); !errors.Is(err, ErrNoGroup) {
		t.Errorf("a stream in no group: %v", err)
	}
	add(t, s, "a", "s2", 1000, "x", "yy")
	streams, err := s.Streams(scope, "a", "s")
	must(t, err)
	if len(streams) != 2 || streams[1].First != 1000 || streams[1].Last != 1001 || streams[1].Bytes != 3+2*EventOverhead || streams[1].LastIngested != now.UnixMilli() {
		t.Errorf("streams %+v", streams)
	}
	g, err := s.Group(scope, "a")
	must(t, err)
	if g.Bytes != 3+2*EventOverhead || g.Tags["k"] != "a" || s.Usage().Bytes != g.Bytes {
		t.Errorf("group %+v, usage %+v", g, s.Usage())
	}
	must(t, s.UpdateGroup(scope, "a", func(g *Group) error { g.RetentionDays, g.Name = 7, "renamed"; return nil }))
	if g, err = s.Group(scope, "a"); err != nil || g.RetentionDays != 7 {
		t.Errorf("after the update: %+v, %v", g, err)
	}

	must(t, s.DeleteStream(scope, "a", "s1"))
	if err := s.DeleteStream(scope, "a", "s1"); !errors.Is(err, ErrNoStream) {
		t.Errorf("deleted again: %v", err)
	}
	kept := errors.New("kept")
	if err := s.DeleteGroup(scope, "a", func(Group) error { return kept }); !errors.Is(err, kept) {
		t.Errorf("a group to be kept: %v", err)
	}
	must(t, s.DeleteGroup(scope, "a", nil))
	if _, err := s.Streams(scope, "a", ""); !errors.Is(err, ErrNoGroup) || s.Usage().Bytes != 0 {
		t.Errorf("after deletion: %v, %+v", err, s.Usage())
	}
	if _, err := s.Group(other, "a"); err != nil {
		t.Errorf("the other region's group: %v", err)
	}
	must(t, s.CreateGroup(scope, Group{Name: "a", Created: now}))
	if p := read(t, s, Query{Group: "a"}); len(p.Events) != 0 {
		t.Errorf("a new group of the same name has %+v", p)
	}
}

func TestReadOrder(t *testing.T) {
	s := open(t, Options{})
	must(t, s.CreateGroup(scope, Group{Name: "g", Created: now}))
	add(t, s, "g", "one", 10, "a10", "a11", "a12")
	add(t, s, "g", "two", 11, "b11", "b12", "b13")
	add(t, s, "g", "one", 11, "c11") // later than a11 and b11, by its arrival in stream one
	for _, test := range []struct {
		name string
		q    Query
		want string
		more bool
	}{
		{"all", Query{}, "a10 a11 c11 b11 a12 b12 b13", false},
		{"the first", Query{Limit: 2}, "a10 a11", true},
		{"the last", Query{Limit: 2, Backward: true}, "b12 b13", true},
		{"all, from the last", Query{Backward: true}, "a10 a11 c11 b11 a12 b12 b13", false},
		{"a stream", Query{Streams: []string{"two", "two"}}, "b11 b12 b13", false},
		{"streams by prefix", Query{StreamPrefix: "o"}, "a10 a11 c11 a12", false},
		{"a range", Query{Start: 11, End: 12}, "a11 c11 b11", false},
		{"a range, from its last", Query{Start: 11, End: 12, Backward: true, Limit: 1}, "b11", true},
		{"a match", Query{Match: func(m string) bool { return m[0] == 'b' }, Limit: 2}, "b11 b12", true},
		{"a match of all that is left", Query{Match: func(m string) bool { return m[0] == 'c' }, Limit: 1}, "c11", false},
		{"nothing", Query{Start: 100}, "", false},
	} {
		test.q.Group = "g"
		p := read(t, s, test.q)
		if messages(p) != test.want || p.More != test.more {
			t.Errorf("%s: %q, more %v", test.name, messages(p), p.More)
		}
	}
	if _, err := s.Read(now, Query{Scope: scope, Group: "g", Streams: []string{"three"}}); !errors.Is(err, ErrNoStream) {
		t.Errorf("an unknown stream: %v", err)
	}
}

// TestPages walks through random events in both directions, page by page, while
// others arrive, and finds each that was there at the start exactly once.
func TestPages(t *testing.T) {
	s := open(t, Options{})
	must(t, s.CreateGroup(scope, Group{Name: "g", Created: now}))
	random := rand.New(rand.NewPCG(1, 2))
	want := []string{}
	for i := range 60 {
		m := fmt.Sprintf("m%d", i)
		add(t, s, "g", fmt.Sprintf("s%d", random.IntN(5)), 1000+int64(random.IntN(20)), m)
		want = append(want, m)
	}
	slices.Sort(want)
	for _, backward := range []bool{false, true} {
		var got []string
		q := Query{Group: "g", Limit: 7, Backward: backward}
		for range 100 {
			p := read(t, s, q)
			for _, e := range p.Events {
				if e.Message != "late" {
					got = append(got, e.Message)
				}
			}
			if !p.More {
				break
			}
			add(t, s, "g", "s9", 1000+int64(random.IntN(20)), "late")
			if backward {
				q.Before = &p.Events[0].Position
			} else {
				q.After = &p.Last
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("backward %v: got %d events of %d: %v", backward, len(got), len(want), got)
		}
	}
}

func TestPageBytes(t *testing.T) {
	s := open(t, Options{})
	must(t, s.CreateGroup(scope, Group{Name: "g", Created: now}))
	large := strings.Repeat("x", 400<<10)
	add(t, s, "g", "s", 1000, large, large, large)
	if p := read(t, s, Query{Group: "g"}); len(p.Events) != 2 || !p.More {
		t.Errorf("%d events, more %v", len(p.Events), p.More)
	}
	if p := read(t, s, Query{Group: "g", Backward: true}); len(p.Events) != 2 || !p.More || p.Last != p.Events[0].Position {
		t.Errorf("backward: %d events, more %v", len(p.Events), p.More)
	}
}

func TestRetention(t *testing.T) {
	s := open(t, Options{})
	must(t, s.CreateGroup(scope, Group{Name: "g", Created: now, RetentionDays: 1}))
	old := now.Add(-25 * time.Hour).UnixMilli()
	var many []string
	for range expireMax/2 + 10 {
		many = append(many, "old")
	}
	add(t, s, "g", "s", old-int64(len(many)), many...)
	add(t, s, "g", "s2", old-int64(len(many)), many...)
	add(t, s, "g", "s", now.UnixMilli(), "new")
	if p := read(t, s, Query{Group: "g"}); messages(p) != "new" {
		t.Errorf("before the sweep: %d events", len(p.Events))
	}
	must(t, s.Sweep(now))
	streams, err := s.Streams(scope, "g", "")
	must(t, err)
	if streams[0].Bytes != 3+EventOverhead || streams[0].First != now.UnixMilli() || streams[1].Bytes != 0 || s.Usage().Bytes != streams[0].Bytes {
		t.Errorf("after the sweep: %+v, %+v", streams, s.Usage())
	}
	must(t, s.UpdateGroup(scope, "g", func(g *Group) error { g.RetentionDays = 0; return nil }))
	if p := read(t, s, Query{Group: "g"}); messages(p) != "new" {
		t.Errorf("without retention: %d events", len(p.Events))
	}
}

// TestRoom: an account that floods the store loses its own oldest events, and
// nothing of another's.
func TestRoom(t *testing.T) {
	const bytesMax = 100 << 10
	s := open(t, Options{BytesMax: bytesMax})
	quiet := Scope{"999999999999", "us-east-1"}
	must(t, s.CreateGroup(quiet, Group{Name: "q", Created: now}))
	must(t, s.Append(now, Batch{Scope: quiet, Group: "q", Stream: "s", Create: true, Events: []Event{{Timestamp: 1, Message: "oldest of all"}}}))
	must(t, s.CreateGroup(scope, Group{Name: "g", Created: now}))
	must(t, s.CreateGroup(scope, Group{Name: "h", Created: now}))
	for i := range 300 {
		group := []string{"g", "h"}[i%2]
		add(t, s, group, fmt.Sprintf("s%d", i%3), int64(1000+i), fmt.Sprintf("%d %s", i, strings.Repeat("x", 1000)))
		if n := s.Usage().Bytes; n > bytesMax {
			t.Fatalf("%d bytes are stored", n)
		}
	}
	p, err := s.Read(now, Query{Scope: quiet, Group: "q"})
	must(t, err)
	if messages(p) != "oldest of all" {
		t.Errorf("the other account has %q", messages(p))
	}
	var left []string
	for _, group := range []string{"g", "h"} {
		for _, e := range read(t, s, Query{Group: group}).Events {
			number, _, _ := strings.Cut(e.Message, " ")
			left = append(left, fmt.Sprintf("%03s", number))
		}
	}
	slices.Sort(left)
	if evicted := int(s.Usage().Evicted); len(left)+evicted != 300 || left[0] != fmt.Sprintf("%03d", evicted) || left[len(left)-1] != "299" {
		t.Errorf("%d events are left, from %s; %d were evicted", len(left), left[0], evicted)
	}
}

func TestReopen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logs.db")
	s := openFile(t, file, Options{})
	must(t, s.CreateGroup(scope, Group{Name: "g", Created: now}))
	add(t, s, "g", "s", 1000, "kept")
	before := s.Usage()
	if _, err := Open(file, Options{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("opened twice: %v", err)
	}
	must(t, s.Close())
	s = openFile(t, file, Options{})
	if p := read(t, s, Query{Group: "g"}); messages(p) != "kept" || s.Usage() != before {
		t.Errorf("after opening again: %q, %+v, before %+v", messages(p), s.Usage(), before)
	}
	must(t, s.Close())
	if _, err := s.Group(scope, "g"); !errors.Is(err, errClosed) {
		t.Errorf("after closing: %v", err)
	}
}

// TestSpaceIsUsedAgain: the file does not grow for ever.
func TestSpaceIsUsedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logs.db")
	s := openFile(t, file, Options{BytesMax: 1 << 20})
	must(t, s.CreateGroup(scope, Group{Name: "g", Created: now}))
	var batch []string
	for range 100 {
		batch = append(batch, strings.Repeat("x", 200))
	}
	for i := range 400 { // 9 MB
		add(t, s, "g", fmt.Sprintf("s%d", i%4), int64(1000+100*i), batch...)
	}
	info, err := os.Stat(file)
	must(t, err)
	if info.Size() > 4<<20 {
		t.Errorf("the file has %d bytes", info.Size())
	}
}

func TestPositionID(t *testing.T) {
	a, b := Position{1700000000000, 2, 3}, Position{1700000000000, 2, 10}
	if len(a.ID()) != 56 || a.ID() >= b.ID() || !a.before(b) || b.before(a) {
		t.Errorf("%s %s", a.ID(), b.ID())
	}
}

func TestAppendIsWhole(t *testing.T) {
	s := open(t, Options{})
	must(t, s.CreateGroup(scope, Group{Name: "g", Created: now}))
	good := Batch{Scope: scope, Group: "g", Stream: "s", Create: true, Events: []Event{{Timestamp: 1, Message: "m"}}}
	bad := good
	bad.Group = "none"
	if err := s.Append(now, good, bad); !errors.Is(err, ErrNoGroup) {
		t.Errorf("got %v", err)
	}
	if p := read(t, s, Query{Group: "g"}); len(p.Events) != 0 || s.Usage().Bytes != 0 {
		t.Errorf("half of it is there: %+v", p)
	}
	good.Create = false
	if err := s.Append(now, good); !errors.Is(err, ErrNoStream) {
		t.Errorf("without its stream: %v", err)
	}
}

// TestSlowReader: one who takes his time holds up no writer, also where the file
// has to grow, and gets a page after a while.
func TestSlowReader(t *testing.T) {
	s := open(t, Options{})
	must(t, s.CreateGroup(scope, Group{Name: "g"}))
	at := now.UnixMilli()
	add(t, s, "g", "s", at, "a", "b", "c")
	began, done := make(chan struct{}, 1), make(chan struct{}) // whoever begins does not wait for being seen
	go func() {
		_, _ = s.Read(now, Query{Scope: scope, Group: "g", Match: func(string) bool { // only that it reads counts
			select {
			case began <- struct{}{}:
			default:
			}
			<-done
			return false
		}})
	}()
	<-began
	grown := make(chan struct{})
	go func() {
		defer close(grown)
		for range 20 {
			add(t, s, "g", "large", at, strings.Repeat("x", 1<<20))
		}
	}()
	select {
	case <-grown:
	case <-time.After(time.Minute):
		t.Error("a writer waits for a reader")
	}
	close(done)
	<-grown

	synctest.Test(t, func(t *testing.T) {
		page := read(t, s, Query{Scope: scope, Group: "g", Streams: []string{"s"}, Match: func(string) bool {
			time.Sleep(scanTimeMax - time.Millisecond)
			return false
		}})
		if !page.More || page.Last.Timestamp != at+1 {
			t.Errorf("after two slow events: %+v", page)
		}
	})
}

// TestAccountStreams: an account's streams are bounded over all its groups, and
// counted anew when the file is opened.
func TestAccountStreams(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logs.db")
	s := openFile(t, file, Options{})
	for _, name := range []string{"f", "g"} {
		must(t, s.CreateGroup(scope, Group{Name: name, Created: now}))
	}
	must(t, s.CreateStream(scope, "f", "a", now))
	add(t, s, "g", "b", 1000, "x")
	must(t, s.Close())
	s = openFile(t, file, Options{})
	s.addStreams(scope.Account, AccountStreamsMax-3) // as if there were so many
	must(t, s.CreateStream(scope, "g", "c", now))
	if err := s.CreateStream(scope, "f", "d", now); !errors.Is(err, ErrTooManyStreams) {
		t.Errorf("one too many: %v", err)
	}
	must(t, s.DeleteGroup(scope, "g", nil))
	must(t, s.DeleteStream(scope, "f", "a"))
	if n := s.streamsOf(scope.Account); n != AccountStreamsMax-3 {
		t.Errorf("%d are counted", n)
	}
}
