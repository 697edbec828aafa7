package plan_test

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"causeway.dev/netfabric"
	"causeway.dev/netfabric/netns"
	"causeway.dev/node"
	"causeway.dev/nodespec"
	"causeway.dev/plan"
	"causeway.dev/resource"
)

// A stack is what a node makes of records, in network namespaces of its own.
type stack struct {
	t        *testing.T
	prefix   string
	underlay netfabric.Underlay
	fabric   *netfabric.Fabric
}

func newStack(t *testing.T) *stack {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed")
	}
	random := make([]byte, 4)
	crand.Read(random)
	s := &stack{t: t, prefix: "cwt" + hex.EncodeToString(random), fabric: netfabric.New(netfabric.Options{})}
	s.underlay = netfabric.Underlay{Namespace: s.prefix + "u", Interface: "lo", Label: s.prefix, Elastic: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
	if err := netns.Create(s.underlay.Namespace); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(netfabric.Clean(context.Background(), s.prefix), netns.Delete(s.underlay.Namespace)); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	s.in(s.underlay.Namespace, exec.Command("ip", "link", "set", "lo", "up").Run)
	return s
}

func (s *stack) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) in(namespace string, f func() error) {
	s.t.Helper()
	s.must(netns.Do(namespace, f))
}

func (s *stack) apply(d nodespec.Desired) {
	s.t.Helper()
	s.must(s.fabric.Apply(s.t.Context(), node.FabricConfig(s.prefix, s.underlay, d)))
}

// put makes the network what a world's records say.
func (s *stack) put(w *world) {
	s.t.Helper()
	s.apply(plan.Compile(w.put(s.t, shared), "node-1"))
}

func (s *stack) namespace(id string) string { return netfabric.NamespaceName(s.prefix, id) }

// answer lets an instance accept TCP connections and send back what they say.
func (s *stack) answer(instance, address string) {
	s.t.Helper()
	var listener net.Listener
	s.in(s.namespace(instance), func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	})
	s.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
}

// How long a test waits for an answer that ought to come, and for one that ought not.
const (
	patience = 20 * time.Second
	silence  = 200 * time.Millisecond
)

// reaches expects that an instance reaches an address, or does not. The connection
// stays open until the test ends.
func (s *stack) reaches(want bool, from, address, why string) net.Conn {
	s.t.Helper()
	timeout := silence
	if want {
		timeout = patience
	}
	var conn net.Conn
	err := netns.Do(s.namespace(from), func() (err error) {
		conn, err = net.DialTimeout("tcp", address, timeout)
		return err
	})
	if (err == nil) != want {
		s.t.Errorf("%s to %s: %v, but %s", from, address, err, why)
	}
	if err != nil {
		return nil
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// runs expects that a connection goes on, or does not.
func (s *stack) runs(want bool, conn net.Conn, why string) {
	s.t.Helper()
	if conn == nil {
		s.t.Fatalf("there is no connection, but %s", why)
	}
	timeout := silence
	if want {
		timeout = patience
	}
	conn.SetDeadline(time.Now().Add(timeout))
	const line = "still here"
	_, err := conn.Write([]byte(line))
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, len(line)))
	}
	if (err == nil) != want {
		s.t.Errorf("a connection that runs: %v, but %s", err, why)
	}
}

// threeHosts are a VPC with a server at 10.0.1.4 and two others, 10.0.1.5 and .6, which
// may send everything. The server admits nobody.
func threeHosts() *world {
	w := &world{scope: scope}
	w.addVPC("a", "10.0.0.0/16")
	w.groups[0].Rules = nil
	all := resource.SecurityGroupRule{ID: "sgr-out", Protocol: "-1", Egress: true, FromPort: -1, ToPort: -1, CIDR: netip.MustParsePrefix("0.0.0.0/0")}
	w.groups = append(w.groups,
		resource.SecurityGroup{Meta: w.meta("sg-out"), VPC: "vpc-a", Rules: []resource.SecurityGroupRule{all}},
		resource.SecurityGroup{Meta: w.meta("sg-admin"), VPC: "vpc-a"})
	w.addInstance("one", "a", 5, "sg-out")
	w.addInstance("two", "a", 6, "sg-out")
	return w
}

func listOf(w *world, id string, ranges ...string) resource.PrefixList {
	list := resource.PrefixList{Meta: w.meta(id), AddressFamily: resource.PrefixListIPv4, MaxEntries: 5}
	for _, r := range ranges {
		list.Entries = append(list.Entries, resource.PrefixListEntry{CIDR: netip.MustParsePrefix(r)})
	}
	return list
}

// TestPrefixListsAdmit changes the list that a group's rule names: new connections go
// by the new version, and those that run go on, since "tracked connections" are not
// interrupted by a change of rules.
func TestPrefixListsAdmit(t *testing.T) {
	s, w := newStack(t), threeHosts()
	w.groups[0].Rules = []resource.SecurityGroupRule{{ID: "sgr-1", Protocol: "tcp", FromPort: 80, ToPort: 80, PrefixList: "pl-1"}}
	w.lists = []resource.PrefixList{listOf(w, "pl-1", "10.0.1.5/32", "192.168.0.0/16")}
	s.put(w)
	s.answer("i-a", "10.0.1.4:80")
	s.answer("i-a", "10.0.1.4:81")
	conn := s.reaches(true, "i-one", "10.0.1.4:80", "the list has it")
	s.reaches(false, "i-one", "10.0.1.4:81", "the rule is for another port")
	s.reaches(false, "i-two", "10.0.1.4:80", "the list does not have it")

	w.lists[0] = listOf(w, "pl-1", "10.0.1.6/32")
	s.put(w)
	s.reaches(true, "i-two", "10.0.1.4:80", "the new version has it")
	s.reaches(false, "i-one", "10.0.1.4:80", "the new version does not have it")
	s.runs(true, conn, "it was admitted when it began")

	w.lists[0] = listOf(w, "pl-1")
	s.put(w)
	s.reaches(false, "i-two", "10.0.1.4:80", "the list is empty")
}

// TestPrefixListsRoute changes the list that a route names. Routes are asked for each
// packet, so that what runs follows them.
func TestPrefixListsRoute(t *testing.T) {
	s, w := newStack(t), threeHosts()
	all := w.groups[1].Rules[0]
	all.Egress = false
	w.groups[1].Rules = append(w.groups[1].Rules, all)
	w.nics[2].SourceDestCheck = false // i-two is a router
	w.tables[0].Routes = []resource.Route{{PrefixList: "pl-1", NetworkInterface: "eni-two"}}
	w.lists = []resource.PrefixList{listOf(w, "pl-1", "192.168.5.0/24")}
	s.put(w)
	s.in(s.namespace("i-two"), func() error {
		return errors.Join(exec.Command("ip", "address", "add", "192.168.5.9/32", "dev", "lo").Run(), exec.Command("ip", "address", "add", "192.168.6.9/32", "dev", "lo").Run())
	})
	s.answer("i-two", "0.0.0.0:80")
	conn := s.reaches(true, "i-one", "192.168.5.9:80", "a range of the list leads there")
	s.reaches(false, "i-one", "192.168.6.9:80", "no range of the list leads there")
	s.runs(true, conn, "nothing has changed")

	w.lists[0] = listOf(w, "pl-1", "192.168.6.0/24")
	s.put(w)
	s.reaches(true, "i-one", "192.168.6.9:80", "a range of the new version leads there")
	s.reaches(false, "i-one", "192.168.5.9:80", "the new version has no such range")
	s.runs(false, conn, "its packets have no route any more")

	w.lists[0] = listOf(w, "pl-1", "192.168.5.0/24")
	s.put(w)
	s.runs(true, s.reaches(true, "i-one", "192.168.5.9:80", "the range is back"), "the range is back")
}

// TestGroupsAdmitSSH lets the members of one group, and nobody else, in by SSH.
func TestGroupsAdmitSSH(t *testing.T) {
	s, w := newStack(t), threeHosts()
	ssh := resource.SecurityGroupRule{ID: "sgr-1", Protocol: "tcp", FromPort: 22, ToPort: 22, Group: "sg-admin"}
	w.groups[0].Rules = []resource.SecurityGroupRule{ssh}
	w.nics[1].Groups = []string{"sg-out", "sg-admin"}
	s.put(w)
	for port := range slices.Values([]int{22, 80}) {
		s.answer("i-a", fmt.Sprintf("10.0.1.4:%d", port))
	}
	conn := s.reaches(true, "i-one", "10.0.1.4:22", "it is a member")
	s.reaches(false, "i-one", "10.0.1.4:80", "members are admitted by SSH only")
	s.reaches(false, "i-two", "10.0.1.4:22", "it is no member")

	w.nics[1].Groups, w.nics[2].Groups = []string{"sg-out"}, []string{"sg-admin", "sg-out"}
	s.put(w)
	s.reaches(false, "i-one", "10.0.1.4:22", "it is no member any more")
	s.reaches(true, "i-two", "10.0.1.4:22", "it is a member now")
	s.runs(true, conn, "it was admitted when it began")

	w.groups[0].Rules = nil
	s.put(w)
	s.reaches(false, "i-two", "10.0.1.4:22", "there is no rule any more")
	s.reaches(false, "i-a", "10.0.1.5:22", "the server may send nothing")
}
