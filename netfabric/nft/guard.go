package nft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/plan"
)

// A guard keeps devices of somebody else's network namespace, which forward for
// the sake of ours, from forwarding for others. It also remembers which they are.

// guardName is that of our table in an underlay.
func guardName(prefix string) string { return "causeway-" + prefix }

// The sets of a guard.
const (
	guarded  = "opened"
	guarded6 = "opened6"
)

// An Opened is what in somebody else's network namespace was changed so that it
// forwards for ours.
type Opened struct {
	Devices []string // that forward IPv4

	// IPv6 says that the namespace forwards IPv6, which no device does for itself.
	// Advised are the devices that go on taking routers' advertisements though
	// they stand in a router.
	IPv6    bool
	Advised []string
}

// loopback stands for the namespace in the set of IPv6's: no router speaks there.
const loopback = "lo"

// Guarded returns what the guard in the calling thread's network namespace knows;
// nothing if there is no guard.
func Guarded(prefix string) (Opened, error) {
	conn, err := nftables.New()
	if err != nil {
		return Opened{}, fmt.Errorf("open nftables: %w", err)
	}
	o := Opened{}
	if o.Devices, err = guardSet(conn, prefix, guarded); err != nil {
		return Opened{}, err
	}
	o.Advised, err = guardSet(conn, prefix, guarded6)
	if at := slices.Index(o.Advised, loopback); at >= 0 {
		o.IPv6, o.Advised = true, slices.Delete(o.Advised, at, at+1)
	}
	return o, err
}

func guardSet(conn *nftables.Conn, prefix, name string) ([]string, error) {
	set, err := conn.GetSetByName(&nftables.Table{Name: guardName(prefix), Family: nftables.TableFamilyINet}, name)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for guard: %w", err)
	}
	elements, err := conn.GetSetElements(set)
	if err != nil {
		return nil, fmt.Errorf("list devices of guard: %w", err)
	}
	var devices []string
	for _, e := range elements {
		devices = append(devices, strings.TrimRight(string(e.Key), "\x00"))
	}
	slices.Sort(devices)
	return devices, nil
}

// Guard makes the guard know what was opened. If nothing was there is none.
func Guard(ctx context.Context, prefix string, o Opened) error {
	name := guardName(prefix)
	script := fmt.Sprintf("table inet %s\ndelete table inet %[1]s\n", name)
	var sets, rules string
	set := func(name string, devices []string) {
		quoted := make([]string, len(devices))
		for i, d := range devices {
			quoted[i] = fmt.Sprintf("%q", d)
		}
		sets += fmt.Sprintf("set %s {\n\ttype ifname\n\telements = { %s }\n}\n", name, strings.Join(quoted, ", "))
	}
	if len(o.Devices) > 0 {
		set(guarded, o.Devices)
		rules += fmt.Sprintf("\tmeta nfproto ipv4 iifname @%s oifname != %q drop\n", guarded, plan.OutsidePattern)
	}
	if o.IPv6 {
		set(guarded6, append([]string{loopback}, o.Advised...))
		rules += fmt.Sprintf("\tmeta nfproto ipv6 iifname != %q oifname != %[1]q drop\n", plan.OutsidePattern)
	}
	if rules != "" {
		script += fmt.Sprintf("table inet %s {\n%schain forward {\n\ttype filter hook forward priority filter; policy accept;\n%s}\n}\n", name, sets, rules)
	}
	return run(ctx, script)
}
