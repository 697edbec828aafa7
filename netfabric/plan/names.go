package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// NamespaceName is the name, as "ip netns" knows it, of the namespace of a
// network or an instance.
func NamespaceName(prefix, id string) string { return prefix + "-" + id }

// TUNName is the name of a tunnel's device.
func TUNName(tunnelID string) string { return linkName("t", tunnelID) }

// PortName is the name, in the network's namespace, of an interface's link.
func PortName(interfaceID string) string { return linkName("p", interfaceID) }

// LinkName is the name of a link's device in both namespaces.
func LinkName(linkID string) string { return linkName("l", linkID) }

// OutsideName is the name of the device that joins a network to the underlay, at
// both ends. In the underlay those of several installations meet.
func OutsideName(prefix, networkID string) string {
	return linkName(outsidePrefix, prefix+" "+networkID)
}

// IsOutsideName tells whether a device of the underlay is some installation's.
func IsOutsideName(device string) bool { return strings.HasPrefix(device, outsidePrefix) }

// OutsidePattern is how nftables names all of them.
const OutsidePattern = outsidePrefix + "*"

// outsidePrefix begins the names of all devices that installations have in the
// underlay.
const outsidePrefix = "cwo"

// linkName fits an id into the 15 bytes of a kernel name. The names must be the
// same in every life of the daemon, so they follow from the id alone.
func linkName(kind, id string) string {
	sum := sha256.Sum256([]byte(id))
	return kind + hex.EncodeToString(sum[:6])
}

// The kernel's route tables. Those of Config are numbered from their ids.
const (
	tablePorts      = 100     // what is attached to the namespace; asked first
	tableNumberMin  = 1 << 16 // leaves room for the kernel's own and for people's
	tableNumberMask = 1<<31 - 1
)

// tableNumbers gives each table id its kernel number, which is also the mark of
// its packets. The number follows from the id; only if two ids meet it depends
// on the other.
func tableNumbers(ids []string) map[string]uint32 {
	numbers, taken := map[string]uint32{}, map[uint32]bool{}
	for _, id := range ids {
		sum := sha256.Sum256([]byte(id))
		n := max(binary.BigEndian.Uint32(sum[:])&tableNumberMask, tableNumberMin)
		for taken[n] {
			n++
		}
		numbers[id], taken[n] = n, true
	}
	return numbers
}
