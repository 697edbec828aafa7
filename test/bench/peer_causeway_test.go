package bench

import (
	"encoding/json"
	"fmt"
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
}

const causewayPackage = "causeway.dev/cmd/causeway"

func (appliances) prepare(w *workshop) error {
	_, err := w.build("", causewayPackage)
	return err
}

func (p appliances) start(w *workshop, s *bed) {
	var running []*netlab.Process
	for i, gateway := range s.gateways {
		file := s.lab.File(gateway.Name+".yaml", p.configuration(i))
		g := gateway.Start(s.kind.name+"-"+strconv.Itoa(i), w.built[causewayPackage], "appliance", "--status", "--config", file)
		running = append(running, g)
		s.processes = append(s.processes, g.Pid())
	}
	for _, g := range running {
		s.lab.Eventually(15*time.Second, s.kind.name+" is up", func() error { return isUp(g) })
	}
}

// configuration is that of the gateway on side 0 or 1.
func (p appliances) configuration(side int) string {
	return fmt.Sprintf(`local: %s
tunnels:
  - name: vpn1
    remote: %s
    psk: "a.key.for.benchmarks"
    ike_proposals: [aes128-sha256-group19]
    esp_proposals: [%s]
    start: %v
    encap: %s
    inside: 169.254.10.%d/30
    mtu: %d
    routes: [%s]
`, outside[side], outside[1-side], p.esp, side == 0, p.encap, 1+side, innerMTU, lans[1-side])
}

// isUp reads the last that an appliance said of each of its tunnels.
func isUp(g *netlab.Process) error {
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
	if len(last) == 0 {
		return fmt.Errorf("it has said nothing of a tunnel yet")
	}
	return nil
}
