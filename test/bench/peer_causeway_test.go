package bench

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"causeway.dev/appliance"
	"causeway.dev/internal/netlab"
)

// appliances are the product: a `causeway appliance` on each gateway, which
// differs from the product's gateways in nothing that a packet meets.
type appliances struct {
	esp   string // proposal
	encap string // "auto" is plain ESP here, since there is no NAT; "always" is UDP

	// tunnels is how many, if several; identities tell them apart. The first
	// also leads to the hosts' own networks.
	tunnels int

	// shared leads everything behind the gateways through the one tunnel.
	shared bool
}

const causewayPackage = "causeway.dev/cmd/causeway"

func (appliances) prepare(w *workshop) error {
	_, err := w.build("", causewayPackage)
	return err
}

func (p appliances) start(w *workshop, s *bed) {
	begin := time.Now()
	if p.tunnels > 0 {
		s.addBehind()
	}
	var running []*netlab.Process
	for i, gateway := range s.gateways {
		file := s.lab.File(gateway.Name+".yaml", p.configuration(i))
		g := gateway.Start(s.kind.name+"-"+strconv.Itoa(i), w.built[causewayPackage], "appliance", "--status", "--config", file)
		running = append(running, g)
		s.processes = append(s.processes, g.Pid())
	}
	for _, g := range running {
		s.lab.Eventually(90*time.Second, s.kind.name+" is up", func() error { return isUp(g, max(p.tunnels, 1)) })
	}
	s.established = time.Since(begin)
}

// configuration is that of the gateway on side 0 or 1.
func (p appliances) configuration(side int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "local: %s\ntunnels:\n", outside[side])
	for i := range max(p.tunnels, 1) {
		identities := [2]string{fmt.Sprintf("left%d.example", i), fmt.Sprintf("right%d.example", i)}
		routes := netip.PrefixFrom(behind(1-side, i), 32).String()
		if p.shared {
			routes = behindNetworks[1-side]
		}
		if i == 0 {
			routes += ", " + lans[1-side]
		}
		fmt.Fprintf(&text, `  - name: vpn%d
    id: %s
    remote: %s
    remote_id: %s
    psk: "a.key.for.benchmarks"
    ike_proposals: [aes128-sha256-group19]
    esp_proposals: [%s]
    start: %v
    encap: %s
    mtu: %d
    routes: [%s]
`, i, identities[side], outside[1-side], identities[1-side], p.esp, side == 0, p.encap, innerMTU, routes)
	}
	return text.String()
}

// isUp reads the last that an appliance said of each of its tunnels.
func isUp(g *netlab.Process, tunnels int) error {
	last := map[string]appliance.State{}
	for line := range strings.Lines(g.Log()) {
		var s appliance.State
		if json.Unmarshal([]byte(line), &s) == nil && s.Tunnel != "" {
			last[s.Tunnel] = s
		}
	}
	for _, s := range last {
		if !s.Up {
			return fmt.Errorf("%+v", s)
		}
	}
	if len(last) < tunnels {
		return fmt.Errorf("it has said something of %d tunnels only", len(last))
	}
	return nil
}
