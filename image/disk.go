package image

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"viaduct/image/update"
)

// The disk: 4 MiB for partition tables and loaders of boards, boot, two roots, data. gokrazy wants the order; sizes are free.
const (
	mib       = 1 << 20
	bootStart = 4 * mib
	bootSize  = 160 * mib // two kernels of up to 70 MiB
	rootSize  = 128 * mib
	dataSize  = update.DataSize // in the image; at its first boot the box grows it to the end of the medium
	rootA     = bootStart + bootSize
	rootB     = rootA + rootSize
	dataStart = rootB + rootSize
	diskSize  = dataStart + dataSize + mib // the last one for the backup of the partition table
)

// partition numbers
const (
	diskItself = 0
	partBoot   = update.PartBoot
	partRootA  = update.PartRootA
	partRootB  = update.PartRootB
	partData   = update.PartData
)

// partUUID is the same on every box: a box holds one such disk, and two builds are equal.
func partUUID(n int) string {
	h := fnv.New32a()
	h.Write([]byte("viaduct"))
	return fmt.Sprintf("60c24cc1-f3f9-427a-8199-%08x00%02x", h.Sum32(), n)
}

// writeDisk writes the image file: the partition tables, boot and the first root. The rest is a hole.
func writeDisk(name string, boot, root []byte) (err error) {
	if len(boot) > bootSize || len(root) > rootSize {
		return fmt.Errorf("boot has %d bytes and root %d: %d each fit", len(boot), len(root), rootSize)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if err := f.Truncate(diskSize); err != nil {
		return err
	}
	part := func(n int, kind gpt.Type, label string, start, size int) *gpt.Partition {
		return &gpt.Partition{Index: n, Type: kind, Name: label, GUID: partUUID(n), Start: uint64(start / sector), Size: uint64(size)}
	}
	const rootARM64 = gpt.Type("B921B045-1DF0-41C3-AF44-4C6F280D3FAE")
	table := &gpt.Table{GUID: partUUID(diskItself), Partitions: []*gpt.Partition{
		part(partBoot, gpt.EFISystemPartition, "boot", bootStart, bootSize),
		part(partRootA, rootARM64, "root a", rootA, rootSize),
		part(partRootB, rootARM64, "root b", rootB, rootSize),
		part(partData, gpt.LinuxFilesystem, "data", dataStart, dataSize),
	}}
	if err := table.Write(f, diskSize); err != nil {
		return fmt.Errorf("write partition table: %w", err)
	}
	for _, piece := range []struct {
		data []byte
		at   int64
	}{{hybridMBR(), 0}, {boot, bootStart}, {root, rootA}} {
		if err := writeSparse(f, piece.data, piece.at); err != nil {
			return err
		}
	}
	return nil
}

// hybridMBR names the boot partition once more, for the Raspberry Pi's firmware, which does not read a GPT; the second entry
// says that there is one.
func hybridMBR() []byte {
	b := make([]byte, sector)
	put := func(n int, active, kind byte, start, sectors uint32) {
		e := b[446+16*n:]
		e[0], e[4] = active, kind
		copy(e[1:4], "\xfe\xff\xff") // no cylinders
		copy(e[5:8], "\xfe\xff\xff")
		binary.LittleEndian.PutUint32(e[8:], start)
		binary.LittleEndian.PutUint32(e[12:], sectors)
	}
	put(0, 0x80, 0x0c, bootStart/sector, bootSize/sector) // FAT with LBA
	put(1, 0, 0xee, 1, bootStart/sector-1)
	b[510], b[511] = 0x55, 0xaa
	return b
}

// writeSparse leaves holes where data is zero: an image of half a GiB then takes the disk space of its files.
func writeSparse(f *os.File, data []byte, at int64) error {
	const step = 64 << 10
	var zero [step]byte
	for len(data) > 0 {
		n := min(step, len(data))
		if string(data[:n]) != string(zero[:n]) {
			if _, err := f.WriteAt(data[:n], at); err != nil {
				return err
			}
		}
		data, at = data[n:], at+int64(n)
	}
	return nil
}
