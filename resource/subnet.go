package resource

import (
	"encoding/binary"
	"net/netip"
)

// A Subnet is a part of a VPC in one zone. The first four addresses and the last are the network's own.
type Subnet struct {
	Meta
	VPC                 string       `json:"vpc"`
	CIDR                netip.Prefix `json:"cidr"`
	Zone                string       `json:"zone"` // "us-east-1a"
	State               string       `json:"state"`
	MapPublicIPOnLaunch bool         `json:"mapPublicIpOnLaunch,omitempty"`
	DefaultForAZ        bool         `json:"defaultForAz,omitempty"`

	// IPv6 are the IPv6 ranges, at most one of which is associated.
	IPv6 []CIDRAssociation `json:"ipv6,omitempty"`

	AssignIPv6OnCreation bool `json:"assignIpv6AddressOnCreation,omitempty"` // new interfaces get an IPv6 address
}

// The addresses at both ends of a subnet that no interface can have: the
// network's, the router's, the name server's, one kept for later, and the last.
const (
	subnetReservedFirst = 4
	subnetReservedLast  = 1
)

// Capacity is the number of addresses that interfaces of the subnet can have.
func (s *Subnet) Capacity() int {
	return 1<<(32-s.CIDR.Bits()) - subnetReservedFirst - subnetReservedLast
}

// ValidateAddress checks an address that a caller chose for an interface: in
// the subnet and not one of the reserved.
func (s *Subnet) ValidateAddress(a netip.Addr) error {
	if !s.CIDR.Contains(a) {
		return Errorf(CodeInvalidParameterValue, "Address %s does not fall within the subnet's address range %s", a, s.CIDR)
	}
	offset := addressNumber(a) - addressNumber(s.CIDR.Addr())
	if offset < subnetReservedFirst || offset >= uint32(subnetReservedFirst+s.Capacity()) {
		return Errorf(CodeInvalidParameterValue, "Address %s is in subnet's reserved address range: the first four addresses and the last are the network's own", a)
	}
	return nil
}

// FreeAddress returns the lowest address that an interface can have and that is
// not used, or false if the subnet is full.
func (s *Subnet) FreeAddress(used map[netip.Addr]bool) (netip.Addr, bool) {
	first := addressNumber(s.CIDR.Addr()) + subnetReservedFirst
	for n := range uint32(s.Capacity()) {
		if a := numberedAddress(first + n); !used[a] {
			return a, true
		}
	}
	return netip.Addr{}, false
}

func addressNumber(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func numberedAddress(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}
