package plan

import (
	"fmt"
	"net/netip"
	"slices"
)

// droppedService counts what came under the address of a service.
const droppedService = "dropped-service"

// checkServices says what is wrong with the addresses of a network's services:
// they are nobody else's, and only networks with interfaces have some.
func (n Network) checkServices() error {
	for i, a := range n.Services {
		switch {
		case !a.IsValid() || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is6() && a.IsLinkLocalUnicast():
			return fmt.Errorf("service address %v is no address of a host", a)
		case a.Is6() && !n.ipv6():
			return fmt.Errorf("service address %v is in a network that does not speak IPv6", a)
		case slices.Contains(n.Services[:i], a):
			return fmt.Errorf("service address %v is not unique", a)
		case n.Outside != nil || n.Translator != nil:
			return fmt.Errorf("service address %v is in a network that has no interfaces", a)
		}
		for _, other := range n.Interfaces {
			if slices.Contains(other.addresses(), a) || other.plugged() && a == gateway(other.Subnet) {
				return fmt.Errorf("service address %v is that of interface %s or of its gateway", a, other.ID)
			}
		}
	}
	return nil
}

// services makes their addresses the router's own. Connections to them are not
// tracked: nothing asks for their state, and hosts cannot fill its table.
func (r *router) services() {
	for _, a := range r.network.Services {
		r.Addresses = append(r.Addresses, Address{Device: "lo", Prefix: netip.PrefixFrom(a, a.BitLen())})
	}
}

func (w *filterWriter) serviceSet() {
	if !w.serves() {
		return
	}
	var addresses, addresses6 []string
	for _, a := range w.network.Services {
		if a.Is6() {
			addresses6 = append(addresses6, a.String())
		} else {
			addresses = append(addresses, a.String())
		}
	}
	w.set("set", "services", "ipv4_addr", addresses)
	if w.serves6() {
		w.set("set", "services6", "ipv6_addr", addresses6)
	}
}

// serves reports whether there are services, and interfaces that ask them.
func (w *filterWriter) serves() bool { return w.ports > 0 && len(w.network.Services) > 0 }

// serves6 reports whether some of these services are found by IPv6.
func (w *filterWriter) serves6() bool {
	return w.serves() && slices.ContainsFunc(w.network.Services, netip.Addr.Is6)
}

// servicePrerouting keeps out what pretends to be a service.
func (w *filterWriter) servicePrerouting() {
	if w.serves() {
		w.line("\tip saddr @services %s", w.drop(droppedService))
		w.line("\tip daddr @services notrack")
	}
	if w.serves6() {
		w.line("\tip6 saddr @services6 %s", w.drop(droppedService))
		w.line("\tip6 daddr @services6 notrack")
	}
}

// serviceInput lets in what interfaces of the network send under addresses of
// their own, of whatever group or subnet they are.
func (w *filterWriter) serviceInput() {
	if w.serves() {
		w.line("\tip daddr @services iifname != @outside iifname . ip saddr @addresses meta l4proto { tcp, udp } accept")
	}
	if w.serves6() {
		w.line("\tip6 daddr @services6 iifname != @outside iifname . ip6 saddr @addresses6 meta l4proto { tcp, udp } accept")
	}
}

func (w *filterWriter) serviceOutput() {
	if !w.serves() {
		return
	}
	rules := []string{"type filter hook output priority raw; policy accept;", "ip saddr @services notrack"}
	if w.serves6() {
		rules = append(rules, "ip6 saddr @services6 notrack")
	}
	w.chain("output", rules)
}
