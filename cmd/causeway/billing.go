package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"causeway.dev/billing"
	"causeway.dev/serve"
)

type billingCommand struct {
	configFlag
	Month   string `help:"The month, in UTC; without it this one so far." placeholder:"2026-11"`
	Account string `help:"Only this account." placeholder:"ID"`
	JSON    bool   `help:"Print JSON." name:"json"`
}

func (billingCommand) Help() string {
	return `Hours are counted while a connection is available, from its creation to its deletion, whether its tunnels are up or not; an hour
that has begun is a whole one. Prices and tax are the configuration's (billing). Accounts ask for their own by the action GetVpnBill.

Examples:
  causeway billing
  causeway billing --month 2026-10 --account 123456789012 --json`
}

func (c billingCommand) Run(ctx context.Context, out io.Writer) error {
	cfg, err := serve.LoadConfig(c.Config)
	if err != nil {
		return err
	}
	bill, err := serve.Bill(ctx, cfg, c.Month, c.Account)
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(bill)
	}
	return writeBill(out, bill)
}

// writeBill writes a bill as a table.
func writeBill(out io.Writer, b billing.Bill) error {
	until := ""
	if b.Until.Before(b.Month.End()) {
		until = " until " + b.Until.Format(time.RFC3339)
	}
	fmt.Fprintf(out, "VPN connections, %v%s, %s\n\n", b.Month, until, b.Currency)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "account\tregion\tconnection\tname\thours\tprice\tamount\t")
	for _, l := range b.Lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%v\t%v\t\n", l.Account, l.Region, l.Connection, l.Name, l.Hours, l.HourPrice, l.Amount)
	}
	fmt.Fprintf(w, "\t\t\t\t\twithout tax\t%v\t\n", b.Subtotal)
	if b.TaxName != "" {
		fmt.Fprintf(w, "\t\t\t\t\t%s %v %%\t%v\t\n", b.TaxName, b.TaxPercent, b.Tax)
	}
	fmt.Fprintf(w, "\t\t\t\t\ttotal\t%v\t\n", b.Total)
	return w.Flush()
}
