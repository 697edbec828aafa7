package bench

import (
	"fmt"
	"os"
	"time"

	"causeway.dev/internal/netlab"
)

// strongswan is a charon on each gateway with ESP in user space, by its plugin
// kernel-libipsec, which always encapsulates in UDP.
type strongswan struct {
	esp string // proposal in strongSwan's notation
}

func (strongswan) prepare(*workshop) error {
	if _, err := os.Stat(netlab.CharonProgram); err != nil {
		return fmt.Errorf("strongSwan is not installed: %w", err)
	}
	return nil
}

func (p strongswan) start(_ *workshop, s *bed) {
	var charons []*netlab.Charon
	for i, gateway := range s.gateways {
		c := gateway.StartCharon(p.configuration(i))
		charons = append(charons, c)
		s.processes = append(s.processes, c.Pid())
	}
	// charon sets the routes of its selectors itself, in table 220.
	s.lab.Eventually(15*time.Second, s.kind.name+" is up", func() error { return charons[0].Initiate("net") })
}

// configuration is that of the gateway on side 0 or 1. Its selectors are the
// networks behind the gateways: kernel-libipsec's routes need addresses of the
// gateway inside of them.
func (p strongswan) configuration(side int) string {
	return fmt.Sprintf(`connections {
  gw {
    version = 2
    local_addrs = %[1]s
    remote_addrs = %[2]s
    proposals = aes128-sha256-ecp256
    rekey_time = 0
    mobike = no
    local { auth = psk
            id = %[1]s }
    remote { auth = psk
             id = %[2]s }
    children {
      net {
        local_ts = %[3]s
        remote_ts = %[4]s
        esp_proposals = %[5]s-ecp256
        rekey_time = 0
      }
    }
  }
}
secrets {
  ike-gw {
    id-1 = %[1]s
    id-2 = %[2]s
    secret = "a.key.for.benchmarks"
  }
}
`, outside[side], outside[1-side], lans[side], lans[1-side], p.esp)
}
