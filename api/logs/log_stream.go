package logs

import (
	"cmp"
	"context"
	"slices"

	model "causeway.dev/api/model/logs"
	"causeway.dev/api/server"
	store "causeway.dev/logs"
)

func (s *Service) streamActions() actions {
	return actions{
		"CreateLogStream":    server.Operation(s.CreateLogStream),
		"DeleteLogStream":    server.Operation(s.DeleteLogStream),
		"DescribeLogStreams": server.Operation(s.DescribeLogStreams),
	}
}

// CreateLogStream makes an empty stream in a group.
func (s *Service) CreateLogStream(_ context.Context, c server.Caller, in *model.CreateLogStreamInput) (*model.CreateLogStreamOutput, error) {
	if err := cmp.Or(checkGroupName(*in.LogGroupName), checkStreamName(*in.LogStreamName)); err != nil {
		return nil, err
	}
	return nil, explain(s.store.CreateStream(scopeOf(c), *in.LogGroupName, *in.LogStreamName, c.Now))
}

// DeleteLogStream removes a stream with its events.
func (s *Service) DeleteLogStream(_ context.Context, c server.Caller, in *model.DeleteLogStreamInput) (*model.DeleteLogStreamOutput, error) {
	if err := cmp.Or(checkGroupName(*in.LogGroupName), checkStreamName(*in.LogStreamName)); err != nil {
		return nil, err
	}
	return nil, explain(s.store.DeleteStream(scopeOf(c), *in.LogGroupName, *in.LogStreamName))
}

// DescribeLogStreams lists the streams of a group by name or by their last event.
func (s *Service) DescribeLogStreams(_ context.Context, c server.Caller, in *model.DescribeLogStreamsInput) (*model.DescribeLogStreamsOutput, error) {
	group, err := groupName(c, in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	byTime := val(in.OrderBy) == model.OrderByLastEventTime
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	streams, err := s.store.Streams(scopeOf(c), group, val(in.LogStreamNamePrefix))
	if err != nil {
		return nil, explain(err)
	}
	order := func(a, b store.Stream) int {
		if byTime && a.Last != b.Last {
			return cmp.Compare(a.Last, b.Last)
		}
		return cmp.Compare(a.Name, b.Name)
	}
	if ascending := order; val(in.Descending) {
		order = func(a, b store.Stream) int { return ascending(b, a) }
	}
	slices.SortFunc(streams, order)
	if in.NextToken != nil {
		last, err := parseStreamToken(*in.NextToken)
		if err != nil {
			return nil, err
		}
		streams = slices.DeleteFunc(streams, func(stream store.Stream) bool { return order(stream, last) <= 0 })
	}
	limit := describeLimit
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &model.DescribeLogStreamsOutput{LogStreams: []model.LogStream{}}
	if len(streams) > limit {
		streams = streams[:limit]
		out.NextToken = streamToken(streams[limit-1])
	}
	for _, stream := range streams {
		out.LogStreams = append(out.LogStreams, describeStream(c, group, stream))
	}
	return out, nil
}

func describeStream(c server.Caller, group string, stream store.Stream) model.LogStream {
	arn := groupARN(c, group) + ":log-stream:" + stream.Name
	created, uploadToken := stream.Created.UnixMilli(), sequenceToken
	out := model.LogStream{LogStreamName: &stream.Name, Arn: &arn, CreationTime: &created, StoredBytes: &stream.Bytes, UploadSequenceToken: &uploadToken}
	if stream.Bytes > 0 {
		out.FirstEventTimestamp, out.LastEventTimestamp = &stream.First, &stream.Last
	}
	if stream.LastIngested > 0 {
		out.LastIngestionTime = &stream.LastIngested
	}
	return out
}
