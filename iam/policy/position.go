package policy

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// A Position is a place in a document's text, both from 1.
type Position struct{ Line, Column int }

// A Span is where a statement stands: from behind the bracket, comma or colon before it
// to behind its last bracket, as IAM's simulator counts.
type Span struct{ Start, End Position }

// Spans returns where the statements are of a document that Parse takes, in their order.
func Spans(document string) []Span {
	d := json.NewDecoder(strings.NewReader(document))
	var spans []Span
	var value json.RawMessage
	take := func(behind int64) bool {
		start := separated(document, int(behind))
		if d.Decode(&value) != nil {
			return false
		}
		spans = append(spans, Span{positionOf(document[:start]), positionOf(document[:d.InputOffset()])})
		return true
	}
	for name, err := d.Token(); err == nil; name, err = d.Token() {
		switch {
		case name == json.Delim('{'), name == json.Delim('}'):
		case name != "Statement":
			_ = d.Decode(&value)
		case !strings.HasPrefix(strings.TrimLeft(document[separated(document, int(d.InputOffset())):], blank), "["):
			take(d.InputOffset())
		default:
			_, _ = d.Token() // the bracket
			// More looks beyond white space, so that the offset is asked for before.
			for behind := d.InputOffset(); d.More() && take(behind); behind = d.InputOffset() {
			}
			_, _ = d.Token()
		}
	}
	return spans
}

// blank is what may stand between the words of JSON.
const blank = " \t\r\n"

// separated is where a value begins that follows a place: behind the comma or the colon,
// if there is one.
func separated(document string, at int) int {
	rest := strings.TrimLeft(document[at:], blank)
	if rest != "" && (rest[0] == ',' || rest[0] == ':') {
		return len(document) - len(rest) + 1
	}
	return at
}

// positionOf is the place behind a text.
func positionOf(text string) Position {
	return Position{1 + strings.Count(text, "\n"), 1 + utf8.RuneCountInString(text[strings.LastIndexByte(text, '\n')+1:])}
}
