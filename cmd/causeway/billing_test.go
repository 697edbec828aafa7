package main

import (
	"strings"
	"testing"
	"time"

	"causeway.dev/billing"
)

func TestBillAsTable(t *testing.T) {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	prices := billing.DefaultPrices()
	prices.TaxName, prices.TaxPercent = "VAT", 19_000_000
	bill := billing.Reckon([]billing.Usage{
		{Account: "111111111111", Region: "us-east-1", Connection: "vpn-0123456789abcdef0", Name: "office", From: from},
		{Account: "111111111111", Region: "us-east-1", Connection: "vpn-0123456789abcdef1", From: from, Until: from.Add(time.Minute)},
	}, billing.MonthOf(from), from.Add(100*time.Hour), prices)
	var out strings.Builder
	if err := writeBill(&out, bill); err != nil {
		t.Fatal(err)
	}
	want := `VPN connections, 2026-11 until 2026-11-05T04:00:00Z, USD

       account     region             connection    name  hours        price  amount
  111111111111  us-east-1  vpn-0123456789abcdef0  office    100         0.05    5.00
  111111111111  us-east-1  vpn-0123456789abcdef1              1         0.05    0.05
                                                                 without tax    5.05
                                                                 VAT 19.00 %    0.96
                                                                       total    6.01
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
