// Package nft makes the rules of a network namespace equal a filter, in one
// transaction.
package nft

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/plan"
)

// tableName is that of our tables, in each family.
const tableName = "causeway"

// A Counter counts what some rules have matched.
type Counter struct{ Packets, Bytes uint64 }

// Loaded reports whether the rules in the calling thread's network namespace are
// those of f. They carry a hash of the text that they were made from, as the
// name of a set, so the answer needs neither memory nor a comparison of rules.
func Loaded(f plan.Filter) (bool, error) {
	conn, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("open nftables: %w", err)
	}
	_, err = conn.GetSetByName(inetTable(), revision(f))
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask nftables for its revision: %w", err)
	}
	return true, nil
}

// Stands reports whether some rules of ours are loaded in the calling thread's network
// namespace.
func Stands() (bool, error) {
	stands, err := standing()
	return stands[inet] != nil, err
}

// Load makes all our rules in the calling thread's network namespace those of f at
// once. Connections that are known stay known, and counters go on.
//
// Chains, sets and maps that are there stay and are filled anew, so that a packet
// which is among them while rules change meets the old ones or the new ones. Where
// they are taken away and made again in one transaction, Linux 6.18 was seen to drop
// packets that both allow. So that is done only where filling is refused, as it is if
// a name stood for something of another type.
func Load(ctx context.Context, f plan.Filter) error {
	stands, err := standing()
	if err != nil {
		return err
	}
	if stands[inet] != nil && run(ctx, stands.refill(f)) == nil {
		return nil
	}
	counters, err := Counters()
	if err != nil {
		return err
	}
	return run(ctx, replacement(f, counters))
}

// run lets nft do a script in the calling thread's network namespace.
func run(ctx context.Context, script string) error {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(script), &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("load filter with nft: %w: %s", err, shorten(output.String()))
	}
	return nil
}

// Counters reads the counters of the calling thread's network namespace, by
// name; none if nothing is loaded.
func Counters() (map[string]Counter, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	objects, err := conn.GetObjects(inetTable())
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	counters := map[string]Counter{}
	for _, o := range objects {
		if c, ok := o.(*nftables.CounterObj); ok {
			counters[c.Name] = Counter{c.Packets, c.Bytes}
		}
	}
	return counters, nil
}

func inetTable() *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
}

// revision is the name of the set that marks these rules as loaded.
func revision(f plan.Filter) string {
	sum := sha256.Sum256([]byte(f.Inet + "\x00" + f.ARP + "\x00" + strings.Join(f.Counters, " ")))
	return fmt.Sprintf("revision-%x", sum[:8])
}

// shorten bounds what nft has to say, which may be a line for each rule.
func shorten(s string) string {
	const most = 600 // bytes
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.TrimSpace(s)
}
