package resource

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A VPNTunnel is one of the two tunnels of a connection. Zero values and nil
// lists were not set by the caller: the effective values come from Effective.
type VPNTunnel struct {
	OutsideAddress netip.Addr   `json:"outsideAddress"` // ours
	InsideCIDR     netip.Prefix `json:"insideCidr"`     // /30 of 169.254.0.0/16; ours is the first host, the customer's the second
	Zone           string       `json:"zone"`
	PreSharedKey   string       `json:"preSharedKey"`

	// FormerPreSharedKey is what PreSharedKey has replaced; it is valid beside
	// it until the customer gateway has used the new one, but no longer than
	// FormerPreSharedKeyUntil. Either way it is forgotten then.
	// PreSharedKeyChanges counts the changes.
	FormerPreSharedKey      string    `json:"formerPreSharedKey,omitempty"`
	FormerPreSharedKeyUntil time.Time `json:"formerPreSharedKeyUntil,omitzero"`
	PreSharedKeyChanges     int64     `json:"preSharedKeyChanges,omitempty"`

	// KeyStorage is where the keys are; with KeyStorageSecretsManager they are not
	// here but in the connection's KeySecret. Empty: here.
	KeyStorage string `json:"keyStorage,omitempty"`

	// Replacements counts how often the tunnel was to negotiate everything anew
	// though nothing has changed; ReplacedAt is when it last was.
	Replacements int64     `json:"replacements,omitempty"`
	ReplacedAt   time.Time `json:"replacedAt,omitzero"`

	// LifecycleControl lets the customer choose when a tunnel is replaced for
	// maintenance. None comes unasked here, so that it is only remembered.
	LifecycleControl *bool `json:"lifecycleControl,omitempty"`

	TunnelOptions
}

// TunnelOptions are the options of AWS's VpnTunnelOptionsSpecification that
// have defaults. The same type holds what a caller set, with zero values for
// the rest, and what a tunnel runs with, where nothing is missing.
type TunnelOptions struct {
	Phase1LifetimeSeconds  int32  `json:"phase1LifetimeSeconds,omitempty"`  // 900 to 28,800
	Phase2LifetimeSeconds  int32  `json:"phase2LifetimeSeconds,omitempty"`  // 900 to 3,600, less than phase 1's
	RekeyMarginTimeSeconds int32  `json:"rekeyMarginTimeSeconds,omitempty"` // 60 to half of phase 2's lifetime
	RekeyFuzzPercentage    *int32 `json:"rekeyFuzzPercentage,omitempty"`    // 0 to 100, of the margin
	ReplayWindowSize       int32  `json:"replayWindowSize,omitempty"`       // 64 to 2,048 packets
	DPDTimeoutSeconds      int32  `json:"dpdTimeoutSeconds,omitempty"`      // 30 or more
	DPDTimeoutAction       string `json:"dpdTimeoutAction,omitempty"`       // clear, none, restart
	StartupAction          string `json:"startupAction,omitempty"`          // add, start

	Phase1EncryptionAlgorithms []string `json:"phase1EncryptionAlgorithms,omitempty"` // AWS's names: "AES128", "AES256-GCM-16", …
	Phase2EncryptionAlgorithms []string `json:"phase2EncryptionAlgorithms,omitempty"`
	Phase1IntegrityAlgorithms  []string `json:"phase1IntegrityAlgorithms,omitempty"` // "SHA1", "SHA2-256", …; with GCM in phase 1 they name the PRF
	Phase2IntegrityAlgorithms  []string `json:"phase2IntegrityAlgorithms,omitempty"`
	Phase1DHGroupNumbers       []int32  `json:"phase1DhGroupNumbers,omitempty"`
	Phase2DHGroupNumbers       []int32  `json:"phase2DhGroupNumbers,omitempty"`
	IKEVersions                []string `json:"ikeVersions,omitempty"` // "ikev1", "ikev2"

	Log    TunnelLogOptions `json:"log,omitzero"`    // of what IKE does
	BGPLog TunnelLogOptions `json:"bgpLog,omitzero"` // of what the BGP session does
}

// AWS's names of algorithms and versions, the weakest of each kind first.
var (
	EncryptionAlgorithms = []string{"AES128", "AES256", "AES128-GCM-16", "AES256-GCM-16"}
	IntegrityAlgorithms  = []string{"SHA1", "SHA2-256", "SHA2-384", "SHA2-512"}
	Phase1DHGroups       = []int32{2, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24}
	Phase2DHGroups       = []int32{2, 5, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24}
	IKEVersions          = []string{IKEv1, IKEv2}
)

// Versions of IKE as AWS spells them.
const (
	IKEv1 = "ikev1"
	IKEv2 = "ikev2"
)

// Actions of a tunnel on a dead peer and at its start.
const (
	DPDActionClear     = "clear"
	DPDActionNone      = "none"
	DPDActionRestart   = "restart"
	StartupActionAdd   = "add"
	StartupActionStart = "start"
)

// Ranges and defaults of the options, AWS's VpnTunnelOptionsSpecification.
const (
	phase1LifetimeMin, phase1LifetimeMax, phase1LifetimeDefault = 900, 28800, 28800
	phase2LifetimeMin, phase2LifetimeMax, phase2LifetimeDefault = 900, 3600, 3600
	rekeyMarginMin, rekeyMarginDefault                          = 60, 270
	rekeyFuzzMax, rekeyFuzzDefault                              = 100, 100
	replayWindowMin, replayWindowMax, replayWindowDefault       = 64, 2048, 1024
	dpdTimeoutMin, dpdTimeoutDefault                            = 30, 30

	// AWS names no maximum. A day is more than anybody waits for a dead peer
	// and far from overflowing anything.
	dpdTimeoutMax = 86400
)

// Effective returns the options that the tunnel runs with: the caller's,
// defaults for the rest.
func (o TunnelOptions) Effective() TunnelOptions {
	o.Phase1LifetimeSeconds = or(o.Phase1LifetimeSeconds, phase1LifetimeDefault)
	// Phase 2 stays below phase 1 where only phase 1 was shortened.
	o.Phase2LifetimeSeconds = or(o.Phase2LifetimeSeconds, min(phase2LifetimeDefault, max(phase2LifetimeMin, o.Phase1LifetimeSeconds-1)))
	o.RekeyMarginTimeSeconds = or(o.RekeyMarginTimeSeconds, rekeyMarginDefault)
	if o.RekeyFuzzPercentage == nil {
		o.RekeyFuzzPercentage = new(int32(rekeyFuzzDefault))
	}
	o.ReplayWindowSize = or(o.ReplayWindowSize, replayWindowDefault)
	o.DPDTimeoutSeconds = or(o.DPDTimeoutSeconds, dpdTimeoutDefault)
	o.DPDTimeoutAction = or(o.DPDTimeoutAction, DPDActionClear)
	o.StartupAction = or(o.StartupAction, StartupActionAdd)
	o.Phase1EncryptionAlgorithms = orAll(o.Phase1EncryptionAlgorithms, EncryptionAlgorithms)
	o.Phase2EncryptionAlgorithms = orAll(o.Phase2EncryptionAlgorithms, EncryptionAlgorithms)
	o.Phase1IntegrityAlgorithms = orAll(o.Phase1IntegrityAlgorithms, IntegrityAlgorithms)
	o.Phase2IntegrityAlgorithms = orAll(o.Phase2IntegrityAlgorithms, IntegrityAlgorithms)
	o.Phase1DHGroupNumbers = orAll(o.Phase1DHGroupNumbers, Phase1DHGroups)
	o.Phase2DHGroupNumbers = orAll(o.Phase2DHGroupNumbers, Phase2DHGroups)
	o.IKEVersions = orAll(o.IKEVersions, IKEVersions)
	o.Log.Format = or(o.Log.Format, TunnelLogJSON)
	o.BGPLog.Format = or(o.BGPLog.Format, TunnelLogJSON)
	return o
}

// ReplacePreSharedKey sets a key and keeps the one before it valid until a time.
func (t *VPNTunnel) ReplacePreSharedKey(key string, formerUntil time.Time) {
	if key == t.PreSharedKey {
		return
	}
	if t.PreSharedKey != "" {
		t.FormerPreSharedKey, t.FormerPreSharedKeyUntil = t.PreSharedKey, formerUntil
	}
	t.PreSharedKey = key
	t.PreSharedKeyChanges++
}

// ForgetFormerPreSharedKey has the tunnel accept one key alone.
func (t *VPNTunnel) ForgetFormerPreSharedKey() {
	t.FormerPreSharedKey, t.FormerPreSharedKeyUntil = "", time.Time{}
}

// Keys are those that the tunnel has itself.
func (t *VPNTunnel) Keys() TunnelKeys {
	return TunnelKeys{t.PreSharedKey, t.FormerPreSharedKey, t.FormerPreSharedKeyUntil}
}

// SetKeys makes the tunnel have keys itself, or none.
func (t *VPNTunnel) SetKeys(k TunnelKeys) {
	t.PreSharedKey, t.FormerPreSharedKey, t.FormerPreSharedKeyUntil = k.Key, k.Former, k.FormerUntil
}

// KeysInSecret reports whether the tunnel's keys are in the connection's KeySecret.
func (t *VPNTunnel) KeysInSecret() bool { return t.KeyStorage == KeyStorageSecretsManager }

// ForIKEv1 returns the effective options as IKEv1 can use them: no AES-GCM is
// defined for its phase 1. It returns false if nothing is left of them.
func (o TunnelOptions) ForIKEv1() (TunnelOptions, bool) {
	o = o.Effective()
	o.Phase1EncryptionAlgorithms = slices.DeleteFunc(slices.Clone(o.Phase1EncryptionAlgorithms), func(name string) bool { return strings.Contains(name, "GCM") })
	return o, len(o.Phase1EncryptionAlgorithms) > 0 && slices.Contains(o.IKEVersions, IKEv1)
}

// Phase1Lifetime is how long an IKE SA lives, of effective options.
func (o TunnelOptions) Phase1Lifetime() time.Duration { return seconds(o.Phase1LifetimeSeconds) }

// Phase2Lifetime is how long a Child SA lives, of effective options.
func (o TunnelOptions) Phase2Lifetime() time.Duration { return seconds(o.Phase2LifetimeSeconds) }

// RekeyMarginTime is how long before its end our side replaces an SA, of effective options.
func (o TunnelOptions) RekeyMarginTime() time.Duration { return seconds(o.RekeyMarginTimeSeconds) }

// DPDTimeout is how long a silent peer is taken for alive, of effective options.
func (o TunnelOptions) DPDTimeout() time.Duration { return seconds(o.DPDTimeoutSeconds) }

// CloudInside is our own address in the tunnel.
func (t VPNTunnel) CloudInside() netip.Addr { return t.InsideCIDR.Addr().Next() }

// CustomerInside is the customer gateway's address in the tunnel.
func (t VPNTunnel) CustomerInside() netip.Addr { return t.CloudInside().Next() }

// String names the tunnel by its outside address, so that its key is not
// printed by accident.
func (t VPNTunnel) String() string {
	return fmt.Sprintf("tunnel %s %s", t.OutsideAddress, t.InsideCIDR)
}

// Validate says what is wrong with the values that a caller chose. An inside
// range or key that is not set yet is not judged.
func (t VPNTunnel) Validate() error {
	if t.InsideCIDR.IsValid() {
		if err := ValidateInsideCIDR(t.InsideCIDR); err != nil {
			return err
		}
	}
	if t.PreSharedKey != "" {
		if err := ValidatePreSharedKey(t.PreSharedKey); err != nil {
			return err
		}
	}
	return t.TunnelOptions.Validate()
}

// Validate says what is wrong with the options that a caller set.
func (o TunnelOptions) Validate() error {
	if err := cmp.Or(o.validateNumbers(), o.Log.Validate("Log"), o.BGPLog.Validate("BgpLog")); err != nil {
		return err
	}
	if err := o.validateLists(); err != nil {
		return err
	}
	if _, ok := o.ForIKEv1(); !ok && !slices.Contains(o.Effective().IKEVersions, IKEv2) {
		return Errorf(CodeInvalidParameterCombination, "IKEv1 has no AES-GCM in phase 1. Let Phase1EncryptionAlgorithms contain AES128 or AES256, or IKEVersions ikev2")
	}
	return nil
}

func (o TunnelOptions) validateNumbers() error {
	e := o.Effective()
	for _, r := range []struct {
		name            string
		value, min, max int32
	}{
		{"Phase1LifetimeSeconds", e.Phase1LifetimeSeconds, phase1LifetimeMin, phase1LifetimeMax},
		{"Phase2LifetimeSeconds", e.Phase2LifetimeSeconds, phase2LifetimeMin, phase2LifetimeMax},
		{"RekeyMarginTimeSeconds", e.RekeyMarginTimeSeconds, rekeyMarginMin, max(rekeyMarginMin, e.Phase2LifetimeSeconds/2)},
		{"RekeyFuzzPercentage", *e.RekeyFuzzPercentage, 0, rekeyFuzzMax},
		{"ReplayWindowSize", e.ReplayWindowSize, replayWindowMin, replayWindowMax},
		{"DPDTimeoutSeconds", e.DPDTimeoutSeconds, dpdTimeoutMin, dpdTimeoutMax},
	} {
		if r.value < r.min || r.value > r.max {
			return Errorf(CodeInvalidParameterValue, "Value (%d) for parameter %s is invalid. Give %d to %d", r.value, r.name, r.min, r.max)
		}
	}
	// Set to the same value by a caller, 900 and 900 would leave an IKE SA
	// that ends together with its Child SA.
	if o.Phase2LifetimeSeconds != 0 && e.Phase2LifetimeSeconds >= e.Phase1LifetimeSeconds {
		return Errorf(CodeInvalidParameterValue, "Value (%d) for parameter Phase2LifetimeSeconds is invalid. It must be less than Phase1LifetimeSeconds, %d", e.Phase2LifetimeSeconds, e.Phase1LifetimeSeconds)
	}
	return nil
}

func (o TunnelOptions) validateLists() error {
	for _, r := range []struct {
		name            string
		values, allowed []string
	}{
		{"DPDTimeoutAction", one(o.DPDTimeoutAction), []string{DPDActionClear, DPDActionNone, DPDActionRestart}},
		{"StartupAction", one(o.StartupAction), []string{StartupActionAdd, StartupActionStart}},
		{"Phase1EncryptionAlgorithm", o.Phase1EncryptionAlgorithms, EncryptionAlgorithms},
		{"Phase2EncryptionAlgorithm", o.Phase2EncryptionAlgorithms, EncryptionAlgorithms},
		{"Phase1IntegrityAlgorithm", o.Phase1IntegrityAlgorithms, IntegrityAlgorithms},
		{"Phase2IntegrityAlgorithm", o.Phase2IntegrityAlgorithms, IntegrityAlgorithms},
		{"Phase1DHGroupNumber", decimals(o.Phase1DHGroupNumbers), decimals(Phase1DHGroups)},
		{"Phase2DHGroupNumber", decimals(o.Phase2DHGroupNumbers), decimals(Phase2DHGroups)},
		{"IKEVersion", o.IKEVersions, IKEVersions},
	} {
		for i, v := range r.values {
			if !slices.Contains(r.allowed, v) {
				return InvalidValue(r.name, v, "Use one of "+strings.Join(r.allowed, ", ")+".")
			}
			if slices.Contains(r.values[:i], v) {
				return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter %s is given twice", v, r.name)
			}
		}
	}
	return nil
}

// LinkLocal is the range that inside ranges are part of.
var LinkLocal = netip.MustParsePrefix("169.254.0.0/16")

// InsideCIDRBits is the length of an inside range.
const InsideCIDRBits = 30

// reservedInsideCIDRs are AWS's own.
var reservedInsideCIDRs = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/30"), netip.MustParsePrefix("169.254.1.0/30"), netip.MustParsePrefix("169.254.2.0/30"),
	netip.MustParsePrefix("169.254.3.0/30"), netip.MustParsePrefix("169.254.4.0/30"), netip.MustParsePrefix("169.254.5.0/30"),
	netip.MustParsePrefix("169.254.169.252/30"),
}

// ValidateInsideCIDR says whether a tunnel can have the inside range p.
func ValidateInsideCIDR(p netip.Prefix) error {
	switch {
	case !LinkLocal.Contains(p.Addr()) || p.Bits() != InsideCIDRBits || p != p.Masked():
		return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter TunnelInsideCidr is invalid. Give a /30 of 169.254.0.0/16, without host bits", p)
	case slices.Contains(reservedInsideCIDRs, p):
		return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter TunnelInsideCidr is invalid. It is reserved, as are 169.254.0.0/30, 169.254.1.0/30 to 169.254.5.0/30 and 169.254.169.252/30", p)
	}
	return nil
}

// Bounds of the length of a pre-shared key, in characters.
const preSharedKeyMin, preSharedKeyMax = 8, 64

// ValidatePreSharedKey says whether key can be a pre-shared key: 8 to 64
// letters, digits, dots and underscores, not beginning with 0. The message
// does not repeat the key.
func ValidatePreSharedKey(key string) error {
	const rule = "Give 8 to 64 characters: letters, digits, '.' and '_', not beginning with 0"
	invalid := func(why string) error {
		return Errorf(CodeInvalidParameterValue, "The value for parameter PreSharedKey is invalid: it %s. %s", why, rule)
	}
	switch foreign := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_')
	}; {
	case len(key) < preSharedKeyMin, len(key) > preSharedKeyMax:
		return invalid(fmt.Sprintf("has %d characters", len(key)))
	case key[0] == '0':
		return invalid("begins with 0")
	case strings.IndexFunc(key, foreign) >= 0:
		return invalid("contains a character that is not allowed")
	}
	return nil
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func orAll[T any](v, all []T) []T {
	if len(v) == 0 {
		return all
	}
	return v
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func decimals(numbers []int32) []string {
	out := make([]string, len(numbers))
	for i, n := range numbers {
		out[i] = fmt.Sprint(n)
	}
	return out
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
