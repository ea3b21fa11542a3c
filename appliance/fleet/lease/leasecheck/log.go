// Package leasecheck judges, for tests, whether a hub and its boxes kept to the rules of leases. It reads nothing but a log of what they did, and
// shares no code with them.
//
// The log is written by the test, in the order of time, from what is seen at the hub and at the boxes:
//
//   - Total, Limits and Removed when the terms change (Removed also for a box that is revoked);
//   - Asked before a box's request goes out, and Holds before that when the box counts on less than before;
//   - Signed when a node of the hub answers, after its write and before the answer goes out, for an answer that gives nothing, too;
//   - Answered when a box has taken an answer, Refused when it took a refusal, and Holds after that with what it counts on now;
//   - Started and Stopped when a box comes and goes, with Holds after Started;
//   - Reach when a box (or with an empty serial the whole hub, because most of its nodes cannot talk) can be reached or not.
package leasecheck

import (
	"sync"
	"time"
)

// What is a kind of event.
type What uint8

const (
	Total    What = iota + 1 // Count
	Limits                   // Serial, Min, Max
	Removed                  // Serial
	Asked                    // Serial, Sequence, Want, Has
	Signed                   // Node, Serial, Sequence, Count, Left
	Answered                 // Serial, Sequence, Count
	Refused                  // Serial
	Holds                    // Serial, Count
	Started                  // Serial
	Stopped                  // Serial
	Reach                    // Serial or "", On
)

var names = [...]string{"", "total", "limits", "removed", "asked", "signed", "answered", "refused", "holds", "started", "stopped", "reach"}

func (w What) String() string { return names[w] }

// Event is one line of the log.
type Event struct {
	At       time.Duration // since the log began, by one true clock
	What     What
	Node     string
	Serial   string
	Sequence uint64
	Want     int
	Has      int
	Count    int
	Min, Max int
	Left     time.Duration
	On       bool
}

// Log keeps events, of all goroutines.
type Log struct {
	mu     sync.Mutex
	begin  time.Time
	events []Event
}

// Add adds an event that happens now, by the clock of the machine that the test runs on.
func (l *Log) Add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begin.IsZero() {
		l.begin = time.Now()
	}
	e.At = time.Since(l.begin)
	l.events = append(l.events, e)
}

// Events returns the log.
func (l *Log) Events() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events
}
