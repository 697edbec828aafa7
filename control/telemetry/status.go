package telemetry

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// A key names a status, and with it the instance or the tunnel of a connection
// that it is about.
type key struct {
	scope store.Scope
	id    string
}

func keyOf(m resource.Meta) key {
	return key{store.Scope{Account: m.Account, Region: m.Region}, m.ID}
}

func (k key) meta() resource.Meta {
	return resource.Meta{ID: k.id, Account: k.scope.Account, Region: k.scope.Region}
}

// tunnelKeys yields the tunnels that are wanted and those that have a status.
func tunnelKeys(snapshot *store.Snapshot) iter.Seq[key] {
	return func(yield func(key) bool) {
		for connection := range store.VPNConnections.All(snapshot) {
			for number := 1; number <= len(connection.Tunnels); number++ {
				k := keyOf(connection.Meta)
				k.id = resource.TunnelID(connection.ID, number)
				if !yield(k) {
					return
				}
			}
		}
		for status := range store.TunnelStatuses.All(snapshot) {
			k := keyOf(status.Meta)
			if _, ok := store.VPNConnections.Get(snapshot, k.scope, connectionOf(k.id)); !ok && !yield(k) {
				return
			}
		}
	}
}

// instanceKeys yields the instances and what has a status of one.
func instanceKeys(snapshot *store.Snapshot) iter.Seq[key] {
	return func(yield func(key) bool) {
		for instance := range store.Instances.All(snapshot) {
			if !yield(keyOf(instance.Meta)) {
				return
			}
		}
		for status := range store.InstanceStatuses.All(snapshot) {
			k := keyOf(status.Meta)
			if _, ok := store.Instances.Get(snapshot, k.scope, k.id); !ok && !yield(k) {
				return
			}
		}
	}
}

// interfaceKeys yields the network interfaces whose attachment is looked at by itself
// and what has a status of one.
func interfaceKeys(snapshot *store.Snapshot) iter.Seq[key] {
	return func(yield func(key) bool) {
		for nic := range store.NetworkInterfaces.All(snapshot) {
			if lookedAt(&nic) && !yield(keyOf(nic.Meta)) {
				return
			}
		}
		for status := range store.NetworkInterfaceStatuses.All(snapshot) {
			k := keyOf(status.Meta)
			nic, ok := store.NetworkInterfaces.Get(snapshot, k.scope, k.id)
			if (!ok || !lookedAt(&nic)) && !yield(k) {
				return
			}
		}
	}
}

// lookedAt reports whether the attachment of an interface has a status of its own.
func lookedAt(nic *resource.NetworkInterface) bool {
	return nic.Place != nil || nic.Instance != "" && nic.DeviceIndex != 0
}

// natGatewayKeys yields the NAT gateways and what has a status of one.
func natGatewayKeys(snapshot *store.Snapshot) iter.Seq[key] {
	return func(yield func(key) bool) {
		for gateway := range store.NATGateways.All(snapshot) {
			if !yield(keyOf(gateway.Meta)) {
				return
			}
		}
		for status := range store.NATGatewayStatuses.All(snapshot) {
			k := keyOf(status.Meta)
			if _, ok := store.NATGateways.Get(snapshot, k.scope, k.id); !ok && !yield(k) {
				return
			}
		}
	}
}

// A verdict is what shall become of a status.
type verdict int

const (
	keep verdict = iota // it is right, or right in not being there
	put
	remove
)

// settle writes a status if that is still due in the transaction.
func settle[T any](tx *store.Tx, table *store.Table[T], k key, judge func(store.Reader, key) (T, verdict)) {
	switch status, verdict := judge(tx, k); verdict {
	case put:
		table.Put(tx, status)
	case remove:
		table.Delete(tx, k.scope, k.id)
	}
}

// A view is one report, ready to be looked up.
type view struct {
	node       string
	revision   int64 // of what the node had applied
	now        time.Time
	tunnels    map[string]nodespec.TunnelStatus
	instances  map[string]nodespec.InstanceStatus
	interfaces map[string]nodespec.InterfaceStatus

	translating map[string]nodespec.TranslatorStatus
}

func newView(seen nodespec.Observed, now time.Time) view {
	v := view{
		seen.Node, seen.Revision, now,
		make(map[string]nodespec.TunnelStatus), make(map[string]nodespec.InstanceStatus), make(map[string]nodespec.InterfaceStatus), make(map[string]nodespec.TranslatorStatus),
	}
	for _, translator := range seen.Translating {
		v.translating[translator.ID] = translator
	}
	for _, nic := range seen.Interfaces {
		v.interfaces[nic.ID] = nic
	}
	for _, tunnel := range seen.Tunnels {
		v.tunnels[tunnel.ID] = tunnel
	}
	for _, instance := range seen.Instances {
		v.instances[instance.ID] = instance
	}
	return v
}

// tunnel judges the status of a tunnel.
func (v view) tunnel(r store.Reader, k key) (resource.TunnelStatus, verdict) {
	status, known := store.TunnelStatuses.Get(r, k.scope, k.id)
	connection, ok := store.VPNConnections.Get(r, k.scope, connectionOf(k.id))
	if !ok || connection.Deleted != nil {
		return status, removeIf(known)
	}
	seen, runs := v.tunnels[k.id]
	if !runs {
		if !known || !status.Up {
			return status, keep
		}
		seen = nodespec.TunnelStatus{Since: v.now, Message: fmt.Sprintf("The tunnel does not run on node %s.", strconv.Quote(v.node))}
	}
	negotiated := plan.Negotiated(seen.Negotiated)
	pending := known && seen.BGP != nil && seen.BGP.Pending
	if pending {
		seen.Up = status.Up // what was learned holds until the session tells it anew, or has failed
	}
	same := pending || slices.EqualFunc(status.Routes, learned(seen), isLearned)
	if known && status.Up == seen.Up && status.Message == seen.Message && status.Negotiated == negotiated && same {
		return status, keep
	}
	if !known || status.Up != seen.Up {
		status.Since = seen.Since // but a new message alone is no change of the state
	}
	status.Meta, status.Up, status.Message, status.Negotiated = k.meta(), seen.Up, seen.Message, negotiated
	if !same {
		status.Routes = learnedRoutes(learned(seen))
	}
	return status, put
}

// learned is what a tunnel's customer gateway has told: nothing while it is down.
func learned(seen nodespec.TunnelStatus) []nodespec.Learned {
	if seen.BGP == nil || !seen.Up {
		return nil
	}
	return seen.BGP.Routes
}

func isLearned(stored resource.LearnedRoute, seen nodespec.Learned) bool {
	return stored.Destination == seen.Destination && stored.MED == seen.MED && stored.Origin == uint8(seen.Origin) && slices.Equal(stored.Path, seen.Path)
}

func learnedRoutes(seen []nodespec.Learned) []resource.LearnedRoute {
	var all []resource.LearnedRoute
	for _, l := range seen {
		all = append(all, resource.LearnedRoute{Destination: l.Destination, Path: l.Path, Origin: uint8(l.Origin), MED: l.MED})
	}
	return all
}

// connection judges a connection's pre-shared keys: a former one is forgotten once the
// customer gateway has used the one after it, or else the next daemon would accept it
// again.
func (v view) connection(r store.Reader, k key) (resource.VPNConnection, verdict) {
	connection, _ := store.VPNConnections.Get(r, k.scope, k.id)
	verdict := keep
	for i := range connection.Tunnels {
		t := &connection.Tunnels[i]
		used := v.tunnels[resource.TunnelID(k.id, i+1)].KeyUsed
		if t.FormerPreSharedKey != "" && used > 0 && used == t.PreSharedKeyChanges { // not that of a change before
			t.ForgetFormerPreSharedKey()
			verdict = put
		}
	}
	return connection, verdict
}

// instance judges the status of an instance. What is terminated stays so.
func (v view) instance(r store.Reader, k key) (resource.InstanceStatus, verdict) {
	status, known := store.InstanceStatuses.Get(r, k.scope, k.id)
	instance, ok := store.Instances.Get(r, k.scope, k.id)
	if !ok {
		return status, removeIf(known)
	}
	seen, present := v.instances[k.id]
	judged := resource.InstanceStatus{Meta: k.meta(), State: resource.InstancePending, Reason: seen.Reason, Boot: seen.Boot}
	switch {
	case status.State == resource.InstanceTerminated:
		return status, keep
	case instance.Wanted == resource.InstanceTerminated && present:
		judged.State, judged.Reason = resource.InstanceShuttingDown, ""
	case instance.Wanted == resource.InstanceStopped && seen.Running:
		judged.State, judged.Reason = resource.InstanceStopping, ""
	case instance.Wanted != resource.InstanceRunning && v.revision < store.Instances.RecordRevision(r, k.scope, k.id):
		return status, keep // the node does not know yet, and may be about to start it
	case instance.Wanted != resource.InstanceRunning:
		judged.State, judged.Reason = instance.Wanted, ""
	case seen.Running:
		judged.State, judged.Reason = resource.InstanceRunning, ""
	case seen.PoweredOff && seen.Boot == instance.Boot:
		judged.State, judged.Reason, judged.PoweredOff = resource.InstanceStopping, "", true
	case status.State == resource.InstanceRunning && present && (seen.Restarting || seen.Boot != instance.Boot):
		return status, keep // a reboot, which is no change of the state
	case !present && !known: // a node has not come to it yet
		return status, keep
	}
	if known && status.State == judged.State && status.Reason == judged.Reason && status.Boot == judged.Boot && status.PoweredOff == judged.PoweredOff {
		return status, keep
	}
	return judged, put
}

// networkInterface judges the status of an interface. That it has gone counts only
// if the node knows that it shall, or else it may be about to come.
func (v view) networkInterface(r store.Reader, k key) (resource.NetworkInterfaceStatus, verdict) {
	status, known := store.NetworkInterfaceStatuses.Get(r, k.scope, k.id)
	nic, ok := store.NetworkInterfaces.Get(r, k.scope, k.id)
	if !ok || !lookedAt(&nic) {
		return status, removeIf(known)
	}
	seen, present := v.interfaces[k.id]
	if v.revision < store.NetworkInterfaces.RecordRevision(r, k.scope, k.id) || nic.Detaching && present || !nic.Detaching && !present {
		return status, keep
	}
	is := resource.NetworkInterfaceStatus{Meta: k.meta(), Attachment: nic.AttachmentID, Attached: seen.Attached, Reason: seen.Reason}
	if known && status.Attachment == is.Attachment && status.Attached == is.Attached && status.Reason == is.Reason {
		return status, keep
	}
	return is, put
}

// natGateway judges the status of a NAT gateway.
func (v view) natGateway(r store.Reader, k key) (resource.NATGatewayStatus, verdict) {
	status, known := store.NATGatewayStatuses.Get(r, k.scope, k.id)
	seen, stands := v.translating[k.id]
	if _, ok := store.NATGateways.Get(r, k.scope, k.id); !ok && !stands {
		return status, removeIf(known)
	}
	if status.Stands == stands && slices.Equal(status.Addresses, seen.Addresses) {
		return status, keep
	}
	return resource.NATGatewayStatus{Meta: k.meta(), Stands: stands, Addresses: seen.Addresses}, put
}

func removeIf(known bool) verdict {
	if known {
		return remove
	}
	return keep
}

// connectionOf returns the connection of a tunnel's id.
func connectionOf(tunnel string) string {
	connection, _, _ := strings.Cut(tunnel, "/")
	return connection
}
