package enginetest

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Shape lists the fields of a JSON document that a value of a type is written as,
// one on a line.
func Shape(of reflect.Type) string {
	var b strings.Builder
	shape(&b, "", of)
	return b.String()
}

func shape(b *strings.Builder, path string, of reflect.Type) {
	switch {
	case of.Kind() == reflect.Pointer:
		shape(b, path, of.Elem())
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Uint8:
		fmt.Fprintln(b, path, "octets")
	case of.Kind() == reflect.Slice:
		shape(b, path+"[]", of.Elem())
	case of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || strings.HasPrefix(of.PkgPath(), "net/"):
		fmt.Fprintln(b, path, of.Name())
	default:
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			shape(b, path+"."+name, of.Field(i).Type)
		}
	}
}
