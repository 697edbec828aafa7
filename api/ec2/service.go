// Package ec2 holds the operations of EC2's API: VPC, instances and
// Site-to-Site VPN. Each is a method from the generated request to the generated
// answer, in the file of its noun.
//
// An operation that changes something does so in one transaction, which checks
// all rules first; one that describes reads a snapshot. Every refusal is a
// resource.Error with AWS's code.
package ec2

import (
	"context"
	"crypto/rand"
	"io"
	"maps"
	"net/netip"
	"slices"
	"time"

	model "causeway.dev/api/model/ec2"
	"causeway.dev/api/server"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// Config is what the operations need to know of the installation.
type Config struct {
	Store *store.Store

	// Regions are those that are served, with their zones.
	Regions []Region

	// Limits bound what an account can have in a region. Zero values mean
	// AWS's defaults.
	Limits Limits

	// AccountLimits are those of single accounts. Zero values mean those of Limits.
	AccountLimits map[string]Limits

	// OutsideAddresses are the ranges that the gateways' own addresses are
	// taken from.
	OutsideAddresses []netip.Prefix

	// ElasticAddresses are the ranges that accounts' addresses of the outside
	// are taken from.
	ElasticAddresses []netip.Prefix

	// IPv6Addresses are the ranges that those of VPCs are taken from, each of /56
	// or more.
	IPv6Addresses []netip.Prefix

	// DefaultVPCs gives each account a default VPC in each region, when it first
	// calls there.
	DefaultVPCs bool

	// Host is what the instances run on.
	Host Host

	// Console reads what instances print; nil if nobody keeps it.
	Console Console

	// ServiceMayAssume tells whether a role lets a service act in its name for
	// something of an account, which an ARN names; nil takes any for doing so.
	ServiceMayAssume func(roleARN, service, account, sourceARN string) bool

	// LogGroupExists looks for the log group that a tunnel's log is to go to;
	// nil takes any for existing.
	LogGroupExists func(account, region, name string) (bool, error)

	// Endpoint is the URL under which clients reach this API, for
	// DescribeRegions; it may be empty.
	Endpoint string

	// FormerKeyLifetime is how long a pre-shared key that was replaced is
	// taken beside the new one, unless the customer gateway uses the new one
	// before. Zero means FormerKeyLifetimeDefault.
	FormerKeyLifetime time.Duration

	// KeyReferences are the kinds of references to pre-shared keys that this
	// installation can follow: resource.KeyReferenceFile, resource.KeyReferenceVault.
	KeyReferences []string

	// Rand is where ids and keys come from. Nil is crypto/rand's.
	Rand io.Reader
}

// FormerKeyLifetimeDefault gives a customer a day to change the key on the device.
const FormerKeyLifetimeDefault = 24 * time.Hour

// A Region is a region with its zones: "us-east-1" has "us-east-1a" and so on.
type Region struct {
	Name  string
	Zones []string // at least one
}

// A Host is what instances share.
type Host struct {
	Architecture string  // AWS's name: "x86_64" or "arm64"
	Images       []Image // besides HostImage
}

// A Console keeps what instances print.
type Console interface {
	// ConsoleOutput returns the newest part of what an instance printed, and
	// when it last did; nothing and the zero time if it never did.
	ConsoleOutput(ctx context.Context, instance string) (output []byte, at time.Time, err error)
}

// A Service has the operations as its methods. They may be called by any
// goroutine.
type Service struct {
	store  *store.Store
	config Config
	rand   io.Reader

	limits        Limits
	accountLimits map[string]Limits // of those that have their own
}

// New returns the operations on a store.
func New(cfg Config) *Service {
	s := &Service{store: cfg.Store, config: cfg, limits: cfg.Limits.over(defaultLimits), accountLimits: map[string]Limits{}, rand: cfg.Rand}
	for account, limits := range cfg.AccountLimits {
		s.accountLimits[account] = limits.over(s.limits)
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	return s
}

// actions are handlers by the name of their action.
type actions map[string]server.Handler

// Server returns the service as api/server takes it. Each noun's file tells
// which actions it has.
func (s *Service) Server() server.Service {
	all := actions{}
	for _, part := range []actions{
		s.vpcActions(),
		s.subnetActions(),
		s.subnetReservationActions(),
		s.unusedActions(), s.publicAccessActions(),
		s.unusedInstanceActions(), s.instanceProfileActions(),
		s.idFormatActions(),
		s.securityGroupSharingActions(),
		s.routeTableActions(),
		s.routeActions(),
		s.networkACLActions(),
		s.securityGroupActions(),
		s.securityGroupRuleActions(),
		s.instanceActions(),
		s.hostActions(),
		s.networkInterfaceActions(), s.interfacePermissionActions(),
		s.tagActions(),
		s.regionActions(),
		s.siteToSiteActions(),
		s.internetGatewayActions(),
		s.addressActions(),
		s.natGatewayActions(),
		s.flowLogActions(),
		s.defaultVPCActions(),
		s.dhcpOptionsActions(),
		s.keyPairActions(),
		s.prefixListActions(),
	} {
		maps.Copy(all, part)
	}
	return server.Service{Model: model.Service, Actions: all, Targets: s.targets, Before: s.makeInitialState}
}

// A reader is one account's part of one region, as of a snapshot or within a
// transaction.
type reader struct {
	store.Reader
	scope store.Scope
	now   time.Time // when the request came in

	limits *Limits // the account's
}

// A writer is a reader within a transaction, which can write too.
type writer struct {
	reader
	tx *store.Tx
}

// read returns what the caller sees now.
func (s *Service) read(c server.Caller) reader {
	return reader{Reader: s.store.Snapshot(), scope: scopeOf(c), now: c.Now, limits: s.limitsOf(c.Account)}
}

// update runs f in a transaction. f may run several times, and changes nothing
// but through w and what it assigns to before it returns. With dryRun all is
// checked and nothing is stored.
func (s *Service) update(ctx context.Context, c server.Caller, dryRun *bool, f func(w writer) error) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		if err := f(writer{reader: reader{Reader: tx, scope: scopeOf(c), now: c.Now, limits: s.limitsOf(c.Account)}, tx: tx}); err != nil {
			return err
		}
		return checkDryRun(dryRun)
	})
}

// checkDryRun is the end of every check: what a caller who asked for a dry run
// is told if the request would have succeeded.
func checkDryRun(dryRun *bool) error {
	if dryRun != nil && *dryRun {
		return resource.Errorf(resource.CodeDryRunOperation, "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}

func scopeOf(c server.Caller) store.Scope {
	return store.Scope{Account: c.Account, Region: c.Region}
}

// newMeta is the Meta of something that is created now.
func (r reader) newMeta(id string, tags []resource.Tag) resource.Meta {
	return resource.Meta{ID: id, Account: r.scope.Account, Region: r.scope.Region, Created: r.now.UTC().Truncate(time.Millisecond), Tags: tags}
}

// zones returns the zones of a region, in order.
func (s *Service) zones(region string) []string { return zonesOf(s.config.Regions, region) }

func zonesOf(regions []Region, region string) []string {
	at := slices.IndexFunc(regions, func(r Region) bool { return r.Name == region })
	if at < 0 {
		return nil
	}
	return regions[at].Zones
}

// arn names something of this scope to all of AWS.
func (r reader) arn(kind, id string) *string {
	return str("arn:aws:ec2:" + r.scope.Region + ":" + r.scope.Account + ":" + kind + "/" + id)
}
