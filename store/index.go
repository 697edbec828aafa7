package store

import (
	"iter"

	"causeway.dev/resource"
)

// A Property is what records of a table can be found by without a look at the
// others. Its name is that of AWS's filter.
type Property string

// The properties. The first two are of every table; the others are of those whose
// comments name them.
const (
	ByTag          Property = "tag"                      // key and value, as TagValue joins them
	ByDeleted      Property = "deleted"                  // the empty value: what was deleted and is still shown
	ByVPC          Property = "vpc-id"                   // of what is in a VPC, or attached to it
	BySubnet       Property = "subnet-id"                // network interfaces, instances
	ByInstance     Property = "attachment.instance-id"   // network interfaces
	ByAttachment   Property = "attachment.attachment-id" // network interfaces, also by what they were attached by last
	ByAddress      Property = "private-ip-address"       // network interfaces, by all of theirs
	ByMAC          Property = "mac-address"              // network interfaces
	ByGroup        Property = "group-id"                 // network interfaces
	ByOtherAccount Property = "other-account"            // network interfaces, by those that may use them or have them
	ByAssociated   Property = "associated-vpc-id"        // security groups, by further VPCs
	ByReservation  Property = "reservation-id"           // instances
	ByWanted       Property = "wanted"                   // instances that are not deleted
	ByGateway      Property = "vpn-gateway-id"           // VPN connections
	ByCustomer     Property = "customer-gateway-id"      // VPN connections
	ByInterface    Property = "network-interface-id"     // addresses
	ByResource     Property = "resource-id"              // flow logs
	ByState        Property = "state"                    // instance statuses
	ByPoweredOff   Property = "powered-off"              // instance statuses; the empty value: those that say so
)

// TagValue is a tag as ByTag finds it.
func TagValue(key, value string) string { return key + "\x00" + value }

// properties tell which values records have, by property.
type properties[T any] map[Property]func(v *T) []string

func one(value string) []string { return []string{value} }

var (
	subnetProperties = properties[resource.Subnet]{
		ByVPC: func(v *resource.Subnet) []string { return one(v.VPC) },
	}
	routeTableProperties = properties[resource.RouteTable]{
		ByVPC: func(v *resource.RouteTable) []string { return one(v.VPC) },
	}
	securityGroupProperties = properties[resource.SecurityGroup]{
		ByVPC:        func(v *resource.SecurityGroup) []string { return one(v.VPC) },
		ByAssociated: func(v *resource.SecurityGroup) []string { return v.Associated },
	}
	networkACLProperties = properties[resource.NetworkACL]{
		ByVPC: func(v *resource.NetworkACL) []string { return one(v.VPC) },
	}
	interfaceProperties = properties[resource.NetworkInterface]{
		ByVPC:      func(v *resource.NetworkInterface) []string { return one(v.VPC) },
		BySubnet:   func(v *resource.NetworkInterface) []string { return one(v.Subnet) },
		ByInstance: func(v *resource.NetworkInterface) []string { return one(v.Instance) },
		ByAddress: func(v *resource.NetworkInterface) (texts []string) {
			for _, a := range v.PrivateAddresses() {
				texts = append(texts, a.String())
			}
			return texts
		},
		ByAttachment: func(v *resource.NetworkInterface) []string {
			if v.Former != nil {
				return one(v.Former.ID)
			}
			return one(v.AttachmentID)
		},
		ByMAC:          func(v *resource.NetworkInterface) []string { return one(v.MAC) },
		ByGroup:        func(v *resource.NetworkInterface) []string { return v.Groups },
		ByOtherAccount: (*resource.NetworkInterface).OtherAccounts,
	}
	instanceProperties = properties[resource.Instance]{
		ByVPC:         func(v *resource.Instance) []string { return one(v.VPC) },
		BySubnet:      func(v *resource.Instance) []string { return one(v.Subnet) },
		ByReservation: func(v *resource.Instance) []string { return one(v.Reservation) },
		ByWanted: func(v *resource.Instance) []string {
			if v.Deleted != nil {
				return nil
			}
			return one(v.Wanted)
		},
	}
	instanceStatusProperties = properties[resource.InstanceStatus]{
		ByState: func(v *resource.InstanceStatus) []string { return one(v.State) },
		ByPoweredOff: func(v *resource.InstanceStatus) []string {
			if !v.PoweredOff {
				return nil
			}
			return one("")
		},
	}
	addressProperties = properties[resource.Address]{
		ByInterface: func(v *resource.Address) []string { return one(v.NetworkInterface) },
	}
	internetGatewayProperties = properties[resource.InternetGateway]{
		ByVPC: func(v *resource.InternetGateway) []string { return one(v.VPC) },
	}
	egressOnlyProperties = properties[resource.EgressOnlyInternetGateway]{
		ByVPC: func(v *resource.EgressOnlyInternetGateway) []string { return one(v.VPC) },
	}
	publicAccessExclusionProperties = properties[resource.PublicAccessExclusion]{
		ByVPC: func(v *resource.PublicAccessExclusion) []string { return one(v.VPC) },
	}
	natGatewayProperties = properties[resource.NATGateway]{
		ByVPC: func(v *resource.NATGateway) []string { return one(v.VPC) },
	}
	vpnGatewayProperties = properties[resource.VPNGateway]{
		ByVPC: func(v *resource.VPNGateway) []string { return one(v.VPC) },
	}
	flowLogProperties = properties[resource.FlowLog]{
		ByResource: func(v *resource.FlowLog) []string { return one(v.Resource) },
	}
	vpnConnectionProperties = properties[resource.VPNConnection]{
		ByGateway:  func(v *resource.VPNConnection) []string { return one(v.VPNGateway) },
		ByCustomer: func(v *resource.VPNConnection) []string { return one(v.CustomerGateway) },
	}
)

// An indexer tells what a record is found by.
type indexer interface {
	// index calls add for each value of a property that a record has.
	index(value any, add func(p Property, value string))
}

// indexing says what the table's records are found by besides their tags.
func (t *Table[T]) indexing(by properties[T]) *Table[T] {
	t.indexes = by
	return t
}

func (t *Table[T]) index(value any, add func(p Property, value string)) {
	v := value.(*T)
	for _, tag := range t.meta(v).Tags {
		add(ByTag, TagValue(tag.Key, tag.Value))
	}
	if t.meta(v).Deleted != nil {
		add(ByDeleted, "")
	}
	for p, values := range t.indexes {
		for _, value := range values(v) {
			add(p, value)
		}
	}
}

// Finds reports whether the table's records are found by a property.
func (t *Table[T]) Finds(p Property) bool {
	return p == ByTag || p == ByDeleted || t.indexes[p] != nil
}

// Find returns the records of one scope, or of all for the zero Scope, that have a
// value of a property that the table Finds, sorted by account, region and id. It takes as long as there are such records, whatever
// else there is. Like Scan it yields the stored values, which must not be changed.
func (t *Table[T]) Find(r Reader, s Scope, p Property, value string) iter.Seq[*T] {
	if !t.Finds(p) {
		panic("store: " + t.name + " are not found by " + string(p))
	}
	return func(yield func(*T) bool) {
		r.find(t.number, s, p, value, func(found *record) bool { return yield(found.value.(*T)) })
	}
}

// Count returns how many records of one scope have a value of a property that the
// table Finds. It takes no longer the more there are.
func (t *Table[T]) Count(r Reader, s Scope, p Property, value string) int {
	if !t.Finds(p) {
		panic("store: " + t.name + " are not counted by " + string(p))
	}
	return r.count(t.number, s, p, value)
}

// Total returns how many records one scope has. It takes no longer the more there are.
func (t *Table[T]) Total(r Reader, s Scope) int { return r.count(t.number, s, byAll, "") }

// byAll is the property that all records have, with the empty value. It is counted
// only.
const byAll Property = ""

// A tally counts the records of a scope that have a value.
type tally struct {
	property Property
	value    string
	scope    Scope
	records  int
}

func (c tally) before(other tally) bool {
	switch {
	case c.property != other.property:
		return c.property < other.property
	case c.value != other.value:
		return c.value < other.value
	case c.scope.Account != other.scope.Account:
		return c.scope.Account < other.scope.Account
	default:
		return c.scope.Region < other.scope.Region
	}
}

// An entry of an index leads from a value to a record that has it.
type entry struct {
	property Property
	value    string
	record   *record
}

// before orders entries by property, value and key.
func (e entry) before(other entry) bool {
	switch {
	case e.property != other.property:
		return e.property < other.property
	case e.value != other.value:
		return e.value < other.value
	default:
		return e.record.key.compare(other.record.key) < 0
	}
}
