package update

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"unicode/utf16"
)

// EntryDir is the folder that systemd-boot reads: a file for each slot, whose content never changes. What is started says their
// names: the highest number first, and of a slot on trial how many starts it still has. The loader itself counts those down by renaming
// the file before it starts the kernel, and takes a slot without any left last. So a kernel that dies before PID 1 runs is left
// again, too. See "boot counting" in the Boot Loader Specification.
//
//	1-a.conf  b.off          slot a starts; b is empty or half written
//	1-a.conf  2-b+3-0.conf   b is on trial, and has not been started yet
//	1-a.conf  2-b+0-3.conf   b has had its three starts: a starts
//	0-a.conf  1-b.conf       b has proved itself; a can be chosen by hand
const EntryDir = "loader/entries"

// Rank says which slot a boot loader prefers.
type Rank int

// Ranks, the last first.
const (
	Off   Rank = iota - 1 // not for the loader
	Spare                 // for a choice by hand
	Own                   // starts
	Tried                 // starts while it has starts left
)

// Entry is the boot loader's file of a slot.
type Entry struct {
	Slot Slot
	Rank Rank
	Left int // starts, while the rank is Tried
}

// Name is that of the file.
func (e Entry) Name() string {
	switch e.Rank {
	case Off:
		return e.Slot.String() + ".off"
	case Tried:
		return fmt.Sprintf("%d-%v+%d-%d.conf", e.Rank, e.Slot, e.Left, Tries-e.Left)
	}
	return fmt.Sprintf("%d-%v.conf", e.Rank, e.Slot)
}

var entryName = regexp.MustCompile(`^(?i:([012])-([ab])(?:\+(\d)-\d)?\.conf|([ab])\.off)$`)

func parseEntry(name string) (e Entry, ok bool) {
	m := entryName.FindStringSubmatch(name)
	if m == nil {
		return Entry{}, false
	}
	if m[4] != "" {
		return Entry{Slot: Slot(m[4][0]|0x20) - 'a', Rank: Off}, true
	}
	e = Entry{Slot: Slot(m[2][0]|0x20) - 'a', Rank: Rank(m[1][0] - '0')}
	if m[3] != "" {
		e.Left = int(m[3][0] - '0')
	}
	return e, (e.Rank == Tried) == (m[3] != "")
}

// Next does what systemd-boot does: it returns the text of the entry that is to be started, and counts the start.
func Next(boot Device) (text []byte, err error) {
	f, err := openEntries(boot)
	if err != nil {
		return nil, err
	}
	order := slices.SortedFunc(slices.Values(f.list[:]), func(x, y Entry) int {
		rank := func(e Entry) Rank {
			if e.Rank == Tried && e.Left == 0 {
				return Off
			}
			return e.Rank
		}
		return cmp.Compare(rank(y), rank(x))
	})
	chosen := &f.list[order[0].Slot]
	if chosen.Rank == Off {
		return nil, errors.New("the boot partition has nothing to start")
	}
	if chosen.Rank == Tried && chosen.Left > 0 {
		chosen.Left--
		if err := f.write(boot); err != nil {
			return nil, err
		}
	}
	text = make([]byte, f.size)
	_, err = boot.ReadAt(text, f.at+int64(f.clusters[chosen.Slot]-f.own)*FATCluster)
	return bytes.TrimRight(text, "\x00"), err
}

// folder is loader/entries. The files of both slots have one cluster each, that of slot b the one behind that of slot a.
type folder struct {
	at       int64
	own      int // cluster of the folder itself
	list     [2]Entry
	clusters [2]int
	size     uint32 // of each file
	head     []byte // the entries . and ..
	file     []byte // that of a file: dates and attributes
	tidy     bool   // nothing lies behind the first sector
}

// openEntries reads the folder. A file that is missing was lost while the loader renamed it: it is Off.
func openEntries(boot io.ReaderAt) (*folder, error) {
	at, self, err := walk(boot, EntryDir)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, FATCluster)
	if _, err := boot.ReadAt(raw, at); err != nil {
		return nil, fmt.Errorf("read %s: %w", EntryDir, err)
	}
	le := binary.LittleEndian
	f := &folder{at: at, own: int(le.Uint16(self[26:])), list: [2]Entry{{A, Off, 0}, {B, Off, 0}}, head: raw[:2*FATEntry]}
	f.tidy = bytes.Count(raw[Sector:], []byte{0}) == len(raw)-Sector
	var long []uint16
	for e := range slices.Chunk(raw[2*FATEntry:], FATEntry) {
		switch {
		case e[0] == 0:
			return f.complete()
		case e[0] == fatDeleted:
			long = nil
		case e[11] == fatLong:
			long = append(longUnits(e), long...)
		default:
			if entry, ok := parseEntry(string(utf16.Decode(long))); ok {
				f.list[entry.Slot] = entry
				f.clusters[entry.Slot] = int(le.Uint16(e[26:]))
				f.size, f.file = le.Uint32(e[28:]), e
			}
			long = nil
		}
	}
	return f.complete()
}

func (f *folder) complete() (*folder, error) {
	switch a, b := f.clusters[A], f.clusters[B]; {
	case a == 0 && b == 0:
		return nil, fmt.Errorf("%s has no file of ours", EntryDir)
	case a == 0:
		f.clusters[A] = b - 1
	case b == 0:
		f.clusters[B] = a + 1
	}
	return f, nil
}

// write writes the names. All are in one sector, which is written whole or not at all.
func (f *folder) write(boot Device) error {
	fail := func(err error) error { return fmt.Errorf("write %s: %w", EntryDir, err) }
	if !f.tidy {
		if _, err := boot.WriteAt(make([]byte, FATCluster-Sector), f.at+Sector); err != nil {
			return fail(err)
		}
	}
	out := make([]byte, Sector)
	n := copy(out, f.head)
	for _, e := range f.list {
		short := fmt.Sprintf("SLOT%c   CNF", 'A'+rune(e.Slot))
		n += copy(out[n:], LongName(e.Name(), short)) // one entry: the names are short enough
		file := out[n : n+FATEntry]
		copy(file, f.file)
		copy(file, short)
		file[12] = 0 // no flags: the short name has no other case
		binary.LittleEndian.PutUint16(file[26:], uint16(f.clusters[e.Slot]))
		binary.LittleEndian.PutUint32(file[28:], f.size)
		n += FATEntry
	}
	_, err := boot.WriteAt(out, f.at)
	if err = errors.Join(err, boot.Sync()); err != nil {
		return fail(err)
	}
	return nil
}
