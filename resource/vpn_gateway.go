package resource

// DefaultAmazonSideASN is the ASN of a VPN gateway that was given none.
const DefaultAmazonSideASN = 64512

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

// Validate says what is wrong with the values that a caller chose.
func (g VPNGateway) Validate() error {
	if g.Type != TypeIPsec1 {
		return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter Type is invalid. The only type of VPN gateway is %s", g.Type, TypeIPsec1)
	}
	if !isPrivateASN(g.AmazonSideASN) {
		return Errorf(CodeInvalidParameterValue, "Value (%d) for parameter AmazonSideAsn is invalid. Use a private ASN: 64512 to 65534 or 4200000000 to 4294967294", g.AmazonSideASN)
	}
	return nil
}

// isPrivateASN reports whether RFC 6996 section 5 sets the number aside for
// private use.
func isPrivateASN(asn uint32) bool {
	return asn >= 64512 && asn <= 65534 || asn >= 4200000000 && asn <= 4294967294
}
