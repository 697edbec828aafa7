package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"causeway.dev/packetio"
)

// Files writes records: of each tunnel NAME two rings of captures, NAME-outer.pcap
// and NAME-inner.pcap, and with keys NAME-ikev2_decryption_table and NAME-esp_sa.
// Lines for a reader go to Notes.
type Files struct {
	Dir      string    // must exist
	BytesMax int64     // of one capture file
	Count    int       // of the files of a ring, the newest included; older ones are removed
	Notes    io.Writer // nil: nobody reads them

	rings map[string]*ring
	Lost  uint64 // records that came too fast
}

// Write writes a record.
func (f *Files) Write(r Record) error {
	switch r.Kind {
	case Outer:
		return f.packet(r, "outer")
	case Inner:
		return f.packet(r, "inner")
	case IKEKeys:
		return f.line(r, "ikev2_decryption_table")
	case ESPKeys:
		return f.line(r, "esp_sa")
	case Note:
		if f.Notes != nil {
			_, err := fmt.Fprintf(f.Notes, "%s %s %s\n", r.At.UTC().Format("15:04:05.000"), r.Tunnel, r.Data)
			return err
		}
	case Dropped:
		if len(r.Data) == 8 {
			f.Lost += binary.BigEndian.Uint64(r.Data)
		}
	}
	return nil
}

// name is that of a file of a tunnel's.
func (f *Files) name(r Record, what string) string {
	return filepath.Join(f.Dir, filepath.Base(r.Tunnel)+"-"+what)
}

func (f *Files) packet(r Record, what string) error {
	name := f.name(r, what)
	if f.rings == nil {
		f.rings = map[string]*ring{}
	}
	current := f.rings[name]
	if current == nil {
		current = &ring{name: name, count: f.Count}
		f.rings[name] = current
	}
	if current.file == nil || current.bytes+int64(len(r.Data)) > f.BytesMax {
		if err := current.turn(); err != nil {
			return err
		}
	}
	const recordHeader = 16
	current.bytes += recordHeader + int64(len(r.Data))
	return current.pcap.Write(r.At, r.Data)
}

// line appends a line to a file of keys.
func (f *Files) line(r Record, what string) error {
	file, err := openPrivate(f.name(r, what), os.O_APPEND)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s\n", r.Data)
	return errors.Join(err, file.Close())
}

// openPrivate opens a file to be written, or makes it, that nobody else can read:
// in a directory such as /tmp others could have put one of theirs, or a link, in
// its place.
func openPrivate(name string, flag int) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK|flag, 0o600)
	if err != nil {
		return nil, err
	}
	var status unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &status); err != nil {
		return nil, errors.Join(fmt.Errorf("look at %s: %w", name, err), file.Close())
	}
	const othersMay = 0o077
	if status.Mode&unix.S_IFMT != unix.S_IFREG || status.Mode&othersMay != 0 || int(status.Uid) != os.Geteuid() || status.Nlink != 1 {
		return nil, errors.Join(fmt.Errorf("%s is there already, and others could read what is written to it: remove it first", name), file.Close())
	}
	return file, nil
}

// Close closes the files.
func (f *Files) Close() error {
	var errs []error
	for _, r := range f.rings {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

// A ring is a row of files of which the newest is written: NAME.pcap; those before
// it are NAME.1.pcap, NAME.2.pcap and so on.
type ring struct {
	name  string
	count int
	file  *os.File // nil before the first
	pcap  *packetio.Pcap
	bytes int64
}

// turn begins a new file and lets go of the oldest.
func (r *ring) turn() error {
	if err := r.close(); err != nil {
		return err
	}
	for i := r.count - 1; i > 0; i-- {
		if err := os.Rename(r.at(i-1), r.at(i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	file, err := openPrivate(r.at(0), 0)
	if err != nil {
		return err
	}
	r.file, r.bytes = file, 0
	if err := file.Truncate(0); err != nil {
		return err
	}
	r.pcap, err = packetio.NewPcap(file)
	return err
}

func (r *ring) at(i int) string {
	if i == 0 {
		return r.name + ".pcap"
	}
	return fmt.Sprintf("%s.%d.pcap", r.name, i)
}

func (r *ring) close() error {
	if r.file == nil {
		return nil
	}
	file := r.file
	r.file = nil
	return file.Close()
}
