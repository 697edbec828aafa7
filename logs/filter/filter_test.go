package filter

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	const entry = `{"event_timestamp":1700000000,"details":"AWS tunnel DPD timed out","dpd_enabled":true,"nat_t_detected":false,"ike_phase1_state":"down","peer":null,"list":[{"n":1},"b"],"a.b":"c"}`
	for pattern, messages := range map[string]struct{ yes, no []string }{
		``:                                 {yes: []string{"", "anything"}},
		`  `:                               {yes: []string{"anything"}},
		`ERROR`:                            {yes: []string{"[ERROR 400]", "ERRORS"}, no: []string{"error", ""}},
		`ERROR ARGUMENTS`:                  {yes: []string{"ARGUMENTS of ERROR"}, no: []string{"ERROR", "ARGUMENTS"}},
		`"INTERNAL SERVER ERROR"`:          {yes: []string{"500 INTERNAL SERVER ERROR"}, no: []string{"INTERNAL ERROR SERVER"}},
		`"say \"x\\\""`:                    {yes: []string{`to say "x\" now`}, no: []string{"say x"}},
		`?ERROR ?WARN`:                     {yes: []string{"ERROR", "a WARN b"}, no: []string{"INFO"}},
		`?ERROR ?WARN info`:                {yes: []string{"info", "ERROR info"}, no: []string{"ERROR"}},
		`ERROR -"user fault"`:              {yes: []string{"ERROR ours"}, no: []string{"ERROR user fault", "ours"}},
		`-secret`:                          {yes: []string{"a"}, no: []string{"secret"}},
		`-`:                                {yes: []string{"a-b"}, no: []string{"a"}},
		`?`:                                {yes: []string{"what?"}, no: []string{"what"}},
		`%DPD.*[0-9]+%`:                    {yes: []string{"DPD timed out after 3"}, no: []string{"DPD timed out"}},
		`{$.ike_phase1_state=down}`:        {yes: []string{entry, " " + entry}, no: []string{"down", `["down"]`, `{"ike_phase1_state":"up"}`, `{"ike_phase1_state":1}`, `{`}},
		`{ $.details = "*DPD*" }`:          {yes: []string{entry}, no: []string{`{"details":"DELETE"}`}},
		`{ $.details = %timed|lost% }`:     {yes: []string{entry}, no: []string{`{"details":"DELETE"}`}},
		`{ $.ike_phase1_state != "down" }`: {yes: []string{`{"ike_phase1_state":"up"}`}, no: []string{entry, `{}`}},
		`{ $.event_timestamp > 1.6e9 && $.event_timestamp <= 1700000000 }`: {yes: []string{entry}, no: []string{`{"event_timestamp":1}`, `{"event_timestamp":"1700000000"}`}},
		`{ $.event_timestamp != 5 }`:                                       {yes: []string{entry}, no: []string{`{"event_timestamp":5}`, `{}`}},
		`{ $.event_timestamp >= 5 && $.event_timestamp < 6 }`:              {yes: []string{`{"event_timestamp":5.5}`}, no: []string{entry}},
		`{ $.dpd_enabled IS TRUE && $.nat_t_detected IS FALSE }`:           {yes: []string{entry}, no: []string{`{"dpd_enabled":true}`}},
		`{ $.peer IS NULL }`:                                               {yes: []string{entry}, no: []string{`{}`}},
		`{ $.other NOT EXISTS }`:                                           {yes: []string{entry}, no: []string{`{"other":null}`}},
		`{ $.list[0].n = 1 && $.list[1] = "b" && $['a.b'] = "c" }`:         {yes: []string{entry}, no: []string{`{"list":{}}`}},
		`{ $.list[7] NOT EXISTS }`:                                         {yes: []string{entry}},
		`{ ($.a = 1 || $.b = 1) && $.c = 1 }`:                              {yes: []string{`{"b":1,"c":1}`}, no: []string{`{"a":1}`, `{"c":1}`}},
		`{ $.a = 1 || $.b = 1 && $.c = 1 }`:                                {yes: []string{`{"a":1}`, `{"b":1,"c":1}`}, no: []string{`{"b":1}`}},
		`{ $.ip = 10.* }`:                                                  {yes: []string{`{"ip":"10.1.2.3"}`}, no: []string{`{"ip":"110.1.2.3"}`}},
	} {
		p, err := Parse(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		for _, m := range messages.yes {
			if !p.Match(m) {
				t.Errorf("%s does not match %s", pattern, m)
			}
		}
		for _, m := range messages.no {
			if p.Match(m) {
				t.Errorf("%s matches %s", pattern, m)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	for pattern, want := range map[string]string{
		strings.Repeat("a", PatternMax+1):    "longer",
		`"open`:                              "quotation mark",
		`%open`:                              "regular expression",
		`%%`:                                 "regular expression",
		`%(a)%`:                              `'('`,
		`%[%`:                                "malformed",
		`%.{1000}%`:                          "too large",
		strings.Repeat(`%x{200}% `, 3):       "too large",
		`{$.a=%x{300}%||$.b=%x{300}%}`:       "too large",
		`[ip, user]`:                         "space-delimited",
		`{ $.a = 1`:                          "end with }",
		`{ }`:                                "a field",
		`{ $ = 1 }`:                          "without a field",
		`{ $. = 1 }`:                         "without a name",
		`{ $.a }`:                            "is expected",
		`{ $.a = }`:                          "with nothing",
		`{ $.a > "b" }`:                      "only numbers",
		`{ $.a = 1 $.b = 2 }`:                "&& or ||",
		`{ ($.a = 1 }`:                       "parenthesis",
		`{ $.a[0 = 1 }`:                      "bracket",
		"{" + strings.Repeat("(", 100) + "}": "parentheses",
	} {
		if _, err := Parse(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", pattern, err, want)
		}
	}
}

// FuzzParse: no pattern and no message makes it panic.
func FuzzParse(f *testing.F) {
	f.Add(`{ ($.a.b[0] = "x*" || $.c NOT EXISTS) && $.d >= 1.5 }`, `{"a":{"b":["xy"]},"d":2}`)
	f.Add(`?a -"b c" %d+%`, "a b c d")
	f.Add(`{$.a=%x|y%}`, `{"a":"y"}`)
	f.Fuzz(func(t *testing.T, pattern, message string) {
		p, err := Parse(pattern)
		if err != nil {
			return
		}
		p.Match(message)
	})
}
