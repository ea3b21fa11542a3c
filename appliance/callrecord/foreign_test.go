package callrecord

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"viaduct/appliance/printable"
	foreign "viaduct/appliance/printable/printabletest"
	"viaduct/appliance/status"
)

// ownWords are the fields of a record that no peer writes: names of the configuration, Call-IDs that the box has made, words of its own, and
// what package explain has cut already.
var ownWords = strings.Fields("ID Peer From To By Phone Survival Attempts.Interface Attempts.Peer Attempts.CallID Attempts.Chosen Attempts.Outcome Microsoft.Text Microsoft.ID Attempts.Microsoft.Text Attempts.Microsoft.ID " +
	"Media.Side Media.Codec Media.Suite Route.Action")

// A record keeps of each text of a peer one line within the bound. A field that comes is in the test, or among ownWords.
func TestPeersCannotSteerWhoReadsRecords(t *testing.T) {
	r := Record{Record: foreign.Fill[status.Record](1)}
	long := foreign.Text + strings.Repeat("y", 60_000)
	texts(reflect.ValueOf(&r.Record).Elem(), "", func(_ string, v reflect.Value) { v.SetString(long) })
	x := r.Kept()
	seen := 0
	texts(reflect.ValueOf(&x).Elem(), "", func(field string, v reflect.Value) {
		if slices.Contains(ownWords, field) {
			return
		}
		seen++
		if why := foreign.Line(v.String()); why != "" || utf8.RuneCountInString(v.String()) > printable.Max {
			t.Errorf("%s has %d octets: %.200s", field, v.Len(), fmt.Sprint(why))
		}
	})
	if seen < 20 {
		t.Errorf("only %d texts", seen)
	}
}

// texts calls each for every string in a value, with the names of the fields.
func texts(v reflect.Value, field string, each func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.String:
		each(strings.TrimPrefix(field, "."), v)
	case reflect.Struct:
		for n := range v.NumField() {
			if v.Type().Field(n).IsExported() {
				texts(v.Field(n), field+"."+v.Type().Field(n).Name, each)
			}
		}
	case reflect.Slice:
		for n := range v.Len() {
			texts(v.Index(n), field, each)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			texts(v.Elem(), field, each)
		}
	}
}
