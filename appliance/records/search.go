package records

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/explain"
	"viaduct/appliance/status"
)

// mostInVain is how many records one search reads as a whole without finding them, half a second of a slow processor. It looks at all others as
// they lie on the flash, which costs a hundredth of that.
const mostInVain = 5_000

// mostSearches is how many searches may wait for the one that is under way: browsers can ask for any number, and calls need the processor.
const mostSearches = 16

// errSearches is for one more.
var errSearches = errors.New("too many searches at the moment: try again")

// Find searches the records of past calls, from the newest on, one search after the other. It keeps nobody from writing, and leaves out a line
// that a power cut has torn. The error names a record to begin before that does not exist.
func (a *Archive) Find(s status.RecordSearch) (status.RecordsFound, error) {
	if a.searches.Add(1) > mostSearches {
		a.searches.Add(-1)
		return status.RecordsFound{}, errSearches
	}
	defer a.searches.Add(-1)
	a.turn.Lock()
	defer a.turn.Unlock()
	return a.find(s, mostInVain)
}

// find is a search that reads so many records in vain.
func (a *Archive) find(s status.RecordSearch, most int) (found status.RecordsFound, err error) {
	log, err := a.open()
	if err != nil {
		return found, err
	}
	defer log.Close()
	first := ""
	if !s.Since.IsZero() {
		first = s.Since.UTC().Format(time.DateOnly) // a record lies in the file of the day when its call ended
	}
	sieve, vain, last := sieveOf(s), 0, ""
	begins := []byte(nil)
	if s.Before != "" {
		begins = []byte(`"id":` + strconv.Quote(s.Before))
	}
	if err = log.Backward(first, func(line []byte) bool {
		if begins != nil {
			if bytes.Contains(line, begins) {
				begins = nil
			}
			return true
		}
		if !sieve.lets(line) {
			return true
		}
		if s.Last > 0 && len(found.Records) == s.Last || vain == most {
			found.Older = last
			return false
		}
		vain++
		if r, err := status.ReadRecord(line); err == nil && r.ID != "" {
			if last, found.Reached = r.ID, r.Started; explain.Selected(&r, s) {
				found.Records = append(found.Records, r)
				vain--
			}
		}
		return s.Call == "" || s.Last == 0 || len(found.Records) < s.Last // of one call there is seldom another record
	}); err != nil {
		return status.RecordsFound{}, fmt.Errorf("read call records: %w", err)
	}
	if begins != nil {
		return found, fmt.Errorf("there is no record of a call %q to begin before", s.Before)
	}
	slices.Reverse(found.Records)
	return found, nil
}

// sieve keeps back the lines of records that a search cannot find, by the octets that are in such a record, or cannot be.
type sieve struct {
	all          [][]byte // are in it
	any          [][]byte // one of them is, unless there are none
	none         []byte   // is not in it, unless one of any is; nil: nothing
	since, until time.Time
}

// Marks of records as they are written. In a text of a peer they cannot be: a quotation mark has a backslash there.
var (
	markStarted   = []byte(`"started":"`)
	markConnected = []byte(`"connected":"`)
	markSilent    = []byte(`"silent_s":`)
	markByBox     = []byte(`"by":"` + string(status.ByBox) + `"`)
	markByMedia   = []byte(`"by":"` + string(status.ByMedia) + `"`)
)

func sieveOf(s status.RecordSearch) (v sieve) {
	v.since, v.until = s.Since, s.Until
	for _, word := range []string{s.Number, s.Called} {
		if verbatim(word) && strings.ToLower(word) == strings.ToUpper(word) {
			v.all = append(v.all, []byte(word))
		}
	}
	if verbatim(s.Interface) {
		v.all = append(v.all, []byte(s.Interface))
	}
	if s.Code > 0 {
		v.all = append(v.all, []byte(`"code":`+strconv.Itoa(s.Code)))
	}
	if verbatim(s.Call) {
		v.any = [][]byte{[]byte(s.Call), []byte(strings.ToLower(s.Call))}
	}
	switch s.Result {
	case status.ResultAnswered:
		v.all = append(v.all, markConnected)
	case status.ResultOneWay:
		v.all = append(v.all, markConnected, markSilent)
	case status.ResultFailed:
		if v.any == nil {
			v.none, v.any = markConnected, [][]byte{markSilent, markByBox, markByMedia}
		}
	case status.ResultMissed, status.ResultRefused:
		if v.any == nil {
			v.none = markConnected
		}
	}
	return v
}

// verbatim reports whether a text is written in JSON as it is, and is one at all.
func verbatim(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) })
}

// lets reports whether a line has to be read.
func (v *sieve) lets(line []byte) bool {
	in := func(mark []byte) bool { return bytes.Contains(line, mark) }
	switch {
	case slices.ContainsFunc(v.all, func(mark []byte) bool { return !in(mark) }):
		return false
	case v.none != nil:
		if in(v.none) && !slices.ContainsFunc(v.any, in) {
			return false
		}
	case len(v.any) > 0 && !slices.ContainsFunc(v.any, in):
		return false
	}
	return v.since.IsZero() && v.until.IsZero() || v.within(line)
}

// within reports whether a call may have started in the time that is searched.
func (v *sieve) within(line []byte) bool {
	_, rest, ok := bytes.Cut(line, markStarted)
	text, _, ended := bytes.Cut(rest, []byte(`"`))
	var at time.Time
	if !ok || !ended || at.UnmarshalText(text) != nil {
		return true
	}
	return !at.Before(v.since) && (v.until.IsZero() || at.Before(v.until))
}
