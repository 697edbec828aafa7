package secretsmanager

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// A text that is put as a secret is read as what it says or refused; and a refusal
// repeats nothing of it, since it may be a key in the wrong place.
func FuzzParseValue(f *testing.F) {
	for _, text := range []string{
		keyOf(address, newKey), newKey, `{"tunnels":[]}`, `{"tunnels":[{"key":"the.new.key.of.1"}]}`, keyOf(address, newKey) + "{}", "null", "",
		`{"tunnels":[{"tunnel_outside_ip_address":"a"},{"tunnel_outside_ip_address":"a"}]}`, `{"TUNNELS":[{"Pre_Shared_Key":"\u0000\ud800"}],"tunnels":null}`,
		`{"tunnels":[{"tunnel_outside_ip_address":"a"},{"tunnel_outside_ip_address":"b"},{}]}`, strings.Repeat("[", 10_001),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseValue(text)
		if err != nil {
			if said := err.Error(); !refusals[said] {
				t.Errorf("%q is refused by %q", text, said)
			}
			return
		}
		if len(v.Tunnels) == 0 || len(v.Tunnels) > 2 || len(v.Tunnels) == 2 && v.Tunnels[0].OutsideAddress == v.Tunnels[1].OutsideAddress {
			t.Errorf("%q is taken as %d tunnels", text, len(v.Tunnels))
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := parseValue(string(again)); err != nil || !reflect.DeepEqual(read, v) {
			t.Errorf("%q is read as another value the second time: %v", text, err)
		}
	})
}

// refusals are all that parseValue says.
var refusals = func() map[string]bool {
	all := map[string]bool{}
	for _, text := range []string{"", "null {}", `{"tunnels":[{}]} {}`, `{"tunnels":[{},{}]}`} {
		_, err := parseValue(text)
		all[err.Error()] = true
	}
	return all
}()
