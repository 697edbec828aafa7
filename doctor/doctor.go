// Package doctor shows the diagnoses of tunnels to people: one tunnel on a screen,
// the most important first, or all of them as a table; and hands them as JSON from
// the process that has them to the command that asks.
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"causeway.dev/internal/localapi"
	"causeway.dev/ipsec"
)

// Path is where a Handler is served on a control socket.
const Path = "/diagnose"

// A Report is the diagnosis of one tunnel, with what its owner calls it.
type Report struct {
	Connection string `json:"connection,omitempty"` // "vpn-…"; empty for an appliance's
	Name       string `json:"name"`                 // what people call the tunnel
	Outside    string `json:"outside,omitempty"`    // its outside address on the gateway's side

	ipsec.Diagnosis

	BGP *BGP `json:"bgp,omitempty"` // nil: the tunnel has no session
}

// A Source finds tunnels: those of a connection or of one name, and of these that
// with an outside address; empty words leave nothing out. ErrNone where there is
// none.
type Source func(of, outside string) ([]Report, error)

// ErrNone is a Source's where no tunnel is meant.
var ErrNone = errors.New("there is no such tunnel")

// Handler answers Ask.
func Handler(find Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		reports, err := find(query.Get("of"), query.Get("outside"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		if reports == nil {
			reports = []Report{}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(reports) // the command has gone
	})
}

// Ask asks the process that serves a control socket.
func Ask(ctx context.Context, socket, of, outside string) ([]Report, error) {
	answer, err := localapi.Ask(ctx, socket, Path, url.Values{"of": {of}, "outside": {outside}})
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	var reports []Report
	if err := json.NewDecoder(answer).Decode(&reports); err != nil {
		return nil, fmt.Errorf("read the diagnosis: %w", err)
	}
	return reports, nil
}

// Up reports whether all tunnels are.
func Up(reports []Report) bool {
	for _, r := range reports {
		if !r.Up {
			return false
		}
	}
	return true
}

// WriteJSON writes reports for programs.
func WriteJSON(w io.Writer, reports []Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(reports)
}
