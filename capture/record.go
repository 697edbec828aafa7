// Package capture carries what a tunnel's tap sees to files that Wireshark and
// people read: the packets outside, what is inside of them, IKE's messages in
// clear, and keys for who may have them.
//
// A Recorder sits at the tunnel and never blocks it; Records go over a stream;
// Files writes them.
package capture

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// A Kind says what a record is.
type Kind uint8

// Kinds of records.
const (
	Outer   Kind = iota + 1 // an IP packet as it was, or would be, on the wire
	Inner                   // an IP packet from inside of the tunnel, or an IKE message in clear in UDP
	Note                    // a line for a reader
	IKEKeys                 // a line of Wireshark's ikev2_decryption_table
	ESPKeys                 // a line of Wireshark's esp_sa
	Dropped                 // how many records were lost before this one: 8 bytes
)

// recordMax bounds a record: the largest IP packet.
const recordMax = 1 << 16

// A Record is one thing that was seen.
type Record struct {
	Kind   Kind
	Tunnel string // "vpn-0123456789abcdef0-203.0.113.1"
	At     time.Time
	Data   []byte
}

// headerLen is [ kind 1 | name's length 1 | nanoseconds since 1970 8 | data's length 4 ].
const headerLen = 14

// Write writes a record to a stream.
func (r Record) Write(w io.Writer) error {
	name := r.Tunnel[:min(len(r.Tunnel), 255)]
	b := append(make([]byte, 0, headerLen+len(name)+len(r.Data)), byte(r.Kind), byte(len(name)))
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixNano()))
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Data)))
	_, err := w.Write(append(append(b, name...), r.Data...))
	return err
}

// Read reads a record from a stream; io.EOF at its end.
func Read(r *bufio.Reader) (Record, error) {
	var header [headerLen]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Record{}, err
	}
	length := binary.BigEndian.Uint32(header[10:])
	if length > recordMax {
		return Record{}, fmt.Errorf("read a capture: a record of %d bytes", length)
	}
	b := make([]byte, int(header[1])+int(length))
	if _, err := io.ReadFull(r, b); err != nil {
		return Record{}, fmt.Errorf("read a capture: %w", err)
	}
	return Record{
		Kind: Kind(header[0]), Tunnel: string(b[:header[1]]), At: time.Unix(0, int64(binary.BigEndian.Uint64(header[2:]))), Data: b[header[1]:],
	}, nil
}
