package session_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"causeway.dev/bgp/session"
	"causeway.dev/bgp/wire"
)

// Whatever a peer sends, in whatever order on whatever connections: nothing is written
// after a connection is closed, nobody is up twice, no more than three connections stand,
// what is due is in the future, and what is written is BGP.
func FuzzReceived(f *testing.F) {
	open, keepalive := peerOpen().Append(nil), wire.AppendKeepalive(nil)
	f.Add([]byte{0}, open, keepalive)
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7}, append(open, keepalive...), wire.Refresh{Family: wire.IPv4Unicast}.Append(keepalive))
	f.Add([]byte{1, 1, 2, 2, 9, 8, 7}, append(open, keepalive...), wire.Update{EndOfRIB: true}.Append(nil, true))
	f.Add([]byte{2, 2, 8, 0, 2, 2}, append(open, keepalive...), wire.Cease(wire.AdministrativeShutdown).Append(nil))
	f.Fuzz(func(t *testing.T, steps, first, second []byte) {
		s, err := session.New(config(), rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1_800_000_000, 0)
		var next session.ConnID
		standing := map[session.ConnID]bool{}
		closed := map[session.ConnID]bool{}
		dialing, up := false, false
		drain := func() {
			t.Helper()
			actions, events := s.TakeOutput()
			for _, a := range actions {
				switch a := a.(type) {
				case session.Dial:
					if dialing {
						t.Fatal("two dials")
					}
					dialing = true
				case session.CancelDial:
					dialing = false
				case session.Write:
					if !standing[a.Conn] {
						t.Fatal("octets on a connection that does not stand")
					}
					for b := a.Bytes; len(b) > 0; {
						_, _, taken, err := wire.Next(b)
						if err != nil || taken == 0 {
							t.Fatalf("%x is written: %v", b, err)
						}
						b = b[taken:]
					}
				case session.Close:
					if closed[a.Conn] {
						t.Fatal("closed twice")
					}
					closed[a.Conn] = true
					delete(standing, a.Conn)
				}
			}
			for _, e := range events {
				switch e := e.(type) {
				case session.Up:
					if up {
						t.Fatal("up twice")
					}
					up = true
				case session.Down:
					if !up || len(e.Reason) > 600 {
						t.Fatalf("down: %v %q", up, e.Reason)
					}
					up = false
				case session.Updated:
					if len(e.Update.Malformed) > 600 {
						t.Fatalf("%q", e.Update.Malformed)
					}
				}
			}
			if len(standing) > 3 || up != (s.State() == session.Established) || len(s.Reason()) > 600 {
				t.Fatalf("%d connections, up %v, %v: %s", len(standing), up, s.State(), s.Reason())
			}
		}
		s.Start(now, false)
		drain()
		for i, step := range steps {
			if i > 200 {
				return
			}
			b := first
			if i%2 == 1 {
				b = second
			}
			conn := next - session.ConnID(step>>6) // one of the last ones
			switch step % 16 {
			case 0, 1:
				next++
				standing[next] = true
				s.Connected(now, next, false)
			case 2:
				if dialing {
					dialing = false
					next++
					standing[next] = true
					s.Connected(now, next, true)
				}
			case 3:
				if dialing {
					dialing = false
					s.DialFailed(now, session.Refused, "")
				}
			case 4:
				if standing[conn] {
					delete(standing, conn)
					closed[conn] = true
					s.Lost(now, conn, "")
				}
			case 5:
				s.Stuck(now, conn)
			case 6:
				now = now.Add(time.Duration(step>>4) * time.Second)
			case 7:
				if at, ok := s.Deadline(); ok {
					now = at
				}
			case 8:
				_ = s.Send(now, wire.Update{EndOfRIB: true})
			default:
				s.Received(now, conn, b)
			}
			s.Advance(now)
			drain()
			if at, ok := s.Deadline(); ok && !at.After(now) {
				t.Fatalf("due at %v, it is %v", at, now)
			}
		}
	})
}
