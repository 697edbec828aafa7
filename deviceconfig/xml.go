package deviceconfig

import (
	"encoding/xml"
	"fmt"
	"net/netip"
)

// Numbers that AWS's document has in every connection.
const (
	bgpHoldTimeSeconds = 30
	dpdIntervalSeconds = 10
	dpdRetries         = 3

	// tcpMSS fits every cipher that a tunnel can choose but AES-CBC with
	// SHA2-512 or, behind NAT, SHA2-384; there it is less.
	tcpMSS = 1379
)

type (
	xmlConnection struct {
		XMLName         xml.Name     `xml:"vpn_connection"`
		ID              string       `xml:"id,attr"`
		CustomerGateway string       `xml:"customer_gateway_id"`
		VPNGateway      string       `xml:"vpn_gateway_id"`
		Type            string       `xml:"vpn_connection_type"`
		Attributes      string       `xml:"vpn_connection_attributes,omitempty"`
		Tunnels         [2]xmlTunnel `xml:"ipsec_tunnel"`
	}
	xmlTunnel struct {
		Customer xmlEnd   `xml:"customer_gateway"`
		Cloud    xmlEnd   `xml:"vpn_gateway"`
		IKE      xmlIKE   `xml:"ike"`
		IPsec    xmlIPsec `xml:"ipsec"`
	}
	xmlEnd struct {
		Outside netip.Addr  `xml:"tunnel_outside_address>ip_address"` // empty: any
		Inside  xmlAddress  `xml:"tunnel_inside_address"`
		BGP     *xmlBGPPeer `xml:"bgp,omitempty"`
	}
	xmlAddress struct {
		Address netip.Addr `xml:"ip_address"`
		Mask    string     `xml:"network_mask"`
		Bits    int        `xml:"network_cidr"`
	}
	xmlBGPPeer struct {
		ASN      uint32 `xml:"asn"`
		HoldTime int    `xml:"hold_time"`
	}
	xmlIKE struct {
		Authentication string `xml:"authentication_protocol"`
		Encryption     string `xml:"encryption_protocol"`
		Lifetime       int32  `xml:"lifetime"`
		PFS            string `xml:"perfect_forward_secrecy"`
		Mode           string `xml:"mode"`
		PreSharedKey   string `xml:"pre_shared_key"` // empty: certificates
	}
	xmlIPsec struct {
		Protocol       string `xml:"protocol"`
		Authentication string `xml:"authentication_protocol"`
		Encryption     string `xml:"encryption_protocol"`
		Lifetime       int32  `xml:"lifetime"`
		PFS            string `xml:"perfect_forward_secrecy"`
		Mode           string `xml:"mode"`
		ClearDF        bool   `xml:"clear_df_bit"`
		FragmentBefore bool   `xml:"fragmentation_before_encryption"`
		MSS            int    `xml:"tcp_mss_adjustment"`
		DPDInterval    int    `xml:"dead_peer_detection>interval"`
		DPDRetries     int    `xml:"dead_peer_detection>retries"`
	}
)

// AWS's names in the document, of Batfish's parser and public samples.
var (
	xmlEncryption   = map[string]string{"AES128": "aes-128-cbc", "AES256": "aes-256-cbc", "AES128-GCM-16": "aes-128-gcm-16", "AES256-GCM-16": "aes-256-gcm-16"}
	xmlHash         = map[string]string{"SHA1": "sha1", "SHA2-256": "sha2-256", "SHA2-384": "sha2-384", "SHA2-512": "sha2-512"}
	xmlIPsecHash    = map[string]string{"SHA1": "hmac-sha1-96", "SHA2-256": "hmac-sha2-256", "SHA2-384": "hmac-sha2-384", "SHA2-512": "hmac-sha2-512"}
	xmlNoIntegrity  = "none" // an AEAD has no second algorithm
	staticAttribute = "NoBGPVPNConnection"
)

// XML returns the CustomerGatewayConfiguration of AWS's API. As AWS's, it
// carries one proposal a phase: the weakest that the tunnel's options allow.
func (c Config) XML() (string, error) {
	doc := xmlConnection{ID: c.Connection, CustomerGateway: c.CustomerGateway, VPNGateway: c.VPNGateway, Type: c.Type}
	if c.StaticRouting {
		doc.Attributes = staticAttribute
	}
	for i, t := range c.Tunnels {
		doc.Tunnels[i] = c.xmlTunnel(t)
	}
	out, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encode the configuration of %s: %w", c.Connection, err)
	}
	return xml.Header + string(out) + "\n", nil
}

func (c Config) xmlTunnel(t Tunnel) xmlTunnel {
	phase1, phase2 := weakestFirst.phase1(t.Options), weakestFirst.phase2(t.Options)
	x := xmlTunnel{
		Customer: xmlEnd{Outside: c.CustomerAddress, Inside: xmlInside(t.CustomerInside, t.InsideCIDR)},
		Cloud:    xmlEnd{Outside: t.CloudOutside, Inside: xmlInside(t.CloudInside, t.InsideCIDR)},
		IKE: xmlIKE{
			Authentication: xmlHash[phase1.Integrity], Encryption: xmlEncryption[phase1.Encryption], Lifetime: t.Options.Phase1LifetimeSeconds,
			PFS: groupNumber(phase1.Group), Mode: "main", PreSharedKey: t.PreSharedKey.Reveal(),
		},
		IPsec: xmlIPsec{
			Protocol: "esp", Authentication: xmlIPsecHash[phase2.Integrity], Encryption: xmlEncryption[phase2.Encryption], Lifetime: t.Options.Phase2LifetimeSeconds,
			PFS: groupNumber(phase2.Group), Mode: "tunnel", ClearDF: true, FragmentBefore: true, MSS: min(tcpMSS, phase2.inside()-tcpIPHeaderBytes),
			DPDInterval: dpdIntervalSeconds, DPDRetries: dpdRetries,
		},
	}
	if phase2.AEAD() {
		x.IPsec.Authentication = xmlNoIntegrity
	}
	if !c.StaticRouting {
		x.Customer.BGP = &xmlBGPPeer{ASN: c.CustomerASN, HoldTime: bgpHoldTimeSeconds}
		x.Cloud.BGP = &xmlBGPPeer{ASN: c.AmazonASN, HoldTime: bgpHoldTimeSeconds}
	}
	return x
}

// tcpIPHeaderBytes are those of IPv4 and TCP without options: the MTU less the MSS.
const tcpIPHeaderBytes = 40

func xmlInside(a netip.Addr, cidr netip.Prefix) xmlAddress {
	return xmlAddress{Address: a, Mask: "255.255.255.252", Bits: cidr.Bits()}
}
