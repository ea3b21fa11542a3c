package snmp

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"viaduct/appliance/printable"

	"github.com/gosnmp/gosnmp"
)

// value is what an object has at the moment.
type value struct {
	kind gosnmp.Asn1BER
	is   any
}

// number is an INTEGER, within its bounds.
func number[N ~int | ~int64 | ~uint8 | ~uint32 | ~uint64 | ~uint16](n N) value {
	switch f := float64(n); {
	case f > math.MaxInt32:
		return value{gosnmp.Integer, math.MaxInt32}
	case f < math.MinInt32:
		return value{gosnmp.Integer, math.MinInt32}
	}
	return value{gosnmp.Integer, int(n)}
}

// gauge stops at its largest value, and counter32 begins again (RFC 2578 7.1.6, 7.1.7).
func gauge[N ~int | ~uint64](n N) value {
	return value{gosnmp.Gauge32, uint32(min(uint64(max(n, 0)), math.MaxUint32))}
}

func counter32(n uint64) value { return value{gosnmp.Counter32, uint32(n)} }
func counter64(n uint64) value { return value{gosnmp.Counter64, n} }
func ticks(d time.Duration) value {
	return value{gosnmp.TimeTicks, uint32(d / (10 * time.Millisecond))}
}
func object(o oid) value                  { return value{gosnmp.ObjectIdentifier, o.String()} }
func octets[T []byte | string](b T) value { return value{gosnmp.OctetString, []byte(b)} }

// text is a DisplayString, which has 255 octets at most.
func text(s string) value { return short(s, 255) }

// short is one line of ASCII. What it shows may come from a stranger.
func short(s string, most int) value {
	var b strings.Builder
	for _, r := range printable.Text(s) {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return octets(printable.Short(b.String(), most))
}

// truth is a TruthValue.
func truth(b bool) value {
	if b {
		return number(1)
	}
	return number(2)
}

// date is a DateAndTime; without a time it is empty.
func date(t time.Time) value {
	if t.IsZero() {
		return octets("")
	}
	t = t.UTC()
	return octets([]byte{byte(t.Year() >> 8), byte(t.Year()), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), byte(t.Nanosecond() / 1e8), '+', 0, 0})
}

// leaf is one instance of an object.
type leaf struct {
	at     oid
	object int // length of the object's part of it; the rest is the instance
	value
}

// tree is all that the box shows at one moment, in the order of the identifiers.
type tree []leaf

// scalar adds an object that exists once.
func (t *tree) scalar(object oid, v value) {
	*t = append(*t, leaf{object.and(0), len(object), v})
}

// scalars adds objects that follow each other.
func (t *tree) scalars(under oid, first uint32, list ...value) {
	for n, v := range list {
		t.scalar(under.and(first+uint32(n)), v)
	}
}

// column is an object of a table in one row.
type column struct {
	number uint32
	value
}

// row adds a row to a table, which is named by its entry.
func (t *tree) row(entry oid, index oid, columns ...column) {
	for _, c := range columns {
		object := entry.and(c.number)
		*t = append(*t, leaf{object.and(index...), len(object), c.value})
	}
}

func columns(first uint32, list ...value) (all []column) {
	for n, v := range list {
		all = append(all, column{first + uint32(n), v})
	}
	return all
}

func (t tree) sort() { slices.SortFunc(t, func(a, b leaf) int { return slices.Compare(a.at, b.at) }) }

// from returns the place of the first leaf that is not before at.
func (t tree) from(at oid) int {
	return sort.Search(len(t), func(n int) bool { return slices.Compare(t[n].at, at) >= 0 })
}

// get returns the value of an instance, or an exception (RFC 3416 4.2.1).
func (t tree) get(at oid) value {
	n := t.from(at)
	if n < len(t) && slices.Equal(t[n].at, at) {
		return t[n].value
	}
	for _, near := range []int{n - 1, n} { // instances of one object stand together
		if near >= 0 && near < len(t) && at.has(t[near].at[:t[near].object]) {
			return value{kind: gosnmp.NoSuchInstance}
		}
	}
	return value{kind: gosnmp.NoSuchObject}
}

// next returns the first leaf behind at; false: there is none.
func (t tree) next(at oid) (leaf, bool) {
	n := t.from(at)
	if n < len(t) && slices.Equal(t[n].at, at) {
		n++
	}
	if n == len(t) {
		return leaf{}, false
	}
	return t[n], true
}
