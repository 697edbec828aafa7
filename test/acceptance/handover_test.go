package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/appliance"
	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
)

// lostMax is how many requests of a hundred a second may be lost at a restart.
const lostMax = 5

// lost ends the ping and returns how many requests were not answered before the
// last that was, of which there must be some after this call.
func (s steadyPing) lost(t *testing.T, lab *netlab.Lab) (lost, of int) {
	t.Helper()
	_, before := s.answered()
	lab.Eventually(20*time.Second, "requests are still answered", func() error {
		if _, last := s.answered(); last < before+100 {
			return fmt.Errorf("the last answer was to request %d, 100 after %d were expected", last, before)
		}
		return nil
	})
	s.p.Stop()
	numbers, last := s.answered()
	return last - len(numbers), last
}

// keepers are the processes that keep tunnels for the installation.
func (i *installation) keepers() (pids []string) {
	for _, name := range glob(i.t, "/proc/[0-9]*/cmdline") {
		text, err := os.ReadFile(name)
		if err != nil || string(text) != "causeway\x00keep\x00" {
			continue
		}
		pid := filepath.Base(filepath.Dir(name))
		if i.socketOf(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// socketOf reports whether a process holds the installation's keeper socket.
func (i *installation) socketOf(pid string) bool {
	// The kernel tells of its sockets piece by piece, and leaves some out where others
	// come and go meanwhile. /proc/net is the main thread's, which another test may have
	// taken into a namespace.
	var table strings.Builder
	for range 10 {
		text, err := os.ReadFile("/proc/thread-self/net/unix")
		if err != nil {
			i.t.Fatal(err)
		}
		table.Write(text)
	}
	inodes := map[string]bool{}
	for line := range strings.Lines(table.String()) {
		// "Num RefCount Protocol Flags Type St Inode Path"; the path as it was bound.
		if fields := strings.Fields(line); len(fields) == 8 && strings.HasSuffix(fields[7], "/keeper.sock") {
			inodes["socket:["+fields[6]+"]"] = true
		}
	}
	for _, fd := range glob(i.t, "/proc/"+pid+"/fd/*") {
		if to, err := os.Readlink(fd); err == nil && inodes[to] {
			return i.logsTo(pid)
		}
	}
	return false
}

// logsTo reports whether a process writes to a log of this test's.
func (i *installation) logsTo(pid string) bool {
	to, err := os.Readlink("/proc/" + pid + "/fd/2")
	return err == nil && strings.HasPrefix(to, i.lab.Dir())
}

// states are the changes of its tunnels that the customer gateway has told.
func (s *site) states() (all []appliance.State) {
	for line := range strings.Lines(s.appliance.Log()) {
		var state appliance.State
		if json.Unmarshal([]byte(line), &state) == nil && state.Tunnel != "" {
			all = append(all, state)
		}
	}
	return all
}

// changes are when each tunnel of a connection came up or went down, as the API
// says.
func (i *installation) changes(connection string) (all []string) {
	i.t.Helper()
	for _, tunnel := range i.call("DescribeVpnConnections", "VpnConnectionId.1="+connection).all("vpnConnectionSet/item/vgwTelemetry/item") {
		all = append(all, tunnel.get("outsideIpAddress")+" "+tunnel.get("status")+" "+tunnel.get("lastStatusChange"))
	}
	return all
}

// Given two tunnels with a ping of a hundred requests a second and a TCP transfer,
// when the server is stopped and started, also as another binary, then packets go
// on, and neither the peer nor the API sees a change. When it is interrupted, the
// peer is told at once; when nobody comes back, after the time that is configured.
func TestRestartHandsTunnelsOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	i := install(t, s.lab, s.internet, testAddresses, "hand_over: 10s")
	vpc := i.createVPC("10.0.0.0/16")
	instance := i.runInstance(i.createSubnet(vpc, "10.0.1.0/24"), i.createOpenGroup(vpc), addressA)
	j := i.joinSite(vpc, s, "add")
	s.connect(i.download(j.connection))
	i.waitForInstance(instance, "running")
	i.waitForTunnels(j.connection, 2, time.Minute)
	reaches(t, s.lab, s.host, addressA, time.Minute)
	time.Sleep(time.Second) // until the routes have settled

	changes, told := i.changes(j.connection), len(s.states())
	upgrade := filepath.Join(s.lab.Dir(), "causeway-next")
	copyProgram(t, program, upgrade)
	for _, next := range []string{program, upgrade} {
		t.Run("restart as "+filepath.Base(next), func(t *testing.T) {
			ping := startSteadyPing(s.host, addressA)
			transfer := startTransfer(t, s.host, i.host(instance), addressA)
			time.Sleep(500 * time.Millisecond)
			begin := time.Now()
			i.stop()
			stopped := time.Since(begin)
			i.assertKept(t)
			i.program = next
			i.start()
			served := time.Since(begin)
			s.lab.Eventually(20*time.Second, "the tunnels are taken over", func() error {
				if k := i.keepers(); len(k) > 0 {
					return fmt.Errorf("there are keepers %v", k)
				}
				return nil
			})
			taken := time.Since(begin)
			bytes := transfer.end(t)
			lost, of := ping.lost(t, s.lab)
			t.Logf("stopped after %v, served after %v, taken over after %v; %d of %d requests lost; TCP carried %d MiB, with a pause of %v at most",
				stopped.Round(time.Millisecond), served.Round(time.Millisecond), taken.Round(time.Millisecond), lost, of, bytes>>20, transfer.pause.Round(time.Millisecond))
			if lost > lostMax {
				t.Errorf("%d requests were lost, at most %d are allowed", lost, lostMax)
			}
			if got := i.changes(j.connection); !slices.Equal(got, changes) {
				t.Errorf("the API tells of changes: %v, was %v", got, changes)
			}
			if got := s.states(); len(got) != told {
				t.Errorf("the peer tells of changes: %+v", got[told:])
			}
		})
	}

	t.Run("rekey", func(t *testing.T) {
		ping := startSteadyPing(s.host, addressA)
		// Keys are seen when SAs are rekeyed.
		capturing := s.lab.Start("capture", program, "capture", "--config", i.config, j.connection, "--write", t.TempDir(), "--keys", "--for", "3s")
		s.lab.Eventually(time.Minute, "child SAs are rekeyed", func() error {
			if !strings.Contains(capturing.Log(), "CREATE_CHILD_SA") {
				return errors.New(capturing.Log())
			}
			return nil
		})
		if lost, of := ping.lost(t, s.lab); lost > 0 {
			t.Errorf("a rekey has lost %d of %d", lost, of)
		}
	})

	t.Run("interrupt", func(t *testing.T) {
		i.server.Signal(unix.SIGINT)
		s.waitAll(false, 20*time.Second)
		i.stop()
		if k := i.keepers(); len(k) > 0 {
			t.Errorf("there are keepers %v", k)
		}
	})

	t.Run("the network is taken away meanwhile", func(t *testing.T) {
		i.start()
		s.waitAll(true, 45*time.Second)
		i.stop()
		i.assertKept(t)
		if err := netns.Delete(i.host(j.gateway).Name); err != nil {
			t.Fatal(err)
		}
		told := len(s.states())
		i.start()
		s.lab.Eventually(20*time.Second, "the peer is told", func() error {
			if len(s.states()) == told {
				return errors.New("it says nothing new")
			}
			return nil
		})
		s.waitAll(true, 20*time.Second)
		reaches(t, s.lab, s.host, addressA, 20*time.Second)
	})

	t.Run("clean", func(t *testing.T) {
		i.stop()
		i.assertKept(t)
		i.clean(false)
		s.waitAll(false, 20*time.Second)
		if k, left := i.keepers(), i.namespaces(); len(k)+len(left) > 0 {
			t.Errorf("there are keepers %v and namespaces %v", k, left)
		}
	})

	t.Run("nobody comes back", func(t *testing.T) {
		i.start()
		s.waitAll(true, 45*time.Second)
		told = len(s.states())
		i.stop()
		i.assertKept(t)
		time.Sleep(5 * time.Second)
		if got := s.states(); len(got) != told {
			t.Errorf("the peer tells of changes: %+v", got[told:])
		}
		s.waitAll(false, 10*time.Second)
		s.lab.Eventually(20*time.Second, "the keeper ends", func() error {
			if k := i.keepers(); len(k) > 0 {
				return fmt.Errorf("there are keepers %v", k)
			}
			return nil
		})
	})
}

// waitAll waits until the customer gateway says that its tunnels are up, or down.
func (s *site) waitAll(up bool, most time.Duration) {
	s.lab.Eventually(most, fmt.Sprintf("tunnels at the customer gateway are up: %v", up), func() error {
		last := map[string]appliance.State{}
		for _, state := range s.states() {
			last[state.Tunnel] = state
		}
		for _, state := range last {
			if state.Up != up {
				return fmt.Errorf("%s is up: %v: %s", state.Tunnel, state.Up, state.Message)
			}
		}
		return nil
	})
}

// assertKept looks at the keeper of a server that has ended: there is one, which
// holds nothing but what it keeps.
func (i *installation) assertKept(t *testing.T) {
	t.Helper()
	pids := i.keepers()
	if len(pids) != 1 {
		t.Fatalf("there are keepers %v\n%s", pids, i.server.Log())
	}
	environment, err := os.ReadFile("/proc/" + pids[0] + "/environ")
	if err != nil || len(environment) > 0 {
		t.Errorf("the keeper has the environment %q, %v", environment, err)
	}
	for _, fd := range glob(t, "/proc/"+pids[0]+"/fd/*") {
		to, err := os.Readlink(fd)
		if err == nil && strings.HasPrefix(to, i.data) {
			t.Errorf("the keeper has %s open", to)
		}
	}
	status, err := os.Stat(filepath.Join(i.data, "keeper.sock"))
	if err != nil || status.Mode().Perm() != 0o600 {
		t.Errorf("the keeper's socket: %v, %v", status, err)
	}
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

// A transfer is a TCP connection that data flows over until its end is asked for.
type transfer struct {
	sender   net.Conn
	received chan int64
	pause    time.Duration // the longest between two reads, set at the end
}

func startTransfer(t *testing.T, from, to *netlab.Host, address string) *transfer {
	t.Helper()
	x := &transfer{received: make(chan int64, 1)}
	var listener net.Listener
	err := to.Do(func() (err error) {
		listener, err = net.Listen("tcp4", address+":7777")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = from.Do(func() (err error) {
		x.sender, err = net.DialTimeout("tcp4", address+":7777", 20*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	go func() {
		defer receiver.Close()
		buffer, total, last := make([]byte, 64<<10), int64(0), time.Now()
		for {
			n, err := receiver.Read(buffer)
			x.pause = max(x.pause, time.Since(last))
			total, last = total+int64(n), time.Now()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					total = -1
				}
				x.received <- total
				return
			}
		}
	}()
	go func() { // ends with the connection
		chunk := make([]byte, 8<<10)
		for {
			if _, err := x.sender.Write(chunk); err != nil {
				return
			}
			time.Sleep(2 * time.Millisecond) // not to fill the machine
		}
	}()
	return x
}

// end closes the connection in order and returns how much has arrived.
func (x *transfer) end(t *testing.T) int64 {
	t.Helper()
	if err := x.sender.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	defer x.sender.Close()
	select {
	case total := <-x.received:
		if total <= 0 {
			t.Error("the transfer was cut off")
		}
		return total
	case <-time.After(20 * time.Second):
		t.Error("the transfer does not end")
		return 0
	}
}
