package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Two sites run `causeway appliance` with what the API gives out for dynamic
// connections: each reaches the VPC and, over the VPN gateway, the other; the doctor says
// the same on both sides; what is taken away or ends in order is forgotten at once.
//
//	appliance, AS 65001   192.168.2.0/24 ═══╗
//	appliance, AS 65002   192.168.3.0/24 ═══╩═ VPN gateway, AS 64512 ── VPC 10.0.0.0/16, instance 10.0.1.10
func TestAppliancesSpeakBGP(t *testing.T) {
	t.Parallel()
	c := newDynamicScene(t)
	a := c.addDynamicSite(t, c.internet, 2, "65001", c.gateway)
	b := c.addDynamicSite(t, c.internet, 3, "65002", c.gateway)
	c.waitForInstance(c.inside, "running")
	for _, s := range []*dynamicSite{a, b} {
		s.site.connect(c.download(s.connection))
	}
	leads := func(s *dynamicSite, network, device string) {
		t.Helper()
		c.lab.Eventually(toldWithin, fmt.Sprintf("%s leads over %q at %s", network, device, s.customer.Name), func() error {
			if out := s.customer.Run("ip", "route", "show", network); !strings.Contains(out+"dev  ", "dev "+device+" ") {
				return fmt.Errorf("%q", out)
			}
			return nil
		})
	}
	c.waitForRoutes(a.connection, 1, time.Minute)
	c.waitForRoutes(b.connection, 1, time.Minute)
	for _, s := range []*dynamicSite{a, b} {
		leads(s, "10.0.0.0/16", "vpn1")
		reaches(t, c.lab, s.host, addressA, toldWithin)
		reaches(t, c.lab, c.instance(), s.at, toldWithin)
	}
	leads(a, b.network, "vpn1")
	leads(b, a.network, "vpn1")
	reaches(t, c.lab, a.host, b.at, toldWithin)

	said := a.customer.Run(program, "doctor", "--appliance", c.lab.File(a.customer.Name+".yaml", c.download(a.connection)), "vpn2")
	for _, words := range []string{"vpn2 is UP", "> BGP: yes", "of AS 65001 with ", b.network + " by AS 64512 65002"} {
		if !strings.Contains(said, words) {
			t.Errorf("the appliance's doctor does not say %q:\n%s", words, said)
		}
	}

	// A network that the customer gateway has no longer.
	a.own("192.168.22.1/24")
	c.waitForRoutes(a.connection, 2, toldWithin)
	leads(b, "192.168.22.0/24", "vpn1")
	a.disown("192.168.22.1/24")
	c.waitForRoutes(a.connection, 1, toldWithin)
	leads(b, "192.168.22.0/24", "")

	// It ends with notice, and comes back.
	a.appliance.Signal(unix.SIGTERM)
	a.appliance.Stop()
	leads(b, a.network, "")
	silent(t, c.instance(), "the site has gone", a.at)
	a.site.connect(c.download(a.connection))
	reaches(t, c.lab, b.host, a.at, time.Minute)
}
