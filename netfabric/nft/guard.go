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

const guarded = "opened" // the set of devices

// Guarded returns the devices that the guard in the calling thread's network
// namespace knows; none if there is no guard.
func Guarded(prefix string) ([]string, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	set, err := conn.GetSetByName(&nftables.Table{Name: guardName(prefix), Family: nftables.TableFamilyINet}, guarded)
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

// Guard makes the guard know these devices. Without devices there is none.
func Guard(ctx context.Context, prefix string, devices []string) error {
	name := guardName(prefix)
	script := fmt.Sprintf("table inet %s\ndelete table inet %[1]s\n", name)
	if len(devices) > 0 {
		quoted := make([]string, len(devices))
		for i, d := range devices {
			quoted[i] = fmt.Sprintf("%q", d)
		}
		script += fmt.Sprintf("table inet %s {\nset %s {\n\ttype ifname\n\telements = { %s }\n}\n"+
			"chain forward {\n\ttype filter hook forward priority filter; policy accept;\n\tiifname @%s oifname != %q drop\n}\n}\n",
			name, guarded, strings.Join(quoted, ", "), guarded, plan.OutsidePattern)
	}
	return run(ctx, script)
}
