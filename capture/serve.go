package capture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"causeway.dev/ike"
	"causeway.dev/internal/localapi"
	"causeway.dev/internal/run"
)

// Path is where a Host is served on a control socket.
const Path = "/capture"

// A Host has the tunnels that are captured.
type Host struct {
	// Find returns the ids of tunnels with names for their files: those of a connection
	// or of one name, and of these that with an outside address; empty words leave
	// nothing out. Its error says that there is none.
	Find func(of, outside string) (map[string]string, error)

	// Start lets a recorder see a tunnel until stop is called.
	Start func(tunnel string, r *Recorder) (stop func(), err error)

	// Command asks the IKE of a tunnel for something.
	Command func(tunnel string, c ike.Command) error
}

// flushEvery is how long records wait for others in a buffer.
const flushEvery = 100 * time.Millisecond

// ServeHTTP streams records of the tunnels that the query names: of and outside, as
// for Find; keys=true hands out keys.
func (h Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	tunnels, err := h.Find(query.Get("of"), query.Get("outside"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	keys := query.Get("keys") == "true"
	group := run.New(r.Context())
	records := make(chan Record) // one at a time; the recorders have the queues
	for id, name := range tunnels {
		recorder := NewRecorder(name, keys)
		stop, err := h.Start(id, recorder)
		if err != nil {
			group.Stop(nil)
			_ = group.Wait() // ended by us
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		defer stop()
		recorder.put(Note, []byte("is captured from now on"))
		if keys {
			// The keys of the child SA are not kept anywhere: a new one's are seen.
			_ = h.Command(id, ike.RekeyChild{}) // without one there is nothing to rekey
		}
		group.Go("capture "+id, func(ctx context.Context) error { return h.carry(ctx, id, recorder, records) })
	}
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	buffer := bufio.NewWriterSize(w, 64<<10)
	err = send(group.Context(), records, buffer, control)
	group.Stop(err)
	_ = group.Wait() // the client has gone, which ends it
}

// carry hands records on, and asks for the keys of each new IKE SA.
func (h Host) carry(ctx context.Context, id string, recorder *Recorder, records chan<- Record) error {
	for {
		if recorder.WantsKeys() {
			_ = h.Command(id, ike.RevealKeys{}) // an SA that has just ended has none
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

func send(ctx context.Context, records <-chan Record, w *bufio.Writer, control *http.ResponseController) error {
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

// Options say what to capture, and how much of it to keep.
type Options struct {
	Of      string // connection, or name of a tunnel
	Outside string // address of one tunnel; "" is all
	Keys    bool
	Files   Files
}

// Save asks the process that serves a control socket for a capture and writes it to
// files until ctx ends. It returns how many records came too fast.
func Save(ctx context.Context, socket string, o Options) (lost uint64, err error) {
	query := url.Values{"of": {o.Of}, "outside": {o.Outside}, "keys": {strconv.FormatBool(o.Keys)}}
	answer, err := localapi.Ask(ctx, socket, Path, query)
	if err != nil {
		return 0, err
	}
	defer answer.Close()
	defer func() { err = errors.Join(err, o.Files.Close()) }()
	for stream := bufio.NewReaderSize(answer, 64<<10); ; {
		record, err := Read(stream)
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
