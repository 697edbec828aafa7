package logs

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	store "causeway.dev/logs"
)

// errBadToken refuses what none of our answers had.
var errBadToken = invalid("The specified nextToken is invalid.")

// A token says where the page before ended, so that it means the same whatever is
// added meanwhile, and after a restart.

// pageToken has AWS's form: a letter for the direction and a position.
func pageToken(p store.Position, forward bool) *string {
	token := "b/" + p.ID()
	if forward {
		token = "f/" + p.ID()
	}
	return &token
}

func parsePageToken(token string) (p store.Position, forward bool, err error) {
	direction, id, _ := strings.Cut(token, "/")
	if len(id) != 56 || direction != "f" && direction != "b" {
		return p, false, errBadToken
	}
	timestamp, err1 := strconv.ParseUint(id[:16], 10, 63)
	stream, err2 := strconv.ParseUint(id[16:36], 10, 63)
	number, err3 := strconv.ParseUint(id[36:], 10, 63)
	if err1 != nil || err2 != nil || err3 != nil {
		return p, false, errBadToken
	}
	return store.Position{Timestamp: int64(timestamp), Stream: stream, Number: number}, direction == "f", nil
}

// nameToken hides a name, so that nobody takes it for more than a token.
func nameToken(name string) *string {
	token := base64.RawURLEncoding.EncodeToString([]byte(name))
	return &token
}

func parseNameToken(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	name, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || len(name) == 0 {
		return "", errBadToken
	}
	return string(name), nil
}

// streamToken is the last event's time and the name of a stream: what streams can
// be ordered by.
func streamToken(s store.Stream) *string { return nameToken(fmt.Sprintf("%d/%s", s.Last, s.Name)) }

func parseStreamToken(token string) (store.Stream, error) {
	text, err := parseNameToken(&token)
	if err != nil {
		return store.Stream{}, err
	}
	last, name, ok := strings.Cut(text, "/")
	n, err := strconv.ParseInt(last, 10, 64)
	if !ok || err != nil {
		return store.Stream{}, errBadToken
	}
	return store.Stream{Last: n, Name: name}, nil
}
