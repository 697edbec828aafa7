package filter

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// depthMax bounds the parentheses of a condition.
const depthMax = 32

// A condition is a node of a JSON pattern: "and" and "or" of others, or a
// comparison.
type condition struct {
	operator    string // "&&", "||", or that of a comparison
	left, right *condition

	path   []string // of a comparison: the names behind "$."; a number is an index
	text   *regexp.Regexp
	number float64
	is     valueKind
}

// A valueKind says what a comparison's right side is.
type valueKind uint8

const (
	isText valueKind = iota
	isNumber
	isTrue
	isFalse
	isNull
	isThere // NOT EXISTS
)

func parseJSON(pattern string) (*condition, error) {
	body, ok := strings.CutSuffix(pattern[1:], "}")
	if !ok {
		return nil, fmt.Errorf("the filter pattern begins with { and does not end with }")
	}
	p := &parser{rest: body}
	c, err := p.either(0)
	if err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		return nil, fmt.Errorf("the filter pattern has %q where && or || is expected", clip(p.rest))
	}
	return c, nil
}

// A parser reads the inside of the braces.
type parser struct {
	rest        string
	expressions expressions
}

func (p *parser) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take removes a token from the front, if it is there.
func (p *parser) take(token string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func clip(s string) string {
	if len(s) > 20 {
		return s[:20] + "…"
	}
	return s
}

// either = both { "||" both }
func (p *parser) either(depth int) (*condition, error) {
	return p.chain("||", func() (*condition, error) {
		return p.chain("&&", func() (*condition, error) { return p.single(depth) })
	})
}

func (p *parser) chain(operator string, part func() (*condition, error)) (*condition, error) {
	left, err := part()
	for err == nil && p.take(operator) {
		var right *condition
		if right, err = part(); err == nil {
			left = &condition{operator: operator, left: left, right: right}
		}
	}
	return left, err
}

// single = "(" either ")" | comparison
func (p *parser) single(depth int) (*condition, error) {
	if depth == depthMax {
		return nil, fmt.Errorf("the filter pattern has more than %d parentheses in each other", depthMax)
	}
	if !p.take("(") {
		return p.comparison()
	}
	c, err := p.either(depth + 1)
	if err == nil && !p.take(")") {
		err = fmt.Errorf("the filter pattern has a parenthesis without its end")
	}
	return c, err
}

func (p *parser) comparison() (*condition, error) {
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	c := &condition{path: path}
	switch {
	case p.take("IS TRUE"):
		c.operator, c.is = "=", isTrue
		return c, nil
	case p.take("IS FALSE"):
		c.operator, c.is = "=", isFalse
		return c, nil
	case p.take("IS NULL"):
		c.operator, c.is = "=", isNull
		return c, nil
	case p.take("NOT EXISTS"):
		c.operator, c.is = "!=", isThere
		return c, nil
	}
	for _, operator := range []string{"!=", ">=", "<=", "=", ">", "<"} {
		if p.take(operator) {
			c.operator = operator
			return c, p.value(c)
		}
	}
	return nil, fmt.Errorf("the filter pattern has %q where =, !=, <, >, <=, >=, IS or NOT EXISTS is expected", clip(p.rest))
}

// path = "$" { "." name | "[" number "]" | "['" name "']" }
func (p *parser) path() ([]string, error) {
	if !p.take("$") {
		return nil, fmt.Errorf("the filter pattern has %q where a field such as $.name is expected", clip(p.rest))
	}
	var path []string
	for {
		var name string
		switch {
		case strings.HasPrefix(p.rest, "."):
			end := strings.IndexAny(p.rest[1:], " \t\r\n.[]=!<>&|(){}\"'") + 1
			if end == 0 {
				end = len(p.rest)
			}
			name, p.rest = p.rest[1:end], p.rest[end:]
		case strings.HasPrefix(p.rest, "["):
			inside, rest, ok := strings.Cut(p.rest[1:], "]")
			if !ok {
				return nil, fmt.Errorf("the filter pattern has a bracket without its end")
			}
			name, p.rest = strings.Trim(inside, `'"`), rest
		case path == nil:
			return nil, fmt.Errorf("the filter pattern has $ without a field")
		default:
			return path, nil
		}
		if name == "" {
			return nil, fmt.Errorf("the filter pattern has a field without a name")
		}
		path = append(path, name)
	}
}

// value reads what a field is compared with.
func (p *parser) value(c *condition) (err error) {
	if p.skip(); p.rest == "" {
		return fmt.Errorf("the filter pattern compares a field with nothing")
	}
	switch p.rest[0] {
	case '"':
		var text string
		if text, p.rest, err = quoted(p.rest); err != nil {
			return err
		}
		return c.compareText(text)
	case '%':
		c.text, p.rest, err = p.expressions.read(p.rest)
		return err
	}
	end := strings.IndexAny(p.rest, " \t\r\n&|()")
	if end < 0 {
		end = len(p.rest)
	}
	var word string
	word, p.rest = p.rest[:end], p.rest[end:]
	if n, err := strconv.ParseFloat(word, 64); err == nil {
		c.number, c.is = n, isNumber
		return nil
	}
	return c.compareText(word)
}

// compareText makes the condition one on a text, in which "*" stands for any
// characters.
func (c *condition) compareText(text string) (err error) {
	if c.operator != "=" && c.operator != "!=" {
		return fmt.Errorf("the filter pattern compares the text %q by %s, which only numbers can be", clip(text), c.operator)
	}
	parts := strings.Split(text, "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	c.text, err = regexp.Compile("(?s)^" + strings.Join(parts, ".*") + "$")
	return err
}

func (c *condition) matchText(message string) bool {
	if !strings.HasPrefix(strings.TrimLeft(message, " \t\r\n"), "{") {
		return false
	}
	d := json.NewDecoder(strings.NewReader(message))
	var object map[string]any
	if d.Decode(&object) != nil {
		return false
	}
	return c.match(object)
}

func (c *condition) match(object map[string]any) bool {
	switch c.operator {
	case "&&":
		return c.left.match(object) && c.right.match(object)
	case "||":
		return c.left.match(object) || c.right.match(object)
	}
	value, there := find(object, c.path)
	switch c.is {
	case isThere:
		return !there
	case isNull:
		return there && value == nil
	case isTrue, isFalse:
		return value == (c.is == isTrue)
	case isNumber:
		number, ok := value.(float64)
		return ok && compare(number, c.operator, c.number)
	}
	text, ok := value.(string)
	return ok && c.text.MatchString(text) == (c.operator == "=")
}

func find(value any, path []string) (any, bool) {
	for _, name := range path {
		switch v := value.(type) {
		case map[string]any:
			var ok bool
			if value, ok = v[name]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

func compare(a float64, operator string, b float64) bool {
	switch operator {
	case "=":
		return a == b
	case "!=":
		return a != b
	case ">":
		return a > b
	case "<":
		return a < b
	case ">=":
		return a >= b
	}
	return a <= b
}
