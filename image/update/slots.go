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

// KernelFile is the name of the slot's kernel on the boot partition.
func (s Slot) KernelFile() string { return "kernel" + s.String() + ".img" }

// Boot loaders learn the slot from these files, of which a board has some. Each is overwritten in one write of the same length,
// and any mix of old and new ones starts: the roots hold no kernel modules, so either kernel runs either root.
var (
	loaderFiles = []string{"config.txt", "cmdline.txt", "loader/entries/gokrazy.conf"}
	rootNumber  = regexp.MustCompile(`/PARTNROFF=([12])\b`) // of root partitions, from the boot partition on
	kernelName  = regexp.MustCompile(`\bkernel[ab]\.img\b`)
)

// StateFile is one sector on the boot partition, so that it is there whatever the data partition is like.
const (
	StateFile = "slots.txt"
	StateSize = sector
)

// Tries is how often a new firmware may start without becoming healthy.
const Tries = 3

// State is what is known of the slots.
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
	Slot  Slot `json:"slot"`
	Tries int  `json:"tries"` // starts so far
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
}

// State reads the state of the slots.
func (d Disk) State() (State, error) {
	text, err := Read(d.Boot, StateFile)
	if err != nil {
		return State{}, err
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, fmt.Errorf("state of the slots: %w", err)
	}
	if s.Trial != nil && s.Trial.Slot != A && s.Trial.Slot != B {
		return State{}, fmt.Errorf("state of the slots: no slot %d", s.Trial.Slot)
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

// activate lets a slot be started from the next start on.
func (d Disk) activate(s Slot) error {
	done := 0
	for _, name := range loaderFiles {
		at, _, err := Find(d.Boot, name)
		if err != nil {
			continue // another board's
		}
		old, err := Read(d.Boot, name)
		if err != nil {
			return fmt.Errorf("start from slot %v: %w", s, err)
		}
		fresh := rootNumber.ReplaceAll(old, fmt.Appendf(nil, "/PARTNROFF=%d", s+1))
		fresh = kernelName.ReplaceAll(fresh, []byte(s.KernelFile()))
		done++
		if bytes.Equal(old, fresh) {
			continue
		}
		if _, err := d.Boot.WriteAt(fresh, at); err != nil {
			return fmt.Errorf("start from slot %v: %w", s, err)
		}
		if err := d.Boot.Sync(); err != nil {
			return fmt.Errorf("start from slot %v: %w", s, err)
		}
	}
	if done == 0 {
		return errors.New("the boot partition has no file of a boot loader")
	}
	return nil
}

// Running finds the slot in the kernel's command line.
func Running(commandLine string) (Slot, error) {
	m := rootNumber.FindStringSubmatch(commandLine)
	if m == nil {
		return A, errors.New("the kernel's command line names no root of ours")
	}
	return Slot(m[1][0] - '1'), nil
}

// Started counts the start of the running slot; it is called once a start, before anything that may fail. When the slot is on
// trial and has had its tries, the other one is made active: back is true then, and the box must restart. While trial is true, it
// must restart too if it does not become healthy.
func (d Disk) Started(running Slot) (trial, back bool, err error) {
	s, err := d.State()
	if err != nil || s.Trial == nil {
		return false, false, err
	}
	if s.Trial.Slot != running { // power went before the slot was made active, or after it was given up
		s.Trial = nil
		return false, false, d.setState(s)
	}
	if s.Trial.Tries >= Tries {
		s.Slots[running].Failed = true
		if err := d.activate(running.Other()); err != nil {
			return true, false, err
		}
		s.Trial = nil
		return false, true, d.setState(s)
	}
	s.Trial.Tries++
	return true, false, d.setState(s)
}

// Confirm ends the trial of the running slot well.
func (d Disk) Confirm(running Slot) error {
	s, err := d.State()
	if err != nil || s.Trial == nil || s.Trial.Slot != running {
		return err
	}
	s.Trial = nil
	return d.setState(s)
}
