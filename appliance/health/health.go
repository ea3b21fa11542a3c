// Package health knows what can go wrong with the box, and what is wrong now.
//
// It owns the alarms: each is declared once in table.go (a Warnable), and a Tracker holds those that stand. Engines set and clear
// them; the log, the LED, the list of problems, the greeting at login, the metrics, `show alarms`, docs/alarms.md and PID 1's verdict on
// an image on trial all derive from the same declarations. It does not own how a fault is found: the engines and package system do that.
//
// Goroutines: none. Tracker.Run, which makes alarms visible once their time has come, runs in its caller's.
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
	// Info is worth knowing. It stands in `show alarms` only.
	Info Severity = iota
	// Warning wants to be looked at; everything that is configured works. It is a configuration problem, too.
	Warning
	// Error says that something does not work. It is also red on the LED and a line of the greeting at login.
	Error
	// Critical says that there can be no calls. PID 1 confirms no image on trial while such an alarm stands.
	Critical
)

var severities = [...]string{"info", "warning", "error", "critical"}

func (s Severity) String() string { return severities[s] }

// MarshalText and UnmarshalText make a severity its word in JSON.
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
	ID       string // in metrics, logs and JSON; never changes its meaning
	Severity Severity
	Title    string        // what is wrong, in a few words
	Subject  string        // the argument that tells two alarms of this kind apart; "": there is one at most
	Text     string        // what is wrong, as a sentence
	Advice   string        // what a person does about it; may be empty
	Cure     []string      // lines to paste that mend it; may be empty
	After    []Cause       // what makes this one only a consequence
	Delay    time.Duration // how long it stands before anybody sees it
	Again    string        // the argument whose new value is worth another line in the log; "": none is
	Quiet    bool          // whoever sets it writes the log's lines, which say more

	arguments []string // all names that the above uses
}

// Cause is a Warnable that hides its consequences while it stands.
type Cause struct {
	Of   *Warnable
	Same string // the argument in which both agree, so that one port's link hides nothing of the other's; "": they need not
}

// Args are the arguments of an alarm.
type Args map[string]string

// declared are all Warnables, in the order of table.go.
var declared []*Warnable

// declare adds one to the table.
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

// fill puts arguments into a text.
func (a Args) fill(text string) string {
	return inBraces.ReplaceAllStringFunc(text, func(name string) string { return a[name[1:len(name)-1]] })
}
