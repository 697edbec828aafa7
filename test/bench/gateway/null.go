package main

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"

	"causeway.dev/esp"
	"causeway.dev/ike"
	"causeway.dev/internal/run"
	"causeway.dev/packetio"
	"causeway.dev/tunnel"
)

// The null format leaves packets as they are:
//
//	[ SPI 4 | sequence 4 | packet ]
//
// What it takes over a format with cryptography is the cryptography's cost.
const nullHeaderLen = 8

// nullSPI is that of both directions.
const nullSPI = 0x6e756c6c

type nullSealer struct{ sequence uint32 }

func (s *nullSealer) Seal(slot []byte, offset, n int) ([]byte, error) {
	s.sequence++
	sealed := slot[offset-nullHeaderLen : offset+n]
	binary.BigEndian.PutUint32(sealed, nullSPI)
	binary.BigEndian.PutUint32(sealed[4:], s.sequence)
	return sealed, nil
}

func (s *nullSealer) Sequence() uint64    { return uint64(s.sequence) }
func (s *nullSealer) Inside(room int) int { return room - nullHeaderLen }
func (s *nullSealer) Close()              {}

type nullOpener struct{}

func (nullOpener) Open(payload []byte) ([]byte, error) {
	if len(payload) <= nullHeaderLen {
		return nil, esp.ErrShort
	}
	return payload[nullHeaderLen:], nil
}

func (nullOpener) Newest() bool { return true }

func (nullOpener) Close() {}

// runNull carries packets by the product's hot path in the null format.
func (g gateway) runNull(ctx context.Context, profile string) (err error) {
	lane, err := tunnel.NewLane(packetio.NewPoller)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lane.Close()) }()
	endpoint, err := tunnel.Listen(tunnel.EndpointConfig{Local: g.local, Lane: lane, Offloads: packetio.AllOffloads})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endpoint.Close()) }()
	device, err := g.openTUN("vpn0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, device.Close()) }()
	carrier, err := tunnel.New(tunnel.Config{Name: "vpn0", Device: device, Endpoint: endpoint, MTU: g.mtu})
	if err != nil {
		return err
	}
	defer carrier.Close()
	path := ike.Path{Local: netip.AddrPortFrom(g.local, tunnel.PortNATT), Remote: netip.AddrPortFrom(g.remote, tunnel.PortNATT), UDP: true}
	if err := carrier.InstallFormat(nullSPI, &nullOpener{}, nullSPI, &nullSealer{}, path); err != nil {
		return err
	}
	if err := carrier.ActivateChild(nullSPI); err != nil {
		return err
	}
	all := run.New(ctx)
	all.Go("lane", lane.Run)
	all.Go("endpoint", endpoint.Run)
	all.Go("tunnel", carrier.Run)
	all.Go("serve", func(ctx context.Context) error {
		defer all.Stop(nil)
		return serve(ctx, profile)
	})
	return all.Wait()
}
