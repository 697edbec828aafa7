package instance

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// allowed are the capabilities that an instance's processes may have: what a
// server or a router needs of root. The others reach past the namespaces:
// mounting uncovers what is hidden and shows the host's devices and control
// groups, tracing takes over process 1, and files are found by their handles
// wherever they are.
var allowed = []int{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_SETFCAP, unix.CAP_SETPCAP,
	unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL, unix.CAP_SYS_CHROOT, unix.CAP_AUDIT_WRITE,
	unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_BROADCAST,
}

// capabilitiesMax is above every capability's number.
const capabilitiesMax = 64

// closeProcess keeps others out of the calling process's memory and descriptors,
// which lead to the host.
func closeProcess() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close process: %w", err)
	}
	return nil
}

// confine takes all capabilities but the allowed ones from the calling thread
// and from what it starts.
func confine() error {
	var keep uint64
	for _, c := range allowed {
		keep |= 1 << c
	}
	for c := range capabilitiesMax {
		if keep&(1<<c) != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // this kernel has no more
		}
		if err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		data[i].Permitted = uint32(keep >> (32 * i))
		data[i].Effective = data[i].Permitted
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}
