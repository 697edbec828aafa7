// Package billing reckons what VPN connections cost: hours by connection and
// month, prices without tax, and tax as a line of its own. It is pure: usage goes
// in, a bill comes out.
//
// As AWS has it, a connection is counted while it is available, whether its
// tunnels are up or not, and an hour that has begun counts as a whole one.
// https://aws.amazon.com/vpn/pricing/
package billing

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Usage is the time in which one connection was available.
type Usage struct {
	Account    string
	Region     string
	Connection string // "vpn-…"
	Name       string // its tag Name; may be empty
	From       time.Time
	Until      time.Time // zero: it still is
}

// Prices are what an installation charges.
type Prices struct {
	Currency       string // "USD"; three capital letters
	ConnectionHour Amount
	Regions        map[string]Amount // the price of an hour where it is another
	TaxName        string            // "VAT"; empty for no tax
	TaxPercent     Amount
}

// DefaultPrices are AWS's in most of its regions, without tax.
func DefaultPrices() Prices { return Prices{Currency: "USD", ConnectionHour: 50_000} }

// hour is the price in a region.
func (p Prices) hour(region string) Amount {
	if price, ok := p.Regions[region]; ok {
		return price
	}
	return p.ConnectionHour
}

// A Month is a calendar month in UTC.
type Month struct{ start time.Time }

// MonthOf is the month that t is in.
func MonthOf(t time.Time) Month {
	t = t.UTC()
	return Month{time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)}
}

// ParseMonth reads "2026-11".
func ParseMonth(s string) (Month, error) {
	start, err := time.Parse("2006-01", s)
	if err != nil {
		return Month{}, fmt.Errorf("%q is not a month: write it as 2026-11", s)
	}
	return Month{start}, nil
}

// MonthToBill is the month that a text names, "" being the one that now is in. One that
// has not begun has no bill.
func MonthToBill(text string, now time.Time) (Month, error) {
	if text == "" {
		return MonthOf(now), nil
	}
	m, err := ParseMonth(text)
	if err == nil && m.start.After(now) {
		return Month{}, fmt.Errorf("%s has not begun", m)
	}
	return m, err
}

// String is the month as ParseMonth reads it.
func (m Month) String() string { return m.start.Format("2006-01") }

// MarshalText is String.
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (m *Month) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMonth(string(text))
	return err
}

// Start is the month's first moment, End the first of the next month.
func (m Month) Start() time.Time { return m.start }

// End is the first moment after the month.
func (m Month) End() time.Time { return m.start.AddDate(0, 1, 0) }

// A Line is one connection of a bill.
type Line struct {
	Account    string `json:"account"`
	Region     string `json:"region"`
	Connection string `json:"connection"`
	Name       string `json:"name,omitempty"`
	Hours      int64  `json:"hours"`
	HourPrice  Amount `json:"hourPrice"`
	Amount     Amount `json:"amount"` // whole cents
}

// A Bill is what the connections of one month cost.
type Bill struct {
	Month      Month     `json:"month"`
	Currency   string    `json:"currency"`
	Until      time.Time `json:"until"`    // what has been counted: the month's end, or now within it
	Lines      []Line    `json:"lines"`    // by account, region and connection
	Subtotal   Amount    `json:"subtotal"` // without tax
	TaxName    string    `json:"taxName,omitempty"`
	TaxPercent Amount    `json:"taxPercent"`
	Tax        Amount    `json:"tax"` // whole cents
	Total      Amount    `json:"total"`
}

// Reckon makes the bill of a month, as it stands now.
func Reckon(usages []Usage, m Month, now time.Time, prices Prices) Bill {
	b := Bill{Month: m, Currency: prices.Currency, TaxName: prices.TaxName, Until: m.End(), Lines: []Line{}}
	if now.Before(b.Until) {
		b.Until = now.UTC()
	}
	for _, u := range usages {
		hours := u.hours(m.Start(), b.Until)
		if hours == 0 {
			continue
		}
		price := prices.hour(u.Region)
		line := Line{Account: u.Account, Region: u.Region, Connection: u.Connection, Name: u.Name, Hours: hours, HourPrice: price, Amount: (price * Amount(hours)).cents()}
		b.Lines = append(b.Lines, line)
		b.Subtotal += line.Amount
	}
	slices.SortFunc(b.Lines, func(x, y Line) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Region, y.Region), cmp.Compare(x.Connection, y.Connection))
	})
	if prices.TaxName != "" {
		b.TaxPercent = prices.TaxPercent
		b.Tax = b.Subtotal.percent(b.TaxPercent)
	}
	b.Total = b.Subtotal + b.Tax
	return b
}

// hours are those within a span that have begun.
func (u Usage) hours(from, until time.Time) int64 {
	if u.From.After(from) {
		from = u.From
	}
	if !u.Until.IsZero() && u.Until.Before(until) {
		until = u.Until
	}
	if !from.Before(until) {
		return 0
	}
	return int64((until.Sub(from) + time.Hour - 1) / time.Hour)
}
