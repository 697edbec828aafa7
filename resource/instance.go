package resource

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// States of an instance, and of what is wanted of it.
const (
	InstancePending      = "pending"
	InstanceRunning      = "running"
	InstanceStopping     = "stopping"
	InstanceStopped      = "stopped"
	InstanceShuttingDown = "shutting-down"
	InstanceTerminated   = "terminated"
)

// UserDataLengthMax is the number of bytes of user data, before base64.
const UserDataLengthMax = 16 * 1024

// An Instance is a host in a subnet.
type Instance struct {
	Meta
	Reservation  string   `json:"reservation"` // "r-…"
	Image        string   `json:"image"`
	InstanceType string   `json:"instanceType"`
	KeyName      string   `json:"keyName,omitempty"`
	PublicKey    string   `json:"publicKey,omitempty"` // the key pair's, which may be deleted later
	UserData     []byte   `json:"userData,omitempty"`
	VPC          string   `json:"vpc"`
	Subnet       string   `json:"subnet"`
	Zone         string   `json:"zone"`
	Interfaces   []string `json:"interfaces"` // "eni-…", in order of their device indexes: the primary one first
	LaunchIndex  int32    `json:"launchIndex"`

	// ForeignInterfaces are the accounts of those interfaces that are not the
	// instance's account's.
	ForeignInterfaces map[string]string `json:"foreignInterfaces,omitempty"`

	CPU CPUOptions `json:"cpu,omitzero"`

	DisableAPITermination bool   `json:"disableApiTermination,omitempty"`
	DisableAPIStop        bool   `json:"disableApiStop,omitempty"`
	ShutdownBehavior      string `json:"shutdownBehavior,omitempty"` // "stop" or "terminate"

	// Wanted is what was asked: "running", "stopped" or "terminated". How far that is, is
	// InstanceStatus's to say.
	Wanted string `json:"wanted"`

	// Boot counts how often it was asked to start, also anew. A node starts it
	// when it has not seen this number yet.
	Boot     int64     `json:"boot,omitempty"`
	Launched time.Time `json:"launched,omitzero"` // when its last start after a stop was asked for; zero: at its creation

	// ForceStop ends its processes without a chance to end by themselves.
	ForceStop bool `json:"forceStop,omitempty"`

	MetadataOptions MetadataOptions       `json:"metadataOptions,omitzero"`
	PrivateDNSNames PrivateDNSNameOptions `json:"privateDnsNames,omitzero"`

	// Profile is the instance profile that hands it a role; the zero value is none.
	Profile ProfileAssociation `json:"profile,omitzero"`

	// CPUCredits is CreditsStandard or CreditsUnlimited; "": as its type has it. See
	// Credits.
	CPUCredits string `json:"cpuCredits,omitempty"`

	// NoAutoRecovery and NoRebootMigration say that it is not to be moved from a host that
	// fails or is repaired. Here there is one host, and nothing is moved.
	NoAutoRecovery    bool `json:"noAutoRecovery,omitempty"`
	NoRebootMigration bool `json:"noRebootMigration,omitempty"`

	// Monitoring was asked for: AWS's detailed one. Nothing is measured.
	Monitoring bool `json:"monitoring,omitempty"`

	// StateReason is why it is stopped or terminated, TransitionReason the same
	// with the time, where a user asked for it.
	StateReason      StateReason `json:"stateReason,omitzero"`
	TransitionReason string      `json:"transitionReason,omitempty"`
}

// A ProfileAssociation gives an instance an instance profile. One that is made anew
// under the same name is another one.
type ProfileAssociation struct {
	ID       string    `json:"id"`       // "iip-assoc-…"
	Profile  string    `json:"profile"`  // Meta.ID
	UniqueID string    `json:"uniqueId"` // the profile's: "AIPA…"
	ARN      string    `json:"arn"`      // the profile's
	At       time.Time `json:"at"`
}

// MetadataOptions are how an instance may ask about itself. The zero value is what
// it gets without asking: with tokens only, without its tags.
type MetadataOptions struct {
	Disabled       bool  `json:"disabled,omitempty"`
	TokensOptional bool  `json:"tokensOptional,omitempty"`
	HopLimit       int32 `json:"hopLimit,omitempty"` // 1 to MetadataHopsMax; 0: the default
	IPv6           bool  `json:"ipv6,omitempty"`     // also by IPv6
	Tags           bool  `json:"tags,omitempty"`
}

// MetadataDefaults are the MetadataOptions that instances of an account in a region get
// where a launch leaves them open. What is empty is left open, too.
type MetadataDefaults struct {
	Meta
	Endpoint string `json:"endpoint,omitempty"` // enabled, disabled
	Tokens   string `json:"tokens,omitempty"`   // optional, required
	HopLimit int32  `json:"hopLimit,omitempty"` // 1 to MetadataHopsMax
	Tags     string `json:"tags,omitempty"`     // enabled, disabled

	// TokensEnforced refuses instances that would answer without a token.
	TokensEnforced string `json:"tokensEnforced,omitempty"` // enabled, disabled
}

// MetadataDefaultsID is the id of a region's MetadataDefaults.
const MetadataDefaultsID = "defaults"

// Options are those of an instance of which nothing else is said.
func (d MetadataDefaults) Options() MetadataOptions {
	return MetadataOptions{Disabled: d.Endpoint == "disabled", TokensOptional: d.Tokens == "optional", HopLimit: d.HopLimit, Tags: d.Tags == "enabled"}
}

// Bounds of the hop limit. The default is AWS's for images that want tokens.
const (
	MetadataHopsMax     = 64
	metadataHopsDefault = 2
)

// Hops is the hop limit.
func (o MetadataOptions) Hops() int {
	if o.HopLimit == 0 {
		return metadataHopsDefault
	}
	return int(o.HopLimit)
}

// Credits is what the instance does when its credits for processors are used up; "" if
// its type has none. Credits are not counted.
func (v *Instance) Credits() string {
	t, _ := InstanceTypeOf(v.InstanceType)
	if t.Credits == "" {
		return ""
	}
	return cmp.Or(v.CPUCredits, t.Credits)
}

// A StateReason is AWS's code for why an instance is in its state, and a
// sentence that begins with it.
type StateReason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Reasons of the states of instances.
var (
	ReasonPending          = StateReason{"pending", "pending"}
	ReasonUserShutdown     = StateReason{"Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"}
	ReasonInstanceShutdown = StateReason{"Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown"}
)

// ReasonInternalError is the code of an instance that its node cannot run.
const ReasonInternalError = "Server.InternalError"

// PoweredOff reports whether a status says that the instance has switched itself
// off since it was last asked to start.
func (v *Instance) PoweredOff(status *InstanceStatus) bool {
	return v.Wanted == InstanceRunning && status.PoweredOff && status.Boot == v.Boot
}

// ShutDown is what becomes of an instance that has switched itself off: as its
// ShutdownBehavior says.
func (v *Instance) ShutDown() {
	v.Wanted = InstanceStopped
	if v.ShutdownBehavior == "terminate" {
		v.Wanted = InstanceTerminated
	}
	v.StateReason, v.TransitionReason = ReasonInstanceShutdown, ""
}

// Lend notes that one of the instance's network interfaces is of another account.
func (v *Instance) Lend(id, account string) {
	all := maps.Clone(v.ForeignInterfaces)
	if all == nil {
		all = map[string]string{}
	}
	all[id] = account
	v.ForeignInterfaces = all
}

// Unplug takes a network interface from those of the instance.
func (v *Instance) Unplug(id string) {
	v.ForeignInterfaces = maps.Clone(v.ForeignInterfaces)
	delete(v.ForeignInterfaces, id)
	v.Interfaces = slices.DeleteFunc(slices.Clone(v.Interfaces), func(other string) bool { return other == id })
}

// An InstanceStatus is what a node has seen of an instance. Its ID is the instance's.
type InstanceStatus struct {
	Meta
	State  string `json:"state"`            // one of the Instance states above
	Reason string `json:"reason,omitempty"` // why it does not run

	// Boot is the number of the start that this is about. PoweredOff says that
	// the instance has ended it from inside, for good.
	Boot       int64 `json:"boot,omitempty"`
	PoweredOff bool  `json:"poweredOff,omitempty"`
}
