// Package acceptance runs whole installations and uses them as people do: with
// the AWS CLI and Terraform as they are published, with signals, and with
// packets. Each test has an installation of its own, an internet of its own and
// a site behind a customer gateway, which is `causeway appliance` with what the
// API gave out for download:
//
//	instances ── VPC ── VPN gateway ═══ internet ═══ customer gateway ── host
//	10.0.1.x             203.0.113.x   192.0.2.1    192.0.2.10         192.168.0.10
package acceptance

import (
	"flag"
	"os"
	"testing"

	"causeway.dev/internal/netlab"
)

// program is causeway's executable.
var program string

// testsAtOnce is more than there may be processors: most of the time tests wait,
// for timers of Terraform's and of dead peer detection above all.
const testsAtOnce = "4"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", testsAtOnce); err != nil {
		panic(err)
	}
	os.Exit(netlab.WithProgram(func(p string) int {
		program = p
		return m.Run()
	}))
}
