package resource

import (
	"net/netip"
	"time"
)

// A CustomerGateway stands for the device at a site.
type CustomerGateway struct {
	Meta
	State      string     `json:"state"`
	Type       string     `json:"type"` // "ipsec.1"
	Address    netip.Addr `json:"address"`
	ASN        uint32     `json:"asn"`
	DeviceName string     `json:"deviceName,omitempty"`
}

// A VPNGateway is our side of the connections of one VPC.
type VPNGateway struct {
	Meta
	State         string `json:"state"`
	Type          string `json:"type"` // "ipsec.1"
	AmazonSideASN uint32 `json:"amazonSideAsn"`
	Zone          string `json:"zone,omitempty"`

	// VPC is the attachment, with its state (attached, detaching, …). A
	// detached gateway has none.
	VPC             string `json:"vpc,omitempty"`
	AttachmentState string `json:"attachmentState,omitempty"`
}

// A VPNConnection joins a customer gateway to a VPN gateway by two tunnels.
type VPNConnection struct {
	Meta
	State            string           `json:"state"`
	Type             string           `json:"type"` // "ipsec.1"
	CustomerGateway  string           `json:"customerGateway"`
	VPNGateway       string           `json:"vpnGateway"`
	StaticRoutesOnly bool             `json:"staticRoutesOnly"`
	LocalIPv4CIDR    netip.Prefix     `json:"localIpv4Cidr"`  // the customer's side; default 0.0.0.0/0
	RemoteIPv4CIDR   netip.Prefix     `json:"remoteIpv4Cidr"` // our side; default 0.0.0.0/0
	Routes           []VPNStaticRoute `json:"routes,omitempty"`
	Tunnels          [2]VPNTunnel     `json:"tunnels"` // the order never changes
}

// A VPNStaticRoute is a prefix behind the customer gateway.
type VPNStaticRoute struct {
	Destination netip.Prefix `json:"destination"`
	State       string       `json:"state"`
}

// A VPNTunnel is one of the two tunnels of a connection. Zero values and nil
// lists were not set by the caller: the effective values come from Effective.
type VPNTunnel struct {
	OutsideAddress netip.Addr   `json:"outsideAddress"` // ours
	InsideCIDR     netip.Prefix `json:"insideCidr"`     // /30 of 169.254.0.0/16; ours is the first host, the customer's the second
	Zone           string       `json:"zone"`
	PreSharedKey   string       `json:"preSharedKey"`

	Phase1LifetimeSeconds  int32  `json:"phase1LifetimeSeconds,omitempty"`
	Phase2LifetimeSeconds  int32  `json:"phase2LifetimeSeconds,omitempty"`
	RekeyMarginTimeSeconds int32  `json:"rekeyMarginTimeSeconds,omitempty"`
	RekeyFuzzPercentage    *int32 `json:"rekeyFuzzPercentage,omitempty"`
	ReplayWindowSize       int32  `json:"replayWindowSize,omitempty"`
	DPDTimeoutSeconds      int32  `json:"dpdTimeoutSeconds,omitempty"`
	DPDTimeoutAction       string `json:"dpdTimeoutAction,omitempty"`
	StartupAction          string `json:"startupAction,omitempty"`

	Phase1EncryptionAlgorithms []string `json:"phase1EncryptionAlgorithms,omitempty"` // AWS's names: "AES128", "AES256-GCM-16", …
	Phase2EncryptionAlgorithms []string `json:"phase2EncryptionAlgorithms,omitempty"`
	Phase1IntegrityAlgorithms  []string `json:"phase1IntegrityAlgorithms,omitempty"`
	Phase2IntegrityAlgorithms  []string `json:"phase2IntegrityAlgorithms,omitempty"`
	Phase1DHGroupNumbers       []int32  `json:"phase1DhGroupNumbers,omitempty"`
	Phase2DHGroupNumbers       []int32  `json:"phase2DhGroupNumbers,omitempty"`
	IKEVersions                []string `json:"ikeVersions,omitempty"`
}

// A TunnelStatus is what a node has seen of a tunnel. Its ID is TunnelID's.
type TunnelStatus struct {
	Meta
	Up      bool      `json:"up"`
	Since   time.Time `json:"since"`             // of the last change between up and down
	Message string    `json:"message,omitempty"` // one sentence: why it is down, or what it runs with
}

// TunnelID names tunnel 1 or 2 of a connection: "vpn-0123456789abcdef0/1".
func TunnelID(connection string, number int) string {
	return connection + "/" + string(rune('0'+number))
}
