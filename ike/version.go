package ike

import (
	"fmt"
	"strings"
)

// Version is a major version of IKE.
type Version uint8

// Versions of IKE: RFC 2409 and RFC 7296.
const (
	IKEv1 Version = 1
	IKEv2 Version = 2
)

// String is "IKEv1" or "IKEv2".
func (v Version) String() string { return fmt.Sprintf("IKEv%d", uint8(v)) }

// Versions is a set of versions. The empty set stands for all of them.
type Versions uint8

// VersionsOf returns the set of the given versions.
func VersionsOf(versions ...Version) Versions {
	var set Versions
	for _, v := range versions {
		set |= 1 << v
	}
	return set
}

// Allows reports whether v may be spoken.
func (s Versions) Allows(v Version) bool { return s == 0 || s&(1<<v) != 0 }

// Preferred is the version that our side begins with: the highest allowed.
func (s Versions) Preferred() Version {
	if s.Allows(IKEv2) {
		return IKEv2
	}
	return IKEv1
}

// String is "IKEv1", "IKEv2" or "IKEv1 or IKEv2".
func (s Versions) String() string {
	var names []string
	for _, v := range []Version{IKEv1, IKEv2} {
		if s.Allows(v) {
			names = append(names, v.String())
		}
	}
	return strings.Join(names, " or ")
}

// ParseVersion reads AWS's spelling, "ikev1" or "ikev2".
func ParseVersion(s string) (Version, error) {
	for _, v := range []Version{IKEv1, IKEv2} {
		if s == strings.ToLower(v.String()) {
			return v, nil
		}
	}
	return 0, fmt.Errorf("IKE version %q is neither ikev1 nor ikev2", s)
}
