package wire

import (
	"encoding/binary"
	"fmt"

	"causeway.dev/ike"
)

// A Notify carries an error or a status. RFC 7296 section 3.10.
type Notify struct {
	Type NotifyType

	// Protocol and SPI name the SA that the notification is about; both are
	// empty if it is about the IKE SA of the message. An SPI of ESP has 4 octets.
	Protocol ProtocolID
	SPI      []byte

	Data []byte
}

const notifyHeaderLength = 4 // [ protocol 1 | SPI size 1 | type 2 ]

func parseNotify(b []byte) (*Notify, error) {
	if len(b) < notifyHeaderLength || len(b)-notifyHeaderLength < int(b[1]) {
		return nil, syntaxError("N payload of %d octets", len(b))
	}
	spi := b[notifyHeaderLength:][:b[1]]
	return &Notify{
		Type:     NotifyType(binary.BigEndian.Uint16(b[2:])),
		Protocol: ProtocolID(b[0]),
		SPI:      octets(spi),
		Data:     octets(b[notifyHeaderLength+len(spi):]),
	}, nil
}

// PayloadType is N.
func (*Notify) PayloadType() PayloadType { return PayloadNotify }

// String shows the notification's name.
func (n *Notify) String() string { return fmt.Sprintf("N(%v)", n.Type) }

func (n *Notify) appendBody(dst []byte) []byte {
	if len(n.SPI) > 255 {
		panic("wire: SPI longer than its size field can say")
	}
	dst = append(dst, byte(n.Protocol), byte(len(n.SPI)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(n.Type))
	return append(append(dst, n.SPI...), n.Data...)
}

// A Delete announces that the sender has deleted SAs: the IKE SA of the message,
// or its inbound ESP or AH SAs. RFC 7296 section 3.11.
type Delete struct {
	Protocol ProtocolID
	SPIs     []ike.SPI // empty for ProtocolIKE
}

const (
	deleteHeaderLength = 4 // [ protocol 1 | SPI size 1 | number of SPIs 2 ]

	// deleteSPIsMax bounds one payload. We have one child SA with a peer, two
	// during a rekey.
	deleteSPIsMax = 1024
)

func parseDelete(b []byte) (*Delete, error) {
	if len(b) < deleteHeaderLength {
		return nil, syntaxError("D payload of %d octets", len(b))
	}
	d := &Delete{Protocol: ProtocolID(b[0])}
	size, count := int(b[1]), int(binary.BigEndian.Uint16(b[2:]))
	b = b[deleteHeaderLength:]
	switch d.Protocol {
	case ProtocolIKE:
		if size != 0 || count != 0 || len(b) != 0 {
			return nil, syntaxError("D payload for the IKE SA names SPIs")
		}
		return d, nil
	case ProtocolESP, ProtocolAH:
		if size != spiLength || count > deleteSPIsMax || len(b) != size*count {
			return nil, syntaxError("D payload with %d SPIs of %d octets in %d octets", count, size, len(b))
		}
	default:
		return nil, syntaxError("D payload for protocol %v", d.Protocol)
	}
	for ; len(b) > 0; b = b[spiLength:] {
		d.SPIs = append(d.SPIs, ike.SPI(binary.BigEndian.Uint32(b)))
	}
	return d, nil
}

// PayloadType is D.
func (*Delete) PayloadType() PayloadType { return PayloadDelete }

// String shows the protocol and the SPIs.
func (d *Delete) String() string {
	if d.Protocol == ProtocolIKE {
		return "D(IKE)"
	}
	return fmt.Sprintf("D(%v%08x)", d.Protocol, d.SPIs)
}

func (d *Delete) appendBody(dst []byte) []byte {
	if d.Protocol == ProtocolIKE {
		return append(dst, byte(d.Protocol), 0, 0, 0)
	}
	dst = append(dst, byte(d.Protocol), spiLength)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(d.SPIs)))
	for _, spi := range d.SPIs {
		dst = binary.BigEndian.AppendUint32(dst, uint32(spi))
	}
	return dst
}
