package instance

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

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

// confine takes all capabilities but the allowed ones from the calling thread
// and from what it starts.
func confine() error { return confineBy(unix.RawSyscall6) }

// confineProcess does so to every thread of the process, and keeps others out of
// its memory and descriptors, which lead to the host.
func confineProcess() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close process: %w", err)
	}
	return confineBy(syscall.AllThreadsSyscall6)
}

type systemCall func(number, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

func confineBy(call systemCall) error {
	var keep uint64
	for _, c := range allowed {
		keep |= 1 << c
	}
	for c := range capabilitiesMax {
		if keep&(1<<c) != 0 {
			continue
		}
		_, _, err := call(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // this kernel has no more
		}
		if err != 0 {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		data[i].Permitted = uint32(keep >> (32 * i))
		data[i].Effective = data[i].Permitted
	}
	if _, _, err := call(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0, 0, 0, 0); err != 0 {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}
