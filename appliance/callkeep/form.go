package callkeep

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/s2"

	"viaduct/appliance/callstate"
)

// A value begins with its form, so that boxes of different releases can tell. What follows is the call in CBOR, with the names of its fields: a field that
// a later release adds is passed over by the one before, and one that is not there is zero. A later form comes with a reader of the one before it: the
// standby is updated first, and takes calls over that a box of the release before has written. Forms 1 and 2 were in no release.
//
// To write a call is most of what a pair costs the active box. Hence CBOR, which takes a third of the time of JSON.
const (
	form    = 3       // CBOR, compressed with S2, which halves it: half are names of fields
	maxText = 1 << 20 // octets, before they are compressed
)

// writer and reader write what has a name (a state, a transport) by its name: its number may be another one in another release. Texts of a peer need not
// be UTF-8. The reader takes nothing that the writer does not write, and no more of it than a call has: the other box may not be what it was.
var (
	writer = must(cbor.EncOptions{Time: cbor.TimeRFC3339Nano, TextMarshaler: cbor.TextMarshalerTextString}.UserBufferEncMode())
	reader = must(cbor.DecOptions{
		UTF8: cbor.UTF8DecodeInvalid, TextUnmarshaler: cbor.TextUnmarshalerTextString, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden, MaxNestedLevels: 16, MaxArrayElements: 1 << 14, MaxMapPairs: 256,
	}.DecMode())
)

func must[M any](mode M, err error) M {
	if err != nil {
		panic(err) // the options above contradict each other
	}
	return mode
}

// scratch is what a call is written in; its value is kept for as long as the call, and takes no more than it has.
type scratch struct {
	text   bytes.Buffer
	packed []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Marshal writes a call.
func Marshal(c *Call) ([]byte, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.text.Reset()
	if err := writer.MarshalToBuffer(c, &s.text); err != nil {
		return nil, fmt.Errorf("write call: %w", err)
	}
	if n := s.text.Len(); n > maxText {
		return nil, fmt.Errorf("write call: it has %d octets, more than the other box reads", n)
	}
	s.packed = slices.Grow(s.packed[:0], s2.MaxEncodedLen(s.text.Len()))
	packed := s2.Encode(s.packed[:cap(s.packed)], s.text.Bytes())
	return append([]byte{form}, packed...), nil
}

// Unmarshal reads a call.
func Unmarshal(b []byte) (*Call, error) {
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("read call: %w", errSize)
	case b[0] != form:
		return nil, errors.New("read call: it has a form that this release does not know")
	}
	c := &Call{}
	text, err := unpack(b[1:])
	if err == nil {
		err = reader.Unmarshal(text, c)
	}
	if err != nil {
		return nil, fmt.Errorf("read call: %w", err)
	}
	if c.State != callstate.Connected && c.State != callstate.Held {
		return nil, fmt.Errorf("read call: it is %s", c.State)
	}
	return c, nil
}

var errSize = errors.New("it is cut off, or too large")

func unpack(b []byte) ([]byte, error) {
	if n, err := s2.DecodedLen(b); err != nil || n > maxText {
		return nil, errSize
	}
	return s2.Decode(nil, b)
}
