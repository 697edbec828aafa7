// Package engine is what the engines of both IKE versions are built from: their
// schedule, their retransmissions, the times of a lifetime, the SPIs of ESP, the
// narrowing of traffic selectors. It knows no message of either version.
package engine
