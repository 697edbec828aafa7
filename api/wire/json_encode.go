package wire

import (
	"encoding/base64"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendObject appends the members of the structure v as an object. Absent
// members are left out.
func (enc *encoder) appendObject(dst []byte, p *plan, v reflect.Value) []byte {
	dst = append(dst, '{')
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		member := v.Field(f.index)
		if f.key == nil || member.IsNil() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, f.key...)
		switch {
		case f.list:
			dst = enc.appendArray(dst, f, member)
		case f.kind == kindBlob || f.kind == kindMap:
			dst = enc.appendJSONValue(dst, f, member)
		default:
			dst = enc.appendJSONValue(dst, f, member.Elem())
		}
	}
	return append(dst, '}')
}

func (enc *encoder) appendArray(dst []byte, f *field, list reflect.Value) []byte {
	dst = append(dst, '[')
	for i := range list.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = enc.appendJSONValue(dst, f, list.Index(i))
		if len(dst) >= flushSize {
			enc.write(dst)
			dst = dst[:0]
		}
	}
	return append(dst, ']')
}

// appendJSONValue appends v, which is not a pointer. Times are seconds since
// 1970, with milliseconds as decimals.
func (enc *encoder) appendJSONValue(dst []byte, f *field, v reflect.Value) []byte {
	switch f.kind {
	case kindString:
		return appendJSONText(dst, v.String())
	case kindBool:
		return strconv.AppendBool(dst, v.Bool())
	case kindInt32, kindInt64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case kindFloat:
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, 64)
	case kindTime:
		seconds := float64(v.Interface().(time.Time).UnixMilli()) / 1000
		return strconv.AppendFloat(dst, seconds, 'f', -1, 64)
	case kindBlob:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes())
		return append(dst, '"')
	case kindMap:
		return appendStringMap(dst, v.Interface().(map[string]string))
	default:
		return enc.appendObject(dst, f.sub, v)
	}
}

// appendStringMap appends an object with its keys sorted.
func appendStringMap(dst []byte, m map[string]string) []byte {
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONText(dst, key)
		dst = append(dst, ':')
		dst = appendJSONText(dst, m[key])
	}
	return append(dst, '}')
}

const hexDigits = "0123456789abcdef"

// appendJSONText appends s in quotes, escaped as RFC 8259 section 7 demands. What
// is not UTF-8 becomes U+FFFD.
func appendJSONText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		size := 1
		switch {
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[done:i]...), "\uFFFD"...)
				done = i + size
			}
		case c == '"' || c == '\\':
			dst = append(append(dst, s[done:i]...), '\\', c)
			done = i + size
		case c < ' ':
			dst = append(append(dst, s[done:i]...), '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			done = i + size
		}
		i += size
	}
	return append(append(dst, s[done:]...), '"')
}
