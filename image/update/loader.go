package update

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
)

// loader is what starts a kernel and its root. Whatever it is told, a slot on trial is started a few times at most unless PID 1 of
// that slot settles it, and power may go between any two writes.
type loader interface {
	// prefer has a slot started from now on; the other gets the rank, if the loader knows ranks.
	prefer(s Slot, other Rank) error
	// try lets a slot be started on trial.
	try(s Slot) error
	// tried tells whether a slot on trial has been started, and whether it shall be once more.
	tried(t *Trial) (started, again bool)
}

// loader finds the one of this board by its files.
func (d Disk) loader() (loader, error) {
	if f, err := openEntries(d.Boot); err == nil {
		return counting{f, d.Boot}, nil
	}
	if _, _, err := Find(d.Boot, piConfig); err == nil {
		return once{d}, nil
	}
	return nil, errors.New("the boot partition has no file of a boot loader")
}

// counting is systemd-boot, or what does the same (Next).
type counting struct {
	*folder
	boot Device
}

func (c counting) prefer(s Slot, other Rank) error {
	c.list[s], c.list[s.Other()] = Entry{Slot: s, Rank: Own}, Entry{Slot: s.Other(), Rank: other}
	return c.write(c.boot)
}

func (c counting) try(s Slot) error {
	c.list[s], c.list[s.Other()] = Entry{s, Tried, Tries}, Entry{Slot: s.Other(), Rank: Own}
	return c.write(c.boot)
}

func (c counting) tried(t *Trial) (started, again bool) {
	e := c.list[t.Slot]
	return t.Tries > 0 || e.Rank == Tried && e.Left < Tries, false
}

// once is the firmware of the Raspberry Pi: config.txt is read at every start but one, of which it was told while the box ran
// (tryboot). Whatever happens in that one, the next start is the usual again; the slot that runs then asks once more.
type once struct{ disk Disk }

// Files of the Raspberry Pi: each names the kernel and the command line of a slot, and fits into a sector, so that it is overwritten whole
// or not at all.
const (
	piConfig = "config.txt"
	piTry    = "tryboot.txt"
)

var slotFile = regexp.MustCompile(`\b(kernel|cmdline)[ab]\.`)

// KernelFile is the name of the slot's kernel on the boot partition.
func (s Slot) KernelFile() string { return "kernel" + s.String() + ".img" }

// CommandFile is the name of the slot's kernel command line on the boot partition of a Raspberry Pi.
func (s Slot) CommandFile() string { return "cmdline" + s.String() + ".txt" }

func (o once) point(name string, s Slot) error {
	fail := func(err error) error { return fmt.Errorf("let %s name slot %v: %w", name, s, err) }
	at, _, err := Find(o.disk.Boot, name)
	if err != nil {
		return fail(err)
	}
	old, err := Read(o.disk.Boot, name)
	if err != nil {
		return fail(err)
	}
	fresh := slotFile.ReplaceAll(old, fmt.Appendf(nil, "${1}%v.", s))
	if bytes.Equal(old, fresh) {
		return nil
	}
	_, err = o.disk.Boot.WriteAt(fresh, at)
	if err = errors.Join(err, o.disk.Boot.Sync()); err != nil {
		return fail(err)
	}
	return nil
}

func (o once) prefer(s Slot, _ Rank) error { return o.point(piConfig, s) }

func (o once) try(s Slot) error {
	if err := o.point(piTry, s); err != nil {
		return err
	}
	if o.disk.TryOnce == nil {
		return errors.New("this kernel cannot tell the firmware to try another one")
	}
	return o.disk.TryOnce()
}

func (o once) tried(t *Trial) (started, again bool) {
	return t.Asked > 0, t.Asked > 0 && t.Asked < Tries
}
