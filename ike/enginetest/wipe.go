package enginetest

import (
	"bytes"
	"iter"
	"reflect"
	"time"
	"unsafe"

	"causeway.dev/ike"
)

// CheckWiped lets two sides live through connecting, rekeys of both kinds, one of them cut short, and the end.
// Of all secrets that were ever to be reached from an engine, none can be read when
// its SAs have ended and its peers are removed, but for the secret of cookies. What
// was handed to the owner is the owner's.
func (w *World[E]) CheckWiped(checkNone func(*World[E])) {
	w.T.Helper()
	w.HandOut()
	met, names := map[*byte][]byte{}, map[*byte]string{}
	look := func() {
		for _, s := range []*Side[E]{w.Left, w.Right} {
			for secret, name := range SecretsOf(s.Engine) {
				met[&secret[0]], names[&secret[0]] = secret, name
			}
		}
	}
	run := func(d time.Duration) {
		for range int(d / (5 * time.Millisecond)) {
			w.Net.RunFor(5 * time.Millisecond)
			look()
		}
	}
	look()
	w.Left.Command(ike.Initiate{})
	run(3 * time.Second)
	w.CheckSettled()
	for _, c := range []ike.Command{ike.RekeyChild{}, ike.RekeyIKE{}} {
		for _, s := range []*Side[E]{w.Left, w.Right} {
			s.Command(c)
			run(2 * time.Second)
		}
	}
	w.Left.Command(ike.RekeyIKE{})
	run(100 * time.Millisecond) // and in the midst of it
	for _, s := range []*Side[E]{w.Left, w.Right} {
		s.Engine.RemovePeer(w.Net.Now(), s.Peer.ID, "removed")
		s.Flush()
	}
	w.Net.RunFor(3 * time.Minute)
	checkNone(w)
	for _, s := range []*Side[E]{w.Left, w.Right} { // the owners' part
		for _, e := range s.Events {
			if e, ok := e.(ike.ChildInstalled); ok {
				for _, key := range []ike.Secret{e.Child.InboundKey, e.Child.InboundIntegrityKey, e.Child.OutboundKey, e.Child.OutboundIntegrityKey} {
					clear(key)
				}
			}
		}
	}
	if len(met) < 50 {
		w.T.Fatalf("%d secrets were found, too few to prove anything", len(met))
	}
	for at, secret := range met {
		if !bytes.Equal(secret, make([]byte, len(secret))) {
			w.T.Errorf("a secret of %d octets called %s can still be read", len(secret), names[at])
		}
	}
}

// SecretsOf finds every secret that can be reached from a value: by its type, and
// the salts and private values that packages keep beside them.
func SecretsOf(root any) iter.Seq2[[]byte, string] {
	type secretName struct {
		octets []byte
		name   string
	}
	var found []secretName
	seen := map[unsafe.Pointer]bool{}
	secret := reflect.TypeFor[ike.Secret]()
	var walk func(v reflect.Value, name string)
	walk = func(v reflect.Value, name string) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() && !seen[v.UnsafePointer()] {
				seen[v.UnsafePointer()] = true
				walk(v.Elem(), name)
			}
		case reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem(), name)
			}
		case reflect.Slice:
			if v.Type() == secret || v.Type().Elem().Kind() == reflect.Uint8 && (name == "salt" || name == "private") {
				if v.Len() > 0 {
					found = append(found, secretName{unsafe.Slice((*byte)(v.UnsafePointer()), v.Len()), name})
				}
				return
			}
			for i := range v.Len() {
				walk(v.Index(i), name)
			}
		case reflect.Map:
			for i := v.MapRange(); i.Next(); {
				walk(i.Value(), name)
			}
		case reflect.Struct:
			if v.Type().PkgPath() == "crypto/ecdh" || v.Type().PkgPath() == "time" {
				return
			}
			for i := range v.NumField() {
				walk(v.Field(i), v.Type().Field(i).Name)
			}
		}
	}
	walk(reflect.ValueOf(root), "")
	return func(yield func([]byte, string) bool) {
		for _, f := range found {
			if !yield(f.octets, f.name) {
				return
			}
		}
	}
}
