package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/partition/gpt"
)

var (
	cuts = flag.Int("cuts", 6, "how often the power is cut in each of the tests of power cuts; make cuts: 50")
	seed = flag.Uint64("seed", 0, "of what is lost with the power; 0: another one each time")
)

func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// recorder is a device that remembers what was written to it, and when it was synced.
type recorder struct {
	*os.File
	ops []op
}

// op is a write, or a sync when it has no data.
type op struct {
	at   int64
	data []byte
}

func (r *recorder) WriteAt(b []byte, at int64) (int, error) {
	r.ops = append(r.ops, op{at, bytes.Clone(b)})
	return r.File.WriteAt(b, at)
}

func (r *recorder) Sync() error {
	r.ops = append(r.ops, op{})
	return nil
}

// cut does to a device what the first n operations leave there when the power is cut then: what was synced is there, of the rest some
// writes are lost, and some are there in part.
func cut(t *testing.T, f *os.File, ops []op, n int, random *rand.Rand) {
	t.Helper()
	synced := 0
	for i, o := range ops[:n] {
		if o.data == nil {
			synced = i
		}
	}
	for i, o := range ops[:n] {
		data, at := o.data, o.at
		if i >= synced {
			switch part := random.IntN(len(data)/sectorSize+1) * sectorSize; random.IntN(4) {
			case 0:
				data = nil
			case 1:
				data = data[:part]
			case 2:
				data, at = data[part:], at+int64(part)
			}
		}
		overwrite(t, f, at, data)
	}
}

// moments are numbers up to n at which the power is cut: the last ones each, and others.
func moments(n int, random *rand.Rand) []int {
	var list []int
	for i := range *cuts {
		list = append(list, max(0, n-i))
	}
	for range *cuts {
		list = append(list, random.IntN(n+1))
	}
	return list
}

// nextStart does to a partition what the next start does. Nothing looks at a mark before the kernel mounts what has a superblock.
func nextStart(t *testing.T, f *os.File) (formatted bool) {
	t.Helper()
	super := make(superblock, superSize)
	if _, err := f.ReadAt(super, superAt); err != nil {
		t.Fatal(err)
	}
	mounted := super.u16(0x38) == ext4Magic
	if !mounted {
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			t.Fatal(err)
		}
		alarm, err := partition{
			open:    func() (*os.File, error) { return os.OpenFile(f.Name(), os.O_RDWR, 0) },
			prepare: func(part blockDevice) error { formatted = true; return format(part, size) },
			mount:   func(flags uintptr, _ string) error { return mountable(f.Name(), flags) },
			memory:  func() error { return errors.New("it runs from memory") },
		}.use()
		if alarm != "" || err != nil {
			t.Fatalf("%s (%v)", alarm, err)
		}
	}
	wantWhole(t, f)
	return formatted
}

// wantWhole wants a file system without a fault, and with no mark that would have it formatted.
func wantWhole(t *testing.T, f *os.File) {
	t.Helper()
	wantNew(t, f, false, "in use")
	onImage(t, "e2fsck", "-p", "-E", "journal_only", f.Name()) // as the kernel does when it mounts
	onImage(t, "e2fsck", "-fn", f.Name())
}

// Wherever formatting is cut short, the next start has a whole file system, whose superblock can be restored from its copies.
func TestPowerCutsWhileFormatting(t *testing.T) {
	random := newRandom(t)
	for name, size := range map[string]int64{"small": smallSize, "card": cardSize} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{File: blank(t, size)}
			if err := format(r, size); err != nil {
				t.Fatal(err)
			}
			formatted := 0
			for _, n := range moments(len(r.ops), random) {
				f := blank(t, size)
				cut(t, f, r.ops, n, random)
				if nextStart(t, f) {
					formatted++
				}
				overwrite(t, f, 0, garbage(4096))
				if nextStart(t, f) {
					t.Fatalf("cut %d of %d: formatted because of a damaged superblock", n, len(r.ops))
				}
				os.Remove(f.Name())
			}
			if formatted == 0 || formatted == 2**cuts {
				t.Errorf("%d of %d cuts were followed by formatting again", formatted, 2**cuts)
			}
		})
	}
}

// An older release could leave a superblock of a file system that is not whole.
func TestFormattingStartsWithoutASuperblock(t *testing.T) {
	f := used(t, smallSize)
	overwrite(t, f, 0, formatting)
	r := &recorder{File: f}
	if err := format(r, smallSize); err != nil {
		t.Fatal(err)
	}
	super := superblock(r.ops[0].data[superAt:])
	if r.ops[0].at != 0 || super.u16(0x38) == ext4Magic || r.ops[1].data != nil {
		t.Error("the first thing on the medium is not a mark without a superblock")
	}
}

// The command of docs/image.md for a factory reset takes the superblock away with the mark: the kernel would mount the partition first.
func TestAFactoryResetFromOutside(t *testing.T) {
	f := used(t, smallSize)
	doc, err := os.ReadFile("../../../docs/image.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^    (printf .*) \| sudo (dd of=)/dev/sdX4(.*)$`).FindSubmatch(doc)
	if command == nil {
		t.Fatal("docs/image.md has no such command")
	}
	onImage(t, "sh", "-c", fmt.Sprintf("%s | %s%s%s", command[1], command[2], f.Name(), command[3]))
	if !nextStart(t, f) {
		t.Error("it was not formatted")
	}
}

func TestAMarkOnAPartitionInUseIsRemoved(t *testing.T) {
	f := used(t, smallSize)
	overwrite(t, f, 0, formatting)
	p := partition{open: func() (*os.File, error) { return os.OpenFile(f.Name(), os.O_RDWR, 0) }}
	if err := p.unmark(f.Name()); err != nil {
		t.Fatal(err)
	}
	if nextStart(t, f) {
		t.Error("it was formatted")
	}
}

// Wherever the repair of a superblock is cut short, the next start does the rest.
func TestPowerCutsDuringARepair(t *testing.T) {
	random := newRandom(t)
	for name, size := range map[string]int64{"small": smallSize, "card": cardSize} {
		t.Run(name, func(t *testing.T) {
			damaged := used(t, size)
			overwrite(t, damaged, 0, garbage(4096))
			start := func() *os.File {
				name := filepath.Join(t.TempDir(), "copy")
				onImage(t, "cp", "--sparse=always", damaged.Name(), name)
				f, err := os.OpenFile(name, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { f.Close(); os.Remove(name) })
				return f
			}
			r := &recorder{File: start()}
			if err := restoreSuperblock(r); err != nil {
				t.Fatal(err)
			}
			for n := range len(r.ops) + 1 {
				for range 3 {
					f := start()
					cut(t, f, r.ops, n, random)
					if nextStart(t, f) {
						t.Fatalf("cut %d of %d: formatted", n, len(r.ops))
					}
				}
			}
		})
	}
}

// Wherever growing is cut short, the next start finds a table, and then both are whole.
func TestPowerCutsWhileGrowing(t *testing.T) {
	const small, large = 64 << 20, 200 << 20
	random := newRandom(t)
	fresh := func() *os.File {
		f := blank(t, small)
		table := &gpt.Table{GUID: "60c24cc1-f3f9-427a-8199-000000000000", ProtectiveMBR: true}
		for i := range 4 {
			start := uint64(2048 + i*16384)
			table.Partitions = append(table.Partitions, &gpt.Partition{Index: i + 1, Type: gpt.LinuxFilesystem, Name: "p", Start: start, Size: 8 << 20})
		}
		if err := table.Write(f, small); err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(large); err != nil {
			t.Fatal(err)
		}
		return f
	}
	r := &recorder{File: fresh()}
	if _, _, err := growTable(r, large); err != nil {
		t.Fatal(err)
	}
	for n := range len(r.ops) + 1 {
		for range *cuts {
			f := fresh()
			cut(t, f, r.ops, n, random)
			if _, _, err := growTable(f, large); err != nil {
				t.Fatalf("cut %d of %d: %v", n, len(r.ops), err)
			}
			table, err := gpt.Read(f, sectorSize, sectorSize)
			if err != nil || table.RecoveredFromBackup {
				t.Fatalf("cut %d of %d: the first table is damaged (%v)", n, len(r.ops), err)
			}
			if err := table.Verify(f, large); err != nil {
				t.Errorf("cut %d of %d: %v", n, len(r.ops), err)
			}
			if end := int64(table.Partitions[3].End+1) * sectorSize; end <= large-(1<<20) {
				t.Errorf("cut %d of %d: the partition ends at %d", n, len(r.ops), end)
			}
			os.Remove(f.Name())
		}
	}
}
