package update

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// The boot partition is FAT16 as package image makes it: one FAT, contiguous files, clusters of 4 KiB. Files are overwritten in place,
// never made or moved, so that no power cut leaves a file system that a boot loader cannot read.
const (
	Sector     = 512  // bytes
	FATCluster = 4096 // bytes
	FATEntry   = 32   // bytes
	FATFolder  = 0x10 // attribute of an entry

	fatLong    = 0x0f
	fatDeleted = 0xe5
)

// Find finds a file of the boot partition: its offset and its size in bytes.
func Find(boot io.ReaderAt, path string) (at, size int64, err error) {
	at, e, err := walk(boot, path)
	if err != nil {
		return 0, 0, err
	}
	if e[11]&FATFolder != 0 {
		return 0, 0, fmt.Errorf("the boot partition has a folder %s", path)
	}
	return at, int64(binary.LittleEndian.Uint32(e[28:])), nil
}

// walk finds what a path names: where it lies, and its entry in its folder.
func walk(boot io.ReaderAt, path string) (at int64, e []byte, err error) {
	head := make([]byte, Sector)
	if _, err := boot.ReadAt(head, 0); err != nil {
		return 0, nil, fmt.Errorf("find %s: %w", path, err)
	}
	le := binary.LittleEndian
	folder := Sector * (int64(le.Uint16(head[14:])) + int64(head[16])*int64(le.Uint16(head[22:])))
	length := int64(le.Uint16(head[17:])) * FATEntry
	data := folder + length
	for word := range strings.SplitSeq(path, "/") {
		if e != nil && e[11]&FATFolder == 0 {
			e = nil
			break
		}
		list := make([]byte, length)
		if _, err := boot.ReadAt(list, folder); err != nil {
			return 0, nil, fmt.Errorf("find %s: %w", path, err)
		}
		if e = lookup(list, word); e == nil {
			break
		}
		folder = data + (int64(le.Uint16(e[26:]))-2)*FATCluster
		length = FATCluster // the folders that are looked into are small
	}
	if e == nil {
		return 0, nil, fmt.Errorf("the boot partition has no %s", path)
	}
	return folder, e, nil
}

// lookup finds a name among entries by its short form.
func lookup(list []byte, name string) []byte {
	base, ext, _ := strings.Cut(strings.ToUpper(name), ".")
	if len(base) > 8 || len(ext) > 3 {
		base, ext = base[:min(len(base), 6)]+"~1", ext[:min(len(ext), 3)]
	}
	want := fmt.Appendf(nil, "%-8s%-3s", base, ext)
	for ; len(list) >= FATEntry && list[0] != 0; list = list[FATEntry:] {
		if list[11] != fatLong && bytes.Equal(bytes.ToUpper(list[:11]), want) {
			return list[:FATEntry]
		}
	}
	return nil
}

// longPlaces are the offsets of a long name's UTF-16 characters in an entry of it.
var longPlaces = [13]int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30}

// LongName returns the directory entries that say the long name of a file; short is its other name, of 11 characters.
func LongName(name, short string) []byte {
	var sum byte
	for _, c := range []byte(short) {
		sum = sum>>1 | sum<<7
		sum += c
	}
	units := utf16.Encode([]rune(name))
	n := (len(units) + len(longPlaces) - 1) / len(longPlaces)
	if len(units)%len(longPlaces) != 0 {
		units = append(units, 0)
	}
	for len(units) < n*len(longPlaces) {
		units = append(units, 0xffff)
	}
	var b []byte
	for i := n; i > 0; i-- { // the end of the name comes first
		e := make([]byte, FATEntry)
		e[0] = byte(i)
		if i == n {
			e[0] |= 0x40
		}
		e[11], e[13] = fatLong, sum
		for k, u := range units[(i-1)*len(longPlaces) : i*len(longPlaces)] {
			binary.LittleEndian.PutUint16(e[longPlaces[k]:], u)
		}
		b = append(b, e...)
	}
	return b
}

// longUnits are the characters in an entry of a long name.
func longUnits(e []byte) []uint16 {
	var units []uint16
	for _, at := range longPlaces {
		u := binary.LittleEndian.Uint16(e[at:])
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return units
}

// Read reads a file of the boot partition.
func Read(boot io.ReaderAt, path string) ([]byte, error) {
	at, size, err := Find(boot, path)
	if err != nil {
		return nil, err
	}
	// A damaged entry may claim 4 GiB, more than a box has memory.
	data, err := io.ReadAll(io.NewSectionReader(boot, at, size))
	if err == nil && int64(len(data)) < size {
		err = fmt.Errorf("read %s: %w", path, io.ErrUnexpectedEOF)
	}
	return data, err
}
