// Package causeway carries out the actions that are our own, not AWS's: calls
// signed for the service "causeway", in the JSON protocol.
package causeway

import (
	"context"
	"time"

	model "causeway.dev/api/model/causeway"
	"causeway.dev/api/server"
	"causeway.dev/billing"
	"causeway.dev/control/usage"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// A Service carries out the actions.
type Service struct {
	store  *store.Store
	prices billing.Prices
	now    func() time.Time
}

// New returns the service over a store, which may be nil where only the table of
// actions is wanted.
func New(s *store.Store, prices billing.Prices) *Service {
	return &Service{store: s, prices: prices, now: time.Now}
}

// Server is the service's table of actions. A bill is of the whole account, in all
// regions, so for policies it is about "*".
func (s *Service) Server() server.Service {
	return server.Service{Model: model.Service, Actions: map[string]server.Handler{
		"GetVpnBill": server.Operation(s.GetVpnBill),
	}}
}

// GetVpnBill is what the caller's account has to pay for its connections of a
// month in all regions; without Month, of this one so far.
func (s *Service) GetVpnBill(_ context.Context, c server.Caller, in *model.GetVpnBillInput) (*model.GetVpnBillOutput, error) {
	now := s.now()
	var named string
	if in.Month != nil {
		named = *in.Month
	}
	month, err := billing.MonthToBill(named, now)
	if err != nil {
		return nil, resource.Errorf("ValidationException", "%v", err)
	}
	b := billing.Reckon(usage.Of(s.store.Snapshot(), c.Account), month, now, s.prices)
	out := &model.GetVpnBillOutput{
		Currency: &b.Currency, Month: new(b.Month.String()), Until: new(b.Until.UTC().Format(time.RFC3339)),
		Lines: make([]model.Line, len(b.Lines)), Subtotal: new(b.Subtotal.String()), Total: new(b.Total.String()),
	}
	if b.TaxName != "" {
		out.Tax = &model.Tax{Name: &b.TaxName, Percent: new(b.TaxPercent.String()), Amount: new(b.Tax.String())}
	}
	for i := range b.Lines {
		l := &b.Lines[i]
		out.Lines[i] = model.Line{
			AccountId: &l.Account, Region: &l.Region, VpnConnectionId: &l.Connection, Hours: &l.Hours,
			PricePerHour: new(l.HourPrice.String()), Amount: new(l.Amount.String()),
		}
		if l.Name != "" {
			out.Lines[i].Name = &l.Name
		}
	}
	return out, nil
}
