package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/run"
	"causeway.dev/ipsec"
	"causeway.dev/nodespec"
	"causeway.dev/vpnlog"
)

// TunnelLog says where the log of the tunnels goes: a line with AWS's fields for each
// IKE message and each change, the tunnel's name before them. By default there is none.
type TunnelLog struct {
	File   string `yaml:"file"`    // relative to the configuration's folder; made with mode 0600
	Stderr bool   `yaml:"stderr"`  // also, or only, on standard error
	Format string `yaml:"format"`  // "json", the default, or "text"
	MaxMiB int    `yaml:"max_mib"` // of one file, 1 to 1024; default 16. A full one becomes FILE.1, that FILE.2 and so on
	Files  int    `yaml:"files"`   // that are kept, the newest included, 1 to 100; default 4
}

func (l TunnelLog) enabled() bool { return l.File != "" || l.Stderr }

func (l *TunnelLog) setDefaults() {
	if l.Format == "" {
		l.Format = "json"
	}
	if l.MaxMiB == 0 {
		l.MaxMiB = 16
	}
	if l.Files == 0 {
		l.Files = 4
	}
}

func (l TunnelLog) validate() error {
	switch {
	case l.Format != "json" && l.Format != "text":
		return fmt.Errorf("format: %q is neither json nor text", l.Format)
	case l.MaxMiB < 1 || l.MaxMiB > 1024:
		return fmt.Errorf("max_mib: %d is not between 1 and 1024", l.MaxMiB)
	case l.Files < 1 || l.Files > 100:
		return fmt.Errorf("files: %d is not between 1 and 100", l.Files)
	}
	return nil
}

// startTunnelLog begins the log of the tunnels, if there is to be one: tell takes its
// entries, and never waits; stop ends it when all that was told is written.
func (a *running) startTunnelLog(ctx context.Context) (tell func(ipsec.LogEntry), stop func() error) {
	if !a.config.TunnelLog.enabled() {
		return nil, func() error { return nil }
	}
	j := newJournal(a.config, os.Stderr, func(message string, args ...any) { a.log.Warn(message, args...) })
	group := run.New(context.WithoutCancel(ctx)) // goodbyes are told of, too
	group.Go("tunnel log", func(ctx context.Context) error { return j.queue.Each(ctx, j.write) })
	return j.take, func() error {
		group.Stop(nil)
		return errors.Join(group.Wait(), j.close())
	}
}

// A journal writes the log of the tunnels. One goroutine owns it; any may take.
type journal struct {
	queue   *vpnlog.Queue
	styles  map[string]vpnlog.Style // by the tunnel's name
	outputs []io.Writer
	warn    func(message string, args ...any)

	undelivered, said uint64 // lines that were not written to an output; entries that were lost when that was logged
	failed            string // why the last write failed; "" if it did not
}

// newJournal returns the journal of c's tunnels. What goes wrong with it is told to
// warn, once as long as it stays the same.
func newJournal(c Config, stderr io.Writer, warn func(message string, args ...any)) *journal {
	j := &journal{queue: vpnlog.NewQueue(), styles: map[string]vpnlog.Style{}, warn: warn}
	for _, t := range c.Tunnels {
		peer := t.RemoteID
		if t.Remote.IsValid() {
			peer = t.Remote.String()
		}
		j.styles[t.Name] = vpnlog.Style{Text: c.TunnelLog.Format == "text", DPD: t.DPDAction != "none", Device: true, Peer: peer, Tunnel: t.Name}
	}
	if c.TunnelLog.File != "" {
		j.outputs = append(j.outputs, &rotatedFile{name: c.TunnelLog.File, bytesMax: int64(c.TunnelLog.MaxMiB) << 20, count: c.TunnelLog.Files})
	}
	if c.TunnelLog.Stderr {
		j.outputs = append(j.outputs, stderr)
	}
	return j
}

// take takes an entry, and never waits.
func (j *journal) take(e ipsec.LogEntry) {
	j.queue.Take(nodespec.TunnelLogEntry{
		Tunnel: string(e.Tunnel), At: e.At, IKE: nodespec.SAState(e.IKE), Child: nodespec.SAState(e.Child), UDP: e.UDP,
		Event: nodespec.TunnelLogEvent(e.Event), Details: e.Details,
	})
}

// write writes entries. An output that takes none keeps nothing from the other.
func (j *journal) write(entries []nodespec.TunnelLogEntry) {
	failed := ""
	for _, output := range j.outputs {
		for _, e := range entries {
			if _, err := io.WriteString(output, j.styles[e.Tunnel].Line(e)+"\n"); err != nil {
				j.undelivered++
				failed = err.Error()
			}
		}
	}
	if lost := j.undelivered + j.queue.Overflown(); failed != "" && failed != j.failed || failed == "" && lost > j.said {
		j.warn("entries of the tunnel log are lost", "entries", lost-j.said, "err", failed)
		j.said = lost
	}
	j.failed = failed
}

func (j *journal) close() error {
	var errs []error
	for _, output := range j.outputs {
		if file, ok := output.(*rotatedFile); ok {
			errs = append(errs, file.close())
		}
	}
	return errors.Join(errs...)
}

// A rotatedFile is a file that lines are appended to: before it gets longer than
// bytesMax it becomes NAME.1, what was that NAME.2 and so on, and the oldest goes.
// Where somebody else moves it away, as logrotate does, it is made anew.
type rotatedFile struct {
	name     string
	bytesMax int64
	count    int

	file  *os.File // nil before the first line
	bytes int64
}

// Write appends a line.
func (f *rotatedFile) Write(line []byte) (int, error) {
	if err := f.find(); err != nil {
		return 0, err
	}
	if f.bytes > 0 && f.bytes+int64(len(line)) > f.bytesMax {
		if err := f.turn(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(line)
	f.bytes += int64(n)
	return n, err
}

// find opens the file, unless the one that is open still has its name.
func (f *rotatedFile) find() error {
	if f.file != nil {
		is, err := f.file.Stat()
		if err != nil {
			return err
		}
		if named, err := os.Lstat(f.name); err == nil && os.SameFile(is, named) {
			f.bytes = is.Size() // somebody may have cut it
			return nil
		}
		if err := f.close(); err != nil {
			return err
		}
	}
	const mode = 0o600 // it tells who talks to whom
	file, err := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, mode)
	if err != nil {
		return fmt.Errorf("open the tunnel log: %w", err)
	}
	is, err := file.Stat()
	if err == nil && !is.Mode().IsRegular() {
		err = fmt.Errorf("open the tunnel log: %s is no file: %v", f.name, is.Mode())
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.bytes = file, is.Size()
	return nil
}

// turn begins a new file and lets go of the oldest.
func (f *rotatedFile) turn() error {
	if err := f.close(); err != nil {
		return err
	}
	for i := f.count - 1; i > 0; i-- {
		if err := os.Rename(f.at(i-1), f.at(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keep the last tunnel log: %w", err)
		}
	}
	if f.count == 1 {
		if err := os.Remove(f.name); err != nil {
			return fmt.Errorf("begin the tunnel log anew: %w", err)
		}
	}
	return f.find()
}

func (f *rotatedFile) at(i int) string {
	if i == 0 {
		return f.name
	}
	return fmt.Sprintf("%s.%d", f.name, i)
}

func (f *rotatedFile) close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}
