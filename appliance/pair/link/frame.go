package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"viaduct/appliance/pair"
)

// Subjects, under which a box hears the other one at its own engine.
const (
	subjectWord  = "word"  // pair.Word, JSON
	subjectTable = "table" // entries, from the active box
	subjectBeat  = "beat"  // how far the active box has come
	subjectAsk   = "ask"   // the standby wants the whole table
	subjectAck   = "ack"   // how far the standby has come
	subjectNote  = "note"  // what one has the other know besides
)

var subjects = []string{subjectWord, subjectTable, subjectBeat, subjectAsk, subjectAck, subjectNote}

// What a message may have at most.
const (
	maxMessage = pair.MaxValue + 4<<10 // octets: an entry of the largest size
	maxWord    = 32 << 10
	maxID      = 512
	maxKind    = 32
	batch      = 64 << 10 // octets at which no further entry goes into a message
)

// kinds are those that are kept.
var kinds = []pair.Kind{pair.Calls, pair.Media, pair.Held, pair.Phones, pair.Registrations, pair.Files, pair.Records, pair.Rescued, pair.Connections}

// place is where in which stream of entries a message belongs. A stream is the whole table and then every change. It begins when the standby asks.
type place struct {
	epoch uint64 // of the table: another one each time that a box becomes active
	ask   uint64 // that the stream answers
	seq   uint64 // of the message, from 1 on
}

const placeSize = 3 * 8

func (p place) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, p.epoch)
	b = binary.BigEndian.AppendUint64(b, p.ask)
	return binary.BigEndian.AppendUint64(b, p.seq)
}

var errShort = errors.New("it ends too early")

func parsePlace(b []byte) (p place, rest []byte, err error) {
	if len(b) < placeSize {
		return p, nil, errShort
	}
	return place{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}, b[placeSize:], nil
}

// change is an entry that is put or dropped.
type change struct {
	kind  pair.Kind
	id    string
	value []byte        // nil: dropped
	age   time.Duration // since it was put: a table that is told anew has values that are hours old
}

const mostAge = math.MaxUint32 * time.Millisecond // that is told

// append writes a change: kind and ID with their lengths, the length of the value plus one, its age in milliseconds, the value. 0 in place of that
// length is a drop. The kind goes by its name: the other box may have another release, with others.
func (c *change) append(b []byte) []byte {
	b = append(b, byte(len(c.kind)))
	b = append(b, c.kind...)
	b = binary.AppendUvarint(b, uint64(len(c.id)))
	b = append(b, c.id...)
	if c.value == nil {
		return binary.AppendUvarint(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(c.value))+1)
	b = binary.AppendUvarint(b, uint64(min(max(c.age, 0), mostAge)/time.Millisecond))
	return append(b, c.value...)
}

func (c *change) size() int {
	return 1 + len(c.kind) + 3*binary.MaxVarintLen32 + len(c.id) + len(c.value)
}

// parseChange reads one. Its value is a part of b.
func parseChange(b []byte) (c change, rest []byte, err error) {
	if len(b) == 0 {
		return c, nil, errShort
	}
	kind, b, err := parseOctets(b, maxKind)
	if err != nil {
		return c, nil, err
	}
	c.kind = pair.Kind(kind)
	id, b, err := parseOctets(b, maxID)
	if err != nil {
		return c, nil, err
	}
	if len(id) == 0 {
		return c, nil, errors.New("an entry without an ID")
	}
	c.id = string(id)
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return c, nil, errShort
	}
	if b = b[size:]; n == 0 {
		return c, b, nil
	}
	age, size := binary.Uvarint(b)
	if size <= 0 {
		return c, nil, errShort
	}
	c.age = time.Duration(min(age, math.MaxUint32)) * time.Millisecond
	c.value, rest, err = cut(b[size:], n-1, pair.MaxValue)
	return c, rest, err
}

// parseOctets reads as many octets as stand before them.
func parseOctets(b []byte, most uint64) (octets, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return nil, nil, errShort
	}
	return cut(b[size:], n, most)
}

// cut takes the first n octets. They are not nil.
func cut(b []byte, n, most uint64) (octets, rest []byte, err error) {
	if n > most {
		return nil, nil, fmt.Errorf("%d octets, where %d are the most", n, most)
	}
	if n > uint64(len(b)) {
		return nil, nil, errShort
	}
	return b[:n:n], b[n:], nil
}
