package callkeep

import (
	"bytes"
	"context"
	"encoding"
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/s2"

	"viaduct/appliance/callstate"
	"viaduct/appliance/media"
	"viaduct/appliance/pair"
	"viaduct/appliance/sipgw"
)

// far is a session whose packets have come somewhere.
type far struct{}

func (far) Marks() media.Marks { return media.Marks{} }

// standby counts what it is told.
type standby struct {
	mu    sync.Mutex
	marks map[string]int
	most  int // marks in one instant
	now   time.Time
	n     int
	calls map[string]bool
}

func (s *standby) Put(kind pair.Kind, id string, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == pair.Calls {
		s.calls[id] = true
		return
	}
	s.marks[id]++
	if time.Now() != s.now {
		s.now, s.n = time.Now(), 0
	}
	s.n++
	s.most = max(s.most, s.n)
}

func (s *standby) Drop(kind pair.Kind, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == pair.Calls {
		delete(s.calls, id)
	} else {
		delete(s.marks, id)
	}
}

// Marks of each call are sent once in a round, and not all at the same time. Of one that has ended nothing comes any more.
func TestMarksAreSpreadOverARound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standby{marks: map[string]int{}, calls: map[string]bool{}}
		k := New(s)
		ctx, end := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { k.Run(ctx) })
		const calls = 400
		for n := range calls {
			k.Put(fmt.Sprint(n), nil, Sessions{far{}, nil, far{}})
		}
		time.Sleep(3*round + time.Millisecond)
		s.mu.Lock()
		for id, n := range s.marks {
			if n < 3 || n > 4 {
				t.Errorf("call %s: %d times in three rounds", id, n)
			}
		}
		if len(s.marks) != calls || s.most > calls/4 {
			t.Errorf("marks of %d calls, up to %d at once", len(s.marks), s.most)
		}
		s.mu.Unlock()
		k.Mark("7")
		for n := range calls {
			if n%2 == 0 {
				k.Drop(fmt.Sprint(n))
			} else {
				k.Forget(fmt.Sprint(n))
			}
		}
		s.mu.Lock()
		was := len(s.marks)
		s.mu.Unlock()
		k.Mark("8")
		k.Drop("9") // it was forgotten: the other box has it
		time.Sleep(2 * round)
		end()
		running.Wait()
		if len(s.marks) != was || was != calls/2 || len(s.calls) != calls/2 {
			t.Errorf("%d calls and marks of %d are left, then of %d", len(s.calls), was, len(s.marks))
		}
	})
}

// Nothing of a call is lost on its way to the other box, whatever field it is in.
func TestACallIsReadAsItWasWritten(t *testing.T) {
	c := full()
	b, err := Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unmarshal(b)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("%v: %+v, want %+v", err, got, c)
	}
	c.State = callstate.Ringing
	b, err = Marshal(c)
	if _, failed := Unmarshal(b); err != nil || failed == nil {
		t.Errorf("%v: a call that rings was read", err)
	}
}

// full is a call of which each field has a value, another one each.
func full() *Call {
	c, n := &Call{}, 0
	fill(reflect.ValueOf(c).Elem(), &n)
	c.State = callstate.Held
	return c
}

func fill(v reflect.Value, n *int) {
	*n++
	switch x := v.Addr().Interface().(type) {
	case *netip.Addr:
		*x = netip.AddrFrom4([4]byte{192, 0, 2, byte(*n)})
		return
	case *netip.AddrPort:
		*x = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(*n)}), uint16(*n))
		return
	case *time.Time:
		*x = time.Date(2026, 11, 30, 1, 2, 3, *n, time.UTC)
		return
	case *time.Duration: // marks of media have no smaller part
		*x = time.Duration(*n) * time.Second
		return
	case encoding.TextMarshaler: // a state: of those that have names, 1 is the first that is not zero
		if v.CanInt() || v.CanUint() {
			v.Set(reflect.ValueOf(1).Convert(v.Type()))
			return
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n%100 + 1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n%100 + 1))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(*n) + 0.5)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("json") != "-" { // which is of this box alone
				fill(v.Field(i), n)
			}
		}
	default:
		panic(v.Type().String() + " cannot be kept")
	}
}

// packed is a value of which the text has these parts.
func packed(parts ...[]byte) []byte {
	return append([]byte{form}, s2.Encode(nil, bytes.Join(parts, nil))...)
}

// A release that has another field says more than this one reads, and less: what is not known is passed over, and what is not there is zero.
func TestACallOfAnotherRelease(t *testing.T) {
	b, err := cbor.Marshal(map[string]any{"id": "1", "state": "held", "later": map[string]any{"a": []int{1, 2}}, "media": map[string]any{"sides": []any{map[string]any{"port": 7, "later": "x"}}}})
	b = packed(b)
	if err != nil {
		t.Fatal(err)
	}
	want := &Call{ID: "1", State: callstate.Held}
	want.Media.Sides[0].Port = 7
	if c, err := Unmarshal(b); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("%v: %+v", err, c)
	}
}

// The texts of a peer need not be UTF-8, and go back to it octet for octet.
func TestTextsOfAPeerAreKeptByTheOctet(t *testing.T) {
	c := &Call{ID: "1", State: callstate.Connected}
	c.Sides[0].Leg = &sipgw.LegState{Said: "s=caf\xe9\r\n", Identity: "\xff\x00\xfe"}
	c.Record.Record.Calling = "J\xf6rg"
	b, err := Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Unmarshal(b); err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("%v: %+v", err, again)
	}
}

// What claims to be larger than a call may be is refused before memory is taken for it, and what the other box would not read is not written.
func TestACallThatIsTooLarge(t *testing.T) {
	c := &Call{ID: strings.Repeat("a", maxText), State: callstate.Connected}
	if b, err := Marshal(c); err == nil {
		t.Errorf("a call that nobody reads was written, with %d octets", len(b))
	}
	large := packed(make([]byte, maxText+1))
	claims := append([]byte{form}, binary.AppendUvarint(nil, 1<<31)...)
	for _, b := range [][]byte{large, claims, {form}} {
		if _, err := Unmarshal(b); err == nil || !strings.Contains(err.Error(), "too large") {
			t.Errorf("%d octets: %v", len(b), err)
		}
	}
}

// What a call does not have is refused: the other box may not be what it was.
func TestWhatNoCallHas(t *testing.T) {
	deep := append(bytes.Repeat([]byte{0xa1, 0x61, 'x'}, 100), 0xf6)
	for what, b := range map[string][]byte{
		"nothing":                        {},
		"a form of trial builds":         {2, 0},
		"a later form":                   {form + 1, 0},
		"no call":                        packed(),
		"two calls":                      packed([]byte{0xa0, 0xa0}),
		"a billion fields":               packed([]byte{0xba, 0x3b, 0x9a, 0xca, 0x00}),
		"a billion elements":             packed([]byte{0xa1, 0x67}, []byte("carried"), []byte{0x9a, 0x3b, 0x9a, 0xca, 0x00}),
		"a gigabyte of text":             packed([]byte{0xa1, 0x62, 'i', 'd', 0x7a, 0x3b, 0x9a, 0xca, 0x00}),
		"fields without an end":          packed([]byte{0xbf, 0xff}),
		"a large number":                 packed([]byte{0xa1, 0x65, 'l', 'a', 'm', 'p', 's', 0xc2, 0x41, 1}),
		"too many depths":                packed(deep),
		"a state that nobody has":        packed([]byte{0xa1, 0x65}, []byte("state\x63off")),
		"a state by its number":          packed([]byte{0xa1, 0x65}, []byte("state\x03")),
		"no state, so it does not stand": packed([]byte{0xa0}),
	} {
		if c, err := Unmarshal(b); err == nil {
			t.Errorf("%s is read as %+v", what, c)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	b, err := Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	text, err := s2.Decode(nil, b[1:])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(text)
	f.Fuzz(func(t *testing.T, b []byte) {
		written(t, b)
		written(t, packed(b)) // the text of a value
	})
}

// written wants a value, if it can be read, to be written so that it is read as the same.
func written(t *testing.T, b []byte) {
	c, err := Unmarshal(b)
	if err != nil {
		return
	}
	b, err = Marshal(c)
	if err != nil {
		if !strings.Contains(err.Error(), "more than the other box reads") && !strings.Contains(err.Error(), "RFC 3339") {
			t.Errorf("%+v cannot be written: %v", c, err)
		}
		return
	}
	again, err := Unmarshal(b)
	if err != nil {
		t.Fatalf("%+v is not read again: %v", c, err)
	}
	if b2, err := Marshal(again); err != nil || !bytes.Equal(b, b2) {
		t.Errorf("%v: %+v is %+v when it is read again", err, c, again)
	}
}
