package serve

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
)

// needed are the capabilities without which nothing is made that the API tells of.
var needed = []struct {
	bit  uint
	name string
}{{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}}

// missingRights are the names of the capabilities that effective sets lack: two words of
// 32 bits, the low one first.
func missingRights(effective [2]uint32) []string {
	var missing []string
	for _, c := range needed {
		if effective[c.bit/32]&(1<<(c.bit%32)) == 0 {
			missing = append(missing, c.name)
		}
	}
	return missing
}

// checkRights refuses to run where networks cannot be made: calls of the API would
// succeed and nothing come of them.
func checkRights() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("look for capabilities: %w", err)
	}
	if missing := missingRights([2]uint32{sets[0].Effective, sets[1].Effective}); len(missing) > 0 {
		return fmt.Errorf("it has to run as root: networks cannot be made without %s", strings.Join(missing, " and "))
	}
	return nil
}

// checkMounts refuses to make networks that would end with the process.
func checkMounts() error {
	name, err := netns.Command()
	if err != nil {
		return err
	}
	if name != "" {
		return fmt.Errorf("it was started by ip netns exec %s, which gives it mounts that end with it, and with them all networks: start it without, and name %[1]s as outside.namespace", name)
	}
	return nil
}
