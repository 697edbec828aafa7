package wire

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A plan is what the codec does for a structure. It is made once for each type,
// so that no name is looked up and no tag is read for a value.
type plan struct {
	fields   []field
	requests map[string]int // index into fields by every name that a request may use
}

// A field is what the codec does for a member.
type field struct {
	index int  // in the Go structure
	kind  kind // of a list: that of its items
	list  bool
	sub   *plan // of a structure, or of a list's structures

	// Of requests.
	name                string // as in the model
	required, sensitive bool
	min, max            *int64
	enum                []string

	// Of answers: ready to be appended.
	open, close, empty  []byte // empty is nil if the member isn't in answers
	itemOpen, itemClose []byte
	returns             bool   // it is the Return of an answer
	key                 []byte // in JSON, with its colon
}

// A kind is a type that the codec knows.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt32
	kindInt64
	kindFloat
	kindTime
	kindBlob
	kindStruct
	kindMap // from strings to strings, or in answers of XML to integers
)

// plans are the finished plans: reflect.Type to *plan.
var plans sync.Map

// planOf returns the plan of a structure type. It panics for a type that
// apigen does not make.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	b := planBuilder{}
	p := b.plan(t)
	for t, p := range b {
		plans.LoadOrStore(t, p)
	}
	return p
}

// A planBuilder has the plans that are being made, so that a structure may
// contain itself.
type planBuilder map[reflect.Type]*plan

func (b planBuilder) plan(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	if p, ok := b[t]; ok {
		return p
	}
	p := &plan{requests: map[string]int{}}
	b[t] = p
	for i := range t.NumField() {
		p.fields = append(p.fields, b.field(t.Field(i), i))
	}
	p.nameRequests(t)
	return p
}

var (
	timeType = reflect.TypeFor[time.Time]()
	blobType = reflect.TypeFor[[]byte]()
	mapType  = reflect.TypeFor[map[string]string]()

	numbersType = reflect.TypeFor[map[string]int32]()
)

func (b planBuilder) field(sf reflect.StructField, index int) field {
	f := field{index: index, name: sf.Tag.Get("req")}
	t := sf.Type
	switch {
	case t == blobType:
		f.kind = kindBlob
	case t == mapType, t == numbersType:
		f.kind = kindMap
	case t.Kind() == reflect.Slice:
		f.list = true
		f.kind = kindOf(t.Elem())
		t = t.Elem()
	case t.Kind() == reflect.Pointer:
		f.kind = kindOf(t.Elem())
		t = t.Elem()
	default:
		panic(fmt.Sprintf("wire: field %s has type %v", sf.Name, t))
	}
	if f.kind == kindStruct {
		f.sub = b.plan(t)
	}
	f.readRules(sf)
	f.readAnswer(sf)
	return f
}

func kindOf(t reflect.Type) kind {
	switch t.Kind() {
	case reflect.String:
		return kindString
	case reflect.Bool:
		return kindBool
	case reflect.Int32:
		return kindInt32
	case reflect.Int64:
		return kindInt64
	case reflect.Float64:
		return kindFloat
	case reflect.Struct:
		if t == timeType {
			return kindTime
		}
		return kindStruct
	}
	panic(fmt.Sprintf("wire: no kind for %v", t))
}

func (f *field) readRules(sf reflect.StructField) {
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.enum = strings.Split(enum, ",")
	}
	rules := sf.Tag.Get("rule")
	for rules != "" {
		var rule string
		rule, rules, _ = strings.Cut(rules, ",")
		name, value, _ := strings.Cut(rule, "=")
		switch name {
		case "required":
			f.required = true
		case "sensitive":
			f.sensitive = true
		case "min", "max":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				panic(fmt.Sprintf("wire: field %s has rule %q", sf.Name, rule))
			}
			if name == "min" {
				f.min = &n
			} else {
				f.max = &n
			}
		default:
			panic(fmt.Sprintf("wire: field %s has rule %q", sf.Name, rule))
		}
	}
}

func (f *field) readAnswer(sf reflect.StructField) {
	res := sf.Tag.Get("res")
	if res == "" {
		return
	}
	name, item, _ := strings.Cut(res, ">")
	f.key = []byte(`"` + name + `":`)
	f.open, f.close, f.empty = []byte("<"+name+">"), []byte("</"+name+">"), []byte("<"+name+"/>")
	if f.list {
		f.itemOpen, f.itemClose = []byte("<"+item+">"), []byte("</"+item+">")
	}
	f.returns = sf.Name == "Return" && f.kind == kindBool
}

// nameRequests fills p.requests. A list may be named in the singular and in the
// plural, and by the member's own name, as old clients and people do, as long as
// no other member has that name.
func (p *plan) nameRequests(t reflect.Type) {
	for i, f := range p.fields {
		if f.name != "" {
			p.requests[f.name] = i
		}
	}
	for i, f := range p.fields {
		if f.name == "" || !f.list {
			continue
		}
		other, plural := strings.CutSuffix(f.name, "s")
		if !plural {
			other = f.name + "s"
		}
		for _, alias := range []string{other, t.Field(f.index).Name} {
			if _, taken := p.requests[alias]; !taken {
				p.requests[alias] = i
			}
		}
	}
}
