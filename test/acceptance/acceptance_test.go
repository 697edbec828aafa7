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
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is causeway, built once; CAUSEWAY_PROGRAM names one to be tested as it
// is.
var program = os.Getenv("CAUSEWAY_PROGRAM")

// testsAtOnce is more than there may be processors: most of the time tests wait,
// for timers of Terraform's and of dead peer detection above all.
const testsAtOnce = "4"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", testsAtOnce); err != nil {
		panic(err)
	}
	if program != "" || testing.Short() || os.Geteuid() != 0 { // or nothing runs it
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "causeway-acceptance-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "causeway")
		build := exec.Command("go", "build", "-o", program, "causeway.dev/cmd/causeway")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build causeway: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}
