// Package health knows what can go wrong with the box, and what is wrong now.
//
// It owns the alarms. Each kind is declared once, in table.go (a Warnable), and a Tracker holds the active ones. Engines set and clear
// them. The log, the LED, the list of problems, the greeting at login, the metrics, `show alarms`, docs/alarms.md and PID 1's verdict on
// an image on trial all derive from these declarations. The package does not detect faults: the engines and package system do.
//
// It starts no goroutine. Tracker.Run raises alarms when their delay has passed, in its caller's goroutine.
package health

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Severity is how bad an alarm is.
type Severity int

const (
	// Info is worth knowing. Only `show alarms` lists it.
	Info Severity = iota
	// Warning needs attention; everything that is configured works. `show config problems` lists it, too.
	Warning
	// Error means that something does not work. It also lights the LED and is a line of the greeting at login.
	Error
	// Critical means that no calls are possible. PID 1 confirms no image on trial while such an alarm is active.
	Critical
)

var severities = [...]string{"info", "warning", "error", "critical"}

func (s Severity) String() string { return severities[s] }

// MarshalText implements encoding.TextMarshaler: in JSON a severity is a word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. A severity of a later version counts as an error.
func (s *Severity) UnmarshalText(text []byte) error {
	if *s = Severity(slices.Index(severities[:], string(text))); *s < 0 {
		*s = Error
	}
	return nil
}

// Warnable is one thing that can go wrong. Texts name arguments in braces: {port}.
type Warnable struct {
	ID       string // in metrics, logs and JSON; an id never changes its meaning
	Severity Severity
	Title    string        // what is wrong, in a few words
	Subject  string        // the argument that tells two alarms of this kind apart; "": at most one is active
	Text     string        // what is wrong, as a sentence
	Advice   string        // what the administrator can do; may be empty
	Cure     []string      // lines to paste as a remedy; may be empty
	After    []Cause       // alarms that have this one as a consequence, and hide it
	Delay    time.Duration // from active to visible
	Again    string        // the argument whose change is logged again; "": none
	Quiet    bool          // the caller of Set writes its own log lines, with more detail; events there are all the same

	arguments []string // names of all that the fields above use
}

// Cause is a Warnable that hides its consequences while it is active.
type Cause struct {
	Of   *Warnable
	Same string // an argument that must be equal, so that one port's link hides nothing of the other port; "": none
}

// Args are the arguments of an alarm.
type Args map[string]string

// declared lists all Warnables.
var declared []*Warnable

// declare adds a Warnable to the list.
func declare(w Warnable) *Warnable {
	w.arguments = w.names()
	declared = append(declared, &w)
	return &w
}

var inBraces = regexp.MustCompile(`\{[a-z]+\}`)

func (w *Warnable) names() (names []string) {
	for _, name := range inBraces.FindAllString(w.Text+w.Advice+strings.Join(w.Cure, " "), -1) {
		names = append(names, name[1:len(name)-1])
	}
	names = append(names, w.Subject, w.Again)
	for _, c := range w.After {
		names = append(names, c.Same)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// fill puts the arguments into a text.
func (a Args) fill(text string) string {
	return inBraces.ReplaceAllStringFunc(text, func(name string) string { return a[name[1:len(name)-1]] })
}
