package logs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// filled is a store's file with all kinds of pages: branches, leaves, overflowing
// ones, buckets of their own and inline, and free ones.
func filled(t *testing.T) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "logs.db")
	s := openFile(t, file, Options{BytesMax: 4 << 20})
	for g := range 40 {
		must(t, s.CreateGroup(scope, Group{Name: fmt.Sprintf("group-%02d", g), Created: now, Tags: map[string]string{"k": strings.Repeat("v", 100)}}))
	}
	for i := range 60 {
		add(t, s, "group-01", fmt.Sprintf("inline-%d", i), 1000, "one")
	}
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprintf("event %d %s", i, strings.Repeat("x", i%200)))
	}
	for i := range 3 {
		add(t, s, "group-02", fmt.Sprintf("many-%d", i), 1000, many...)
	}
	add(t, s, "group-03", "large", 1000, strings.Repeat("L", 50_000), "small", strings.Repeat("M", 9_000))
	must(t, s.DeleteStream(scope, "group-02", "many-1"))
	must(t, s.Close())
	text, err := os.ReadFile(file)
	must(t, err)
	m, err := newestMeta(bytes.NewReader(text), int64(len(text)))
	must(t, err)
	return text[:m.pages*m.pageSize] // the rest is room for more
}

// spoil spoils a copy of a file as disks, crashes and other programs do.
func spoil(random *rand.Rand, whole []byte) []byte {
	b := bytes.Clone(whole)
	page := func() []byte {
		at := random.IntN(len(b)/4096) * 4096
		return b[at : at+4096]
	}
	switch random.IntN(9) {
	case 0: // one bit, anywhere
		b[random.IntN(len(b))] ^= 1 << random.IntN(8)
	case 1: // a few bytes, anywhere
		for range 1 + random.IntN(40) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
	case 2: // the head of a page
		page()[random.IntN(16)] ^= 1 << random.IntN(8)
	case 3: // an element
		page()[16+random.IntN(64)] = byte(random.Uint32())
	case 4: // a page that was never written
		clear(page())
	case 5: // a page of junk
		for p := page(); len(p) > 0; p = p[1:] {
			p[0] = byte(random.Uint32())
		}
	case 6: // a page in another's place
		copy(page(), page())
	case 7: // the end is missing
		b = b[:random.IntN(len(b))]
	case 8: // a number of another page, or size, in one of its fields
		p := page()
		p[8*random.IntN(20)] = byte(random.IntN(len(b) / 4096))
	}
	return b
}

// exercise calls everything. Errors are allowed; panics, and calls that never end, are
// what is looked for.
func exercise(s *Store) {
	groups, _, _ := s.Groups(scope, "", "", "", 100)
	for _, name := range []string{"group-01", "group-02", "group-03", "anew"} {
		_ = s.Append(now, Batch{Scope: scope, Group: name, Stream: "more", Create: true, Events: []Event{{Timestamp: 2000, Message: "more"}}})
		_, _ = s.Streams(scope, name, "")
		for _, backward := range []bool{false, true} {
			_, _ = s.Read(now, Query{Scope: scope, Group: name, Backward: backward})
		}
	}
	_ = s.CreateGroup(scope, Group{Name: "anew"})
	_ = s.UpdateGroup(scope, "group-02", func(g *Group) error { g.RetentionDays = 1; return nil })
	_ = s.Sweep(now)
	for i, g := range groups {
		if i%2 == 0 {
			_ = s.DeleteGroup(scope, g.Name, nil)
		}
	}
	_ = s.DeleteStream(scope, "group-01", "inline-7")
}

// mustWork: whatever was, a store takes and gives.
func mustWork(t *testing.T, s *Store) {
	t.Helper()
	name := fmt.Sprintf("works-%d", rand.Uint64())
	must(t, s.CreateGroup(scope, Group{Name: name}))
	add(t, s, name, "s", 1000, "works")
	if p := read(t, s, Query{Group: name}); messages(p) != "works" {
		t.Fatalf("read %q", messages(p))
	}
}

// TestSpoiltFilesStopNothing: a file that is spoilt, however it is, is opened or moved
// aside, and what is opened works.
func TestSpoiltFilesStopNothing(t *testing.T) {
	whole := filled(t)
	file := filepath.Join(t.TempDir(), "logs.db")
	const tries = 200
	moved := 0
	for seed := range tries {
		random := rand.New(rand.NewPCG(uint64(seed), 7))
		must(t, os.WriteFile(file, spoil(random, whole), 0o600))
		s, err := Open(file, Options{NoSync: true, BytesMax: 4 << 20})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		exercise(s)
		mustWork(t, s)
		moved += int(s.Usage().Spoilt)
		must(t, s.Close())
	}
	aside, err := filepath.Glob(file + spoiltName + "*")
	if err != nil || len(aside) != spoiltMax {
		t.Errorf("%v, %v are kept, want %d", err, aside, spoiltMax)
	}
	t.Logf("%d of %d were moved aside", moved, tries)
	if moved < tries/4 || moved == tries {
		t.Errorf("%d of %d were moved aside: the others are to be opened", moved, tries)
	}
}

// TestSpoiltWhileOpen: what happens to the file under an open store costs calls, and
// what is in the file, but not the process.
func TestSpoiltWhileOpen(t *testing.T) {
	whole := filled(t)
	for name, spoil := range map[string]func(t *testing.T, file *os.File){
		"truncated": func(t *testing.T, file *os.File) { must(t, file.Truncate(8192)) },
		"emptied":   func(t *testing.T, file *os.File) { must(t, file.Truncate(0)) },
		"zeros": func(t *testing.T, file *os.File) {
			_, err := file.WriteAt(make([]byte, len(whole)), 0)
			must(t, err)
		},
		"junk": func(t *testing.T, file *os.File) {
			junk := make([]byte, len(whole)-8192)
			for i := range junk {
				junk[i] = 0xa5
			}
			_, err := file.WriteAt(junk, 8192)
			must(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "logs.db")
			must(t, os.WriteFile(path, whole, 0o600))
			var said strings.Builder
			s := openFile(t, path, Options{BytesMax: 4 << 20, Logger: slog.New(slog.NewTextHandler(&said, nil))})
			mustWork(t, s)
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			must(t, err)
			spoil(t, file)
			must(t, file.Close())
			exercise(s)
			mustWork(t, s)
			want := uint64(1)
			if name == "emptied" {
				want = 0 // nothing is in it that could be kept
			}
			if n := s.Usage().Spoilt; n != want || strings.Contains(said.String(), "moved aside") != (want > 0) || !strings.Contains(said.String(), "breaks off") {
				t.Errorf("%d were moved aside; said:\n%s", n, said.String())
			}
		})
	}
}

// TestSoundFilesPass: whatever a store does, what it leaves is found sound, and opened
// with all that was in it.
func TestSoundFilesPass(t *testing.T) {
	file := filepath.Join(t.TempDir(), "logs.db")
	random := rand.New(rand.NewPCG(1, 2))
	s := openFile(t, file, Options{BytesMax: 1 << 20})
	check := func() {
		t.Helper()
		text, err := os.ReadFile(file)
		must(t, err)
		if err := checkFile(bytes.NewReader(text), int64(len(text))); err != nil {
			t.Fatal(err)
		}
	}
	check()
	for i := range 400 {
		name := fmt.Sprintf("g%d", random.IntN(12))
		switch random.IntN(12) {
		case 0, 1:
			err := s.CreateGroup(scope, Group{Name: name, Created: now})
			if err != nil && !errors.Is(err, ErrGroupExists) {
				t.Fatal(err)
			}
		case 2:
			if err := s.DeleteGroup(scope, name, nil); err != nil && !errors.Is(err, ErrNoGroup) {
				t.Fatal(err)
			}
		case 3:
			must(t, s.Sweep(now))
		default:
			b := Batch{Scope: scope, Group: name, Stream: fmt.Sprintf("s%d", random.IntN(30)), Create: true}
			for range random.IntN(200) {
				b.Events = append(b.Events, Event{Timestamp: random.Int64N(now.UnixMilli()), Message: strings.Repeat("x", random.IntN(1+random.IntN(3000)))})
			}
			if err := s.Append(now, b); err != nil && !errors.Is(err, ErrNoGroup) {
				t.Fatal(err)
			}
		}
		if i%10 == 0 {
			check()
		}
	}
	before := s.Usage()
	must(t, s.Close())
	s = openFile(t, file, Options{BytesMax: 1 << 20})
	if after := s.Usage(); after.Bytes != before.Bytes || after.Bytes == 0 || after.Spoilt > 0 {
		t.Errorf("%+v became %+v", before, after)
	}
}

// TestReopenIsNotTriedAllTheTime: a file that can be neither opened nor moved aside
// costs each call an error, and is looked at now and then.
func TestReopenIsNotTriedAllTheTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	must(t, os.Mkdir(dir, 0o700))
	file := filepath.Join(dir, "logs.db")
	var said strings.Builder
	s := openFile(t, file, Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	must(t, s.CreateGroup(scope, Group{Name: "g"}))
	must(t, os.Truncate(file, 0))
	must(t, os.Rename(dir, dir+"-gone"))
	for range 5 {
		if _, err := s.Group(scope, "g"); err == nil {
			t.Fatal("there is no file")
		}
	}
	if n := strings.Count(said.String(), "can't be opened"); n != 1 {
		t.Errorf("it was tried %d times:\n%s", n, said.String())
	}
	must(t, os.Rename(dir+"-gone", dir))
	s.gate.Lock()
	s.reopenAt = time.Time{} // as if it were time
	s.gate.Unlock()
	_, _ = s.Group(scope, "g") // opens it
	mustWork(t, s)
}

// FuzzCheckFile: whatever is written over the pages of a store, the check fails by its
// error only, and what it lets pass is used without harm.
func FuzzCheckFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed.db")
	s, err := Open(path, Options{NoSync: true, BytesMax: 1 << 20})
	if err != nil {
		f.Fatal(err)
	}
	var events []Event
	for i := range 100 { // so that there are branches
		events = append(events, Event{Timestamp: int64(i), Message: strings.Repeat("x", 100)})
	}
	if err := errors.Join(s.CreateGroup(scope, Group{Name: "group-01"}), s.Append(now, Batch{Scope: scope, Group: "group-01", Stream: "s", Create: true, Events: events}), s.Close()); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	m, err := newestMeta(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		f.Fatal(err)
	}
	whole = whole[:m.pages*m.pageSize]
	for page := range m.pages {
		f.Add(uint32(page*m.pageSize), []byte{1, 2})
		f.Add(uint32(page*m.pageSize+pageHeader), []byte{0xff})
	}
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		text := bytes.Clone(whole)
		copy(text[int(at)%len(text):], patch)
		if checkFile(bytes.NewReader(text), int64(len(text))) != nil {
			return
		}
		file := filepath.Join(t.TempDir(), "logs.db")
		must(t, os.WriteFile(file, text, 0o600))
		s, err := Open(file, Options{NoSync: true, BytesMax: 1 << 20})
		must(t, err)
		exercise(s)
		must(t, s.Close())
	})
}
