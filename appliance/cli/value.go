package cli

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	duration        = reflect.TypeFor[time.Duration]()
)

// hasForm reports whether a value of type t is one word.
func (t *Table) hasForm(typ reflect.Type) bool {
	if _, ok := t.options.Types[typ]; ok {
		return true
	}
	switch typ.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return reflect.PointerTo(typ).Implements(textUnmarshaler)
}

func (t *Table) form(typ reflect.Type) Type {
	if f, ok := t.options.Types[typ]; ok {
		return f
	}
	return Type{}
}

// parse converts a word to a value of the argument's Go type.
func (a *arg) parse(text string, root any) (reflect.Value, error) {
	for _, w := range a.typ.Words {
		if w == text {
			return a.parseAny(text, root)
		}
	}
	if len(a.typ.Words) > 0 && a.typ.Parse == nil {
		return reflect.Value{}, errNotAWord
	}
	return a.parseAny(text, root)
}

// errNotAWord means that a word is not one of an argument's words, which the matcher lists.
var errNotAWord = errors.New("not one of the words")

func (a *arg) parseAny(text string, root any) (reflect.Value, error) {
	v := reflect.New(a.gotype).Elem()
	if a.typ.Parse != nil {
		x, err := a.typ.Parse(text, root)
		if err != nil {
			return v, err
		}
		return reflect.ValueOf(x).Convert(a.gotype), nil
	}
	switch k := a.gotype.Kind(); {
	case a.gotype == duration:
		n, err := a.number(text, 32)
		v.SetInt(n * int64(time.Second))
		return v, err
	case k == reflect.String:
		v.SetString(text)
		return v, nil
	case k >= reflect.Int && k <= reflect.Int64:
		n, err := a.number(text, a.gotype.Bits())
		v.SetInt(n)
		return v, err
	case k >= reflect.Uint && k <= reflect.Uint64:
		n, err := a.number(text, a.gotype.Bits())
		if err == nil && n < 0 {
			err = a.rangeError(text)
		}
		v.SetUint(uint64(max(n, 0)))
		return v, err
	}
	err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	return v, err
}

// notANumber says that a word is not a number. If a keyword is possible, too, the word was probably meant to be one.
type notANumber struct{ what string }

func (e notANumber) Error() string { return e.what + " must be a number" }

func (a *arg) number(text string, bits int) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, notANumber{a.label()}
	}
	lo, hi := a.limits(bits)
	if err != nil || n < lo || n > hi {
		return 0, a.rangeError(text)
	}
	return n, nil
}

func (a *arg) limits(bits int) (lo, hi int64) {
	if a.ranged {
		return a.min, a.max
	}
	if bits == 64 {
		bits = 32
	}
	if k := a.gotype.Kind(); k >= reflect.Uint && k <= reflect.Uint64 {
		return 0, int64(1)<<bits - 1
	}
	return 0, int64(1)<<(bits-1) - 1
}

func (a *arg) rangeError(text string) error {
	lo, hi := a.limits(a.bits())
	return fmt.Errorf("%s must be %d to %d, not %s", a.label(), lo, hi, text)
}

func (a *arg) bits() int {
	if a.gotype == duration {
		return 32
	}
	return a.gotype.Bits()
}

func (a *arg) label() string {
	if a.typ.What != "" {
		return a.typ.What
	}
	return a.name
}

// hint describes the possible values, for help and manual.
func (a *arg) hint() string {
	if a.typ.What != "" && !a.ranged {
		return a.typ.What
	}
	switch k := a.gotype.Kind(); {
	case a.gotype == duration:
		lo, hi := a.limits(32)
		return fmt.Sprintf("%d to %d seconds", lo, hi)
	case k >= reflect.Int && k <= reflect.Uint64:
		lo, hi := a.limits(a.gotype.Bits())
		return fmt.Sprintf("%d to %d", lo, hi)
	case k == reflect.String:
		return "text"
	}
	return a.gotype.Name()
}

// print is the inverse of parse, without quotes.
func (a *arg) print(v reflect.Value) string {
	if a.typ.Print != nil {
		return a.typ.Print(v.Interface())
	}
	switch k := v.Kind(); {
	case a.gotype == duration:
		return strconv.FormatInt(v.Int()/int64(time.Second), 10)
	case k == reflect.String:
		return v.String()
	case k >= reflect.Int && k <= reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case k >= reflect.Uint && k <= reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	b, _ := v.Interface().(encoding.TextMarshaler).MarshalText()
	return string(b)
}

// of returns the field of the argument in an element (or in what elem points to).
func (a *arg) of(elem reflect.Value) reflect.Value {
	elem = reflect.Indirect(elem)
	if a.field == nil {
		return elem
	}
	return elem.FieldByIndex(a.field)
}

// withDefaults returns a new addressable value of type t.
func withDefaults(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if d, ok := v.Interface().(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
	return v.Elem()
}
