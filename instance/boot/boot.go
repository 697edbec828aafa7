// Package boot makes the program that imports it the init process of an instance, if
// it is started as one. It does so while the program's packages are initialized, before
// those that instances have no use for: that of all of a daemon's takes some 20 ms and
// MiB of an instance's start, of which a host may have a thousand.
package boot

import (
	"os"

	"causeway.dev/instance"
)

func init() {
	if len(os.Args) > 1 && os.Args[1] == instance.InitCommand {
		os.Exit(instance.InitMain(os.Args[2:]))
	}
}
