package interop

import "fmt"

// A connection is what tests vary of charon's side.
type connection struct {
	local, remote      string
	ike, esp           string // proposals in strongSwan's notation
	localTS, remoteTS  string // default 0.0.0.0/0
	key                string
	rekeyIKE, rekeyESP string // default never
	start              bool
	more               string // in the connection's section
}

func (c connection) String() string {
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	action := "none"
	if c.start {
		action = "start"
	}
	return fmt.Sprintf(`connections {
  gw {
    version = 2
    local_addrs = %s
    remote_addrs = %s
    proposals = %s
    rekey_time = %s
    over_time = 60s
    rand_time = 0
    keyingtries = 0
    mobike = no
    %s
    local { auth = psk
            id = %[1]s }
    remote { auth = psk
             id = %[2]s }
    children {
      net {
        local_ts = %[6]s
        remote_ts = %[7]s
        esp_proposals = %[8]s
        rekey_time = %[9]s
        life_time = 60s
        rand_time = 0
        start_action = %[10]s
      }
    }
  }
}
secrets {
  ike-gw {
    id-1 = %[1]s
    id-2 = %[2]s
    secret = "%[11]s"
  }
}
`, c.local, c.remote, c.ike, or(c.rekeyIKE, "0"), c.more, or(c.localTS, "0.0.0.0/0"), or(c.remoteTS, "0.0.0.0/0"), c.esp, or(c.rekeyESP, "0"), action, c.key)
}
