package store

import (
	"fmt"
	"iter"
	"strings"

	"causeway.dev/resource"
)

// The tables. Each holds one noun; the records of a noun are told apart by
// account, region and id.
var (
	VPCs              = newTable[resource.VPC](0, "vpcs")
	Subnets           = newTable[resource.Subnet](1, "subnets").indexing(subnetProperties)
	RouteTables       = newTable[resource.RouteTable](2, "route-tables").indexing(routeTableProperties)
	SecurityGroups    = newTable[resource.SecurityGroup](3, "security-groups").indexing(securityGroupProperties)
	NetworkInterfaces = newTable[resource.NetworkInterface](4, "network-interfaces").indexing(interfaceProperties)
	Instances         = newTable[resource.Instance](5, "instances").indexing(instanceProperties)
	InstanceStatuses  = newTable[resource.InstanceStatus](6, "instance-statuses").indexing(instanceStatusProperties)
	CustomerGateways  = newTable[resource.CustomerGateway](7, "customer-gateways")
	VPNGateways       = newTable[resource.VPNGateway](8, "vpn-gateways").indexing(vpnGatewayProperties)
	VPNConnections    = newTable[resource.VPNConnection](9, "vpn-connections").sealing((*resource.VPNConnection).Secrets).indexing(vpnConnectionProperties)
	TunnelStatuses    = newTable[resource.TunnelStatus](10, "tunnel-statuses")

	Certificates           = newTable[resource.Certificate](11, "certificates").sealing((*resource.Certificate).Secrets)
	CertificateAuthorities = newTable[resource.CertificateAuthority](12, "certificate-authorities").sealing((*resource.CertificateAuthority).Secrets)
	TunnelCertificates     = newTable[resource.TunnelCertificate](13, "tunnel-certificates").sealing((*resource.TunnelCertificate).Secrets)

	Users          = newTable[resource.User](14, "users")
	AccessKeys     = newTable[resource.AccessKey](15, "access-keys").sealing((*resource.AccessKey).Secrets)
	Groups         = newTable[resource.Group](16, "groups")
	Roles          = newTable[resource.Role](17, "roles")
	Policies       = newTable[resource.Policy](18, "policies")
	SAMLProviders  = newTable[resource.SAMLProvider](19, "saml-providers").sealing((*resource.SAMLProvider).Secrets)
	AccountAliases = newTable[resource.AccountAlias](20, "account-aliases")

	InternetGateways           = newTable[resource.InternetGateway](21, "internet-gateways").indexing(internetGatewayProperties)
	EgressOnlyInternetGateways = newTable[resource.EgressOnlyInternetGateway](22, "egress-only-internet-gateways").indexing(egressOnlyProperties)
	Addresses                  = newTable[resource.Address](23, "addresses").indexing(addressProperties)
	NATGateways                = newTable[resource.NATGateway](24, "nat-gateways").indexing(natGatewayProperties)
	NATGatewayStatuses         = newTable[resource.NATGatewayStatus](25, "nat-gateway-statuses")
	InitialStates              = newTable[resource.InitialState](26, "initial-states")

	ConnectionUsages = newTable[resource.ConnectionUsage](27, "connection-usages")

	NetworkACLs = newTable[resource.NetworkACL](28, "network-acls").indexing(networkACLProperties)

	PrefixLists        = newTable[resource.PrefixList](29, "prefix-lists")
	PrefixListVersions = newTable[resource.PrefixListVersion](30, "prefix-list-versions")
	DHCPOptions        = newTable[resource.DHCPOptions](31, "dhcp-options")

	NetworkInterfaceStatuses = newTable[resource.NetworkInterfaceStatus](32, "network-interface-statuses")
	KeyPairs                 = newTable[resource.KeyPair](33, "key-pairs")

	FlowLogs        = newTable[resource.FlowLog](34, "flow-logs").indexing(flowLogProperties)
	FlowLogStatuses = newTable[resource.FlowLogStatus](35, "flow-log-statuses")

	KeySecrets  = newTable[resource.KeySecret](36, "key-secrets").sealing((*resource.KeySecret).Secrets)
	FetchedKeys = newTable[resource.FetchedKey](37, "fetched-keys").sealing((*resource.FetchedKey).Secrets)

	InstanceProfiles = newTable[resource.InstanceProfile](38, "instance-profiles")
	MetadataDefaults = newTable[resource.MetadataDefaults](39, "metadata-defaults")
	AccessKeyUses    = newTable[resource.AccessKeyUse](40, "access-key-uses")

	PublicAccessOptions    = newTable[resource.PublicAccessOptions](41, "public-access-options")
	PublicAccessExclusions = newTable[resource.PublicAccessExclusion](42, "public-access-exclusions").indexing(publicAccessExclusionProperties)
)

// tables lists all tables by number. A name is part of the stored keys: it
// never changes and is never used again for something else.
var tables = []anyTable{
	VPCs, Subnets, RouteTables, SecurityGroups, NetworkInterfaces, Instances,
	InstanceStatuses, CustomerGateways, VPNGateways, VPNConnections, TunnelStatuses,
	Certificates, CertificateAuthorities, TunnelCertificates,
	Users, AccessKeys, Groups, Roles, Policies, SAMLProviders, AccountAliases,
	InternetGateways, EgressOnlyInternetGateways, Addresses, NATGateways, NATGatewayStatuses, InitialStates,
	ConnectionUsages, NetworkACLs, PrefixLists, PrefixListVersions, DHCPOptions, NetworkInterfaceStatuses, KeyPairs, FlowLogs, FlowLogStatuses,
	KeySecrets, FetchedKeys, InstanceProfiles, MetadataDefaults, AccessKeyUses, PublicAccessOptions, PublicAccessExclusions,
}

var tableByName = func() map[string]int {
	byName := make(map[string]int, len(tables))
	for number, t := range tables {
		byName[t.Name()] = number
	}
	return byName
}()

// anyTable is a Table of whatever noun.
type anyTable interface {
	Name() string
	codec
	indexer
}

// A Scope is one account's part of one region. Records of different scopes
// never meet, except where All says so.
type Scope struct {
	Account string // "123456789012"
	Region  string // "us-east-1"
}

// A Table holds all records of one noun. T is the noun; it embeds
// resource.Meta, which says where a record belongs.
//
// The values that Get, List and All return share their slices with everybody
// else who reads the same record: clone a slice before changing it.
type Table[T any] struct {
	number  int
	name    string
	meta    func(*T) *resource.Meta
	secrets func(*T) []*string // what is sealed of a value; nil: nothing
	indexes properties[T]      // what records are found by besides tags; nil: nothing
}

// noun is what a table's values are: structs that embed resource.Meta.
type noun[T any] interface {
	*T
	GetMeta() *resource.Meta
}

func newTable[T any, P noun[T]](number int, name string) *Table[T] {
	return &Table[T]{number: number, name: name, meta: func(v *T) *resource.Meta { return P(v).GetMeta() }}
}

// Get returns the record of an id, and whether there is one.
func (t *Table[T]) Get(r Reader, s Scope, id string) (T, bool) {
	if found := r.get(t.number, key{s.Account, s.Region, id}); found != nil && found.value != nil {
		return *found.value.(*T), true
	}
	var none T
	return none, false
}

// RecordRevision returns the store's revision at which a record was written, or
// 0 if there is none or a Tx has written it itself.
func (t *Table[T]) RecordRevision(r Reader, s Scope, id string) int64 {
	if found := r.get(t.number, key{s.Account, s.Region, id}); found != nil {
		return found.revision
	}
	return 0
}

// List returns the records of one scope, sorted by id. In a Tx it shows them as
// they are when the loop begins, with the writes made until then.
func (t *Table[T]) List(r Reader, s Scope) iter.Seq[T] { return values(t.Scan(r, s)) }

// Scan is List without copies, for those who look at many records and keep few:
// what it yields are the stored values themselves, which must not be changed.
func (t *Table[T]) Scan(r Reader, s Scope) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		r.scan(t.number, s, func(found *record) bool { return found.value == nil || yield(found.value.(*T)) })
	}
}

// All returns the records of every account and region, sorted by account, then
// region, then id: for what is shared by all, such as the outside addresses.
func (t *Table[T]) All(r Reader) iter.Seq[T] { return values(t.Scan(r, Scope{})) }

// values are copies of what pointers lead to.
func values[T any](pointers iter.Seq[*T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		pointers(func(v *T) bool { return yield(*v) })
	}
}

// Revision returns the store's revision at which the table last changed, as far
// as the snapshot knows. It lets a reader skip work when nothing that it reads
// has changed.
func (t *Table[T]) Revision(s *Snapshot) int64 { return s.tables[t.number].revision }

// Len returns the number of records in all scopes.
func (t *Table[T]) Len(s *Snapshot) int { return s.tables[t.number].tree.len() }

// Put creates a record or replaces it; v's Meta says which. Who replaces reads
// the record in the same Tx first, or else the last writer wins unseen.
func (t *Table[T]) Put(tx *Tx, v T) {
	meta := t.meta(&v)
	tx.put(t.number, key{meta.Account, meta.Region, meta.ID}, &v)
}

// Delete removes a record. Without such a record it does nothing.
func (t *Table[T]) Delete(tx *Tx, s Scope, id string) {
	tx.delete(t.number, key{s.Account, s.Region, id})
}

// Name is the table's name in stored keys: "vpn-connections".
func (t *Table[T]) Name() string { return t.name }

// A key tells apart the records of one table.
type key struct{ account, region, id string }

// compare orders keys by account, region and id.
func (k key) compare(other key) int {
	if c := strings.Compare(k.account, other.account); c != 0 {
		return c
	}
	if c := strings.Compare(k.region, other.region); c != 0 {
		return c
	}
	return strings.Compare(k.id, other.id)
}

func (k key) scope() Scope { return Scope{k.account, k.region} }

// check refuses keys that would be stored under another record's name, or that
// a List could not find.
func (k key) check() error {
	if k.account == "" || k.region == "" || k.id == "" {
		return fmt.Errorf("record %+v lacks its account, region or id", k)
	}
	if strings.Contains(k.account, "/") || strings.Contains(k.region, "/") {
		return fmt.Errorf("record %+v has a slash in its account or region", k)
	}
	return nil
}

// Stored keys are recordPrefix<table>/<account>/<region>/<id>. Of the parts,
// only the id may contain slashes ("vpn-0123456789abcdef0/1").
const (
	recordPrefix = "/causeway/v1/"
	guardPrefix  = "/causeway/guard/v1/"
)

func recordKey(table int, k key) string {
	return recordPrefix + tables[table].Name() + "/" + k.account + "/" + k.region + "/" + k.id
}

// guardKey names the key that is written whenever a record of a table and scope
// is written or deleted: what tells a transaction that listed them that its
// list is outdated.
func guardKey(table int, s Scope) string {
	return guardPrefix + tables[table].Name() + "/" + s.Account + "/" + s.Region
}

// parseRecordKey is the inverse of recordKey; ok is false for keys of tables
// that this version does not know.
func parseRecordKey(stored string) (table int, k key, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(stored, recordPrefix), "/", 4)
	if len(parts) != 4 {
		return 0, key{}, false
	}
	table, ok = tableByName[parts[0]]
	return table, key{parts[1], parts[2], parts[3]}, ok
}
