package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Marks of packets that groups or ACLs have rejected, where flows are counted: such
// a packet passes the chains behind, so that the count sees it, and the last chain
// drops it. No table has such a number.
const (
	RejectedLeaving  = rejectedBit | 1 // on its way out of the interface that it came by
	RejectedEntering = rejectedBit | 2 // on its way into the interface that it goes to

	rejectedBit = 1 << 31
)

// ifRejected begins rules for packets that have been rejected already.
var ifRejected = fmt.Sprintf("meta mark & %#x != 0x0", uint32(rejectedBit))

// counted returns the devices whose flows are counted.
func (r *router) counted() []string {
	var devices []string
	for _, a := range r.attach {
		if a.counted {
			devices = append(devices, a.device)
		}
	}
	slices.Sort(devices)
	return devices
}

// linkAlias tells what an end of a link is, and which interface it stands for.
func linkAlias(linkID string, end LinkEnd) string {
	if end.Interface == "" {
		return linkID
	}
	return linkID + " " + end.Interface
}

// StandsFor returns the interface that a device stands for by its alias, and what the
// device is called if it does.
func StandsFor(alias string) (interfaceID, device string) {
	if linkID, interfaceID, ok := strings.Cut(alias, " "); ok {
		return interfaceID, LinkName(linkID)
	}
	return alias, PortName(alias)
}

// reject is the end of a rule by which a group or an ACL rejects a packet.
func (w *filterWriter) reject(counter string, mark uint32) string {
	drop := w.drop(counter)
	if !w.counts {
		return drop
	}
	return fmt.Sprintf("counter name %q meta mark set %#x accept", counter, mark)
}

// invalidTexts reject what belongs to no connection and begins none, as a group
// would: that of the interface that it comes by, or else of the one it goes to.
func (w *filterWriter) invalidTexts() []string {
	if !w.counts {
		return []string{w.drop(droppedInvalid)}
	}
	return []string{
		"iifname @outside " + w.reject(droppedInvalid, RejectedEntering),
		w.reject(droppedInvalid, RejectedLeaving),
	}
}

// skipRejected lets a chain leave alone what one before it has rejected.
func (w *filterWriter) skipRejected() []string {
	if !w.counts {
		return nil
	}
	return []string{ifRejected + " accept"}
}

// rejected drops, behind the count of flows, what is rejected.
func (w *filterWriter) rejected() {
	if w.counts {
		w.chain("rejected", []string{"type filter hook forward priority filter + 30; policy accept;", ifRejected + " drop"})
	}
}
