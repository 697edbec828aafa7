package netfabric

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"causeway.dev/netfabric/netns"
)

// A machine is what is behind a TAP device.
type machine struct{ file *os.File }

func openTAP(t *testing.T, namespace, device string) machine {
	t.Helper()
	var m machine
	err := netns.Do(namespace, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		request, err := unix.NewIfreq(device)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			unix.Close(fd)
			return err
		}
		m.file = os.NewFile(uintptr(fd), device)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.file.Close() })
	return m
}

// machineMAC is the machine's own, not the interface's.
var machineMAC = []byte{0x02, 0xaa, 0, 0, 0, 1}

// answer answers who asks for the address, and echo requests, until the device is
// closed.
//
//	[ destination 6 | source 6 | type 2 | ARP or IPv4 ]
func (m machine) answer(address netip.Addr) {
	const header = 14
	frame := make([]byte, 2000)
	for {
		n, err := m.file.Read(frame)
		if err != nil {
			return
		}
		f := frame[:n]
		if n < header+28 {
			continue
		}
		body := f[header:]
		switch binary.BigEndian.Uint16(f[12:]) {
		case 0x0806:
			if body[7] != 1 || !bytes.Equal(body[24:28], address.AsSlice()) {
				continue
			}
			sender := bytes.Clone(body[8:18])
			body[7] = 2
			copy(body[8:], machineMAC)
			copy(body[14:], address.AsSlice())
			copy(body[18:], sender)
		case 0x0800:
			ip := int(body[0]&15) * 4
			if body[9] != 1 || !bytes.Equal(body[16:20], address.AsSlice()) || body[ip] != 8 {
				continue
			}
			copy(body[16:20], body[12:16])
			copy(body[12:16], address.AsSlice())
			body[ip] = 0 // echo reply: the checksum grows by what the type lost
			sum := uint32(binary.BigEndian.Uint16(body[ip+2:])) + 0x0800
			binary.BigEndian.PutUint16(body[ip+2:], uint16(sum+sum>>16))
		default:
			continue
		}
		copy(f, f[6:12])
		copy(f[6:], machineMAC)
		if _, err := m.file.Write(f); err != nil {
			return
		}
	}
}
