// Package filter reads and applies the filter patterns of CloudWatch Logs: terms
// of texts, and conditions on the fields of JSON. It is pure.
//
//	ERROR timeout        both words anywhere in the message
//	?ERROR ?WARN         one of them
//	ERROR -expected      one and not the other
//	"no proposal"        these characters, the space included
//	%DPD|DELETE%         a regular expression
//	{ $.ike_phase1_state = "down" && $.event_timestamp > 1700000000 }
//
// The rules are those of AWS's page "Filter pattern syntax". Patterns of
// space-delimited fields, [a, b], are not built: Parse says so.
package filter

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// PatternMax is the length of the longest pattern, in bytes.
const PatternMax = 1024

// expressionsMax bounds what the regular expressions of a pattern compile to, in
// instructions: each may be tried at each character of a message, and repetitions
// such as .{1000} make a short expression a large one.
const expressionsMax = 500

// A Pattern decides about messages. The zero Pattern matches all. Any number of
// goroutines may use it.
type Pattern struct {
	all, none, any []term
	json           *condition // if set, all of the above are empty
}

// A term is a part of a text: characters, or a regular expression.
type term struct {
	text  string
	regex *regexp.Regexp // nil: text counts
}

func (t term) in(message string) bool {
	if t.regex != nil {
		return t.regex.MatchString(message)
	}
	return strings.Contains(message, t.text)
}

// Parse reads a pattern. Its error is a sentence for the user.
func Parse(pattern string) (Pattern, error) {
	if len(pattern) > PatternMax {
		return Pattern{}, fmt.Errorf("the filter pattern is longer than %d bytes", PatternMax)
	}
	text := strings.TrimSpace(pattern)
	switch {
	case strings.HasPrefix(text, "{"):
		c, err := parseJSON(text)
		return Pattern{json: c}, err
	case strings.HasPrefix(text, "["):
		return Pattern{}, fmt.Errorf("filter patterns of space-delimited fields, [a, b], are not supported here")
	}
	var p Pattern
	var e expressions
	for text != "" {
		var err error
		if text, err = p.addTerm(text, &e); err != nil {
			return Pattern{}, err
		}
		text = strings.TrimLeft(text, " \t\r\n")
	}
	return p, nil
}

// addTerm reads the term at the front of text and returns what follows.
func (p *Pattern) addTerm(text string, e *expressions) (rest string, err error) {
	list := &p.all
	switch {
	case len(text) > 1 && text[0] == '?':
		list, text = &p.any, text[1:]
	case len(text) > 1 && text[0] == '-':
		list, text = &p.none, text[1:]
	}
	var t term
	switch text[0] {
	case '"':
		t.text, rest, err = quoted(text)
	case '%':
		t.regex, rest, err = e.read(text)
	default:
		end := strings.IndexAny(text, " \t\r\n")
		if end < 0 {
			end = len(text)
		}
		t.text, rest = text[:end], text[end:]
	}
	*list = append(*list, t)
	return rest, err
}

// quoted reads a text in double quotes; a backslash takes the meaning off the
// character that follows.
func quoted(text string) (content, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), text[i+1:], nil
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", fmt.Errorf("the filter pattern has a quotation mark without its end")
}

// expressions are the regular expressions of a pattern.
type expressions struct{ instructions int }

// read reads a regular expression between percent signs. AWS knows neither
// parentheses nor all symbols in them.
func (e *expressions) read(text string) (*regexp.Regexp, string, error) {
	content, rest, ok := strings.Cut(text[1:], "%")
	if !ok || content == "" {
		return nil, "", fmt.Errorf("the filter pattern has a regular expression without its end, or an empty one")
	}
	for _, r := range content {
		if r > '~' || strings.ContainsRune("()!\"&'<>`", r) {
			return nil, "", fmt.Errorf("the filter pattern has a regular expression with the character %q, which is not allowed there", r)
		}
	}
	parsed, err := syntax.Parse(content, syntax.Perl)
	if err != nil {
		return nil, "", fmt.Errorf("the filter pattern has a malformed regular expression: %w", err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, "", fmt.Errorf("the filter pattern has a malformed regular expression: %w", err)
	}
	if e.instructions += len(program.Inst); e.instructions > expressionsMax {
		return nil, "", fmt.Errorf("the filter pattern's regular expressions are too large with their repetitions")
	}
	return regexp.MustCompile(content), rest, nil
}

// Match reports whether the pattern matches a message. Terms with "?" count only
// if there are no others that must be there.
func (p Pattern) Match(message string) bool {
	if p.json != nil {
		return p.json.matchText(message)
	}
	for _, t := range p.none {
		if t.in(message) {
			return false
		}
	}
	for _, t := range p.all {
		if !t.in(message) {
			return false
		}
	}
	if len(p.any) == 0 || len(p.all) > 0 {
		return true
	}
	for _, t := range p.any {
		if t.in(message) {
			return true
		}
	}
	return false
}
