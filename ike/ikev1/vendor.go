package ikev1

import (
	"bytes"
	"crypto/md5"

	"causeway.dev/ike/wire/isakmp"
)

// Vendor ids announce extensions. Most are hashes of the extension's name.

// A natTraversal is a version of NAT traversal that a vendor id announces: that of
// RFC 3947, or a draft that devices in the field still speak.
type natTraversal struct {
	id            []byte
	payload       isakmp.PayloadType // of NAT-D
	encapsulation uint64             // UDP-encapsulated tunnel mode
}

// natTraversals are those that we speak, the best first. RFC 3947 sections 3.1 and
// 5.1, draft-ietf-ipsec-nat-t-ike-02 and -03. Drafts before 02 did not change the
// port.
var natTraversals = []*natTraversal{
	{vendorID("RFC 3947"), isakmp.PayloadNATD, isakmp.EncapsulationUDPTunnel},
	{vendorID("draft-ietf-ipsec-nat-t-ike-03"), isakmp.PayloadNATDDraft, isakmp.EncapsulationUDPTunnelDraft},
	{vendorID("draft-ietf-ipsec-nat-t-ike-02\n"), isakmp.PayloadNATDDraft, isakmp.EncapsulationUDPTunnelDraft},
}

// deadPeerDetection: RFC 3706 section 5.1, with version 1.0 at the end.
var deadPeerDetection = []byte{0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 1, 0}

func vendorID(name string) []byte {
	sum := md5.Sum([]byte(name))
	return sum[:]
}

// extensions are what a peer has announced.
type extensions struct {
	natt *natTraversal // the best that it speaks; nil for none
	dpd  bool
}

func readExtensions(ids []*isakmp.VendorID) extensions {
	announced := func(id []byte) bool {
		for _, v := range ids {
			if bytes.Equal(v.Data, id) {
				return true
			}
		}
		return false
	}
	e := extensions{dpd: announced(deadPeerDetection)}
	for _, n := range natTraversals {
		if announced(n.id) {
			e.natt = n
			break
		}
	}
	return e
}

// payloads announces extensions in an answer: what the peer has announced itself
// and nothing else, so that the answer is not longer than what it answers.
func (e extensions) payloads() []isakmp.Payload {
	var p []isakmp.Payload
	if e.natt != nil {
		p = append(p, &isakmp.VendorID{Data: e.natt.id})
	}
	if e.dpd {
		p = append(p, &isakmp.VendorID{Data: deadPeerDetection})
	}
	return p
}

// allExtensions announces all that we speak.
func allExtensions() []isakmp.Payload {
	var p []isakmp.Payload
	for _, n := range natTraversals {
		p = append(p, &isakmp.VendorID{Data: n.id})
	}
	return append(p, &isakmp.VendorID{Data: deadPeerDetection})
}
