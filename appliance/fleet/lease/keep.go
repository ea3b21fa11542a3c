package lease

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// kept is what a Holder leaves for the next start.
type kept struct {
	Version  int       `json:"version"`
	Kind     string    `json:"kind"`
	Serial   string    `json:"serial"`
	Sequence uint64    `json:"sequence"` // nothing above it was used
	Count    int       `json:"count,omitempty"`
	Left     int64     `json:"left,omitempty"` // seconds of the lease; below 0: since its end
	Clock    time.Time `json:"clock"`          // at which that was so
	Refused  bool      `json:"refused,omitempty"`
	Lapsed   bool      `json:"lapsed,omitempty"`
	Given    bool      `json:"given,omitempty"`
	Known    bool      `json:"known,omitempty"`
	Min      int       `json:"min,omitempty"`
	Max      int       `json:"max,omitempty"`
}

const keptVersion = 1

// sane is the earliest that a clock can show which was set.
var sane = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// unsaved reports whether the flash is to be written: something has changed; the clock was set, by which a start would measure wrong; or an hour has
// passed in grace or while the hub is away, so that it is not had once more when the clock goes back.
func (h *Holder) unsaved(now Time) bool {
	if h.flash.dirty || h.lent.count == 0 {
		return h.flash.dirty
	}
	up := now.Up - h.flash.savedAt.Up
	set := now.Clock.Round(0).Sub(h.flash.savedAt.Clock) - up
	return set.Abs() > time.Minute || up > resave && (now.Up > h.lent.end || h.pace.fails > 0)
}

// Save has a function write what a later start needs, so that it outlasts a power cut.
func (h *Holder) Save(now Time, write func(text []byte) error) error {
	k := kept{
		Version: keptVersion, Kind: h.kind, Serial: h.serial, Sequence: h.flash.reserved, Count: h.lent.count, Clock: now.Clock.UTC().Round(0),
		Refused: h.lent.refused, Lapsed: h.lent.lapsed, Given: h.lent.given, Known: h.bounds.known, Min: h.bounds.min, Max: h.bounds.max,
	}
	if h.lent.count > 0 {
		k.Left = int64((h.lent.end - now.Up) / time.Second)
	}
	text, err := json.Marshal(k)
	if err == nil {
		err = write(text)
	}
	if err != nil {
		return fmt.Errorf("lease of %s: %w", h.kind, err)
	}
	h.flash.dirty, h.flash.lowered, h.flash.savedAt, h.flash.savedTo = false, false, Time{now.Up, k.Clock}, h.lent.end
	return nil
}

// Restore returns the Holder of a box that was started again. With an error New is the way.
//
// How long the box was off is known by its clock. When that is earlier than it was, or was never set, nobody knows: then the lease is taken to
// have ended, and the box lives on its grace until the hub answers. What was used of the grace stays used.
func Restore(text []byte, kind, serial string, now Time) (*Holder, error) {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("the kept lease is damaged: %w", err)
	}
	const life, grace = int64(Life / time.Second), int64(Grace / time.Second)
	switch {
	case k.Version != keptVersion:
		return nil, fmt.Errorf("the kept lease is of version %d, and this firmware knows version %d", k.Version, keptVersion)
	case k.Kind != kind || k.Serial != serial:
		return nil, errors.New("the kept lease is of another box or kind")
	case !counts(k.Count, k.Min, k.Max) || k.Sequence > MaxSequence || k.Left > life || k.Left < -2*grace:
		return nil, errors.New("the kept lease is damaged: a number in it is none")
	}
	h := New(kind, serial, now)
	h.asked.sequence, h.flash.reserved = k.Sequence, k.Sequence
	h.lent.count, h.lent.refused, h.lent.lapsed, h.lent.given, h.bounds.known, h.bounds.min, h.bounds.max = k.Count, k.Refused, k.Lapsed, k.Given, k.Known, k.Min, k.Max
	left := time.Duration(k.Left) * time.Second
	if off := now.Clock.Round(0).Sub(k.Clock); off < 0 || k.Clock.Before(sane) {
		left = min(left, 0)
	} else {
		left -= min(off, Life+Grace)
	}
	h.lent.end = now.Up + left
	h.flash.savedAt, h.flash.savedTo = Time{now.Up, now.Clock.Round(0)}, h.lent.end
	h.flash.dirty = h.lent.count > 0 // in the time of this clock
	h.settle(now)
	return h, nil
}
