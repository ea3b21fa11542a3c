// Package view shows a fleet to those who look after it: its boxes, their alarms and the records of their calls, as lines at a terminal, as JSON,
// and as a page in a browser.
//
// It owns the layout of all three, and reads what the streams of a customer have. It writes nothing, and keeps nothing but the last look for a
// moment. A box may be stolen and send anything: of what comes from one, texts are short and printable, lists and numbers are bounded, its name is
// that of the subject and its serial number that of the registry.
//
// Goroutines: those of net/http, bounded, while the page is served; Serve waits for them.
package view

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/lease"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// source is where a customer's fleet is looked at.
type source struct {
	customer *hub.Customer
	js       jetstream.JetStream // in the customer's account, with the rights of its steward
	pools    []Pool
}

// Pool is a pool of licenses, as it is now.
type Pool struct {
	Kind   string                 `json:"kind"`
	Total  int                    `json:"total"`
	Leased int                    `json:"leased"`
	shares map[string]lease.Share // by serial number
}

// Share is what a box has of a pool.
type Share struct {
	Kind  string    `json:"kind"`
	Count int       `json:"count"`
	Min   int       `json:"min"`
	Max   int       `json:"max"`
	Until time.Time `json:"until,omitzero"`
}

// Fleet is a customer's fleet at one moment.
type Fleet struct {
	Customer string    `json:"customer"`
	At       time.Time `json:"at"`
	Boxes    []Box     `json:"boxes"` // those that need somebody first
	Pools    []Pool    `json:"pools"`
}

// Box is a box of a fleet. What it says of itself is as of Heard.
type Box struct {
	Customer string        `json:"customer"`
	Name     string        `json:"name"`
	Serial   string        `json:"serial"`
	State    State         `json:"state"`
	Since    time.Time     `json:"since,omitzero"` // lost: heard last; connected: its software began; revoked, unseen, keyless: since when
	Heard    time.Time     `json:"heard,omitzero"` // the last status came, by the hub's clock
	Firmware string        `json:"firmware,omitempty"`
	Board    string        `json:"board,omitempty"`
	Clock    time.Duration `json:"-"` // how far its clock is ahead of the hub's
	Calls    int           `json:"calls"`
	Alarms   []fleet.Alarm `json:"alarms,omitempty"`
	More     int           `json:"more,omitempty"` // alarms beyond those
	Licenses []status.Pool `json:"licenses,omitempty"`
	Leases   []Share       `json:"leases,omitempty"` // by the hub's book
	Remote   []string      `json:"remote,omitempty"`
	Unsent   int64         `json:"unsent,omitempty"` // octets
}

// State is how a box and its hub are connected, as far as the hub knows.
type State uint8

const (
	Connected State = iota // a status came lately
	Lost                   // none came for fleet.Lost
	Unseen                 // none has ever come
	Keyless                // it has ended its key, and the hub does not have the next one
	Revoked
)

var states = [...]string{"connected", "lost", "unseen", "keyless", "revoked"}

func (s State) String() string               { return states[s] }
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Worst is the severity of its worst alarm; "": it has none.
func (b *Box) Worst() string {
	if len(b.Alarms) == 0 {
		return ""
	}
	return b.Alarms[0].Severity
}

// Count is how many alarms it has.
func (b *Box) Count() int { return len(b.Alarms) + b.More }

// look reads how the fleet of a customer is.
func (s *source) look(ctx context.Context, now time.Time) (Fleet, error) {
	f := Fleet{Customer: s.customer.Name, At: now, Boxes: []Box{}, Pools: s.pools}
	index := map[string]int{}
	for _, k := range hub.Sorted(s.customer.Boxes) {
		b := Box{Customer: f.Customer, Name: k.Name, Serial: k.Serial, State: Unseen, Since: k.Added}
		switch k.State() {
		case hub.BoxRevoked:
			b.State, b.Since = Revoked, k.Revoked
		case hub.BoxAwaitsKey:
			b.State, b.Since = Keyless, k.Keyed
		}
		for _, p := range s.pools {
			limit, limited := k.Limits[p.Kind]
			if !limited {
				limit.Max = p.Total
			}
			l := p.shares[k.Serial]
			if l.Count > 0 || limited {
				b.Leases = append(b.Leases, Share{Kind: p.Kind, Count: l.Count, Min: limit.Min, Max: limit.Max, Until: l.Until})
			}
		}
		index[k.Name] = len(f.Boxes)
		f.Boxes = append(f.Boxes, b)
	}
	err := each(ctx, s.js, fleet.StatusStream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}, func(m message) bool {
		if i, known := index[m.box]; known {
			f.Boxes[i].heard(m, now)
		}
		return true
	})
	if err != nil {
		return f, fmt.Errorf("read how the boxes of %s are: %w", f.Customer, err)
	}
	slices.SortFunc(f.Boxes, worseFirst)
	return f, nil
}

// heard takes a message with a status.
func (b *Box) heard(m message, now time.Time) {
	var s fleet.Status
	if json.Unmarshal(m.data, &s) == nil && strings.EqualFold(s.Serial, b.Serial) { // or it is of a box of the same name before, or of none
		b.take(s, m.received, now)
	}
}

// take takes a status.
func (b *Box) take(s fleet.Status, received, now time.Time) {
	b.Heard = received
	if b.State == Unseen {
		b.State, b.Since = Connected, s.Started
		if now.Sub(received) > fleet.Lost {
			b.State, b.Since = Lost, received
		}
	}
	b.Firmware, b.Board = printable.Short(s.Firmware, 40), printable.Short(s.Board, 60)
	b.Clock = s.Time.Sub(received)
	b.Calls, b.More, b.Unsent = bounded(s.Calls), bounded(s.More), max(0, s.Unsent)
	for _, a := range s.Alarms[:min(len(s.Alarms), maxAlarms)] {
		b.Alarms = append(b.Alarms, cleanAlarm(a))
	}
	b.More += max(0, len(s.Alarms)-maxAlarms)
	slices.SortStableFunc(b.Alarms, func(x, y fleet.Alarm) int { return cmp.Compare(rank(y.Severity), rank(x.Severity)) })
	for _, p := range s.Licenses[:min(len(s.Licenses), maxPools)] {
		p.Name = printable.Short(p.Name, 40)
		for _, n := range []*int{&p.BuiltIn, &p.Installed, &p.Leased, &p.Total, &p.Alloc, &p.Free} {
			*n = bounded(*n)
		}
		b.Licenses = append(b.Licenses, p)
	}
	for _, r := range s.Remote[:min(len(s.Remote), maxRemote)] {
		b.Remote = append(b.Remote, printable.Short(r, 20))
	}
}

const (
	maxAlarms = 50 // of a status, as package fleet says
	maxPools  = 8
	maxRemote = 4
	maxNumber = 10_000_000
)

// bounded is a number of a box that may be anything.
func bounded(n int) int { return min(max(n, 0), maxNumber) }

// severities are those of package health, the worst last.
var severities = []string{"info", "warning", "error", "critical"}

// rank is how bad a severity is. One of a later version counts as an error.
func rank(severity string) int {
	if i := slices.Index(severities, severity); i >= 0 {
		return i
	}
	return slices.Index(severities, "error")
}

func cleanAlarm(a fleet.Alarm) fleet.Alarm {
	a.ID, a.Alarm, a.Subject = printable.Short(a.ID, 80), printable.Short(a.Alarm, 60), printable.Short(a.Subject, 120)
	a.Severity, a.What = severities[rank(a.Severity)], printable.Short(a.What, 20)
	a.Text, a.Cure = printable.Short(a.Text, 600), printable.Short(a.Cure, 600)
	return a
}

// need is how much a box needs somebody.
func (b *Box) need() int {
	switch {
	case b.State == Revoked:
		return 0
	case b.State == Lost:
		return 10
	case b.State == Keyless:
		return 4
	case b.State == Unseen:
		return 2
	case b.Count() == 0:
		return 1
	}
	return 1 + 2*rank(b.Worst()) // 1, 3, 5, 7
}

func worseFirst(a, b Box) int {
	return cmp.Or(cmp.Compare(b.need(), a.need()), cmp.Compare(b.Count(), a.Count()), cmp.Compare(a.Customer, b.Customer), cmp.Compare(a.Name, b.Name))
}
