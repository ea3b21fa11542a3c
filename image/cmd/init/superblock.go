package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"

	"golang.org/x/sys/unix"
)

// Of ext4 as `format` writes it: blocks of 4 KiB, or 1 KiB on small media; a superblock and then the descriptors of groups at the
// beginning, copies of both at the beginning of some groups, no checksums.
const (
	superAt    = 1024 // of the first one, in bytes
	superSize  = 1024
	ext4Magic  = 0xef53
	descriptor = 64 // bytes of a group's

	needsRecovery = 0x4 // of the incompatible features: the journal is to be read first
	hasJournal    = 0x4 // of the compatible ones
	checksums     = 0x410
)

// superblock is one of ext4.
type superblock []byte

func (s superblock) u16(at int) uint16 { return binary.LittleEndian.Uint16(s[at:]) }
func (s superblock) u32(at int) uint32 { return binary.LittleEndian.Uint32(s[at:]) }

// block is the size of a block in bytes, 0 of none that exists.
func (s superblock) block() int64 {
	if n := s.u32(0x18); n <= 2 {
		return 1024 << n
	}
	return 0
}

func (s superblock) blocks() int64 { return int64(s.u32(0x150))<<32 | int64(s.u32(0x4)) }

// group is the number of bytes of a group: as many blocks as one of them has bits.
func group(block int64) int64 { return 8 * block * block }

// copyAt is where a group's copy lies.
func copyAt(number, block int64) int64 {
	at := number * group(block)
	if block == superAt { // the superblock is a block of its own then, and groups begin with it
		at += superAt
	}
	return at
}

// soundFor tells whether it is the copy of a group, of a file system that fits a partition of size bytes.
func (s superblock) soundFor(number, block, size int64) bool {
	return s.u16(0x38) == ext4Magic && s.block() == block && int64(s.u32(0x20)) == 8*block && s.u16(0xfe) == descriptor &&
		int64(s.u32(0x28)) <= 8*block && s.u16(0x58) >= 128 && int64(s.u16(0x58)) <= block &&
		(s.u16(0x5a) == 0 || s.u16(0x5a) == uint16(number)) && s.u32(0x64)&checksums == 0 &&
		s.blocks() > 0 && s.blocks()*block <= size && size-s.blocks()*block < group(block)
}

// same reports whether two superblocks describe the same file system. Fields that change in its life do not count.
func (s superblock) same(o superblock) bool {
	for _, field := range [][2]int{
		{0x0, 8}, {0x14, 12}, {0x20, 12}, {0x38, 2}, {0x4c, 4}, {0x54, 6}, {0x5c, 4}, {0x64, 20}, {0xe0, 8}, {0xfe, 2}, {0x150, 4},
		{0x174, 2}, {0x200, 0x48}, {0x24c, 0x24},
	} {
		if !bytes.Equal(s[field[0]:field[0]+field[1]], o[field[0]:field[0]+field[1]]) {
			return false
		}
	}
	return s.u32(0x60)&^needsRecovery == o.u32(0x60)&^needsRecovery
}

// restoreSuperblock writes a copy of the superblock over a damaged one, and of the descriptors of groups that are damaged with it.
// An error says why nothing was changed.
func restoreSuperblock(part blockDevice) error {
	size, err := part.Seek(0, io.SeekEnd)
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
	groups, changed, err := goodGroups(part, good, at)
	if err == nil {
		err = beginsUsed(part, groups, good.block())
	}
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint16(good[0x5a:], 0)
	if good.u32(0x5c)&hasJournal != 0 { // a copy does not know what the journal holds, and without the sign it would be emptied
		binary.LittleEndian.PutUint32(good[0x60:], good.u32(0x60)|needsRecovery)
	}
	if changed { // before the superblock: with one that is sound the groups would not be restored any more
		if err := writeSynced(part, groups, groupsAt(superAt, good.block())); err != nil {
			return err
		}
	}
	if err := writeSuperblock(part, good); err != nil {
		return err
	}
	log.Printf("data partition: the superblock is restored from its copy at %d MiB", at>>20)
	return nil
}

// groupsAt is where the descriptors lie that belong to a superblock: in the next block.
func groupsAt(super, block int64) int64 { return super/block*block + block }

// goodGroups returns the descriptors of groups, and whether some are not as they were: where one of the first names other places than its
// copy, it is the copy, with what is free counted anew.
func goodGroups(part blockDevice, s superblock, at int64) (groups []byte, changed bool, err error) {
	block := s.block()
	n := (s.blocks()*block + group(block) - 1) / group(block)
	groups, copies := make([]byte, n*descriptor), make([]byte, n*descriptor)
	if _, err := part.ReadAt(groups, groupsAt(superAt, block)); err != nil {
		return nil, false, err
	}
	if _, err := part.ReadAt(copies, groupsAt(at, block)); err != nil {
		return nil, false, err
	}
	for i := range n {
		g, c := groups[i*descriptor:][:descriptor], copies[i*descriptor:][:descriptor]
		if bytes.Equal(g[:0xc], c[:0xc]) && bytes.Equal(g[0x20:0x2c], c[0x20:0x2c]) {
			continue
		}
		copy(g, c)
		changed = true
		for _, bits := range []struct{ field, free, count int }{{0x0, 0xc, int(8 * block)}, {0x4, 0xe, int(s.u32(0x28))}} {
			if err := countFree(part, g, block, bits.field, bits.free, bits.count); err != nil {
				return nil, false, err
			}
		}
		if err := countDirectories(part, g, s); err != nil {
			return nil, false, err
		}
	}
	return groups, changed, nil
}

// countDirectories counts the directories among a group's inodes in use, and writes their number into the group's descriptor.
func countDirectories(part blockDevice, g []byte, s superblock) error {
	le := binary.LittleEndian
	bits, err := readBits(part, g, s.block(), 0x4)
	if err != nil {
		return err
	}
	inodes, size := int(s.u32(0x28)), int(s.u16(0x58))
	table := make([]byte, inodes*size)
	at := int64(le.Uint32(g[0x28:]))<<32 | int64(le.Uint32(g[0x8:]))
	if _, err := part.ReadAt(table, at*s.block()); err != nil {
		return err
	}
	n := 0
	for i := range inodes {
		if bits[i/8]&(1<<(i%8)) != 0 && le.Uint16(table[i*size:])>>12 == unix.S_IFDIR>>12 {
			n++
		}
	}
	le.PutUint16(g[0x10:], uint16(n))
	le.PutUint16(g[0x30:], uint16(n>>16))
	return nil
}

// countFree counts the bits that are not set, and writes their number into a group's descriptor: low half and, 32 bytes on, the high one.
func countFree(part blockDevice, g []byte, block int64, field, free, count int) error {
	le := binary.LittleEndian
	bits, err := readBits(part, g, block, field)
	if err != nil {
		return err
	}
	n := 0
	for i := range count {
		if bits[i/8]&(1<<(i%8)) == 0 {
			n++
		}
	}
	le.PutUint16(g[free:], uint16(n))
	le.PutUint16(g[free+0x20:], uint16(n>>16))
	return nil
}

// readBits reads the block of bits that a group's descriptor names.
func readBits(part blockDevice, g []byte, block int64, field int) ([]byte, error) {
	le := binary.LittleEndian
	bits := make([]byte, block)
	at := int64(le.Uint32(g[field+0x20:]))<<32 | int64(le.Uint32(g[field:]))
	_, err := part.ReadAt(bits, at*block)
	return bits, err
}

// beginsUsed checks that the bitmaps of the first group mark as used its first blocks and the ten inodes that ext4 keeps for itself. The kernel would believe damaged ones, and overwrite files.
func beginsUsed(part blockDevice, groups []byte, block int64) error {
	for field, always := range map[int]uint16{0x0: 0x0f, 0x4: 0x3ff} {
		bits, err := readBits(part, groups, block, field)
		if err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(bits)&always != always {
			return errors.New("the bitmaps are damaged too")
		}
	}
	return nil
}

// findCopy looks for a sound copy where ext4 keeps them: in group 1 and in those whose numbers are powers of 3, 5 and 7. Two must
// agree where there are two: something else may have left one on the medium.
func findCopy(part blockDevice, size int64) (superblock, int64, error) {
	var good superblock
	var at int64
	for _, block := range []int64{4096, 2048, 1024} {
		for _, number := range []int64{1, 3, 5, 7, 9, 25, 27, 49, 81} {
			pos := copyAt(number, block)
			if pos+superSize > size {
				break
			}
			s := make(superblock, superSize)
			if _, err := part.ReadAt(s, pos); err != nil {
				return nil, 0, err
			}
			switch {
			case !s.soundFor(number, block, size):
			case good == nil:
				good, at = s, pos
			case good.same(s):
				return good, at, nil
			default:
				return nil, 0, fmt.Errorf("its copies at %d and %d MiB differ", at>>20, pos>>20)
			}
		}
	}
	if good == nil {
		return nil, 0, errors.New("there is no sound copy of it")
	}
	return good, at, nil
}
