// Command apicoverage writes the page that says which actions of AWS's API are
// built, from the services' own tables.
package main

import (
	"flag"
	"fmt"
	"os"

	"causeway.dev/api/acm"
	"causeway.dev/api/causeway"
	"causeway.dev/api/ec2"
	"causeway.dev/api/iam"
	"causeway.dev/api/logs"
	"causeway.dev/api/secretsmanager"
	"causeway.dev/api/server"
	"causeway.dev/api/sts"
	"causeway.dev/billing"
)

//go:generate go run . -o ../../docs/api-coverage.md

func main() {
	output := flag.String("o", "docs/api-coverage.md", "`file` to be written")
	flag.Parse()
	page := server.Coverage(ec2.New(ec2.Config{}).Server(), sts.New(sts.Config{}).Server(), iam.New(iam.Config{}).Server(), logs.New(nil).Server(), acm.New(acm.Config{}).Server(), secretsmanager.New(secretsmanager.Config{}).Server(), causeway.New(nil, billing.Prices{}).Server())
	if err := os.WriteFile(*output, []byte(page), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "apicoverage:", err)
		os.Exit(1)
	}
}
