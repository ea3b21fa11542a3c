package update

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
)

// Slot is one of two places for a firmware: a root partition and a kernel.
type Slot int

// The slots.
const (
	A Slot = iota
	B
)

func (s Slot) String() string { return string("ab"[s]) }

// Other is the slot that s is not.
func (s Slot) Other() Slot { return 1 - s }

// rootNumber counts root partitions from the boot partition on.
var rootNumber = regexp.MustCompile(`/PARTNROFF=([12])\b`)

// StateFile is one sector on the boot partition, so that it does not depend on the data partition.
const (
	StateFile = "slots.txt"
	StateSize = Sector
)

// Tries is how often a new firmware may start without becoming healthy.
const Tries = 3

// State says what the slots hold.
type State struct {
	Slots [2]Firmware `json:"slots"`
	Trial *Trial      `json:"trial,omitempty"` // nil: none goes on
}

// Firmware is what a slot holds; the zero value is nothing, or something half written.
type Firmware struct {
	Version string    `json:"version,omitempty"`
	Commit  string    `json:"commit,omitempty"`
	Built   time.Time `json:"built,omitzero"`
	Failed  bool      `json:"failed,omitempty"` // it was tried and never became healthy
}

// Trial is a new firmware that has not proved itself yet.
type Trial struct {
	Slot  Slot     `json:"slot"`
	Tries int      `json:"tries"`           // starts so far
	Asked int      `json:"asked,omitempty"` // how often a loader that tries once was asked to
	Ports []string `json:"ports,omitempty"` // that were up before: the new firmware must bring them up too
}

// Encode is the state as its file holds it.
func (s State) Encode() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if len(text) >= StateSize {
		return nil, fmt.Errorf("state of the slots: %d bytes do not fit into a sector", len(text))
	}
	return append(append(text, bytes.Repeat([]byte(" "), StateSize-1-len(text))...), '\n'), nil
}

// Device is a partition.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// Disk is the partitions that an update touches.
type Disk struct {
	Boot     Device
	Roots    [2]Device
	RootSize int64 // bytes that fit into each
	// TryOnce tells the firmware of a Raspberry Pi to read tryboot.txt at the next start; not used with another loader.
	TryOnce func() error
}

// State reads the state of the slots. One that a medium has spoiled is the zero State, in which no trial goes on: the running firmware
// stays, one on trial is left by its loader, and the next installation writes the state anew.
func (d Disk) State() (State, error) {
	text, err := Read(d.Boot, StateFile)
	if err != nil {
		return State{}, err
	}
	var s State
	if json.Unmarshal(text, &s) != nil || s.Trial != nil && s.Trial.Slot != A && s.Trial.Slot != B {
		return State{}, nil
	}
	return s, nil
}

func (d Disk) setState(s State) error {
	text, err := s.Encode()
	if err != nil {
		return err
	}
	at, size, err := Find(d.Boot, StateFile)
	if err != nil {
		return err
	}
	if size != StateSize {
		return fmt.Errorf("state of the slots: the file has %d bytes", size)
	}
	_, err = d.Boot.WriteAt(text, at)
	return errors.Join(err, d.Boot.Sync())
}

// Running finds the slot in the kernel's command line.
func Running(commandLine string) (Slot, error) {
	m := rootNumber.FindStringSubmatch(commandLine)
	if m == nil {
		return A, errors.New("the kernel's command line names no root of ours")
	}
	return Slot(m[1][0] - '1'), nil
}

// Started judges the start of the running slot; it is called once a start, before anything that may fail. While trial is true, the box
// must restart if it does not become healthy. When restart is true, it must do so now: another slot is to be started.
func (d Disk) Started(running Slot) (trial, restart bool, err error) {
	s, err := d.State()
	if err != nil || s.Trial == nil {
		return false, false, err
	}
	tried := s.Trial.Slot
	if tried == running && s.Trial.Tries < Tries {
		s.Trial.Tries++
		return true, false, d.setState(s)
	}
	l, err := d.loader()
	if err != nil {
		return tried == running, false, err
	}
	started, again := l.tried(s.Trial)
	if tried != running && again {
		s.Trial.Asked++
		if err := d.setState(s); err != nil {
			return false, false, err
		}
		return false, true, l.try(tried)
	}
	// Back for good: the loader has come back by itself, or it is one that does not count, or the slot was never started.
	s.Slots[tried].Failed = started || tried == running
	s.Trial = nil
	if err := l.prefer(tried.Other(), Off); err != nil {
		return tried == running, false, err
	}
	return false, tried == running, d.setState(s)
}

// Confirm ends the trial of the running slot well.
func (d Disk) Confirm(running Slot) error {
	s, err := d.State()
	if err != nil || s.Trial == nil || s.Trial.Slot != running {
		return err
	}
	l, err := d.loader()
	if err != nil {
		return err
	}
	if err := l.prefer(running, Spare); err != nil {
		return err
	}
	s.Trial = nil
	return d.setState(s)
}
