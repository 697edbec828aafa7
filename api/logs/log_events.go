package logs

import (
	"cmp"
	"context"
	"time"

	model "causeway.dev/api/model/logs"
	"causeway.dev/api/server"
	store "causeway.dev/logs"
	"causeway.dev/logs/filter"
)

func (s *Service) eventActions() actions {
	return actions{
		"PutLogEvents":    server.Operation(s.PutLogEvents),
		"GetLogEvents":    server.Operation(s.GetLogEvents),
		"FilterLogEvents": server.Operation(s.FilterLogEvents),
	}
}

// The limits of PutLogEvents, from AWS's page of that action.
const (
	batchBytesMax = 1 << 20        // of messages in UTF-8, each with 26 bytes
	batchSpanMax  = 24 * time.Hour // from the first event to the last
	aheadMax      = 2 * time.Hour  // of our clock
	ageMax        = 14 * 24 * time.Hour
)

// sequenceToken is what answers have where AWS's once had a number: calls need
// none any more.
var sequenceToken = "49039859601590391872038720872038720872038720872038720872"

// PutLogEvents appends a batch to a stream. Events that are too old, too new or
// beyond the group's retention are left out, and the answer says which.
func (s *Service) PutLogEvents(_ context.Context, c server.Caller, in *model.PutLogEventsInput) (*model.PutLogEventsOutput, error) {
	if err := cmp.Or(checkGroupName(*in.LogGroupName), checkStreamName(*in.LogStreamName), checkBatch(in.LogEvents)); err != nil {
		return nil, err
	}
	group, err := s.store.Group(scopeOf(c), *in.LogGroupName)
	if err != nil {
		return nil, explain(err)
	}
	accepted, rejected := sortOut(in.LogEvents, c.Now, group.RetentionDays)
	batch := store.Batch{Scope: scopeOf(c), Group: *in.LogGroupName, Stream: *in.LogStreamName}
	for _, e := range accepted {
		batch.Events = append(batch.Events, store.Event{Timestamp: *e.Timestamp, Message: *e.Message})
	}
	if err := s.store.Append(c.Now, batch); err != nil {
		return nil, explain(err)
	}
	next := sequenceToken
	return &model.PutLogEventsOutput{NextSequenceToken: &next, RejectedLogEventsInfo: rejected}, nil
}

func checkBatch(events []model.InputLogEvent) error {
	total := 0
	for i, e := range events {
		total += len(*e.Message) + store.EventOverhead
		if i > 0 && *e.Timestamp < *events[i-1].Timestamp {
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	first, last := time.UnixMilli(*events[0].Timestamp), time.UnixMilli(*events[len(events)-1].Timestamp)
	switch {
	case total > batchBytesMax:
		return invalid("Upload too large: %d bytes exceeds limit of %d", total, batchBytesMax)
	case last.Sub(first) > batchSpanMax:
		return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// sortOut leaves out what may not be stored any more or yet. The events are in
// the order of time, so that each kind is at one end.
func sortOut(events []model.InputLogEvent, now time.Time, retentionDays int) (accepted []model.InputLogEvent, rejected *model.RejectedLogEventsInfo) {
	count := func(until time.Time) int32 { // how many are before it
		n := int32(0)
		for _, e := range events {
			if *e.Timestamp < until.UnixMilli() {
				n++
			}
		}
		return n
	}
	var info model.RejectedLogEventsInfo
	tooOld, expired, fine := count(now.Add(-ageMax)), int32(0), count(now.Add(aheadMax))
	if retentionDays > 0 {
		expired = count(now.AddDate(0, 0, -retentionDays))
	}
	if tooOld > 0 {
		info.TooOldLogEventEndIndex, rejected = &tooOld, &info
	}
	if expired > 0 {
		info.ExpiredLogEventEndIndex, rejected = &expired, &info
	}
	if fine < int32(len(events)) {
		info.TooNewLogEventStartIndex, rejected = &fine, &info
	}
	return events[min(max(tooOld, expired), fine):fine], rejected
}

// checkRange refuses a range of time that holds nothing, as the other way round.
func checkRange(start, end *int64) error {
	if start != nil && end != nil && *start > *end {
		return invalid("startTime cannot be greater than endTime.")
	}
	return nil
}

// GetLogEvents returns a page of a stream, the last one unless the request says
// otherwise. The answer always has tokens for both directions; that of a
// direction in which nothing is left leads to the same place again.
func (s *Service) GetLogEvents(_ context.Context, c server.Caller, in *model.GetLogEventsInput) (*model.GetLogEventsOutput, error) {
	group, err := groupName(c, in.LogGroupName, in.LogGroupIdentifier)
	if err := cmp.Or(err, checkStreamName(*in.LogStreamName), checkRange(in.StartTime, in.EndTime)); err != nil {
		return nil, err
	}
	q := store.Query{
		Scope: scopeOf(c), Group: group, Streams: []string{*in.LogStreamName},
		Start: val(in.StartTime), End: val(in.EndTime), Limit: int(val(in.Limit)), Backward: !val(in.StartFromHead),
	}
	var at store.Position // where the page begins, or in a backward one ends
	if in.NextToken != nil {
		var forward bool
		if at, forward, err = parsePageToken(*in.NextToken); err != nil {
			return nil, err
		}
		if q.Backward = !forward; forward {
			q.After = &at
		} else {
			q.Before = &at
		}
	}
	page, err := s.store.Read(c.Now, q)
	if err != nil {
		return nil, explain(err)
	}
	first, last := at, at
	if n := len(page.Events); n > 0 {
		first, last = page.Events[0].Position, page.Events[n-1].Position
	}
	out := &model.GetLogEventsOutput{Events: []model.OutputLogEvent{}, NextForwardToken: pageToken(last, true), NextBackwardToken: pageToken(first, false)}
	for i := range page.Events {
		e := &page.Events[i]
		out.Events = append(out.Events, model.OutputLogEvent{Timestamp: &e.Timestamp, IngestionTime: &e.Ingested, Message: &e.Message})
	}
	return out, nil
}

// FilterLogEvents returns a page of the events of a group's streams that match a
// pattern, in the order of time. A page may be empty and have a token: then so
// much was looked at that the answer could not wait.
func (s *Service) FilterLogEvents(_ context.Context, c server.Caller, in *model.FilterLogEventsInput) (*model.FilterLogEventsOutput, error) {
	group, err := groupName(c, in.LogGroupName, in.LogGroupIdentifier)
	if err := cmp.Or(err, checkRange(in.StartTime, in.EndTime)); err != nil {
		return nil, err
	}
	if in.LogStreamNamePrefix != nil && len(in.LogStreamNames) > 0 {
		return nil, invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
	}
	for _, name := range in.LogStreamNames {
		if err := checkStreamName(name); err != nil {
			return nil, err
		}
	}
	pattern, err := filter.Parse(val(in.FilterPattern))
	if err != nil {
		return nil, invalid("Invalid filter pattern: %v", err)
	}
	q := store.Query{
		Scope: scopeOf(c), Group: group, Streams: in.LogStreamNames, StreamPrefix: val(in.LogStreamNamePrefix),
		Start: val(in.StartTime), End: val(in.EndTime), Match: pattern.Match, Limit: int(val(in.Limit)),
	}
	if in.NextToken != nil {
		at, forward, err := parsePageToken(*in.NextToken)
		if err != nil || !forward {
			return nil, errBadToken
		}
		q.After = &at
	}
	page, err := s.store.Read(c.Now, q)
	if err != nil {
		return nil, explain(err)
	}
	out := &model.FilterLogEventsOutput{Events: []model.FilteredLogEvent{}, SearchedLogStreams: []model.SearchedLogStream{}}
	for i := range page.Events {
		e := &page.Events[i]
		id := e.Position.ID()
		out.Events = append(out.Events, model.FilteredLogEvent{EventId: &id, Timestamp: &e.Timestamp, IngestionTime: &e.Ingested, Message: &e.Message, LogStreamName: &e.Stream})
	}
	if page.More {
		out.NextToken = pageToken(page.Last, true)
	}
	return out, nil
}
