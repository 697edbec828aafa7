package policy

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// depthMax is how deeply a document may be nested: a list of values in a condition
// is six deep.
const depthMax = 8

var errJSON = errors.New("not a JSON document")

// parseJSON reads one value of JSON as objects, []any, string, json.Number, bool or
// nil. Unlike encoding/json it refuses members of one name: somebody else who read
// the policy may have seen the other one.
func parseJSON(text string) (any, error) {
	if len(text) > DocumentLengthMax || !utf8.ValidString(text) {
		return nil, errJSON
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	value, err := parseValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errJSON
	}
	return value, nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil || depth > depthMax {
		return nil, errJSON
	}
	switch t {
	case json.Delim('{'):
		return parseObject(d, depth)
	case json.Delim('['):
		items := []any{}
		for d.More() {
			item, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		_, err := d.Token()
		return items, err
	}
	return t, nil
}

func parseObject(d *json.Decoder, depth int) (any, error) {
	o := object{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errJSON
		}
		key, ok := name.(string)
		if !ok || o.has(key) {
			return nil, errJSON
		}
		if o[key], err = parseValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return o, err
}

// Length is how much of its quota a document takes: AWS counts characters other
// than white space. White space within texts counts here, since it is kept and
// compared.
func Length(document string) int {
	n, quoted, escaped := 0, false, false
	for _, r := range document {
		if quoted || !strings.ContainsRune(" \t\r\n", r) {
			n++
		}
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		}
	}
	return n
}
