package ikev2

import (
	"bytes"
	"time"

	"causeway.dev/ike"
	"causeway.dev/ike/keys"
	"causeway.dev/ike/wire"
)

// Additional key exchanges of CREATE_CHILD_SA: each has an IKE_FOLLOWUP_KE exchange
// after it, and the SA is made by the last. RFC 9370 section 2.2.4. To all that is
// said of crossing messages, the request of CREATE_CHILD_SA comes when the last
// follow-up's does, and its response likewise: nothing is changed before.

// A followup is what a task of ours keeps between its exchanges.
type followup struct {
	answer  *parts // the response of CREATE_CHILD_SA
	left    []ike.Group
	link    []byte // what the responder finds its own part by
	kem     *keys.KEM
	secret  ike.Secret   // of CREATE_CHILD_SA
	secrets []ike.Secret // of the exchanges that followed
}

func (f *followup) underWay() bool { return f.answer != nil }

// request is the next exchange.
func (f *followup) request(g *Gate) (wire.ExchangeType, []wire.Payload, bool) {
	f.kem = g.newKEM(f.left[0])
	return wire.IKEFollowupKE, []wire.Payload{&wire.KE{Group: f.left[0], Data: f.kem.Public()}, additionalKeyExchange(f.link)}, true
}

func additionalKeyExchange(link []byte) wire.Payload {
	return &wire.Notify{Type: wire.AdditionalKeyExchange, Data: link}
}

// begin keeps the response of CREATE_CHILD_SA while others follow, and reports
// whether the responder lets them.
func (f *followup) begin(m parts, groups ike.AdditionalGroups, secret ike.Secret) bool {
	f.answer, f.left, f.secret = &m, groups.All(), secret
	return f.follow(m)
}

// follow takes the link to the next exchange.
func (f *followup) follow(m parts) bool {
	n := m.notify(wire.AdditionalKeyExchange)
	if n == nil || len(n.Data) == 0 {
		return false
	}
	f.link = n.Data
	return true
}

// goesOn takes a response of the sequence that a task runs on sa. While another
// exchange is to follow it returns true. Otherwise m is the response of
// CREATE_CHILD_SA, or the one that ended the sequence with an error; if the secrets
// are fewer than the groups, the sequence was not completed.
func (f *followup) goesOn(s *session, sa *ikeSA, t task, m *parts, groups ike.AdditionalGroups, secret func() (ike.Secret, error)) bool {
	stands := s.phase == established && sa == s.current && sa.then == nil
	switch {
	case m.failure() != nil:
		return false
	case f.answer == nil:
		if !stands || groups == (ike.AdditionalGroups{}) {
			return false
		}
		first, err := secret()
		if err != nil || !f.begin(*m, groups, first) {
			return false
		}
	default:
		done, ok := f.receive(*m)
		if done || !ok || !stands {
			*m = *f.answer
			return false
		}
	}
	sa.then = t
	return true
}

// completed reports whether there is a secret of each additional key exchange.
func (f *followup) completed(groups ike.AdditionalGroups) bool {
	return len(f.secrets) == len(groups.All())
}

// receive takes the response of a follow-up. done says that it was the last; ok that
// it could be used.
func (f *followup) receive(m parts) (done, ok bool) {
	defer f.kem.Wipe()
	if m.ke == nil || m.ke.Group != f.left[0] {
		return false, false
	}
	secret, err := f.kem.Decapsulate(m.ke.Data)
	if err != nil {
		return false, false
	}
	f.secrets, f.left = append(f.secrets, secret), f.left[1:]
	if len(f.left) == 0 {
		return true, true
	}
	return false, f.follow(m)
}

func (f *followup) wipe() {
	if f.kem != nil {
		f.kem.Wipe()
	}
	wipeSecrets(f.secret, f.secrets)
}

func wipeSecrets(secret ike.Secret, secrets []ike.Secret) {
	keys.Wipe(secret)
	for _, s := range secrets {
		keys.Wipe(s)
	}
}

// A following is what a responder keeps between CREATE_CHILD_SA and the last of its
// follow-ups.
type following struct {
	sa      *ikeSA
	left    []ike.Group
	link    []byte
	secret  ike.Secret
	secrets []ike.Secret
	until   time.Time

	// finish makes the SA, unless what has happened meanwhile forbids it: then it
	// answers with a notification. release gives back what is reserved for the SA
	// if it is not made.
	finish  func(now time.Time, secret ike.Secret, secrets []ike.Secret) response
	release func()
}

const (
	// followupLifetime is how long a responder waits for the next exchange.
	followupLifetime = time.Minute

	linkLength = 8
)

// expectFollowups begins the responder's part and returns the link for its answer.
// It keeps the secret. RFC 9370 section 2.2.4: what the peer has begun before, it has
// given up.
func (s *session) expectFollowups(now time.Time, sa *ikeSA, groups ike.AdditionalGroups, secret ike.Secret, release func(),
	finish func(now time.Time, secret ike.Secret, secrets []ike.Secret) response) wire.Payload {
	s.dropFollowing()
	s.following = &following{
		sa: sa, left: groups.All(), link: s.gate.random(linkLength), secret: secret, until: now.Add(followupLifetime),
		finish: finish, release: release,
	}
	return additionalKeyExchange(s.following.link)
}

// dropFollowing forgets what will not be followed up.
func (s *session) dropFollowing() {
	if f := s.following; f != nil {
		s.following = nil
		f.release()
		wipeSecrets(f.secret, f.secrets)
	}
}

// followingUntil is when the next follow-up has to have come, or zero.
func (s *session) followingUntil() time.Time {
	if s.following == nil {
		return time.Time{}
	}
	return s.following.until
}

// answerFollowup is the responder's duty.
func (s *session) answerFollowup(now time.Time, sa *ikeSA, m parts) response {
	f, n := s.following, m.notify(wire.AdditionalKeyExchange)
	if f == nil || f.sa != sa || n == nil || !bytes.Equal(n.Data, f.link) {
		return refuse(wire.StateNotFound)
	}
	if m.ke == nil || m.ke.Group != f.left[0] {
		s.dropFollowing()
		return refuse(wire.InvalidSyntax)
	}
	secret, ciphertext, err := keys.Encapsulate(f.left[0], m.ke.Data)
	if err != nil {
		s.dropFollowing()
		return refuse(wire.InvalidSyntax)
	}
	ke := &wire.KE{Group: f.left[0], Data: ciphertext}
	f.secrets, f.left = append(f.secrets, secret), f.left[1:]
	if len(f.left) > 0 {
		f.link, f.until = s.gate.random(linkLength), now.Add(followupLifetime)
		return response{payloads: []wire.Payload{ke, additionalKeyExchange(f.link)}}
	}
	s.following = nil
	defer wipeSecrets(f.secret, f.secrets)
	r := f.finish(now, f.secret, f.secrets)
	if len(r.payloads) > 0 { // refused
		f.release()
		return r
	}
	r.payloads = []wire.Payload{ke}
	return r
}
