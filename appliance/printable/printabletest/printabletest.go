// Package printabletest has what an attacker would send, values that are full of it, and what every view of such values must keep to. It is
// for tests.
//
// A value is filled by reflection: a field that a status gets tomorrow is hostile in every test from then on.
package printabletest

import (
	"encoding"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Text is what a peer can put into a name, a number or a reason: it clears the screen, forges a line of the box, turns text around, rings,
// ends strings of C, hides characters, and holds octets that are no UTF-8.
const Text = "x\x1b[2J\n  fix:\n    reload\r\u009b31m\u202e\u2028\xff\ty\x00\x07\x7f\U000e0041\"}];--"

// Formula is the same for a spreadsheet.
const Formula = "=cmd|'/C x'!" + Text

// Word has nothing that a quoted form would want quotes for.
const Word = "x\x1b[2J\r\u009b\u202e\xff\x00\x07\x7f\U000e0041"

// Mark is what every view that shows such a text shows of it at least.
const Mark = `x\x1b[2J`

// Variants is how many different values of a type are worth a look: Fill makes other choices in each.
const Variants = 12

// Err is an error that quotes a peer.
var Err = errors.New(Text)

// Fill returns a value in which every string is hostile. Numbers, truths, times and states differ from variant to variant. A string type is
// filled with one of words, if there are some of the type: those are what the box says, and other words have no meaning.
func Fill[T any](variant int, words ...any) T {
	f := filler{variant: variant, words: map[reflect.Type][]reflect.Value{}}
	for _, w := range words {
		v := reflect.ValueOf(w)
		f.words[v.Type()] = append(f.words[v.Type()], v)
	}
	var t T
	f.fill(reflect.ValueOf(&t).Elem(), "")
	return t
}

type filler struct {
	variant int
	words   map[reflect.Type][]reflect.Value
}

// choose picks one of n, for a place in the value.
func (f *filler) choose(place string, n int) int {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %d", place, f.variant)
	return int(h.Sum32()>>4) % n
}

var (
	texts = reflect.TypeFor[encoding.TextMarshaler]()
	fault = reflect.TypeFor[error]()
	begun = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
)

// deepest ends types that contain themselves.
const deepest = 24

func (f *filler) fill(v reflect.Value, place string) {
	if len(strings.Split(place, ".")) > deepest || !v.CanSet() {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf([]time.Time{begun, begun.Add(time.Hour), begun.Add(-48 * time.Hour), {}}[f.choose(place, 4)]))
		return
	case time.Duration:
		v.SetInt(int64([]time.Duration{time.Second, 90 * time.Minute, 0}[f.choose(place, 3)]))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf([]netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("fe80::1").WithZone(Text), {}}[f.choose(place, 3)]))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.7:5060"), {}}[f.choose(place, 2)]))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), {}}[f.choose(place, 2)]))
		return
	}
	switch v.Kind() {
	case reflect.String:
		f.text(v, place)
	case reflect.Bool:
		v.SetBool(f.choose(place, 2) == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := states(v.Type()); n > 0 {
			v.SetInt(int64(f.choose(place, n)))
			return
		}
		for _, n := range []int64{[]int64{0, 1, 200, 403, 486, 503}[f.choose(place, 6)], 1} {
			if !v.OverflowInt(n) {
				v.SetInt(n)
				return
			}
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n := states(v.Type())
		if n == 0 {
			n = 3
		}
		v.SetUint(uint64(f.choose(place, n)))
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{0, 1.5, 4.2}[f.choose(place, 3)])
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), place+"."+v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct && f.choose(place, 4) == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), place)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 && states(v.Type().Elem()) == 0 {
			v.SetBytes([]byte(Text))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			f.fill(v.Index(i), fmt.Sprint(place, ".", i))
		}
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i), fmt.Sprint(place, ".", i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, place+".key")
		f.fill(value, place+".value")
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Interface:
		switch {
		case v.Type() == fault:
			v.Set(reflect.ValueOf(Err))
		case v.NumMethod() == 0:
			v.Set(reflect.ValueOf(Text))
		}
	}
}

func (f *filler) text(v reflect.Value, place string) {
	switch words := f.words[v.Type()]; {
	case len(words) > 0:
		v.Set(words[f.choose(place, len(words))])
	default:
		v.SetString([]string{Text, Formula, Word, Text}[f.choose(place, 4)])
	}
}

// states is how many states an enumeration has; 0: the type is none.
func states(t reflect.Type) (n int) {
	if !t.Implements(texts) {
		return 0
	}
	defer func() { _ = recover() }() // an enumeration may index its names
	for ; n < 64; n++ {
		v := reflect.New(t).Elem()
		if v.CanInt() {
			v.SetInt(int64(n))
		} else {
			v.SetUint(uint64(n))
		}
		if _, err := v.Interface().(encoding.TextMarshaler).MarshalText(); err != nil {
			break
		}
	}
	return n
}

// Page says what is wrong with a text of several lines: a character that steers something, or a line that the peer wrote. "" is a text that
// is well.
func Page(text string) string {
	if !utf8.ValidString(text) {
		return fmt.Sprintf("is no UTF-8: %q", text)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.TrimSpace(line) == "reload" {
			return fmt.Sprintf("has a line of the peer's: %q", text)
		}
		if why := Line(line); why != "" {
			return why
		}
	}
	return ""
}

// Line is the same for a text of one line.
func Line(text string) string {
	if !utf8.ValidString(text) {
		return fmt.Sprintf("is no UTF-8: %q", text)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		return fmt.Sprintf("has %q: %q", []rune(text[i:])[0], text)
	}
	return ""
}
