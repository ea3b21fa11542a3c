package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/ext4"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"golang.org/x/sys/unix"

	"viaduct/image/update"
)

const (
	dataPartition = update.PartData
	sectorSize    = update.Sector
	dataMount     = "/perm"
)

// mountData mounts the data partition if gokrazy could not. The alarm says what is wrong with it, for the user. When the partition cannot
// be used, a file system in memory takes its place: the box comes up with the factory settings and can be reached.
func (d disk) mountData() (alarm string, err error) {
	device := d.parts[dataPartition]
	p := partition{
		open:    func() (*os.File, error) { return os.OpenFile(device, os.O_RDWR, 0) },
		prepare: d.prepare,
		mount: func(flags uintptr, options string) error {
			return unix.Mount(device, dataMount, "ext4", flags, options)
		},
		memory: func() error { return unix.Mount("tmpfs", dataMount, "tmpfs", 0, "mode=0755,size=64m") },
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err == nil && strings.Contains(string(mounts), " "+dataMount+" ") {
		return "", p.unmark(device)
	}
	if alarm, err = p.use(); err != nil {
		return alarm, err
	}
	if err := os.MkdirAll(filepath.Join(dataMount, "var"), 0o755); err != nil && !errors.Is(err, unix.EROFS) { // /var points there
		return alarm, err
	}
	return alarm, nil
}

// partition is the data partition, with what can be done to it.
type partition struct {
	open    func() (*os.File, error)
	prepare func(blockDevice) error // grow and format
	mount   func(flags uintptr, options string) error
	memory  func() error // mount something else in its place
}

// The alarms of a data partition that is not used. sbcd notices by itself when it is read-only.
const (
	alarmMemory      = "the data partition is damaged and was left alone" + fromMemory
	alarmUnformatted = "the data partition could not be formatted" + fromMemory
	fromMemory       = ": the box runs with the factory settings from memory, and forgets everything at its restart"
)

// use makes the partition usable. Only one that is provably new is formatted, since the configuration and keys of a box are in it. One
// whose superblock is damaged gets it back from a copy; one that does not mount even then is read without its journal, so that the
// box comes up with what is left.
func (p partition) use() (alarm string, err error) {
	fresh := false
	err = p.check(func(part blockDevice) (err error) {
		if fresh, err = isNew(part); err != nil || !fresh {
			return err
		}
		return p.prepare(part)
	})
	if err != nil {
		log.Printf("data partition: %v", err)
		if fresh { // copies of the superblock may be there, of a file system that is not
			return alarmUnformatted, p.memory()
		}
	}
	if err = p.mount(0, ""); err == nil {
		return "", nil
	}
	log.Printf("data partition: mount: %v", err)
	if err = p.check(restoreSuperblock); err != nil {
		log.Printf("data partition: superblock: %v", err)
	} else if err = p.mount(0, ""); err == nil {
		return "", nil
	}
	if err = p.mount(unix.MS_RDONLY, "noload"); err == nil {
		log.Print("data partition: read-only")
		return "", nil
	}
	log.Printf("data partition: mount read-only: %v", err)
	return alarmMemory, p.memory()
}

// check lets f look at the partition.
func (p partition) check(f func(blockDevice) error) error {
	part, err := p.open()
	if err != nil {
		return err
	}
	return errors.Join(f(part), part.Close())
}

// disk is the medium that the box was booted from.
type disk struct {
	device string                    // /dev/vda
	parts  [dataPartition + 1]string // /dev/vda1, at its number
	size   int64                     // bytes
}

// findDisk finds the medium by the device that / is mounted from.
func findDisk() (disk, error) {
	var root unix.Stat_t
	if err := unix.Stat("/", &root); err != nil {
		return disk{}, fmt.Errorf("stat /: %w", err)
	}
	path, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(root.Dev), unix.Minor(root.Dev)))
	if err != nil {
		return disk{}, err
	}
	path = filepath.Dir(path) // from the partition to its disk
	sectors, err := readNumber(filepath.Join(path, "size"))
	if err != nil {
		return disk{}, err
	}
	d := disk{device: filepath.Join("/dev", filepath.Base(path)), size: sectors * sectorSize}
	numbers, err := filepath.Glob(filepath.Join(path, "*", "partition"))
	if err != nil {
		return disk{}, err
	}
	for _, name := range numbers {
		if n, err := readNumber(name); err == nil && n > 0 && int(n) < len(d.parts) {
			d.parts[n] = filepath.Join("/dev", filepath.Base(filepath.Dir(name)))
		}
	}
	if slices.Contains(d.parts[1:], "") {
		return disk{}, fmt.Errorf("%s has partitions %q", path, d.parts[1:])
	}
	return d, nil
}

func readNumber(name string) (int64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// formatting is the mark that stands in the first sector while the partition is being formatted. The sector belongs to no part of the
// file system.
var formatting = []byte("viaduct: formatting\n")

// untouched is how many bytes of a new partition are zero: those that an image brings. The medium may hold old data behind them.
const untouched = update.DataSize

// isNew tells whether a partition was never formatted, or not to the end.
func isNew(part io.ReaderAt) (bool, error) {
	block := make([]byte, 1<<20)
	zero := make([]byte, len(block))
	for at := int64(0); at < untouched; at += int64(len(block)) {
		n, err := part.ReadAt(block, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("read data partition: %w", err)
		}
		if at == 0 && bytes.HasPrefix(block, formatting) {
			return true, nil
		}
		if !bytes.Equal(block[:n], zero[:n]) {
			return false, nil
		}
		if n < len(block) {
			return at > 0 || n > 0, nil
		}
	}
	return true, nil
}

// prepare grows the partition and formats it.
func (d disk) prepare(part blockDevice) error {
	if err := d.grow(); err != nil {
		log.Printf("data partition not grown: %v", err) // it is large enough as it is
	}
	size, err := part.Seek(0, 2)
	if err != nil {
		return err
	}
	log.Printf("data partition: formatting %d MiB", size>>20)
	return format(part, size)
}

// format makes an ext4 file system of size bytes. The power may be cut at any moment, and the kernel mounts whatever has a superblock
// before anybody looks for the mark. So the superblock is written last, when all else is on the medium and the mark is gone. When the
// power is cut between these two, the superblock is restored from its copies.
func format(part blockDevice, size int64) error {
	first := make([]byte, superAt+superSize)
	copy(first, formatting)
	if err := writeSynced(part, first, 0); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	// A box has some hundred files, and the tables of inodes are most of the work.
	params := &ext4.Params{VolumeName: "data", InodeRatio: 64 << 10}
	if size > 2<<30 {
		params.InodeRatio = 256 << 10
	}
	held := &withheld{blockDevice: part}
	if _, err := ext4.Create(file.New(held, false), size, 0, sectorSize, params); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	if err := part.Sync(); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	if err := errors.Join(unmark(part), writeSuperblock(part, held.super[:])); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	return nil
}

// blockDevice is the partition, or what stands for it in a test.
type blockDevice interface {
	backend.WritableFile
	Sync() error
}

// withheld is a partition that keeps the superblock back.
type withheld struct {
	blockDevice
	super [superSize]byte
}

func (w *withheld) WriteAt(b []byte, at int64) (int, error) {
	switch {
	case at >= superAt+superSize || at+int64(len(b)) <= superAt:
		return w.blockDevice.WriteAt(b, at)
	case at == superAt && len(b) == superSize:
		return copy(w.super[:], b), nil
	}
	return 0, fmt.Errorf("%d bytes at %d are not the superblock alone", len(b), at)
}

// writeSuperblock writes the first superblock. The sector that makes it one comes last: a sector is written wholly or not at all.
func writeSuperblock(part blockDevice, super []byte) error {
	if err := writeSynced(part, super[sectorSize:], superAt+sectorSize); err != nil {
		return err
	}
	return writeSynced(part, super[:sectorSize], superAt)
}

// writeSynced writes to the medium, not into a cache of it.
func writeSynced(part blockDevice, b []byte, at int64) error {
	if _, err := part.WriteAt(b, at); err != nil {
		return err
	}
	return part.Sync()
}

// unmark removes the mark from the mounted partition. A kernel may allow no writer there: only a marked one is opened for writing.
func (p partition) unmark(device string) error {
	part, err := os.Open(device)
	if err != nil {
		return err
	}
	found, err := marked(part)
	if err = errors.Join(err, part.Close()); err != nil || !found {
		return err
	}
	return p.check(unmark)
}

// marked reports whether the mark is there.
func marked(part io.ReaderAt) (bool, error) {
	sector := make([]byte, sectorSize)
	_, err := part.ReadAt(sector, 0)
	return err == nil && bytes.HasPrefix(sector, formatting), err
}

// unmark removes the mark from a partition that is in use. An older release could leave it there after a power cut, and the partition
// would be formatted as soon as its superblock is damaged.
func unmark(part blockDevice) error {
	if found, err := marked(part); err != nil || !found {
		return err
	}
	return writeSynced(part, make([]byte, sectorSize), 0)
}

// grow lets the data partition end at the end of the medium.
func (d disk) grow() error {
	f, err := os.OpenFile(d.device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	start, length, err := growTable(f, d.size)
	if err != nil || length == 0 {
		return err
	}
	// The kernel does not read the table of a disk again whose root is mounted, but it takes a new size.
	p := unix.BlkpgPartition{Start: start, Length: length, Pno: dataPartition}
	arg := unix.BlkpgIoctlArg{Op: unix.BLKPG_RESIZE_PARTITION, Datalen: int32(unsafe.Sizeof(p)), Data: (*byte)(unsafe.Pointer(&p))}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(&arg))); errno != 0 {
		return fmt.Errorf("resize partition: %w", errno)
	}
	return nil
}

// growTable rewrites the partition table for a medium of size bytes and returns where the data partition lies then, in bytes;
// length 0 when there is nothing to gain. The backup is written and synced before the first table, and the kernel falls back to
// it (`gpt` on its command line).
func growTable(f backend.WritableFile, size int64) (start, length int64, err error) {
	table, err := gpt.Read(f, sectorSize, sectorSize)
	if err != nil {
		return 0, 0, fmt.Errorf("read partition table: %w", err)
	}
	if len(table.Partitions) < dataPartition {
		return 0, 0, fmt.Errorf("partition table has %d entries", len(table.Partitions))
	}
	last := table.Partitions[dataPartition-1]
	table.Resize(uint64(size))
	end := table.LastDataSector()
	if end <= last.End && !table.RecoveredFromBackup {
		return 0, 0, nil
	}
	last.End = max(end, last.End)
	end = last.End
	last.Size = (end - last.Start + 1) * sectorSize
	table.ProtectiveMBR = false // ours names the boot partition too
	if err := table.Write(f, size); err != nil {
		return 0, 0, fmt.Errorf("write partition table: %w", err)
	}
	return int64(last.Start) * sectorSize, int64(last.Size), nil
}
