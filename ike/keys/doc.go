// Package keys is the cryptography of IKE: Diffie-Hellman, the derivation of
// keys, the proof of a shared key, the Encrypted payload, and the hashes of NAT
// detection and cookies. It composes the standard library's primitives and keeps
// no state but that of a key exchange and of a sealing direction.
//
// Algorithms come from proposals that [ValidateIKE] and [ValidateESP] have
// accepted; the other functions panic on any other.
package keys
