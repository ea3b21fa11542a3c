package status

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// System is the box itself.
type System struct {
	Product     string        `json:"product"`
	Release     string        `json:"release"`
	Commit      string        `json:"commit,omitempty"`
	Built       time.Time     `json:"built,omitzero"` // zero: the build does not say
	Board       string        `json:"board"`
	Serial      string        `json:"serial"`
	GoVersion   string        `json:"go_version"`
	Started     time.Time     `json:"started,omitzero"`
	Uptime      time.Duration `json:"uptime_ns,omitempty"`           // of the machine
	Memory      uint64        `json:"memory_bytes"`                  // in use by sbcd
	Load        string        `json:"load,omitempty"`                // of one, five and fifteen minutes
	Temperature *float64      `json:"temperature_celsius,omitempty"` // nil: the board does not say
	RAM         Space         `json:"ram,omitzero"`                  // of the whole machine
	Flash       Space         `json:"flash,omitzero"`                // that the state directory is on
	Processors  []Processor   `json:"processors,omitempty"`
	Overload    Overload      `json:"overload"`
	Draining    []Drain       `json:"draining,omitempty"` // what is being taken out of service
	Start       Steps         `json:"start,omitempty"`    // how the start went, in this order
}

// Steps are those of a start, in their order.
type Steps []Step

// String writes when each was done, in seconds since the kernel began.
func (s Steps) String() string {
	var words []string
	for _, step := range s {
		words = append(words, fmt.Sprintf("%s %.2f", step.Name, step.At.Seconds()))
	}
	return strings.Join(words, ", ")
}

// Step is a part of the start that is done.
type Step struct {
	Name string        `json:"step"`
	At   time.Duration `json:"at_ns"` // since the kernel began
}

// Processor is how one processor of the machine has spent its time since the kernel began.
type Processor struct {
	Busy time.Duration `json:"busy_ns"`
	Idle time.Duration `json:"idle_ns"`
}

// Space is how much of something there is, in octets.
type Space struct {
	Free  uint64 `json:"free"`
	Total uint64 `json:"total"` // 0: unknown
}

// Session is a console that is logged in.
type Session struct {
	User  string    `json:"user"`
	TTY   string    `json:"tty"`
	Class string    `json:"class"` // of the account
	Since time.Time `json:"since"`
}

// Ban is a source of wrong passwords.
type Ban struct {
	Source netip.Addr    `json:"source"` // an address; it may stand for a network
	Wrong  int           `json:"wrong"`
	Left   time.Duration `json:"left_ns,omitempty"` // it stays shut out for so long; 0: it is not shut out
}

// Images are the firmware images that the box holds.
type Images struct {
	Board string  `json:"board"`
	Slots []Image `json:"slots"`
}

// Image is what one slot holds.
type Image struct {
	Slot     string    `json:"slot"`              // "a", "b"
	Version  string    `json:"version,omitempty"` // "": the slot is empty, or half written
	Commit   string    `json:"commit,omitempty"`
	Built    time.Time `json:"built,omitzero"`
	Running  bool      `json:"running"`
	Next     bool      `json:"next"`  // the next start takes it
	Trial    bool      `json:"trial"` // it has yet to prove itself
	Tries    int       `json:"tries"` // starts on trial so far
	MaxTries int       `json:"max_tries"`
	Failed   bool      `json:"failed"` // it was tried and did not prove itself
}
