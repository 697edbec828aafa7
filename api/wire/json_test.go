package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway.dev/api/wire"
)

// A jsonThing has a member of each kind.
type jsonThing struct {
	Text   *string           `req:"text" res:"text" rule:"required,min=2,max=4"`
	Colour *string           `req:"colour" res:"colour" enum:"red,green"`
	Yes    *bool             `req:"yes" res:"yes"`
	Small  *int32            `req:"small" res:"small" rule:"min=1,max=9"`
	Large  *int64            `req:"large" res:"large"`
	Float  *float64          `req:"float" res:"float"`
	Time   *time.Time        `req:"time" res:"time"`
	Blob   []byte            `req:"blob" res:"blob" rule:"max=4"`
	Texts  []string          `req:"texts" res:"texts" rule:"max=3"`
	Parts  []jsonPart        `req:"parts" res:"parts"`
	Part   *jsonPart         `req:"part" res:"part"`
	Map    map[string]string `req:"map" res:"map" rule:"max=2"`
	Key    *string           `req:"key" rule:"sensitive,max=4"`
}

type jsonPart struct {
	Name *string   `req:"name" res:"name" rule:"required"`
	Part *jsonPart `req:"part" res:"part"`
}

const jsonAll = `{"text":"a\"\u0001ü","colour":"red","yes":true,"small":9,"large":-9007199254740993,"float":0.5,` +
	`"time":1700000000.25,"blob":"AAEC","texts":["x","",  "😀"],"parts":[{"name":"a"},{"name":"b","part":{"name":"c"}}],` +
	`"part":{"name":"\\"},"map":{"b":"2","a":"1"}}`

func TestJSONRound(t *testing.T) {
	var in jsonThing
	if ignored, err := wire.DecodeJSON([]byte(jsonAll), &in); err != nil || len(ignored) > 0 {
		t.Fatal(ignored, err)
	}
	if *in.Large != -9007199254740993 || !in.Time.Equal(time.UnixMilli(1700000000250)) || *in.Parts[1].Part.Name != "c" {
		t.Errorf("decoded %+v", in)
	}
	var out bytes.Buffer
	if err := wire.WriteAnswer(&out, wire.Envelope{Dialect: wire.JSON}, &in); err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(`  `, ``, `{"b":"2","a":"1"}`, `{"a":"1","b":"2"}`).Replace(jsonAll)
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// TestJSONAbsent: what is nil is not there, an empty list is.
func TestJSONAbsent(t *testing.T) {
	var out bytes.Buffer
	thing := jsonThing{Texts: []string{}, Map: map[string]string{}}
	if err := wire.WriteAnswer(&out, wire.Envelope{Dialect: wire.JSON}, &thing); err != nil || out.String() != `{"texts":[],"map":{}}` {
		t.Errorf("got %s, %v", &out, err)
	}
	var in jsonThing
	if _, err := wire.DecodeJSON([]byte(`{"text":"ab","part":null,"texts":null,"yes":null}`), &in); err != nil || in.Part != nil || in.Texts != nil || in.Yes != nil {
		t.Errorf("got %+v, %v", in, err)
	}
}

func TestJSONBadText(t *testing.T) {
	var out bytes.Buffer
	bad := "\xff\x00<&>\u2028"
	if err := wire.WriteAnswer(&out, wire.Envelope{Dialect: wire.JSON}, &jsonPart{Name: &bad}); err != nil {
		t.Fatal(err)
	}
	var back struct{ Name string }
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Name != "\uFFFD\x00<&>\u2028" {
		t.Errorf("%s: %q, %v", &out, back.Name, err)
	}
}

func TestJSONErrors(t *testing.T) {
	deep := strings.Repeat(`{"part":`, 20)
	for _, test := range []struct{ body, code, want string }{
		{``, wire.CodeValidation, "Value null at 'text' failed to satisfy constraint: Member must not be null"},
		{`{"text":null}`, wire.CodeValidation, "'text'"},
		{`{"text":""}`, wire.CodeValidation, "Value '' at 'text' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{`{"text":"abcde"}`, wire.CodeValidation, "less than or equal to 4"},
		{`{"text":"ab","colour":"blue"}`, wire.CodeValidation, "enum value set: [red, green]"},
		{`{"text":"ab","small":10}`, wire.CodeValidation, "value less than or equal to 9"},
		{`{"text":"ab","small":0}`, wire.CodeValidation, "value greater than or equal to 1"},
		{`{"text":"ab","texts":["","","",""]}`, wire.CodeValidation, "'texts'"},
		{`{"text":"ab","texts":["` + strings.Repeat(`","`, 10_000) + `"]}`, wire.CodeValidation, "less than or equal to 3"},
		{`{"text":"ab","parts":[` + strings.Repeat(`{"name":""},`, 10_000) + `{}]}`, wire.CodeSerialization, "more than 10000"},
		{`{"text":"ab","texts":[null]}`, wire.CodeValidation, "'texts.1.member'"},
		{`{"text":"ab","parts":[{}]}`, wire.CodeValidation, "'parts.1.member.name'"},
		{`{"text":"ab","map":{"a":"","b":"","c":""}}`, wire.CodeValidation, "'map'"},
		{`{"text":"ab","blob":"AAECAwQ="}`, wire.CodeValidation, "'blob'"},
		{`{"text":"ab","key":"hunter2"}`, wire.CodeValidation, "(secret)"},
		{`[]`, wire.CodeSerialization, "object"},
		{`{"text":"ab"`, wire.CodeSerialization, "not JSON"},
		{`{"text":"ab"}{}`, wire.CodeSerialization, "goes on"},
		{`{"text":"ab","text":"ab"}`, wire.CodeSerialization, "twice"},
		{`{"text":["ab"]}`, wire.CodeSerialization, "a text"},
		{`{"text":"ab","yes":"true"}`, wire.CodeSerialization, "true or false"},
		{`{"text":"ab","small":"1"}`, wire.CodeSerialization, "32 bits"},
		{`{"text":"ab","small":1.5}`, wire.CodeSerialization, "32 bits"},
		{`{"text":"ab","large":1e400}`, wire.CodeSerialization, "64 bits"},
		{`{"text":"ab","float":1e400}`, wire.CodeSerialization, "a number"},
		{`{"text":"ab","time":1e300}`, wire.CodeSerialization, "a time"},
		{`{"text":"ab","blob":"?"}`, wire.CodeSerialization, "base64"},
		{`{"text":"ab","part":[]}`, wire.CodeSerialization, "an object"},
		{`{"text":"ab","parts":{}}`, wire.CodeSerialization, "a list"},
		{`{"text":"ab","map":{"a":1}}`, wire.CodeSerialization, "a text"},
		{`{"text":"ab","map":[]}`, wire.CodeSerialization, "an object"},
		{deep, wire.CodeSerialization, "too deeply"},
		{`{"other":` + strings.Repeat("[", 100), wire.CodeSerialization, "too deeply"},
	} {
		var in jsonThing
		_, err := wire.DecodeJSON([]byte(test.body), &in)
		var e *wire.Error
		if !errors.As(err, &e) || e.Code != test.code || !strings.Contains(e.Message, test.want) || strings.Contains(e.Message, "hunter2") {
			t.Errorf("%.200s\n\tgot  %v\n\twant %s: …%s…", test.body, err, test.code, test.want)
		}
	}
}

func TestJSONIgnores(t *testing.T) {
	var in jsonThing
	ignored, err := wire.DecodeJSON([]byte(`{"new":{"a":[{}]},"text":"ab","Text":"x","part":{"name":"n","newer":1}}`), &in)
	if diff := cmp.Diff([]string{"new", "Text", "part.newer"}, ignored); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// FuzzDecodeJSON: what is decoded can be written, and is decoded again as the
// same.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(jsonAll))
	f.Add([]byte(`{"text":"ab","part":{"name":"\ud800","part":{"name":""}},"new":[[{}]],"time":"2026-01-01"}`))
	f.Add([]byte(`{"text":"ab","time":-1e9,"float":1e-300,"blob":"","map":{},"texts":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var first, second jsonThing
		_, err := wire.DecodeJSON(body, &first)
		var e *wire.Error
		if err != nil {
			if !errors.As(err, &e) || len(e.Message) > 2000 {
				t.Fatalf("%v", err)
			}
			return
		}
		first.Key = nil // it isn't in answers
		var out bytes.Buffer
		if err := wire.WriteAnswer(&out, wire.Envelope{Dialect: wire.JSON}, &first); err != nil {
			t.Fatal(err)
		}
		if _, err := wire.DecodeJSON(out.Bytes(), &second); err != nil {
			t.Fatalf("second time: %v\n%s", err, &out)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("first -, second +:\n%s", diff)
		}
	})
}
