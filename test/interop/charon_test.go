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
	version            int    // of IKE; default 2

	id, remoteID string // default local and remote
	auth         string // of charon without a key; default pubkey
	mobike       bool
	children     string // beside net
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
	mobike := "no"
	if c.mobike {
		mobike = "yes"
	}
	c.id, c.remoteID = or(c.id, c.local), or(c.remoteID, c.remote)
	local, remote := "auth = psk", "auth = psk"
	if c.key == "" {
		local, remote = "auth = "+or(c.auth, "pubkey")+"\n            certs = theirs.pem", "auth = pubkey"
	}
	if c.version == 0 {
		c.version = 2
	}
	return fmt.Sprintf(`connections {
  gw {
    version = %[17]d
    local_addrs = %[1]s
    remote_addrs = %s
    proposals = %s
    rekey_time = %s
    over_time = 60s
    rand_time = 0
    keyingtries = 0
    mobike = %[12]s
    %[5]s
    local { %[13]s
            id = "%[15]s" }
    remote { %[14]s
             id = "%[16]s" }
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
      %[18]s
    }
  }
}
secrets {
  ike-gw {
    id-1 = "%[15]s"
    id-2 = "%[16]s"
    secret = "%[11]s"
  }
}
`, c.local, c.remote, c.ike, or(c.rekeyIKE, "0"), c.more, or(c.localTS, "0.0.0.0/0"), or(c.remoteTS, "0.0.0.0/0"), c.esp, or(c.rekeyESP, "0"), action, c.key,
		mobike, local, remote, c.id, c.remoteID, c.version, c.children)
}
