package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// DecodeJSON fills the structure that in points to from the body of a request in
// the JSON dialect; an empty body is an empty object. The error, if any, is an
// *Error with the code CodeSerialization or CodeValidation. A null is an absent
// member.
//
// Members that the structure does not have are ignored, so that clients newer
// than our model can be served; the first few are returned by their path, for the
// log.
func DecodeJSON(body []byte, in any) (ignored []string, err error) {
	dec := jsonDecoder{json: json.NewDecoder(bytes.NewReader(body))}
	dec.json.UseNumber()
	v := reflect.ValueOf(in).Elem()
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, checkRequired(planOf(v.Type()), v, "")
	}
	token, err := dec.token()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('{') {
		return nil, errorf(CodeSerialization, "The body must be an object of JSON")
	}
	if err := dec.structure(planOf(v.Type()), v, "", 0); err != nil {
		return nil, err
	}
	if _, err := dec.json.Token(); !errors.Is(err, io.EOF) {
		return nil, errorf(CodeSerialization, "The body goes on after its object")
	}
	return dec.ignored, nil
}

type jsonDecoder struct {
	json    *json.Decoder
	ignored []string
}

// token is the next one.
func (d *jsonDecoder) token() (json.Token, error) {
	token, err := d.json.Token()
	if err != nil {
		return nil, errorf(CodeSerialization, "The body is not JSON near byte %d", d.json.InputOffset())
	}
	return token, nil
}

// structure decodes an object, whose "{" has been read, into v, which is zero.
// The whole request has the path "".
func (d *jsonDecoder) structure(p *plan, v reflect.Value, path string, depth int) error {
	if depth == depthMax {
		return errorf(CodeSerialization, "The member %s is nested too deeply", path)
	}
	var seen uint64 // the members that were given; no structure of the JSON models has more than 64
	for d.json.More() {
		token, err := d.token()
		if err != nil {
			return err
		}
		name := token.(string) // Decoder has checked that
		i, ok := p.requests[name]
		if !ok || p.fields[i].name != name {
			if err := d.ignore(join(path, name)); err != nil {
				return err
			}
			continue
		}
		if seen&(1<<i) != 0 {
			return errorf(CodeSerialization, "The member %s is given twice", join(path, name))
		}
		seen |= 1 << i
		f := &p.fields[i]
		if err := d.member(f, v.Field(f.index), join(path, name), depth); err != nil {
			return err
		}
	}
	if _, err := d.token(); err != nil { // the "}"
		return err
	}
	return checkRequired(p, v, path)
}

// checkRequired says which required member is absent, if one is.
func checkRequired(p *plan, v reflect.Value, path string) error {
	for i := range p.fields {
		if f := &p.fields[i]; f.required && v.Field(f.index).IsNil() {
			return missing(join(path, f.name))
		}
	}
	return nil
}

// ignore skips the value of an unknown member.
func (d *jsonDecoder) ignore(path string) error {
	if len(d.ignored) < ignoredMax {
		d.ignored = append(d.ignored, quote(path))
	}
	for depth := 0; ; {
		token, err := d.token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		if depth > skippedMax {
			return errorf(CodeSerialization, "The member %s is nested too deeply", quote(path))
		}
	}
}

// member decodes the value of the member f into v.
func (d *jsonDecoder) member(f *field, v reflect.Value, path string, depth int) error {
	token, err := d.token()
	if err != nil || token == nil {
		return err
	}
	switch {
	case f.list:
		if token != json.Delim('[') {
			return f.mistyped(path, "a list")
		}
		return d.array(f, v, path, depth)
	case f.kind == kindMap:
		if token != json.Delim('{') {
			return f.mistyped(path, "an object")
		}
		return d.stringMap(f, v, path)
	case f.kind == kindBlob:
		return f.jsonValue(v, token, path)
	}
	target := reflect.New(v.Type().Elem())
	if f.kind == kindStruct {
		if token != json.Delim('{') {
			return f.mistyped(path, "an object")
		}
		err = d.structure(f.sub, target.Elem(), path, depth+1)
	} else {
		err = f.jsonValue(target.Elem(), token, path)
	}
	v.Set(target)
	return err
}

// array decodes a list whose "[" has been read.
func (d *jsonDecoder) array(f *field, v reflect.Value, path string, depth int) error {
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for n := 0; d.json.More(); n++ {
		if n == indexMax {
			if err := f.checkLength(path, "", n+1); err != nil {
				return err
			}
			return errorf(CodeSerialization, "The list %s has more than %d items", path, indexMax)
		}
		token, err := d.token()
		if err != nil {
			return err
		}
		itemPath := path + "." + strconv.Itoa(n+1) + ".member"
		list = reflect.Append(list, reflect.Zero(v.Type().Elem()))
		switch item := list.Index(n); {
		case token == nil:
			return missing(itemPath)
		case f.kind != kindStruct:
			err = f.jsonValue(item, token, itemPath)
		case token != json.Delim('{'):
			err = f.mistyped(itemPath, "an object")
		default:
			err = d.structure(f.sub, item, itemPath, depth+1)
		}
		if err != nil {
			return err
		}
	}
	v.Set(list)
	if _, err := d.token(); err != nil { // the "]"
		return err
	}
	return f.checkLength(path, "", list.Len())
}

// stringMap decodes an object whose "{" has been read.
func (d *jsonDecoder) stringMap(f *field, v reflect.Value, path string) error {
	m := map[string]string{}
	for d.json.More() {
		key, err := d.token()
		if err != nil {
			return err
		}
		value, err := d.token()
		if err != nil {
			return err
		}
		text, ok := value.(string)
		if !ok {
			return f.mistyped(path+"."+quote(key.(string)), "a text")
		}
		if len(m) == indexMax {
			return errorf(CodeSerialization, "The member %s has more than %d entries", path, indexMax)
		}
		m[key.(string)] = text
	}
	v.Set(reflect.ValueOf(m))
	if _, err := d.token(); err != nil { // the "}"
		return err
	}
	return f.checkLength(path, "", len(m))
}

// jsonValue decodes a value that has no parts into v, which is not a pointer.
func (f *field) jsonValue(v reflect.Value, token json.Token, path string) error {
	switch f.kind {
	case kindString:
		s, ok := token.(string)
		if !ok {
			return f.mistyped(path, "a text")
		}
		v.SetString(s)
		return f.checkText(path, s)
	case kindBool:
		b, ok := token.(bool)
		if !ok {
			return f.mistyped(path, "true or false")
		}
		v.SetBool(b)
	case kindInt32:
		return f.jsonInteger(v, token, path, 32)
	case kindInt64:
		return f.jsonInteger(v, token, path, 64)
	case kindFloat:
		x, ok := jsonFloat(token)
		if !ok {
			return f.mistyped(path, "a number")
		}
		v.SetFloat(x)
	case kindTime:
		t, ok := jsonTime(token)
		if !ok {
			return f.mistyped(path, "a time: the seconds since 1970 as a number")
		}
		v.Set(reflect.ValueOf(t))
	case kindBlob:
		s, ok := token.(string)
		b, err := base64.StdEncoding.DecodeString(s)
		if !ok || err != nil {
			return f.mistyped(path, "a text in base64")
		}
		v.SetBytes(b)
		return f.checkLength(path, "", len(b))
	}
	return nil
}

func (f *field) jsonInteger(v reflect.Value, token json.Token, path string, bits int) error {
	number, ok := token.(json.Number)
	n, err := strconv.ParseInt(number.String(), 10, bits)
	if !ok || err != nil {
		return f.mistyped(path, "an integer of "+strconv.Itoa(bits)+" bits")
	}
	v.SetInt(n)
	switch {
	case !f.list && f.min != nil && n < *f.min:
		return f.violation(path, number.String(), fmt.Sprintf("Member must have value greater than or equal to %d", *f.min))
	case !f.list && f.max != nil && n > *f.max:
		return f.violation(path, number.String(), fmt.Sprintf("Member must have value less than or equal to %d", *f.max))
	}
	return nil
}

func jsonFloat(token json.Token) (float64, bool) {
	number, ok := token.(json.Number)
	if !ok {
		return 0, false
	}
	x, err := number.Float64()
	return x, err == nil
}

// timeSecondsMax is the last second of the year 9999, the last that a time of day
// in four digits can name.
const timeSecondsMax = 253402300799

// jsonTime reads a time: seconds since 1970, with decimals, or a text as in the
// form protocols.
func jsonTime(token json.Token) (time.Time, bool) {
	if s, ok := token.(string); ok {
		return parseTime(s)
	}
	x, ok := jsonFloat(token)
	if !ok || math.Abs(x) > timeSecondsMax {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(x * 1000))).UTC(), true
}

func (f *field) checkText(path, s string) error {
	if f.enum != nil && !slices.Contains(f.enum, s) {
		return f.violation(path, s, "Member must satisfy enum value set: ["+strings.Join(f.enum, ", ")+"]")
	}
	if f.list { // its rules are the list's
		return nil
	}
	return f.checkLength(path, s, utf8.RuneCountInString(s))
}

// checkLength applies min and max to the length of a text, a blob, a list or a
// map. value is shown.
func (f *field) checkLength(path, value string, length int) error {
	switch {
	case f.min != nil && int64(length) < *f.min:
		return f.violation(path, value, fmt.Sprintf("Member must have length greater than or equal to %d", *f.min))
	case f.max != nil && int64(length) > *f.max:
		return f.violation(path, value, fmt.Sprintf("Member must have length less than or equal to %d", *f.max))
	}
	return nil
}

// violation says which rule of the model a member breaks, in the form that AWS's
// services use.
func (f *field) violation(path, value, why string) *Error {
	if f.sensitive {
		value = "(secret)"
	}
	return errorf(CodeValidation, "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", quote(value), path, why)
}

func missing(path string) *Error {
	return errorf(CodeValidation, "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", path)
}

func (f *field) mistyped(path, want string) *Error {
	return errorf(CodeSerialization, "The member %s must be %s", path, want)
}
