package wire

import (
	"encoding/base64"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// TimeLayout is how times are written in answers, in UTC.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// An Envelope is what stands around an answer.
type Envelope struct {
	Dialect Dialect

	// In XML only.
	Action    string
	Namespace string
	RequestID string
}

// WriteAnswer writes the XML or JSON of a successful answer. out points to the generated
// output of the action. Large answers are written in pieces of some flushSize
// bytes, so that they are never in memory as a whole. The error is w's.
//
// Absent values are left out, as an empty element would be read as a value. Lists
// in XML are always there, empty if need be: clients ask for them by name; in JSON
// that is so unless the list is nil. Return, and the answer of an action that has
// none, is true unless set: what failed has an error instead.
func WriteAnswer(w io.Writer, e Envelope, out any) error {
	buffer := buffers.Get().(*[]byte)
	enc := encoder{w: w}
	dst := (*buffer)[:0]
	if e.Dialect == JSON {
		v := reflect.ValueOf(out).Elem()
		dst = enc.appendObject(dst, planOf(v.Type()), v)
	} else {
		dst = enc.appendAnswer(dst, e, out)
	}
	enc.write(dst)
	if cap(dst) <= bufferKeptMax {
		*buffer = dst
		buffers.Put(buffer)
	}
	return enc.err
}

const (
	flushSize = 64 * 1024

	// bufferKeptMax is the size of the largest buffer that is kept: an item can
	// be large, and must not hold memory for ever.
	bufferKeptMax = 4 * flushSize
)

// buffers are those that no answer uses at the moment.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4096)) }}

// An encoder appends an answer to a buffer, and empties it now and then.
type encoder struct {
	w   io.Writer
	err error // of the first write that failed
}

func (enc *encoder) write(b []byte) {
	if enc.err == nil {
		_, enc.err = enc.w.Write(b)
	}
}

func (enc *encoder) appendAnswer(dst []byte, e Envelope, out any) []byte {
	v := reflect.ValueOf(out).Elem()
	p := planOf(v.Type())
	dst = append(dst, declaration...)
	dst = append(dst, '<')
	dst = append(dst, e.Action...)
	dst = append(dst, `Response xmlns="`...)
	dst = append(dst, e.Namespace...)
	dst = append(dst, `">`...)
	switch {
	case e.Dialect == EC2:
		dst = appendElement(dst, "requestId", e.RequestID)
		if len(p.fields) == 0 {
			dst = append(dst, "<return>true</return>"...)
		}
		dst = enc.appendMembers(dst, p, v)
	default:
		// Also where there is nothing in it: clients look for it.
		dst = append(dst, '<')
		dst = append(dst, e.Action...)
		dst = append(dst, "Result>"...)
		dst = enc.appendMembers(dst, p, v)
		dst = append(dst, "</"...)
		dst = append(dst, e.Action...)
		dst = append(dst, "Result>"...)
		dst = append(dst, "<ResponseMetadata>"...)
		dst = appendElement(dst, "RequestId", e.RequestID)
		dst = append(dst, "</ResponseMetadata>"...)
	}
	dst = append(dst, "</"...)
	dst = append(dst, e.Action...)
	return append(dst, "Response>"...)
}

// A Fault is an error as the caller is told it.
type Fault struct {
	Code      string
	Message   string
	Sender    bool // it is the caller's fault, not ours
	RequestID string
}

// AppendError appends the XML or JSON of an error. The EC2 dialect has no
// namespace there; namespace is used in the Query dialect only.
func AppendError(dst []byte, d Dialect, namespace string, f Fault) []byte {
	if d == JSON {
		dst = append(dst, `{"__type":`...)
		dst = appendJSONText(dst, f.Code)
		dst = append(dst, `,"message":`...)
		dst = appendJSONText(dst, f.Message)
		return append(dst, '}')
	}
	dst = append(dst, declaration...)
	if d == EC2 {
		dst = append(dst, "<Response><Errors><Error>"...)
		dst = appendElement(dst, "Code", f.Code)
		dst = appendElement(dst, "Message", f.Message)
		dst = append(dst, "</Error></Errors>"...)
		dst = appendElement(dst, "RequestID", f.RequestID)
		return append(dst, "</Response>"...)
	}
	kind := "Receiver"
	if f.Sender {
		kind = "Sender"
	}
	dst = append(dst, `<ErrorResponse xmlns="`...)
	dst = append(dst, namespace...)
	dst = append(dst, `"><Error>`...)
	dst = appendElement(dst, "Type", kind)
	dst = appendElement(dst, "Code", f.Code)
	dst = appendElement(dst, "Message", f.Message)
	dst = append(dst, "</Error>"...)
	dst = appendElement(dst, "RequestId", f.RequestID)
	return append(dst, "</ErrorResponse>"...)
}

func appendElement(dst []byte, name, text string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = appendText(dst, text)
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}

// appendMembers appends the members of the structure v.
func (enc *encoder) appendMembers(dst []byte, p *plan, v reflect.Value) []byte {
	for i := range p.fields {
		f := &p.fields[i]
		if f.empty == nil {
			continue
		}
		member := v.Field(f.index)
		switch {
		case f.list:
			dst = enc.appendList(dst, f, member)
		case member.IsNil():
			if f.returns {
				dst = append(dst, "<return>true</return>"...)
			}
		default:
			if f.kind != kindBlob && f.kind != kindMap {
				member = member.Elem()
			}
			dst = append(dst, f.open...)
			dst = enc.appendValue(dst, f, member)
			dst = append(dst, f.close...)
		}
	}
	return dst
}

func (enc *encoder) appendList(dst []byte, f *field, list reflect.Value) []byte {
	n := list.Len()
	if n == 0 {
		return append(dst, f.empty...)
	}
	dst = append(dst, f.open...)
	for i := range n {
		dst = append(dst, f.itemOpen...)
		dst = enc.appendValue(dst, f, list.Index(i))
		dst = append(dst, f.itemClose...)
		if len(dst) >= flushSize {
			enc.write(dst)
			dst = dst[:0]
		}
	}
	return append(dst, f.close...)
}

// appendValue appends the text or the members of v, which is not a pointer.
func (enc *encoder) appendValue(dst []byte, f *field, v reflect.Value) []byte {
	switch f.kind {
	case kindString:
		return appendText(dst, v.String())
	case kindBool:
		return strconv.AppendBool(dst, v.Bool())
	case kindInt32, kindInt64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case kindFloat:
		return strconv.AppendFloat(dst, v.Float(), 'f', -1, 64)
	case kindTime:
		return v.Addr().Interface().(*time.Time).UTC().AppendFormat(dst, TimeLayout)
	case kindBlob:
		return base64.StdEncoding.AppendEncode(dst, v.Bytes())
	case kindMap:
		return appendEntries(dst, v)
	default:
		return enc.appendMembers(dst, f.sub, v)
	}
}

// appendEntries appends the entries of a map, sorted by key.
func appendEntries(dst []byte, v reflect.Value) []byte {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		dst = append(dst, "<entry>"...)
		dst = appendElement(dst, "key", key.String())
		dst = appendElement(dst, "value", fmt.Sprint(v.MapIndex(key)))
		dst = append(dst, "</entry>"...)
	}
	return dst
}

// appendText appends s with what XML gives a meaning escaped. A character that
// XML can't carry becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if isXML(r) && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
			dst = append(dst, s[done:i]...)
			dst = append(dst, "\uFFFD"...)
			i += size
			done = i
			continue
		}
		dst = append(dst, s[done:i]...)
		dst = append(dst, escapes[c]...)
		i++
		done = i
	}
	return append(dst, s[done:]...)
}

// escapes says what to write for an ASCII character that can't stand there bare.
// A carriage return would be read as a line feed.
var escapes = func() (table [utf8.RuneSelf]string) {
	for c := range table {
		if !isXML(rune(c)) {
			table[c] = "\uFFFD"
		}
	}
	table['&'] = "&amp;"
	table['<'] = "&lt;"
	table['>'] = "&gt;"
	table['"'] = "&#34;"
	table['\r'] = "&#xD;"
	return table
}()

// plain are the bytes that are characters of their own and stand for themselves.
var plain = func() (table [256]bool) {
	for c, escape := range escapes {
		table[c] = escape == ""
	}
	return table
}()
