package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"causeway.dev/capture"
	"causeway.dev/ike"
	"causeway.dev/internal/run"
	"causeway.dev/node"
	"causeway.dev/resource"
	"causeway.dev/store"
)

// capturer serves captures of tunnels.
type capturer struct {
	records *store.Store
	agent   *node.Node
}

// flushEvery is how long records wait for others in a buffer.
const flushEvery = 100 * time.Millisecond

// ServeHTTP streams records of the tunnels that the query names: connection, and
// tunnel by its outside address, empty for both; keys=true hands out keys.
func (c capturer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	tunnels, err := c.find(query.Get("connection"), query.Get("tunnel"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	keys := query.Get("keys") == "true"
	group := run.New(r.Context())
	records := make(chan capture.Record) // one at a time; the recorders have the queues
	for id, name := range tunnels {
		recorder := capture.NewRecorder(name, keys)
		stop, err := c.agent.StartCapture(id, recorder)
		if err != nil {
			group.Stop(nil)
			_ = group.Wait() // ended by us
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		defer stop()
		if keys {
			// The keys of the child SA are not kept anywhere: a new one's are seen.
			_ = c.agent.Command(id, ike.RekeyChild{}) // without one there is nothing to rekey
		}
		group.Go("capture "+id, func(ctx context.Context) error { return c.carry(ctx, id, recorder, records) })
	}
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	buffer := bufio.NewWriterSize(w, 64<<10)
	err = send(group.Context(), records, buffer, control)
	group.Stop(err)
	_ = group.Wait() // the client has gone, which ends it
}

// carry hands records on, and asks for the keys of each new IKE SA.
func (c capturer) carry(ctx context.Context, id string, recorder *capture.Recorder, records chan<- capture.Record) error {
	for {
		if recorder.WantsKeys() {
			_ = c.agent.Command(id, ike.RevealKeys{}) // an SA that has just ended has none
		}
		record, err := recorder.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case records <- record:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func send(ctx context.Context, records <-chan capture.Record, w *bufio.Writer, control *http.ResponseController) error {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case record := <-records:
			if err := record.Write(w); err != nil {
				return err
			}
		case <-ticker.C:
			if err := errors.Join(w.Flush(), control.Flush()); err != nil {
				return err
			}
		}
	}
}

// find returns the tunnels of a connection, by id, with names for their files.
func (c capturer) find(connection, outside string) (map[string]string, error) {
	tunnels := map[string]string{}
	for v := range store.VPNConnections.All(c.records.Snapshot()) {
		for i, t := range v.Tunnels {
			if v.ID == connection && (outside == "" || t.OutsideAddress.String() == outside) {
				tunnels[resource.TunnelID(v.ID, i+1)] = v.ID + "-" + t.OutsideAddress.String()
			}
		}
	}
	if len(tunnels) == 0 {
		return nil, fmt.Errorf("there is no VPN connection %q with a tunnel %q", connection, outside)
	}
	return tunnels, nil
}

// CaptureOptions say what to capture, and how much of it to keep.
type CaptureOptions struct {
	Connection string
	Tunnel     string // outside address; "" is both
	Keys       bool
	Files      capture.Files
}

// Capture writes what tunnels of the installation that runs on this host do to
// files until ctx ends. It returns how many records came too fast.
func Capture(ctx context.Context, cfg Config, o CaptureOptions) (lost uint64, err error) {
	query := url.Values{"connection": {o.Connection}, "tunnel": {o.Tunnel}, "keys": {strconv.FormatBool(o.Keys)}}
	answer, err := askControl(ctx, cfg, "/capture", query)
	if err != nil {
		return 0, err
	}
	defer answer.Close()
	defer func() { err = errors.Join(err, o.Files.Close()) }()
	for stream := bufio.NewReaderSize(answer, 64<<10); ; {
		record, err := capture.Read(stream)
		if ctx.Err() != nil {
			return o.Files.Lost, nil
		}
		if err != nil {
			return o.Files.Lost, fmt.Errorf("the capture ended: %w", err)
		}
		if err := o.Files.Write(record); err != nil {
			return o.Files.Lost, err
		}
	}
}
