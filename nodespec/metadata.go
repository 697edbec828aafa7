package nodespec

import (
	"net/netip"
	"time"
)

// HostMetadata is what the metadata service of a network tells one instance about
// itself.
type HostMetadata struct {
	Instance       string       // "i-…"
	Sources        []netip.Addr // by which it is known: its addresses in the network, of IPv6 only if it may ask by that
	Disabled       bool         // it is told nothing
	TokensOptional bool         // it may ask without a token
	HopLimit       int          // IP TTL of what answers its requests for tokens
	Items          []MetadataItem
	Role           HostRole
}

// A HostRole is what a host may ask for credentials of; the zero value is nothing.
type HostRole struct {
	ARN  string // of the role
	Host string // the ARN of the host, in whose name it is asked for
}

// Credentials are keys for a time.
type Credentials struct {
	AccessKeyID     string
	Secret, Token   Secret
	Issued, Expires time.Time
}

// A MetadataItem is one thing to know. A path that ends in a slash is a directory
// with a list of its own.
type MetadataItem struct {
	Path  string // "meta-data/instance-id"
	Value string

	// Credentials says that in place of the value there are credentials of the host's
	// role, made when they are asked for.
	Credentials bool
}

// String names the instance: among the items is its user data, which often holds
// secrets.
func (m HostMetadata) String() string { return "metadata of " + m.Instance }

// GoString does the same.
func (m HostMetadata) GoString() string { return m.String() }
