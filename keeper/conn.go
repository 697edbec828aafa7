package keeper

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/ike"
)

// A conn carries messages between a daemon and a keeper over a Unix socket, each in
// a frame, and behind it a State if the message says so, with its descriptors:
//
//	[ length 4 | message, JSON ]
//	[ length 4 | State, JSON ] [ 0 ] [ 0 ] … each zero with up to descriptorsAtOnce descriptors
type conn struct{ *net.UnixConn }

// A message is a request or an answer. Those without a State are understood by all
// versions.
type message struct {
	Verb   verb
	Reason string       `json:",omitempty"` // of no
	Kept   []KeptTunnel `json:",omitempty"`

	Socket string        `json:",omitempty"` // of keep: where the keeper can be reached
	Wait   time.Duration `json:",omitempty"` // of keep: for how long

	Version   int  // of State
	WithState bool `json:",omitempty"`

	state *State // what follows
}

// A KeptTunnel is what Peek tells of one.
type KeptTunnel struct {
	ID ike.PeerID
	Up bool
}

// A verb says what a message is.
type verb string

const (
	ready verb = "ready" // a keeper that has been started waits for keep
	keep  verb = "keep"  // carry what comes with this
	peek  verb = "peek"  // what is kept?
	claim verb = "claim" // stop, and send what is kept
	kept  verb = "kept"  // the answer to keep, peek and claim
	take  verb = "take"  // all has come: the one who asks goes on, if the answer is yours
	yours verb = "yours" // the keeper carries no more
	end   verb = "end"   // tell the peers, and end
	no    verb = "no"    // it does not work, Reason says why
)

const (
	// messageMax bounds a message: 30 KiB for each of 2,000 tunnels.
	messageMax = 64 << 20

	// descriptorsAtOnce is less than what the kernel takes in one go (SCM_MAX_FD,
	// 253).
	descriptorsAtOnce = 200

	// exchangeMax bounds each message's way: a keeper does not wait longer for a
	// daemon that hangs, and neither does a daemon.
	exchangeMax = 5 * time.Second
)

func (c conn) send(m message) error {
	m.Version, m.WithState = Version, m.state != nil
	if err := c.SetWriteDeadline(time.Now().Add(exchangeMax)); err != nil {
		return err
	}
	err := c.sendFrame(m)
	if err == nil && m.state != nil {
		if err = c.sendFrame(m.state); err == nil {
			err = c.sendDescriptors(m.state)
		}
	}
	if err != nil {
		return fmt.Errorf("send %s to the other process: %w", m.Verb, err)
	}
	return nil
}

func (c conn) sendFrame(content any) error {
	body, err := json.Marshal(content)
	if err != nil {
		return err
	}
	defer clear(body)
	if _, err := c.Write(binary.BigEndian.AppendUint32(nil, uint32(len(body)))); err != nil {
		return err
	}
	_, err = c.Write(body)
	return err
}

func (c conn) sendDescriptors(s *State) error {
	var numbers []int
	for _, d := range s.descriptors() {
		numbers = append(numbers, *d)
	}
	for len(numbers) > 0 {
		n := min(len(numbers), descriptorsAtOnce)
		if _, _, err := c.WriteMsgUnix([]byte{0}, unix.UnixRights(numbers[:n]...), nil); err != nil {
			return err
		}
		numbers = numbers[n:]
	}
	return nil
}

// errVersion: the other process speaks of a State that means something else.
var errVersion = errors.New("it is of another version")

// receive returns the next message; one that says no is an error. The descriptors
// of its State are the caller's.
func (c conn) receive() (m message, err error) {
	if err := c.SetReadDeadline(time.Now().Add(exchangeMax)); err != nil {
		return m, err
	}
	if err := c.receiveFrame(&m); err != nil {
		return m, fmt.Errorf("hear from the other process: %w", err)
	}
	if m.Verb == no {
		return m, fmt.Errorf("the other process: %s", m.Reason)
	}
	if !m.WithState {
		return m, nil
	}
	if m.Version != Version {
		return m, fmt.Errorf("take over from the other process: %w (%d, not %d)", errVersion, m.Version, Version)
	}
	m.state = new(State)
	if err = c.receiveFrame(m.state); err == nil {
		err = c.receiveDescriptors(m.state)
	}
	if err != nil {
		m.state.Wipe()
		return m, fmt.Errorf("take over from the other process: %w", err)
	}
	return m, nil
}

func (c conn) receiveFrame(content any) error {
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > messageMax {
		return fmt.Errorf("message of %d bytes", n)
	}
	body := make([]byte, n)
	defer clear(body)
	if _, err := io.ReadFull(c, body); err != nil {
		return err
	}
	return json.Unmarshal(body, content)
}

// expect is receive of one kind of message.
func (c conn) expect(v verb) (message, error) {
	m, err := c.receive()
	if err == nil && m.Verb != v {
		err = fmt.Errorf("the other process says %q instead of %q", m.Verb, v)
	}
	return m, err
}

func (c conn) receiveDescriptors(s *State) error {
	missing := s.descriptors()
	var got []int
	oob := make([]byte, unix.CmsgSpace(4*descriptorsAtOnce))
	for len(got) < len(missing) {
		var data [1]byte
		_, n, flags, _, err := c.ReadMsgUnix(data[:], oob)
		var some []int
		if err == nil {
			some, err = parseDescriptors(oob[:n])
			got = append(got, some...)
		}
		if err == nil && (flags&unix.MSG_CTRUNC != 0 || len(some) == 0) {
			err = errors.New("some have not come: too many open files?")
		}
		if err != nil {
			closeAll(got)
			return err
		}
	}
	if len(got) > len(missing) {
		closeAll(got)
		return fmt.Errorf("%d have come instead of %d", len(got), len(missing))
	}
	for i, d := range missing {
		*d = got[i]
	}
	return nil
}

// parseDescriptors: those that have come with one message. The net package asks for
// them with close-on-exec.
func parseDescriptors(oob []byte) (all []int, err error) {
	controls, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, control := range controls {
		some, err := unix.ParseUnixRights(&control)
		if err != nil {
			return all, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func closeAll(descriptors []int) {
	for _, d := range descriptors {
		_ = unix.Close(d) // only to be rid of it
	}
}

// fromDescriptor makes a conn of an open Unix socket, which it takes over.
func fromDescriptor(fd int) (conn, error) {
	file := os.NewFile(uintptr(fd), "keeper")
	defer file.Close() // FileConn has one of its own
	c, err := net.FileConn(file)
	if err != nil {
		return conn{}, fmt.Errorf("use descriptor %d: %w", fd, err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return conn{}, fmt.Errorf("use descriptor %d: it is no Unix socket", fd)
	}
	return conn{u}, nil
}

// isOurs reports whether the process at the other end is of our own user.
func (c conn) isOurs() bool {
	peer, err := c.credentials()
	return err == nil && int(peer.Uid) == os.Geteuid()
}

// credentials are those of the process at the other end.
func (c conn) credentials() (peer *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	failed := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return peer, errors.Join(failed, err)
}
