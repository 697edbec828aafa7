package listen

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"causeway.dev/resolver"
)

// How long forwarders are waited for: each, and all together. Askers wait for five
// seconds, as resolv.conf(5) has it.
const (
	forwarderWait = 2 * time.Second
	answerWait    = 4500 * time.Millisecond
)

// ask asks the forwarders, and returns what to answer.
func (h *Host) ask(ctx context.Context, q resolver.Question, stream bool) []byte {
	if len(h.cfg.Forwarders) == 0 {
		return q.Refusal()
	}
	if !h.forwarded.TryAcquire(1) {
		return q.Failure()
	}
	defer h.forwarded.Release(1)
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	answer := h.askAny(ctx, q)
	if instead, ok := q.Instead(answer); ok {
		if made := q.Synthesize(answer, h.askAny(ctx, instead)); made != nil {
			answer = made
		}
	}
	if answer == nil {
		return q.Failure()
	}
	return q.Return(answer, stream)
}

// askAny asks the forwarders until one answers; nil if none does.
func (h *Host) askAny(ctx context.Context, q resolver.Question) []byte {
	for _, to := range h.cfg.Forwarders {
		answer, err := h.askOne(ctx, q, to)
		if err == nil {
			return answer
		}
		h.cfg.Logger.Debug("a forwarder does not answer", "forwarder", to, "err", err)
	}
	return nil
}

// askOne asks one forwarder: by UDP, and again by TCP where the answer is too long
// for that.
func (h *Host) askOne(ctx context.Context, q resolver.Question, to netip.AddrPort) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, forwarderWait)
	defer cancel()
	answer, whole, err := h.exchange(ctx, q, to, "udp")
	if err != nil || whole {
		return answer, err
	}
	long, _, err := h.exchange(ctx, q, to, "tcp")
	if err != nil {
		return answer, nil // which says that there is more
	}
	return long, nil
}

// errNoAnswer means that a stream had something else.
var errNoAnswer = errors.New("the message does not answer the question")

// exchange sends a question and waits for its answer. What else comes is ignored.
func (h *Host) exchange(ctx context.Context, q resolver.Question, to netip.AddrPort, network string) (answer []byte, whole bool, err error) {
	var random [2]byte
	rand.Read(random[:])
	id := binary.BigEndian.Uint16(random[:])
	question, err := q.Forward(id)
	if err != nil {
		return nil, false, fmt.Errorf("write question: %w", err)
	}
	conn, err := h.cfg.Dial(ctx, network, to)
	if err != nil {
		return nil, false, fmt.Errorf("reach forwarder: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if network == "tcp" {
		if err := writeMessage(conn, question); err != nil {
			return nil, false, fmt.Errorf("ask forwarder: %w", err)
		}
		answer, err := readMessage(conn, 1<<16-1)
		if err != nil {
			return nil, false, fmt.Errorf("read answer: %w", err)
		}
		if whole, ok := q.Answers(answer, id); ok {
			return answer, whole, nil
		}
		return nil, false, errNoAnswer
	}
	if _, err := conn.Write(question); err != nil {
		return nil, false, fmt.Errorf("ask forwarder: %w", err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return nil, false, fmt.Errorf("read answer: %w", err)
		}
		if whole, ok := q.Answers(buffer[:n], id); ok {
			return buffer[:n], whole, nil
		}
	}
}
