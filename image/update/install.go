package update

import (
	"bufio"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Options of an installation.
type Options struct {
	Disk    Disk
	Running Slot
	Board   string              // of this box
	Built   time.Time           // of the running firmware
	Keys    []ed25519.PublicKey // whose signature is taken
	Force   bool                // take an older firmware too
	Ports   []string            // that are up
	Spool   string              // file for the bundle while it is checked; it is removed
	Tell    func(string)        // progress, a line each
}

// Install checks a bundle to its end, and then writes it to the slot that does not run and lets that one be started next. An error
// before the first line "writing" has changed nothing; one after it has left the running firmware as it was, and what the other
// slot held is lost.
func Install(r io.Reader, o Options) (Manifest, error) {
	in := bufio.NewReaderSize(r, maxLine)
	m, err := readManifest(in, o.Keys)
	if err != nil {
		return Manifest{}, err
	}
	target := o.Running.Other()
	root, kernel := m.Parts[0], m.Parts[1]
	kernelAt, kernelSize, err := Find(o.Disk.Boot, target.KernelFile())
	if err == nil {
		err = o.suits(m, kernelSize)
	}
	if err != nil {
		return m, err
	}
	o.Tell(fmt.Sprintf("%s of %s for %s", m.Version, m.Built.Format(time.DateOnly), m.Board))

	spool, err := os.OpenFile(o.Spool, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return m, fmt.Errorf("receive update: %w", err)
	}
	defer os.Remove(o.Spool)
	defer spool.Close()
	for _, p := range m.Parts {
		if err := receive(spool, in, p); err != nil {
			return m, err
		}
		o.Tell(fmt.Sprintf("%s received: %d KiB", p.Name, p.Packed.Size>>10))
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return m, errors.New("the update goes on after its end")
	}

	s, err := o.Disk.State()
	if err != nil {
		return m, err
	}
	l, err := o.Disk.loader()
	if err != nil {
		return m, err
	}
	s.Slots[target], s.Trial = Firmware{}, nil
	if err := o.Disk.setState(s); err != nil {
		return m, err
	}
	if err := l.prefer(o.Running, Off); err != nil { // a half-written slot must not be chosen
		return m, err
	}
	at := int64(0)
	for _, w := range []struct {
		part Part
		to   Device
		at   int64
	}{{root, o.Disk.Roots[target], 0}, {kernel, o.Disk.Boot, kernelAt}} {
		o.Tell(fmt.Sprintf("writing %s to slot %v", w.part.Name, target))
		if err := unpack(w.to, w.at, io.NewSectionReader(spool, at, w.part.Packed.Size), w.part); err != nil {
			return m, fmt.Errorf("write %s to slot %v: %w", w.part.Name, target, err)
		}
		at += w.part.Packed.Size
	}
	s.Slots[target] = Firmware{Version: m.Version, Commit: m.Commit, Built: m.Built}
	s.Trial = &Trial{Slot: target, Asked: 1, Ports: o.Ports}
	if err := o.Disk.setState(s); err != nil {
		return m, err
	}
	return m, l.try(target)
}

// suits says why a bundle is not for this box, whose slots have room for a kernel of so many bytes.
func (o Options) suits(m Manifest, room int64) error {
	switch root, kernel := m.Parts[0].Size, m.Parts[1].Size; {
	case m.Board != o.Board:
		return fmt.Errorf("the update is for %s, this is %s", m.Board, o.Board)
	case m.Built.Before(o.Built) && !o.Force:
		return fmt.Errorf("the update (%s of %s) is older than what runs (of %s): it is taken only if forced",
			m.Version, m.Built.Format(time.DateOnly), o.Built.Format(time.DateOnly))
	case root > o.Disk.RootSize:
		return fmt.Errorf("the update's root has %d bytes, %d fit: flash the image instead", root, o.Disk.RootSize)
	case kernel > room:
		return fmt.Errorf("the update's kernel has %d bytes, %d fit: flash the image instead", kernel, room)
	}
	return nil
}

// receive appends a part to the spool and checks it as it lies in the bundle.
func receive(spool io.Writer, in io.Reader, p Part) error {
	h := sha256.New()
	n, err := io.CopyN(io.MultiWriter(spool, h), in, p.Packed.Size)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the update is cut short: %s has %d bytes of %d", p.Name, n, p.Packed.Size)
	}
	if err != nil {
		return fmt.Errorf("receive %s: %w", p.Name, err)
	}
	if hex.EncodeToString(h.Sum(nil)) != p.Packed.SHA256 {
		return fmt.Errorf("%s is damaged: its hash is not the manifest's", p.Name)
	}
	return nil
}

// unpack unpacks a part to a device and reads it back. A part that is there already is not written again: most updates have the same
// kernel, and flash wears.
func unpack(to Device, at int64, packed io.Reader, p Part) error {
	if same, err := holds(to, at, p); err != nil || same {
		return err
	}
	z, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.NewOffsetWriter(to, at), io.LimitReader(z, p.Size))
	if err = errors.Join(err, to.Sync()); err != nil {
		return err
	}
	if n != p.Size {
		return fmt.Errorf("%d bytes came out, %d are announced", n, p.Size)
	}
	same, err := holds(to, at, p)
	if err == nil && !same {
		err = errors.New("the medium returns other data than was written")
	}
	return err
}

func holds(d Device, at int64, p Part) (bool, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(d, at, p.Size)); err != nil {
		return false, fmt.Errorf("read back: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)) == p.SHA256, nil
}
