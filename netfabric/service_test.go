package netfabric

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// served is a VPC with services, joined to a VPN gateway, and one with equal
// addresses that has none:
//
//	i-closed 10.0.0.4 (no groups)    \
//	i-denied 10.0.2.4 (ACL, nothing)  vpc-1 --- vgw-1 === vpn-1/1       vpc-2 --- i-other 10.0.0.4
//	i-router 10.0.1.5 (any source)   /
func served() Config {
	c := site()
	router := port("i-router", "10.0.1.5", "sg-open")
	router.AnySource = true
	open := group("sg-open", allOut, allow(false, -1, -1, -1, "0.0.0.0/0"))
	n := vpc("vpc-1", []Group{open}, port("i-closed", "10.0.0.4"), port("i-denied", "10.0.2.4", "sg-open"), router)
	n.Tables = c.Networks[0].Tables
	n.Services = []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("169.254.169.253")}
	guard(&n, "acl-1", nil, "10.0.2.0/24")
	other := vpc("vpc-2", []Group{open}, port("i-other", "10.0.0.4", "sg-open"))
	other.Groups[0].Members = nil
	c.Networks = []Network{n, c.Networks[1], other}
	return c
}

func TestServicesAnswerTheirNetwork(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(served())
	for _, service := range []string{"10.0.0.2:53", "169.254.169.253:53"} {
		l.listen("vpc-1", service)
		for _, instance := range []string{"i-closed", "i-denied", "i-router"} {
			conn, err := l.dial(instance, service, wait)
			if err != nil {
				t.Errorf("%s to %s: %v", instance, service, err)
				continue
			}
			if err := echo(conn, "whatever groups and ACLs say"); err != nil {
				t.Errorf("%s to %s: %v", instance, service, err)
			}
		}
		if _, err := l.dial("i-other", service, silence); err == nil {
			t.Errorf("%s answers another network", service)
		}
	}
	l.mustNotPing("i-router", "169.254.169.253")
	l.mustStand(served())

	without := served()
	without.Networks[0].Services = nil
	l.update(without)
	if _, err := l.dial("i-router", "10.0.0.2:53", silence); err == nil {
		t.Error("a service that is not wanted any more answers")
	}
}

// TestServicesAnswerByIPv6 asks them from an instance that has IPv6, under its own
// address and under another's.
func TestServicesAnswerByIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const own, service, other = "2001:db8:0:1::5", "fd00:ec2::253", "2001:db8:0:1::6"
	router := port6("i-router", "10.0.1.5", []string{own})
	router.AnySource = true
	n := vpc6("vpc-1", nil, router, port6("i-2", "10.0.2.4", []string{"2001:db8:0:2::4"}))
	n.Tables = []Table{{ID: "rtb-main"}}
	n.Services = []netip.Addr{netip.MustParseAddr("169.254.169.253"), netip.MustParseAddr(service)}
	c := Config{Networks: []Network{n}}
	l.apply(c)
	l.listen("vpc-1", "["+service+"]:53")
	for _, instance := range []string{"i-router", "i-2"} {
		conn, err := l.dial(instance, "["+service+"]:53", wait)
		if err != nil {
			t.Fatalf("%s to %s: %v", instance, service, err)
		}
		if err := echo(conn, "without any group"); err != nil {
			t.Errorf("%s to %s: %v", instance, service, err)
		}
	}
	l.output("i-router", "ip", "address", "add", other+"/128", "dev", "lo", "nodad")
	l.in("i-router", func() error {
		d := net.Dialer{Timeout: silence, LocalAddr: &net.UDPAddr{IP: net.ParseIP(other)}}
		conn, err := d.Dial("udp6", "["+service+"]:53")
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("question"))
		return err
	})
	l.awaitDrop("dropped-input")
	l.mustStand(c)
	c.Networks[0].Services = c.Networks[0].Services[:1]
	l.update(c)
	if _, err := l.dial("i-2", "["+service+"]:53", silence); err == nil {
		t.Error("a service that is not wanted any more answers")
	}
}

// TestServicesKnowTheirCallers has an instance ask under an address that is not its
// own, which its interface would let pass to others, and speak as the service.
func TestServicesKnowTheirCallers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(served())
	l.listen("vpc-1", "10.0.0.2:53")
	l.output("i-router", "ip", "address", "add", "203.0.113.7/32", "dev", "lo")
	l.output("i-router", "ip", "address", "add", "10.0.0.2/32", "dev", "lo")
	from := func(source, to string) {
		l.in("i-router", func() error {
			d := net.Dialer{Timeout: silence, LocalAddr: &net.UDPAddr{IP: net.ParseIP(source)}}
			conn, err := d.Dial("udp4", to)
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.Write([]byte("question"))
			return err
		})
	}
	from("203.0.113.7", "169.254.169.253:53")
	l.awaitDrop("dropped-input")
	from("10.0.0.2", "10.0.2.4:1024")
	l.awaitDrop("dropped-service")
}

// TestServicesAreNotForTunnels sends a question from the other side of a VPN
// connection.
func TestServicesAreNotForTunnels(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.apply(served())
	file := l.openTUN("vgw-1", "vpn-1/1")
	question := []byte{
		0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 192, 168, 1, 1, 10, 0, 0, 2,
		0x80, 0, 0, 53, 0, 8, 0, 0,
	}
	checksum(question[:20], 10)
	if _, err := file.Write(question); err != nil {
		t.Fatal(err)
	}
	l.awaitDrop("dropped-input")
}

// awaitDrop waits until vpc-1 has dropped something for a reason.
func (l *lab) awaitDrop(counter string) {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		drops, err := l.Drops("vpc-1")
		if err != nil {
			l.t.Fatal(err)
		}
		if drops[counter].Packets > 0 {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("Drops = %v, want some %s", drops, counter)
		}
	}
}
