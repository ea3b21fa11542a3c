package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/status"
)

const (
	usualRecords = 20
	mostRecords  = 10_000
)

// StatusQuery narrows a part of the status.
type StatusQuery struct {
	Last       int        // of the records, or of what else is a list of the past: so many of them
	Parameters url.Values // for the part, which reads them
}

// badQuery is the error of a parameter that is not understood.
type badQuery struct{ why string }

func (b *badQuery) Error() string { return b.why }

func bad(name, value, wanted string) error {
	return &badQuery{fmt.Sprintf("%s=%s is not %s", name, strings.ToValidUTF8(value, "?"), wanted)}
}

// queryOf reads what every part knows.
func queryOf(values url.Values) (q StatusQuery, err error) {
	q = StatusQuery{Last: usualRecords, Parameters: values}
	if values.Get("last") != "" {
		q.Last, err = q.number("last", 1, mostRecords)
	}
	return q, err
}

// number reads a parameter that is a number, 0 without it.
func (q StatusQuery) number(name string, least, most int) (int, error) {
	text := q.Parameters.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, bad(name, text, fmt.Sprintf("a number from %d to %d", least, most))
	}
	return n, nil
}

// time reads a parameter that is a time, the zero time without it.
func (q StatusQuery) time(name string) (t time.Time, err error) {
	text := q.Parameters.Get(name)
	if text == "" {
		return t, nil
	}
	if t, err = time.Parse(time.RFC3339, text); err != nil {
		return t, bad(name, text, "a time, such as 2026-11-30T08:00:00Z")
	}
	return t, nil
}

// id reads the parameter that names a call.
func (q StatusQuery) id() (string, error) {
	id := q.Parameters.Get("id")
	if id == "" {
		return "", &badQuery{"id= is missing: the ID of a call, or the Call-ID of one of its legs"}
	}
	return id, nil
}

// search reads what is searched for among the records.
func (q StatusQuery) search() (s status.RecordSearch, err error) {
	s = status.RecordSearch{Number: q.Parameters.Get("number"), Called: q.Parameters.Get("to"), Interface: q.Parameters.Get("interface"), Before: q.Parameters.Get("before"), Last: q.Last}
	if s.Since, err = q.time("since"); err != nil {
		return s, err
	}
	if s.Until, err = q.time("until"); err != nil {
		return s, err
	}
	if s.Code, err = q.number("code", 100, 699); err != nil {
		return s, err
	}
	if s.Result = status.RecordResult(q.Parameters.Get("result")); s.Result != "" && !slices.Contains(status.RecordResults(), s.Result) {
		return s, bad("result", string(s.Result), fmt.Sprintf("one of %s", status.RecordResults()))
	}
	return s, nil
}
