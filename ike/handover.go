package ike

import (
	"fmt"
	"io"
	"log/slog"
)

// Kept is what stands with one peer, as one engine keeps it for its successor in
// another process. State holds keys: it is never written to a disk or a log, and
// wiped when it is no longer needed.
type Kept struct {
	Peer    PeerID
	Version Version
	Path    Path

	// State is the engine's own document, in JSON, of the format that the engine's
	// handover.go describes.
	State []byte

	// Configuration is a fingerprint of the peer's configuration, for the successor
	// to know whether it has another.
	Configuration []byte

	// Farewell deletes what stands, should nobody resume it. It is sealed with
	// the next message id, so it must not be sent once State has been resumed.
	Farewell []Datagram
}

// Wipe overwrites what holds keys.
func (k *Kept) Wipe() {
	clear(k.State)
	k.State = nil
}

// String leaves out all but whose it is.
func (k Kept) String() string {
	return fmt.Sprintf("%v with %s, kept: %d octets, %d farewells", k.Version, k.Peer, len(k.State), len(k.Farewell))
}

// Format hides the state from every verb.
func (k Kept) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue hides the state from logs.
func (k Kept) LogValue() slog.Value { return slog.StringValue(k.String()) }
