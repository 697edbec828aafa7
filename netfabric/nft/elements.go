package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// An element is one of a set's.
type element struct {
	key            []byte
	expires        time.Duration // from now
	packets, bytes uint64
}

// eachElement calls f with the elements of a set, whose keys have keyLength bytes.
// It asks for large answers: for each the kernel goes through the set from its
// beginning, so that many small ones take a second where these take a tenth.
func eachElement(table, set string, keyLength int, f func(element)) error {
	var answers [][]byte
	var err error
	for range 10 {
		request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETSETELEM, unix.NLM_F_DUMP)
		request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_INET, Version: unix.NFNETLINK_V0})
		request.AddData(nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_TABLE, nl.ZeroTerminated(table)))
		request.AddData(nl.NewRtAttr(unix.NFTA_SET_ELEM_LIST_SET, nl.ZeroTerminated(set)))
		answers, err = request.Execute(unix.NETLINK_NETFILTER, 0)
		if !errors.Is(err, netlink.ErrDumpInterrupted) { // somebody has changed rules meanwhile
			break
		}
	}
	if err != nil {
		return fmt.Errorf("read set %s of %s: %w", set, table, err)
	}
	for _, answer := range answers {
		if err := eachOf(answer, keyLength, f); err != nil {
			return fmt.Errorf("read set %s of %s: %w", set, table, err)
		}
	}
	return nil
}

// eachOf goes through one answer.
func eachOf(answer []byte, keyLength int, f func(element)) error {
	if len(answer) < nl.SizeofNfgenmsg {
		return errors.New("the answer is too short")
	}
	return attributes(answer[nl.SizeofNfgenmsg:], func(kind uint16, list []byte) error {
		if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			return nil
		}
		return attributes(list, func(_ uint16, value []byte) error {
			var e element
			if err := attributes(value, e.take); err != nil {
				return err
			}
			if len(e.key) != keyLength {
				return fmt.Errorf("a key of %d bytes is not %d long", len(e.key), keyLength)
			}
			f(e)
			return nil
		})
	})
}

// take takes an attribute of an element, or of what is in it.
func (e *element) take(kind uint16, value []byte) error {
	switch kind {
	case unix.NFTA_SET_ELEM_KEY:
		return attributes(value, func(kind uint16, key []byte) error {
			if kind == unix.NFTA_DATA_VALUE {
				e.key = key
			}
			return nil
		})
	case unix.NFTA_SET_ELEM_EXPIRATION:
		milliseconds, err := number(value)
		e.expires = time.Duration(milliseconds) * time.Millisecond
		return err
	case unix.NFTA_SET_ELEM_EXPR:
		return attributes(value, func(kind uint16, data []byte) error {
			if kind != unix.NFTA_EXPR_DATA {
				return nil
			}
			return attributes(data, e.count)
		})
	}
	return nil
}

func (e *element) count(kind uint16, value []byte) (err error) {
	switch kind {
	case unix.NFTA_COUNTER_PACKETS:
		e.packets, err = number(value)
	case unix.NFTA_COUNTER_BYTES:
		e.bytes, err = number(value)
	}
	return err
}

func number(value []byte) (uint64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("a number of %d bytes", len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

// attributes calls f with each attribute in b.
func attributes(b []byte, f func(kind uint16, value []byte) error) error {
	const header, align = unix.SizeofNlAttr, unix.NLA_ALIGNTO
	for len(b) >= header {
		length := int(binary.NativeEndian.Uint16(b))
		if length < header || length > len(b) {
			return fmt.Errorf("an attribute of %d bytes in %d", length, len(b))
		}
		if err := f(binary.NativeEndian.Uint16(b[2:])&nl.NLA_TYPE_MASK, b[header:length]); err != nil {
			return err
		}
		b = b[min(len(b), (length+align-1)&^(align-1)):]
	}
	return nil
}
