package appliance

import (
	"encoding/json"
	"net/netip"
	"time"

	"causeway.dev/bgp/speaker"
	"causeway.dev/ipsec"
)

// A State is one line of `--status`: a tunnel's state when it has changed.
type State struct {
	Time    time.Time `json:"time"`
	Tunnel  string    `json:"tunnel"`
	Up      bool      `json:"up"`
	Since   time.Time `json:"since"`
	Remote  string    `json:"remote"`
	Message string    `json:"message"`

	BGP *SessionState `json:"bgp,omitempty"` // nil: the tunnel has none; Up needs it
}

// A SessionState is what a State tells of the tunnel's BGP session.
type SessionState struct {
	Established bool      `json:"established"`
	Since       time.Time `json:"since"`
	Message     string    `json:"message"`
	Pending     bool      `json:"pending,omitempty"` // the peer is awaited anew; what it has told before holds
	Routes      int       `json:"routes"`            // that the gateway tells
	Taken       int       `json:"taken"`             // of these, what leads over this tunnel
}

// say tells of a tunnel what has changed, and returns whether it is up with its session.
func (a *running) say(t ipsec.Status, sessions map[string]speaker.Status, over map[netip.Prefix]string) (up bool) {
	name := string(t.ID)
	state := State{Tunnel: name}
	if s, speaks := sessions[name]; speaks {
		state.BGP = &SessionState{Established: s.Established, Since: s.Since.UTC(), Message: s.Message, Pending: s.Pending, Routes: len(s.Routes)}
		for _, r := range s.Routes {
			if over[r.Destination] == name {
				state.BGP.Taken++
			}
		}
		t.Up, t.Since, t.Message = s.Over(t.Up, t.Since, t.Message)
	}
	state.Up, state.Since, state.Message = t.Up, t.Since.UTC(), t.Message
	if old, ok := a.said[name]; a.status == nil || ok && old.saysTheSame(state) {
		return t.Up
	}
	state.Time = time.Now().UTC()
	for _, t := range a.config.Tunnels {
		if t.Name == name {
			state.Remote = t.Remote.String()
		}
	}
	a.said[name] = state
	if err := json.NewEncoder(a.status).Encode(state); err != nil {
		a.log.Warn("write status", "err", err)
	}
	return t.Up
}

func (s State) saysTheSame(other State) bool {
	return s.Up == other.Up && s.Message == other.Message && (s.BGP == nil) == (other.BGP == nil) && (s.BGP == nil || *s.BGP == *other.BGP)
}
