// Package probe finds out whether the offloads of this machine's kernel do what
// they promise, by using each in a network namespace that nobody else sees. A
// kernel that damages packets is better carried without.
package probe

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/vishvananda/netlink"

	"causeway.dev/netfabric/netns"
	"causeway.dev/packetio"
)

// Run tries the offloads that are wanted, in a few milliseconds, and returns
// those that work, and for each that does not why. It needs root; without it
// the offloads are returned as they are, with that as the only fault.
func Run(wanted packetio.Offloads) (works packetio.Offloads, faults []error) {
	err := netns.Temporary(func() error {
		if err := upLoopback(); err != nil {
			return err
		}
		works, faults = prober{listen: listen, openTUN: openTUN}.run(wanted)
		return nil
	})
	if err != nil {
		return wanted, []error{fmt.Errorf("offloads could not be tried: %w", err)}
	}
	return works, faults
}

func upLoopback() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// Settle is Run with a line in the log for each offload that is left off, or that
// all is well.
func Settle(wanted packetio.Offloads, log *slog.Logger) packetio.Offloads {
	works, faults := Run(wanted)
	for _, err := range faults {
		log.Warn("packets are carried more slowly", "err", err)
	}
	log.Info("offloads in use", "offloads", works)
	return works
}

// A prober tries offloads in the namespace of the calling thread.
type prober struct {
	listen  func(netip.AddrPort, packetio.Offloads) (packetio.Socket, packetio.Offloads, error)
	openTUN func(packetio.Offloads) (packetio.Device, packetio.Offloads, error)
}

func listen(local netip.AddrPort, wanted packetio.Offloads) (packetio.Socket, packetio.Offloads, error) {
	s, err := packetio.ListenUDP(local, wanted)
	if err != nil {
		return nil, packetio.Offloads{}, err
	}
	return s, s.Offloads(), nil
}

// The stack of the namespace is at one end of the TUN, we are at the other.
var (
	stackAddress = netip.MustParsePrefix("192.0.2.1/24")
	ourAddress   = netip.MustParseAddr("192.0.2.2")
)

func openTUN(wanted packetio.Offloads) (packetio.Device, packetio.Offloads, error) {
	t, err := packetio.OpenTUN("probe", 1400, wanted)
	if err != nil {
		return nil, packetio.Offloads{}, err
	}
	err = func() error {
		link, err := netlink.LinkByName(t.Name())
		if err != nil {
			return err
		}
		address, err := netlink.ParseAddr(stackAddress.String())
		if err != nil {
			return err
		}
		return errors.Join(netlink.AddrAdd(link, address), netlink.LinkSetUp(link))
	}()
	if err != nil {
		return nil, packetio.Offloads{}, errors.Join(err, t.Close())
	}
	return t, t.Offloads(), nil
}

// errNotOffered is no misbehaviour, but the user may wonder why it is slow.
var errNotOffered = errors.New("this kernel does not offer it")

func (p prober) run(wanted packetio.Offloads) (works packetio.Offloads, faults []error) {
	for _, try := range []struct {
		name string
		only packetio.Offloads
		by   func(only packetio.Offloads) error
	}{
		{"segmentation by UDP sockets", packetio.Offloads{SocketSegmentation: true}, p.socketSegmentation},
		{"coalescing by UDP sockets", packetio.Offloads{SocketCoalescing: true}, p.socketCoalescing},
		{"TCP segmentation by TUN devices", packetio.Offloads{TUNSegmentation: true}, p.tcp},
		{"UDP segmentation by TUN devices", packetio.Offloads{TUNUDPSegmentation: true}, p.udp},
	} {
		if try.only.And(wanted) != try.only {
			continue
		}
		if err := try.by(try.only); err != nil {
			faults = append(faults, fmt.Errorf("%s is left off: %w", try.name, err))
			continue
		}
		works = works.Or(try.only)
	}
	return works, faults
}

func (p prober) socketSegmentation(only packetio.Offloads) error {
	return p.sockets(only, packetio.Offloads{}, only)
}

func (p prober) socketCoalescing(only packetio.Offloads) error {
	// A sender that segments, where there is one, gives the receiver something
	// to keep together.
	return p.sockets(packetio.Offloads{SocketSegmentation: true}, only, only)
}

// sockets sends datagrams from one socket to another and expects them as they
// were. The offload in question must be in use.
func (p prober) sockets(sends, takes, question packetio.Offloads) error {
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	from, has, err := p.listen(loopback, sends)
	if err != nil {
		return err
	}
	defer from.Close()
	to, alsoHas, err := p.listen(loopback, takes)
	if err != nil {
		return err
	}
	defer to.Close()
	if has.Or(alsoHas).And(question) != question {
		return errNotOffered
	}
	payloads := [][]byte{}
	for i, size := range []int{1000, 1000, 1000, 1000, 400, 1000, 0, 1200} {
		payloads = append(payloads, pattern(i, size))
	}
	return exchange(from, to, payloads)
}
