// Package instance runs what is plugged into a network's interface: hosts.
package instance

import (
	"context"
	"io"
	"net/netip"

	"causeway.dev/instance/cgroup"
)

// Config is what an instance shall be.
type Config struct {
	ID       string // "i-…"
	Boot     int64  // tells starts that were asked for apart
	Hostname string // "ip-10-0-1-4"
	UserData []byte // run once, at the first start, if it begins with "#!"

	// AuthorizedKeys let users in by SSH, as root and as ec2-user; in OpenSSH's form.
	// They are put on the disk at the first start; none: there is no SSH server.
	AuthorizedKeys []string

	// NetworkNamespace is the name of the network namespace that it lives in,
	// which must exist.
	NetworkNamespace string

	// Addresses are written to /etc/hosts beside the host name.
	Addresses []string

	// Resolvers are written to /etc/resolv.conf, and Domain, which may be several
	// with a space between two, as what names are looked for in. Ensure writes them
	// anew where they have changed, also while the instance runs.
	Resolvers []netip.Addr
	Domain    string

	// Limits are what its processes may take of the host together. Ensure sets them
	// anew where they have changed.
	Limits cgroup.Limits
}

// String names the instance. It keeps the user data to itself, which often holds
// secrets.
func (c Config) String() string { return "instance " + c.ID }

// Status says what has become of an instance.
type Status struct {
	ID      string
	Running bool
	Reason  string // why it is not running, in one sentence; "" while it runs

	Boot       int64 // that of its last start
	PoweredOff bool  // it has ended itself, for good
	Restarting bool  // it has ended itself and wants to be started again
}

// A Driver runs instances in one way or another.
type Driver interface {
	// Ensure starts the instance unless it runs already, or has powered itself
	// off, since the start that its Boot stands for. One that was started by an
	// earlier life of this process is adopted as it is.
	Ensure(ctx context.Context, c Config) error

	// Stop ends an instance's processes, with force at once, else at first
	// politely, and keeps what Ensure needs to start it again. No error if there
	// is none.
	Stop(ctx context.Context, id string, force bool) error

	// Terminate ends an instance, at first politely, and deletes all that
	// belonged to it. No error if there is none.
	Terminate(ctx context.Context, id string) error

	// List returns all instances that there are or that have left something
	// behind, by id.
	List() ([]Status, error)

	// Console returns the end of what the instance has written to its console,
	// at most ConsoleBytes. The error is fs.ErrNotExist for an unknown one.
	Console(id string) ([]byte, error)

	// Exec runs a command inside a running instance and returns its exit code;
	// 128 and the signal's number if a signal ended it. With tty it gets a
	// terminal of its own, and stderr is not used.
	Exec(ctx context.Context, id string, argv []string, stdin io.Reader, stdout, stderr io.Writer, tty bool) (int, error)
}

// ConsoleBytes is how much of an instance's console output is kept. EC2's
// GetConsoleOutput returns as much.
const ConsoleBytes = 64 << 10
