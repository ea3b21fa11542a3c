package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"os"
)

// Of ext4 as `format` writes it: blocks of 4 KiB, a superblock at the beginning and copies at the beginning of some groups, no checksums.
const (
	superAt     = 1024 // of the first one, in bytes
	superSize   = 1024
	ext4Block   = 4096
	ext4Magic   = 0xef53
	groupBlocks = 8 * ext4Block // a group has one block of bits

	needsRecovery = 0x4 // of the incompatible features: the journal is to be read first
	hasJournal    = 0x4 // of the compatible ones
)

// superblock is one of ext4.
type superblock []byte

func (s superblock) u16(at int) uint16 { return binary.LittleEndian.Uint16(s[at:]) }
func (s superblock) u32(at int) uint32 { return binary.LittleEndian.Uint32(s[at:]) }

func (s superblock) blocks() int64 { return int64(s.u32(0x150))<<32 | int64(s.u32(0x4)) }

// soundFor tells whether it is a superblock of group, of a file system that fits a partition of size bytes.
func (s superblock) soundFor(group int64, size int64) bool {
	return s.u16(0x38) == ext4Magic && s.u32(0x18) == 2 && s.u32(0x20) == groupBlocks && (s.u16(0x5a) == 0 || s.u16(0x5a) == uint16(group)) &&
		s.blocks() > 0 && s.blocks()*ext4Block <= size && size-s.blocks()*ext4Block < groupBlocks*ext4Block
}

// same tells whether two describe the same file system. What changes in its life does not count.
func (s superblock) same(o superblock) bool {
	for _, field := range [][2]int{{0x0, 8}, {0x14, 12}, {0x20, 12}, {0x38, 2}, {0x4c, 4}, {0x54, 6}, {0x5c, 4}, {0x64, 20}, {0xe0, 8}} {
		if !bytes.Equal(s[field[0]:field[0]+field[1]], o[field[0]:field[0]+field[1]]) {
			return false
		}
	}
	return s.u32(0x60)&^needsRecovery == o.u32(0x60)&^needsRecovery
}

// restoreSuperblock writes a copy of the superblock over a damaged one. An error says why nothing was changed.
func restoreSuperblock(part *os.File) error {
	size, err := part.Seek(0, 2)
	if err != nil {
		return err
	}
	first := make(superblock, superSize)
	if _, err := part.ReadAt(first, superAt); err != nil {
		return err
	}
	good, at, err := findCopy(part, size)
	if err != nil {
		return err
	}
	if first.same(good) {
		return errors.New("it is as its copy: the damage is elsewhere")
	}
	binary.LittleEndian.PutUint16(good[0x5a:], 0)
	if good.u32(0x5c)&hasJournal != 0 { // a copy does not know what the journal holds, and without the sign it would be emptied
		binary.LittleEndian.PutUint32(good[0x60:], good.u32(0x60)|needsRecovery)
	}
	if _, err := part.WriteAt(good, superAt); err != nil {
		return err
	}
	log.Printf("data partition: the superblock is restored from its copy at block %d", at/ext4Block)
	return part.Sync()
}

// findCopy looks for a sound copy where ext4 keeps them: in group 1 and in those whose numbers are powers of 3, 5 and 7. Two must
// agree where there are two: something else may have left one on the medium.
func findCopy(part *os.File, size int64) (superblock, int64, error) {
	var good superblock
	var at int64
	for _, group := range []int64{1, 3, 5, 7, 9, 25, 27, 49, 81} {
		pos := group * groupBlocks * ext4Block
		if pos+superSize > size {
			break
		}
		s := make(superblock, superSize)
		if _, err := part.ReadAt(s, pos); err != nil {
			return nil, 0, err
		}
		switch {
		case !s.soundFor(group, size):
		case good == nil:
			good, at = s, pos
		case good.same(s):
			return good, at, nil
		default:
			return nil, 0, fmt.Errorf("its copies at blocks %d and %d differ", at/ext4Block, pos/ext4Block)
		}
	}
	if good == nil {
		return nil, 0, errors.New("there is no sound copy of it")
	}
	return good, at, nil
}
