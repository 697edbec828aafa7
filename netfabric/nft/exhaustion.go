package nft

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// InsertsFailed counts the connections that the calling thread's network namespace
// could not remember: no port was free for them, or no room.
func InsertsFailed() (uint64, error) {
	// The file shows the namespace of the thread: a line for each processor,
	// hexadecimal, under one line of names.
	file, err := os.Open("/proc/thread-self/net/stat/nf_conntrack")
	if err != nil {
		return 0, fmt.Errorf("read what connection tracking counts: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Scan()
	names := strings.Fields(lines.Text())
	var total uint64
	for lines.Scan() {
		values := strings.Fields(lines.Text())
		for _, name := range []string{"insert_failed", "drop"} {
			at := slices.Index(names, name)
			if at < 0 || at >= len(values) {
				continue
			}
			n, err := strconv.ParseUint(values[at], 16, 64)
			if err != nil {
				return 0, fmt.Errorf("read what connection tracking counts as %s: %w", name, err)
			}
			total += n
		}
	}
	return total, lines.Err()
}
