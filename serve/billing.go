package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	"causeway.dev/billing"
	"causeway.dev/control/usage"
	"causeway.dev/store"
)

// BillingConfig are the prices that `causeway billing` and the action GetVpnBill
// reckon with. Amounts are decimal numbers in quotes, such as "0.05".
type BillingConfig struct {
	Currency       string            `yaml:"currency"`        // default USD
	ConnectionHour string            `yaml:"connection_hour"` // without tax; default "0.05"
	Regions        map[string]string `yaml:"regions"`         // the price of an hour where it is another
	Tax            TaxConfig         `yaml:"tax"`
}

// TaxConfig is a tax that is added to a bill in a line of its own. Default none.
type TaxConfig struct {
	Name    string `yaml:"name"`
	Percent string `yaml:"percent"`
}

var currency = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Z]{3}$`) })

// prices reads the configuration.
func (c BillingConfig) prices() (billing.Prices, error) {
	p := billing.DefaultPrices()
	if c.Currency != "" {
		p.Currency = c.Currency
	}
	if !currency().MatchString(p.Currency) {
		return p, fmt.Errorf("billing: currency %q has not three capital letters", c.Currency)
	}
	var err error
	if c.ConnectionHour != "" {
		if p.ConnectionHour, err = billing.ParseAmount(c.ConnectionHour); err != nil {
			return p, fmt.Errorf("billing: connection_hour: %w", err)
		}
	}
	p.Regions = make(map[string]billing.Amount, len(c.Regions))
	for region, price := range c.Regions {
		if p.Regions[region], err = billing.ParseAmount(price); err != nil {
			return p, fmt.Errorf("billing: regions: %s: %w", region, err)
		}
	}
	if (c.Tax.Name == "") != (c.Tax.Percent == "") {
		return p, errors.New("billing: tax needs both a name and a percent")
	}
	if c.Tax.Name != "" {
		p.TaxName = c.Tax.Name
		if p.TaxPercent, err = billing.ParseAmount(c.Tax.Percent); err != nil {
			return p, fmt.Errorf("billing: tax: percent: %w", err)
		}
	}
	return p, nil
}

// prices are those of a configuration that has been validated.
func (c Config) prices() billing.Prices {
	p, err := c.Billing.prices()
	if err != nil {
		panic(err)
	}
	return p
}

// biller answers with a bill of all accounts, or of the one that the query names,
// for the month that it names.
type biller struct {
	records *store.Store
	prices  billing.Prices
}

func (b biller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	month, err := billing.MonthToBill(r.URL.Query().Get("month"), now)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	usages := usage.Of(b.records.Snapshot(), r.URL.Query().Get("account"))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(billing.Reckon(usages, month, now, b.prices)) // the client has gone
}

// Bill asks the installation that runs on this host for a bill. An empty month is
// this one, an empty account all of them.
func Bill(ctx context.Context, cfg Config, month, account string) (billing.Bill, error) {
	answer, err := askControl(ctx, cfg, "/bill", url.Values{"month": {month}, "account": {account}})
	if err != nil {
		return billing.Bill{}, fmt.Errorf("billing: %w", err)
	}
	defer answer.Close()
	var bill billing.Bill
	if err := json.NewDecoder(answer).Decode(&bill); err != nil {
		return billing.Bill{}, fmt.Errorf("read the bill: %w", err)
	}
	return bill, nil
}
