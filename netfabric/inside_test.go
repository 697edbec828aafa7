package netfabric

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"causeway.dev/internal/netlab"
	"causeway.dev/netfabric/netns"
)

// A device is a customer's, at the other end of a tunnel without IPsec: what one TUN
// puts out the other takes. All that it sends goes there.
func (l *lab) device(tunnelID, inside string) (namespace string) {
	l.t.Helper()
	namespace = l.prefix + strings.ReplaceAll(tunnelID, "/", "")
	if err := netns.Create(namespace); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { netns.Delete(namespace) })
	ours := l.openTUN("vgw-1", tunnelID)
	var theirs *os.File
	err := netns.Do(namespace, func() (err error) {
		if theirs, err = openTUN("tun0"); err != nil {
			return err
		}
		for _, command := range []string{
			"link set lo up", "address add " + inside + " dev tun0", "link set tun0 up mtu 1400", "route add default dev tun0", "address add 192.168.1.1/32 dev lo",
		} {
			if _, err := netlab.Output(strings.Fields("ip " + command)...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { theirs.Close() })
	for _, way := range [][2]*os.File{{ours, theirs}, {theirs, ours}} {
		go func() {
			packet := make([]byte, 2000)
			for {
				n, err := way[0].Read(packet)
				if err != nil {
					return
				}
				way[1].Write(packet[:n])
			}
		}()
	}
	return namespace
}

// bound is what a BGP speaker's sockets are: of one device.
func bound(device string) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		if device != "" {
			c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), device) })
		}
		return err
	}
}

// echoes accepts connections in a namespace and sends back what they send.
func (l *lab) echoes(namespace, device, address string) {
	l.t.Helper()
	var listener net.Listener
	if err := netns.Do(namespace, func() (err error) {
		listener, err = (&net.ListenConfig{Control: bound(device)}).Listen(context.Background(), "tcp4", address)
		return err
	}); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { listener.Close() })
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

// exchanges opens a connection and sends more over it than a packet takes, there and
// back.
func exchanges(namespace, device, from, to string, within time.Duration) error {
	return netns.Do(namespace, func() error {
		dialer := net.Dialer{Timeout: within, Control: bound(device)}
		if from != "" {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
		}
		conn, err := dialer.Dial("tcp4", to)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(wait))
		sent := make([]byte, 20000)
		if _, err := conn.Write(sent); err != nil {
			return err
		}
		_, err = io.ReadFull(conn, sent)
		return err
	})
}

// A tunnel's two ends speak BGP with each other, whichever opens the connection, and
// nobody else reaches the gateway's side of it, nor the device's by way of the gateway.
// The gateway's sockets are those of the whole namespace here: the filter alone keeps
// the others out.
func TestBGPBelongsToItsTunnel(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := site()
	c.TUNs[0].BGP = netip.MustParseAddr("169.254.10.2")
	c.Networks[0].Tables[0].Routes = []TableRoute{to("0.0.0.0/0", target(ToLink, "vgw-1:vpc-1"))}
	l.apply(c)
	first, second := l.device("vpn-1/1", "169.254.10.2/30"), l.device("vpn-1/2", "169.254.11.2/30")
	gateway, instance := NamespaceName(l.prefix, "vgw-1"), NamespaceName(l.prefix, "i-1")
	for _, port := range []string{"179", "180"} {
		l.echoes(gateway, "", "0.0.0.0:"+port)
		l.echoes(first, "", "0.0.0.0:"+port)
		l.echoes(second, "", "0.0.0.0:"+port)
	}
	for _, c := range []struct {
		what, namespace, device, from, to string
		passes                            bool
	}{
		{"the device to the gateway", first, "", "", "169.254.10.1:179", true},
		{"the gateway to the device", gateway, TUNName("vpn-1/1"), "169.254.10.1", "169.254.10.2:179", true},
		{"another port of the gateway", first, "", "", "169.254.10.1:180", false},
		{"another port of the device", gateway, TUNName("vpn-1/1"), "169.254.10.1", "169.254.10.2:180", false},
		{"another address of the device's side", first, "", "192.168.1.1", "169.254.10.1:179", false},
		{"the gateway's address of another tunnel", first, "", "", "169.254.11.1:179", false},
		{"from another tunnel", second, "", "", "169.254.10.1:179", false},
		{"a tunnel without BGP to the gateway", second, "", "", "169.254.11.1:179", false},
		{"the gateway to a tunnel without BGP", gateway, TUNName("vpn-1/2"), "169.254.11.1", "169.254.11.2:179", false},
		{"from another tunnel to the device", second, "", "", "169.254.10.2:179", false},
		{"an instance to the gateway", instance, "", "", "169.254.10.1:179", false},
		{"an instance to the device", instance, "", "", "169.254.10.2:179", false},
	} {
		within := silence
		if c.passes {
			within = wait
		}
		if err := exchanges(c.namespace, c.device, c.from, c.to, within); (err == nil) != c.passes {
			t.Errorf("%s: %v, want it to pass: %v", c.what, err, c.passes)
		}
	}
	ping := func(namespace, address string) error {
		_, err := netlab.Output("ip", "netns", "exec", namespace, "ping", "-n", "-c1", "-W1", address)
		return err
	}
	for address, answered := range map[string]bool{"169.254.10.1": true, "169.254.11.1": false, "169.254.11.2": false} {
		if err := ping(first, address); (err == nil) != answered {
			t.Errorf("ping %s: %v, want an answer: %v", address, err, answered)
		}
	}
	if err := ping(instance, "169.254.10.1"); err == nil {
		t.Error("an instance gets an answer from an inside address")
	}
	drops, err := l.Drops("vgw-1")
	if err != nil || drops["dropped-inside"].Packets == 0 || drops["dropped-input"].Packets == 0 {
		t.Errorf("Drops = %v, %v, want some of each kind", drops, err)
	}
}
