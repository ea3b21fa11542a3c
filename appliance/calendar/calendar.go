// Package calendar is what is announced of the outer world: when roots end, how long public certificates may live, which authority stops
// issuing for clients, what Microsoft changes.
//
// It owns the form of a calendar, the built-in one (calendar.json, dated and with its sources), the signed form in which a newer one
// reaches a box, and what the entries mean for a certificate. It does not own where a calendar is kept, nor who may sign one. It reads no
// clock and has no goroutines.
package calendar

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/printable"
)

// Kind is what an entry is about.
type Kind string

const (
	Notice         Kind = "notice"           // an announcement, for people
	Lifetime       Kind = "lifetime"         // from its date on, certificates live at most so many days
	ClientUsageEnd Kind = "client-usage-end" // from its date on, certificates are issued without the client usage
	RootEnd        Kind = "root-end"         // a root ends
	Trust          Kind = "trust"            // from its date on, hubs of Teams may show chains of these roots
)

// Date is a day, in UTC.
type Date struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Date) UnmarshalJSON(text []byte) (err error) {
	d.Time, err = time.Parse(`"`+time.DateOnly+`"`, string(text))
	return err
}

func (d Date) String() string { return d.Format(time.DateOnly) }

// Calendar is one edition.
type Calendar struct {
	Format      int               `json:"format"`
	Date        Date              `json:"date"`    // of the edition
	Sources     map[string]string `json:"sources"` // by the short names that entries use
	Authorities []Authority       `json:"authorities"`
	Entries     []Entry           `json:"entries"` // by date
}

// Authority is a public authority, and the organisations in the names of its certificates.
type Authority struct {
	Name          string   `json:"name"`
	Organizations []string `json:"organizations"`
}

// Entry is one event.
type Entry struct {
	Date      Date     `json:"date"`
	Kind      Kind     `json:"kind"`
	Text      string   `json:"text"`
	Sources   []string `json:"sources"`
	Teams     bool     `json:"teams,omitempty"`     // of Notice: it concerns boxes at Microsoft Teams
	Authority string   `json:"authority,omitempty"` // of Lifetime and ClientUsageEnd; "": all public ones
	Days      int      `json:"days,omitempty"`      // of Lifetime
	Root      string   `json:"root,omitempty"`      // of RootEnd: its SHA-256
	Subject   string   `json:"subject,omitempty"`   // of RootEnd: its common name
	Roots     []string `json:"roots,omitempty"`     // of Trust: their SHA-256
}

const (
	format     = 1
	maxSize    = 64 << 10 // octets of a calendar
	maxEntries = 1000
)

//go:embed calendar.json
var builtIn []byte

// BuiltIn is the calendar of this firmware. A test keeps it readable.
var BuiltIn = sync.OnceValue(func() *Calendar {
	c, err := Parse(builtIn)
	if err != nil {
		return &Calendar{}
	}
	return c
})

// Parse reads a calendar. One with anything that is not understood is refused as a whole: half a calendar would look like a whole one.
func Parse(text []byte) (*Calendar, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("the calendar has more than %d octets", maxSize)
	}
	var c Calendar
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("the calendar cannot be read: %w", err)
	}
	if d.More() {
		return nil, errors.New("the calendar cannot be read: something follows it")
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return &c, nil
}

func (c *Calendar) check() error {
	switch {
	case c.Format != format:
		return fmt.Errorf("the calendar has format %d, this firmware knows format %d only", c.Format, format)
	case c.Date.IsZero():
		return errors.New("the calendar has no date")
	case len(c.Entries) == 0 || len(c.Entries) > maxEntries:
		return fmt.Errorf("the calendar has %d entries, 1 to %d are taken", len(c.Entries), maxEntries)
	}
	texts := slices.Concat(slices.Collect(maps.Keys(c.Sources)), slices.Collect(maps.Values(c.Sources)))
	for _, a := range c.Authorities {
		texts = append(append(texts, a.Name), a.Organizations...)
	}
	for n, e := range c.Entries {
		if why := c.faultOf(e); why != "" {
			return fmt.Errorf("entry %d of the calendar (%s): %s", n+1, e.Date, why)
		}
		texts = append(texts, e.Text, e.Subject)
	}
	for _, t := range texts {
		if printable.Text(t) != t {
			return fmt.Errorf("a text of the calendar is too long or has characters that cannot be shown: %s", printable.Text(t))
		}
	}
	if !slices.IsSortedFunc(c.Entries, func(a, b Entry) int { return a.Date.Compare(b.Date.Time) }) {
		return errors.New("the entries of the calendar are not in the order of their dates")
	}
	return nil
}

// faultOf says what is wrong with an entry, "" when nothing is.
func (c *Calendar) faultOf(e Entry) string {
	if e.Date.IsZero() || e.Text == "" || len(e.Sources) == 0 {
		return "it needs a date, a text and a source"
	}
	for _, s := range e.Sources {
		if _, ok := c.Sources[s]; !ok {
			return fmt.Sprintf("its source %.20q is not listed", s)
		}
	}
	if e.Authority != "" && !slices.ContainsFunc(c.Authorities, func(a Authority) bool { return a.Name == e.Authority }) {
		return fmt.Sprintf("its authority %.40q is not listed", e.Authority)
	}
	ok := false
	switch e.Kind {
	case Notice, ClientUsageEnd:
		ok = e.Days == 0 && e.Root == "" && e.Subject == "" && e.Roots == nil
	case Lifetime:
		ok = e.Days > 0 && e.Days < 10_000
	case RootEnd:
		ok = fingerprint(e.Root) && e.Subject != ""
	case Trust:
		ok = len(e.Roots) > 0 && len(e.Roots) <= 100 && !slices.ContainsFunc(e.Roots, func(s string) bool { return !fingerprint(s) })
	default:
		return fmt.Sprintf("its kind %.20q is not known: the calendar is for newer firmware", string(e.Kind))
	}
	if !ok {
		return fmt.Sprintf("it is not complete for its kind (%s)", e.Kind)
	}
	return ""
}

// fingerprint reports whether s is a SHA-256 in upper case hex.
func fingerprint(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789ABCDEF") == "" }

// Newer reports whether c is a later edition than the other.
func (c *Calendar) Newer(than *Calendar) bool { return c.Date.After(than.Date.Time) }
