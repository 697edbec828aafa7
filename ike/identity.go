package ike

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// attributeTypes are the attributes of distinguished names by the names that
// operators use for them. RFC 4514 section 3, RFC 4519.
var attributeTypes = map[string]asn1.ObjectIdentifier{
	"CN": {2, 5, 4, 3}, "SERIALNUMBER": {2, 5, 4, 5}, "C": {2, 5, 4, 6}, "L": {2, 5, 4, 7}, "ST": {2, 5, 4, 8},
	"STREET": {2, 5, 4, 9}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11},
	"DC": {0, 9, 2342, 19200300, 100, 1, 25}, "UID": {0, 9, 2342, 19200300, 100, 1, 1},
	"EMAILADDRESS": {1, 2, 840, 113549, 1, 9, 1}, "E": {1, 2, 840, 113549, 1, 9, 1},
}

// ia5Attributes hold IA5String by their definition, whatever their letters.
var ia5Attributes = []string{"DC", "EMAILADDRESS", "E"}

// parseDN reads "C=DE, O=Example, CN=gateway 1" in the order of the
// certificate; a comma in a value is written "\,". It returns false for what is
// no distinguished name.
func parseDN(s string) (Identity, bool) {
	var name pkix.RDNSequence
	for _, part := range splitUnescaped(s) {
		key, value, ok := strings.Cut(part, "=")
		key = strings.ToUpper(strings.TrimSpace(key))
		kind := attributeTypes[key]
		if !ok || kind == nil {
			return Identity{}, false
		}
		var content any = strings.TrimSpace(value)
		if slices.Contains(ia5Attributes, key) {
			if strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII }) {
				return Identity{}, false // an IA5String has no such letters, and whoever read it would refuse the name
			}
			content = asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(strings.TrimSpace(value))}
		}
		name = append(name, pkix.RelativeDistinguishedNameSET{{Type: kind, Value: content}})
	}
	der, err := asn1.Marshal(name)
	if err != nil {
		return Identity{}, false
	}
	return Identity{Type: IDDERASN1DN, Data: string(der)}, true
}

func splitUnescaped(s string) []string {
	parts := []string{""}
	for i := 0; i < len(s); i++ {
		last := len(parts) - 1
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			parts[last] += s[i : i+1]
		case s[i] == ',':
			parts = append(parts, "")
		default:
			parts[last] += s[i : i+1]
		}
	}
	return parts
}

// parsedDN returns the attributes of a distinguished name in its order.
func (i Identity) parsedDN() ([]pkix.AttributeTypeAndValue, bool) {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal([]byte(i.Data), &name); err != nil || len(rest) != 0 {
		return nil, false
	}
	var all []pkix.AttributeTypeAndValue
	for _, set := range name {
		all = append(all, set...)
	}
	return all, true
}

// describeDN shows a distinguished name as parseDN reads it.
func (i Identity) describeDN() string {
	attributes, ok := i.parsedDN()
	if !ok {
		return fmt.Sprintf("%x", i.Data)
	}
	var words []string
	for _, a := range attributes {
		words = append(words, attributeName(a.Type)+"="+strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(fmt.Sprint(a.Value)))
	}
	return strings.Join(words, ", ")
}

func attributeName(kind asn1.ObjectIdentifier) string {
	for name, known := range attributeTypes {
		if name != "E" && known.Equal(kind) {
			return name
		}
	}
	return kind.String()
}

// Same reports whether two identities mean the same. Distinguished names are
// compared by what they say, not by how it is encoded: without regard to the
// kind of string, to case and to repeated spaces (RFC 5280 section 7.1), and in
// either order, since people write them in both. Names and mail addresses are
// compared without regard to case.
func (i Identity) Same(other Identity) bool {
	if i.Type != other.Type {
		return false
	}
	switch i.Type {
	case IDFQDN, IDRFC822:
		return strings.EqualFold(i.Data, other.Data)
	case IDDERASN1DN:
		a, ok := i.parsedDN()
		b, okOther := other.parsedDN()
		if !ok || !okOther {
			return i.Data == other.Data
		}
		if slices.EqualFunc(a, b, sameAttribute) {
			return true
		}
		slices.Reverse(b)
		return slices.EqualFunc(a, b, sameAttribute)
	}
	return i.Data == other.Data
}

func sameAttribute(a, b pkix.AttributeTypeAndValue) bool {
	words := func(v any) string { return strings.Join(strings.Fields(fmt.Sprint(v)), " ") }
	return a.Type.Equal(b.Type) && strings.EqualFold(words(a.Value), words(b.Value))
}
