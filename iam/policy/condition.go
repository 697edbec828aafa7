package policy

import (
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A condition is one key under one operator. All conditions of a statement must
// hold.
type condition struct {
	operator operator
	key      string // in lower case
	values   []operand
	set      set
	ifExists bool
	denies   bool // it is of a statement that denies
}

// A set says how the values of a key with several are taken.
type set uint8

const (
	single set = iota
	allValues
	anyValue
)

// An operator compares a value of the request with one of the policy.
type operator struct {
	compare func(given string, want *operand, keys Keys) bool
	negated bool                  // it holds if no value of the policy compares
	like    bool                  // values of the policy may have wildcards
	read    func(w *operand) bool // makes the operand ready, unless nil; false if it makes no sense
	null    bool                  // it asks whether the request has the key at all
}

// An operand is a value in a policy.
type operand struct {
	text    string
	pattern pattern
	number  *big.Rat
	time    time.Time
	prefix  netip.Prefix
	truth   bool
}

var operators = map[string]operator{
	"stringequals":              {compare: compareText},
	"stringnotequals":           {compare: compareText, negated: true},
	"stringequalsignorecase":    {compare: compareFolded},
	"stringnotequalsignorecase": {compare: compareFolded, negated: true},
	"stringlike":                {compare: compareText, like: true},
	"stringnotlike":             {compare: compareText, like: true, negated: true},
	"numericequals":             number(func(c int) bool { return c == 0 }),
	"numericnotequals":          not(number(func(c int) bool { return c == 0 })),
	"numericlessthan":           number(func(c int) bool { return c < 0 }),
	"numericlessthanequals":     number(func(c int) bool { return c <= 0 }),
	"numericgreaterthan":        number(func(c int) bool { return c > 0 }),
	"numericgreaterthanequals":  number(func(c int) bool { return c >= 0 }),
	"dateequals":                date(func(c int) bool { return c == 0 }),
	"datenotequals":             not(date(func(c int) bool { return c == 0 })),
	"datelessthan":              date(func(c int) bool { return c < 0 }),
	"datelessthanequals":        date(func(c int) bool { return c <= 0 }),
	"dategreaterthan":           date(func(c int) bool { return c > 0 }),
	"dategreaterthanequals":     date(func(c int) bool { return c >= 0 }),
	"bool":                      {compare: compareBool, read: readBool},
	"binaryequals":              {compare: compareText},
	"ipaddress":                 {compare: compareAddress, read: readPrefix},
	"notipaddress":              {compare: compareAddress, read: readPrefix, negated: true},
	"arnequals":                 {compare: compareARN, like: true, read: readARN},
	"arnlike":                   {compare: compareARN, like: true, read: readARN},
	"arnnotequals":              {compare: compareARN, like: true, read: readARN, negated: true},
	"arnnotlike":                {compare: compareARN, like: true, read: readARN, negated: true},
	"null":                      {read: readBool, null: true},
}

func not(o operator) operator {
	o.negated = true
	return o
}

// parseOperator reads the name of an operator with what stands before and after
// it: "ForAllValues:StringLikeIfExists".
func parseOperator(name string) (c condition, ok bool) {
	name = strings.ToLower(name)
	if rest, found := strings.CutPrefix(name, "forallvalues:"); found {
		name, c.set = rest, allValues
	} else if rest, found := strings.CutPrefix(name, "foranyvalue:"); found {
		name, c.set = rest, anyValue
	}
	if rest, found := strings.CutSuffix(name, "ifexists"); found && rest != "null" {
		name, c.ifExists = rest, true
	}
	c.operator, ok = operators[name]
	return c, ok
}

// holds tells whether a request satisfies the condition.
func (c *condition) holds(keys Keys) bool {
	given, present := keys.Get(c.key)
	if c.operator.null {
		for i := range c.values {
			if c.values[i].truth == !present {
				return true
			}
		}
		return false
	}
	if !present || len(given) == 0 {
		// A key that is not there is not equal to anything, so negated
		// operators hold. No value is also all of none, and there is none of
		// them, whatever is said of keys that are not there.
		switch c.set {
		case allValues:
			return true
		case anyValue:
			return false
		}
		return c.ifExists || c.operator.negated
	}
	for _, g := range given {
		switch holds := c.one(g, keys); {
		case c.set == anyValue && holds:
			return true
		case c.set == allValues && !holds:
			return false
		// Without a set operator a key has one value. Where it has several, one is
		// enough to be denied by and all are needed to be allowed.
		case c.set == single && holds == c.denies:
			return holds
		}
	}
	return c.set == allValues || c.set == single && !c.denies
}

// one tells whether one value of the request satisfies the operator.
func (c *condition) one(given string, keys Keys) bool {
	for i := range c.values {
		if c.operator.compare(given, &c.values[i], keys) {
			return !c.operator.negated
		}
	}
	return c.operator.negated
}

func compareText(given string, want *operand, keys Keys) bool { return want.pattern.match(given, keys) }

func compareFolded(given string, want *operand, keys Keys) bool {
	tokens, ok := want.pattern.resolve(keys)
	if !ok {
		return false
	}
	var b strings.Builder
	for _, t := range tokens {
		b.WriteRune(rune(t))
	}
	return strings.EqualFold(given, b.String())
}

// number is an operator on numbers, which are compared as they are written,
// without rounding.
func number(holds func(int) bool) operator {
	return operator{
		read: func(w *operand) (ok bool) {
			w.number, ok = parseNumber(w.text)
			return ok
		},
		compare: func(given string, want *operand, _ Keys) bool {
			n, ok := parseNumber(given)
			return ok && holds(n.Cmp(want.number))
		},
	}
}

// numberLengthMax bounds what a number costs.
const numberLengthMax = 40

func parseNumber(s string) (*big.Rat, bool) {
	if s == "" || len(s) > numberLengthMax || strings.Trim(s, "+-.0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// date is an operator on times: ISO 8601, or seconds since 1970.
func date(holds func(int) bool) operator {
	return operator{
		read: func(w *operand) (ok bool) {
			w.time, ok = parseTime(w.text)
			return ok
		},
		compare: func(given string, want *operand, _ Keys) bool {
			t, ok := parseTime(given)
			return ok && holds(t.Compare(want.time))
		},
	}
}

func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(seconds, 0), true
	}
	return time.Time{}, false
}

func readBool(w *operand) bool {
	w.truth = strings.EqualFold(w.text, "true")
	return w.truth || strings.EqualFold(w.text, "false")
}

func compareBool(given string, want *operand, _ Keys) bool {
	if want.truth {
		return strings.EqualFold(given, "true")
	}
	return strings.EqualFold(given, "false")
}

func readPrefix(w *operand) bool {
	if a, err := netip.ParseAddr(w.text); err == nil {
		w.prefix = netip.PrefixFrom(a.WithZone(""), a.BitLen())
		return true
	}
	p, err := netip.ParsePrefix(w.text)
	w.prefix = p
	return err == nil
}

func compareAddress(given string, want *operand, _ Keys) bool {
	a, err := netip.ParseAddr(given)
	return err == nil && want.prefix.Contains(a.Unmap().WithZone(""))
}

func readARN(w *operand) bool {
	w.pattern = w.pattern.forARNs()
	return true
}

func compareARN(given string, want *operand, keys Keys) bool {
	return want.pattern.matchARN(splitARN(given), keys)
}
