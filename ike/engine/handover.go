package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
)

// What the documents of both engines have in common in which they hand over what
// stands to another process. Times in them are of the wall clock.

// FrozenMax bounds a document in octets: forty IKE SAs with the longest answers are
// far from it.
const FrozenMax = 16 << 20

// EncodeFrozen returns a document. It holds keys.
func EncodeFrozen(document any) []byte {
	octets, err := json.Marshal(document)
	if err != nil {
		panic("IKE: what stands has no JSON: " + err.Error())
	}
	return octets
}

// DecodeFrozen reads a document of a format into a pointer to it. Nothing in it may
// be unknown.
func DecodeFrozen(octets []byte, format int, document any) error {
	if len(octets) > FrozenMax {
		return fmt.Errorf("a document of %d octets, at most %d are taken", len(octets), FrozenMax)
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(octets, &head); err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	if head.Format != format {
		return fmt.Errorf("a document of format %d, only %d is known", head.Format, format)
	}
	d := json.NewDecoder(bytes.NewReader(octets))
	d.DisallowUnknownFields()
	if err := d.Decode(document); err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read the document: something follows it")
	}
	return nil
}

// A FrozenIdentity is an identity, whose data need not be text.
type FrozenIdentity struct {
	Type ike.IDType `json:"type"`
	Data []byte     `json:"data,omitempty"`
}

// FreezeIdentity is i in a document.
func FreezeIdentity(i ike.Identity) FrozenIdentity { return FrozenIdentity{i.Type, []byte(i.Data)} }

// Thaw is the identity.
func (f FrozenIdentity) Thaw() ike.Identity { return ike.Identity{Type: f.Type, Data: string(f.Data)} }

// A FrozenPath is where a peer's messages come from and go to.
type FrozenPath struct {
	Local  netip.AddrPort `json:"local"`
	Remote netip.AddrPort `json:"remote"`
	UDP    bool           `json:"udp,omitempty"`
}

// FreezePath is p in a document.
func FreezePath(p ike.Path) FrozenPath { return FrozenPath{p.Local, p.Remote, p.UDP} }

// Thaw is the path, if messages can be sent on it.
func (f FrozenPath) Thaw() (ike.Path, error) {
	if !f.Local.IsValid() || !f.Remote.IsValid() || f.Local.Port() == 0 || f.Remote.Port() == 0 || f.Local.Addr().BitLen() != f.Remote.Addr().BitLen() {
		return ike.Path{}, fmt.Errorf("a path from %v to %v", f.Local, f.Remote)
	}
	return ike.Path{Local: f.Local, Remote: f.Remote, UDP: f.UDP}, nil
}

// FrozenKeys tell which of a peer's pre-shared keys SAs were proved by, when the
// keys may have been replaced meanwhile.
type FrozenKeys struct {
	Salt []byte `json:"salt"`
	Used []byte `json:"used,omitempty"` // the mark of the key that the peer has used last, if that is the current one
}

const keySaltLength = 16

// FreezeKeys begins the part of a document that is about a peer's keys.
func FreezeKeys(rand io.Reader, p *ike.Peer, r Rotation) FrozenKeys {
	f := FrozenKeys{Salt: Random(rand, keySaltLength)}
	if r.used {
		f.Used = f.Mark(p, ByCurrentKey)
	}
	return f
}

// Mark stands for one of a peer's keys; it is nil for a certificate and for a key
// that is retired.
func (f FrozenKeys) Mark(p *ike.Peer, by ProvedBy) []byte {
	key := Key(p, by)
	if len(key) == 0 || p.Certificate != nil {
		return nil
	}
	return keys.Mark(f.Salt, key)
}

// Thaw is which of a peer's keys a mark stands for now.
func (f FrozenKeys) Thaw(p *ike.Peer, mark []byte) ProvedBy {
	for _, by := range []ProvedBy{ByCurrentKey, ByFormerKey} {
		if p.Certificate != nil || len(mark) > 0 && keys.Equal(mark, f.Mark(p, by)) {
			return by
		}
	}
	return ByRetiredKey
}

// Rotation goes on with the rotation of a peer's keys.
func (f FrozenKeys) Rotation(p *ike.Peer) Rotation {
	return Rotation{used: len(f.Used) > 0 && f.Thaw(p, f.Used) == ByCurrentKey}
}

// Resumed is the retransmission of a message that another process has sent: it is
// sent again at once, and has as long to be answered as if it were new.
func Resumed(now time.Time) Retransmission { return Retransmission{First: now, Next: now} }
