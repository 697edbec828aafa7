package wire

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Parameter is a name with a value, both decoded.
type Parameter struct{ Name, Value string }

// Parameters are those of one request. Each name is there once.
type Parameters struct {
	list []Parameter // sorted by compareNames
}

// ParseParameters reads form-encoded text: a body, a query string, or several of
// them, as one request. Limits are ParametersMax and those of names and values.
//
// AWS does not say what two parameters of one name mean, so it is an error here:
// whoever checked the request in between may have looked at the other one.
func ParseParameters(forms ...string) (Parameters, error) {
	var list []Parameter
	for _, form := range forms {
		for form != "" {
			var pair string
			pair, form, _ = strings.Cut(form, "&")
			if pair == "" {
				continue
			}
			if len(list) == ParametersMax {
				return Parameters{}, errorf(CodeMalformedQueryString, "The request has more than %d parameters", ParametersMax)
			}
			p, err := parseParameter(pair)
			if err != nil {
				return Parameters{}, err
			}
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Parameter) int { return compareNames(a.Name, b.Name) })
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return Parameters{}, errorf(CodeMalformedQueryString, "The parameter %s is given twice", list[i].Name)
		}
	}
	return Parameters{list}, nil
}

func parseParameter(pair string) (Parameter, error) {
	name, value, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(name)
	if err != nil {
		return Parameter{}, errorf(CodeMalformedQueryString, "A parameter name has a bad percent escape")
	}
	if name == "" || len(name) > nameLengthMax || !isText(name) {
		return Parameter{}, errorf(CodeMalformedQueryString, "A parameter name is empty, longer than %d bytes, or not text", nameLengthMax)
	}
	value, err = url.QueryUnescape(value)
	if err != nil {
		return Parameter{}, errorf(CodeMalformedQueryString, "The value of parameter %s has a bad percent escape", name)
	}
	if len(value) > valueLengthMax {
		return Parameter{}, errorf(CodeInvalidParameterValue, "The value of parameter %s is longer than %d bytes", name, valueLengthMax)
	}
	if !isText(value) {
		return Parameter{}, errorf(CodeInvalidCharacter, "The value of parameter %s has a character that XML can't carry, or is not UTF-8", name)
	}
	return Parameter{name, value}, nil
}

// isText tells whether s could be repeated in an answer: UTF-8 without the
// characters that XML 1.0 leaves out.
func isText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !isXML(r) {
			return false
		}
	}
	return true
}

func isXML(r rune) bool {
	return r >= ' ' && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n' || r == '\r'
}

// Get returns the value of a parameter.
func (p Parameters) Get(name string) (string, bool) {
	i, ok := slices.BinarySearchFunc(p.list, name, func(q Parameter, name string) int { return compareNames(q.Name, name) })
	if !ok {
		return "", false
	}
	return p.list[i].Value, true
}

// compareNames sorts "." before all other bytes, so that a name is followed at
// once by the names that it begins: Tag, Tag.1.Key, Tag-x.
func compareNames(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch x, y := a[i], b[i]; {
		case x == y:
		case x == '.':
			return -1
		case y == '.':
			return 1
		default:
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}
