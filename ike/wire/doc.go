// Package wire turns IKEv2 messages into values and back. It holds no state and
// knows no keys: what is behind an Encrypted payload is opened by package keys,
// which calls [ParsePayloads] on the result.
//
// A parsed value is valid by construction: every length has been checked, every
// list is bounded. It shares memory with the octets it was parsed from, so it
// lives only as long as they stay unchanged. An [Error] carries the notification
// that the peer is owed.
package wire
