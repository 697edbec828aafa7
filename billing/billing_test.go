package billing

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func at(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		panic(err)
	}
	return t
}

func amount(t *testing.T, s string) Amount {
	t.Helper()
	a, err := ParseAmount(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestReckon(t *testing.T) {
	november, _ := ParseMonth("2026-11")
	prices := DefaultPrices()
	prices.Regions = map[string]Amount{"eu-west-1": amount(t, "0.0525")}
	prices.TaxName, prices.TaxPercent = "VAT", amount(t, "19")
	usages := []Usage{
		{Connection: "vpn-c", Region: "us-east-1", From: at("2026-12-01 00:00:00")},                                   // after it
		{Connection: "vpn-b", Region: "us-east-1", From: at("2026-01-01 00:00:00")},                                   // all of it
		{Connection: "vpn-a", Region: "us-east-1", From: at("2026-11-30 23:59:59")},                                   // a second is an hour
		{Connection: "vpn-d", Region: "us-east-1", From: at("2026-10-01 00:00:00"), Until: at("2026-11-01 00:00:00")}, // before it
		{Connection: "vpn-e", Region: "eu-west-1", From: at("2026-11-02 10:30:00"), Until: at("2026-11-02 13:30:00")}, // three hours, not four
		{Connection: "vpn-f", Region: "eu-west-1", From: at("2026-11-02 10:30:00"), Until: at("2026-11-02 13:30:01")}, // four
	}
	b := Reckon(usages, november, at("2027-01-01 00:00:00"), prices)
	want := []Line{
		{Region: "eu-west-1", Connection: "vpn-e", Hours: 3, HourPrice: amount(t, "0.0525"), Amount: amount(t, "0.16")},
		{Region: "eu-west-1", Connection: "vpn-f", Hours: 4, HourPrice: amount(t, "0.0525"), Amount: amount(t, "0.21")},
		{Region: "us-east-1", Connection: "vpn-a", Hours: 1, HourPrice: amount(t, "0.05"), Amount: amount(t, "0.05")},
		{Region: "us-east-1", Connection: "vpn-b", Hours: 720, HourPrice: amount(t, "0.05"), Amount: amount(t, "36")},
	}
	if len(b.Lines) != len(want) {
		t.Fatalf("%d lines: %+v", len(b.Lines), b.Lines)
	}
	for i, line := range b.Lines {
		if line != want[i] {
			t.Errorf("line %d: %+v, want %+v", i, line, want[i])
		}
	}
	if got := b.Subtotal.String() + " " + b.Tax.String() + " " + b.Total.String(); got != "36.42 6.92 43.34" {
		t.Errorf("sums %s", got)
	}

	now := at("2026-11-01 01:30:00")
	b = Reckon(usages, november, now, prices)
	if len(b.Lines) != 1 || b.Lines[0].Hours != 2 || !b.Until.Equal(now) {
		t.Errorf("an hour and a half into the month: %+v", b)
	}
	prices.TaxName = ""
	if b = Reckon(usages, november, now, prices); b.Tax != 0 || b.Total.String() != "0.10" {
		t.Errorf("without tax: %+v", b)
	}
}

// A bill reads the same after a way as JSON.
func TestBillAsJSON(t *testing.T) {
	b := Reckon([]Usage{{Account: "111111111111", Region: "us-east-1", Connection: "vpn-a", From: at("2026-11-01 00:00:00")}}, MonthOf(at("2026-11-05 00:00:00")), at("2026-11-02 00:00:00"), DefaultPrices())
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"month":"2026-11","currency":"USD","until":"2026-11-02T00:00:00Z","lines":[{"account":"111111111111","region":"us-east-1","connection":"vpn-a","hours":24,"hourPrice":"0.05","amount":"1.20"}],"subtotal":"1.20","taxPercent":"0.00","tax":"0.00","total":"1.20"}`; string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	var back Bill
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, b) {
		t.Errorf("back: %+v, %v", back, err)
	}
}

func TestAmounts(t *testing.T) {
	for text, want := range map[string]string{"0": "0.00", "0.05": "0.05", "0.0525": "0.0525", "1000000": "1000000.00", "19.000001": "19.000001"} {
		if got := amount(t, text).String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "0x1", "1.0000001", "1000000.000001", "99999999", "1,5", "1 ", "١"} {
		if a, err := ParseAmount(text); err == nil {
			t.Errorf("%q is %v", text, a)
		}
	}
	for from, want := range map[Amount]Amount{4_999: 0, 5_000: 10_000, 14_999: 10_000} {
		if got := from.cents(); got != want {
			t.Errorf("%d rounds to %d, want %d", from, got, want)
		}
	}
	if got := (36 * one).percent(amount(t, "7.7")); got != amount(t, "2.77") { // 2.772
		t.Errorf("7.7%% of 36 is %v", got)
	}
	if got := (2_000_000_000 * one).percent(amount(t, "100")); got != 2_000_000_000*one {
		t.Errorf("all of two thousand million is %v", got)
	}
}

func TestMonths(t *testing.T) {
	for text, end := range map[string]string{"2026-11": "2026-12-01 00:00:00", "2026-12": "2027-01-01 00:00:00", "2028-02": "2028-03-01 00:00:00"} {
		m, err := ParseMonth(text)
		if err != nil || m.String() != text || !m.End().Equal(at(end)) || MonthOf(m.Start()) != m || MonthOf(m.End()) == m {
			t.Errorf("%s: %v to %v, %v", text, m.Start(), m.End(), err)
		}
	}
	for _, text := range []string{"", "2026", "2026-13", "11-2026", "2026-1", "2026-11-01"} {
		if _, err := ParseMonth(text); err == nil {
			t.Errorf("%q is a month", text)
		}
	}
	now := at("2026-11-30 23:59:59")
	for text, want := range map[string]string{"": "2026-11", "2026-11": "2026-11", "2020-01": "2020-01", "2026-12": "", "2026-13": ""} {
		if m, err := MonthToBill(text, now); (err == nil) != (want != "") || err == nil && m.String() != want {
			t.Errorf("the month %q to bill is %v, %v, want %q", text, m, err, want)
		}
	}
	if got := MonthOf(time.Date(2026, 11, 30, 23, 0, 0, 0, time.FixedZone("west", -2*3600))).String(); got != "2026-12" {
		t.Errorf("months are in UTC, but it is %s", got)
	}
}
