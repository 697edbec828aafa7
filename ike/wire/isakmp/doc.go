// Package isakmp turns IKEv1 messages into values and back: ISAKMP of RFC 2408
// with the payloads of the IPsec domain of interpretation, RFC 2407, of IKE, RFC
// 2409, and of NAT traversal, RFC 3947. It holds no state and knows no keys: the
// payloads of an encrypted message are decrypted by package keys first.
//
// The header is the one of package wire. A parsed value is valid by construction:
// every length has been checked, every list is bounded. It shares memory with the
// octets it was parsed from, so it lives only as long as they stay unchanged.
package isakmp
