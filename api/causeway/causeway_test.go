package causeway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"causeway.dev/api/server"
	"causeway.dev/api/sigv4/sigv4test"
	"causeway.dev/billing"
	"causeway.dev/iam"
	"causeway.dev/resource"
	"causeway.dev/store"
	"causeway.dev/store/storetest"
)

const account = "111111111111"

// newAPI is the API with the connections of two accounts that have been there
// since the first of November, ten and a half hours long.
func newAPI(t *testing.T) (call func(target, body string) (int, map[string]any)) {
	s := storetest.Open(t)
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	now := start.Add(10*time.Hour + 30*time.Minute)
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, a := range []string{account, "222222222222"} {
			store.VPNConnections.Put(tx, resource.VPNConnection{Meta: resource.Meta{ID: "vpn-1", Account: a, Region: "eu-west-1", Created: start}})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	prices := billing.DefaultPrices()
	prices.TaxName, prices.TaxPercent = "VAT", 20_000_000
	service := New(s, prices)
	service.now = func() time.Time { return now }
	api := server.New(server.Config{
		Lookup: func(id string) (iam.AccessKey, bool) {
			return iam.AccessKey{ID: id, Secret: "a secret", Account: account}, id == "AKIDTEST"
		},
		Regions: []string{"us-east-1"},
		Now:     func() time.Time { return now },
		Authorize: func(call server.Call) error {
			targets := call.Targets()
			if call.Service != "causeway" || len(targets) != 1 || targets[0].ARN != "*" {
				t.Errorf("policies are asked for %s:%s on %+v", call.Service, call.Action, targets)
			}
			return nil
		},
	}, service.Server())
	signer := sigv4test.Signer{AccessKeyID: "AKIDTEST", Secret: "a secret", Region: "us-east-1", Service: "causeway", Now: now}
	return func(target, body string) (int, map[string]any) {
		t.Helper()
		w := httptest.NewRecorder()
		api.ServeHTTP(w, signer.PostJSON("http://causeway.example/", target, body))
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		return w.Code, answer
	}
}

// The bill is the caller's own, of all regions.
func TestGetVpnBill(t *testing.T) {
	call := newAPI(t)
	status, bill := call("Causeway.GetVpnBill", "{}")
	text, _ := json.Marshal(bill)
	want := `{"Currency":"USD","Lines":[{"AccountId":"111111111111","Amount":"0.55","Hours":11,"PricePerHour":"0.05","Region":"eu-west-1","VpnConnectionId":"vpn-1"}],` +
		`"Month":"2026-11","Subtotal":"0.55","Tax":{"Amount":"0.11","Name":"VAT","Percent":"20.00"},"Total":"0.66","Until":"2026-11-01T10:30:00Z"}`
	if status != http.StatusOK || string(text) != want {
		t.Errorf("%d, got\n%s\nwant\n%s", status, text, want)
	}
	if _, bill := call("Causeway.GetVpnBill", `{"Month": "2026-10"}`); len(bill["Lines"].([]any)) != 0 || bill["Total"] != "0.00" {
		t.Errorf("the month before: %v", bill)
	}
}

func TestRefusals(t *testing.T) {
	call := newAPI(t)
	for _, c := range []struct{ target, body, code string }{
		{"Causeway.GetVpnBill", `{"Month": "2026-13"}`, "ValidationException"},
		{"Causeway.GetVpnBill", `{"Month": "November"}`, "ValidationException"},
		{"Causeway.GetVpnBill", `{"Month": "2999-01"}`, "ValidationException"},
		{"Causeway.GetVpnBill", `{"Month": 11}`, "SerializationException"},
		{"Causeway.GetBill", `{}`, "UnknownOperationException"},
	} {
		if status, answer := call(c.target, c.body); status != http.StatusBadRequest || answer["__type"] != c.code {
			t.Errorf("%s %s: %d %v, want %s", c.target, c.body, status, answer, c.code)
		}
	}
}
