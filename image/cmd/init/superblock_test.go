package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	cardSize  = 600 << 20 // five groups of 4-KiB blocks: copies of the superblock in two
	smallSize = 385 << 20 // 49 groups of 1-KiB blocks
	ext4Block = 4096      // of cardSize
)

// used is a data partition with a configuration.
func used(t *testing.T, size int64) *os.File {
	t.Helper()
	f := blank(t, size)
	if err := format(f, size); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "startup-config")
	if err := os.WriteFile(config, []byte("system hostname kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	onImage(t, "debugfs", "-w", "-R", "write "+config+" startup-config", f.Name())
	onImage(t, "debugfs", "-w", "-R", "mkdir sbc", f.Name())
	return f
}

// onImage runs a tool of ext4.
func onImage(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func overwrite(t *testing.T, f *os.File, at int64, data []byte) {
	t.Helper()
	if _, err := f.WriteAt(data, at); err != nil {
		t.Fatal(err)
	}
}

func garbage(size int) []byte {
	b := make([]byte, size)
	rand.Read(b)
	return b
}

// journalAt is where the journal of a file system lies, by inode 8's first block.
func journalAt(t *testing.T, f *os.File) int64 {
	t.Helper()
	found := regexp.MustCompile(`(?m)^\d+`).FindString(onImage(t, "debugfs", "-R", "blocks <8>", f.Name()))
	block, err := strconv.ParseInt(found, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return block * ext4Block
}

// What becomes of a data partition, whatever it holds: only what was never used is formatted.
func TestADataPartitionIsFormattedOnlyWhenItIsNew(t *testing.T) {
	for name, c := range map[string]struct {
		before func(t *testing.T) *os.File
		want   string // formatted, kept, read-only, memory
	}{
		"all zeros": {want: "formatted", before: func(t *testing.T) *os.File { return blank(t, cardSize) }},
		"zeros and, behind what an image brings, what was there before": {want: "formatted", before: func(t *testing.T) *os.File {
			f := blank(t, cardSize)
			overwrite(t, f, untouched, garbage(1<<20))
			return f
		}},
		"formatting was cut short": {want: "formatted", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, 0, formatting)
			return f
		}},
		"sound": {want: "kept", before: func(t *testing.T) *os.File { return used(t, cardSize) }},
		"the first block is zero": {want: "kept", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, 0, make([]byte, ext4Block))
			return f
		}},
		"the first block is garbage": {want: "kept", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, 0, garbage(ext4Block))
			return f
		}},
		"the first sectors are zero": {want: "kept", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, 0, make([]byte, 3*sectorSize))
			return f
		}},
		"the first copy is damaged too": {want: "kept", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, 0, make([]byte, ext4Block))
			overwrite(t, f, group(ext4Block), garbage(ext4Block))
			return f
		}},
		"no copy is left": {want: "memory", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			for _, number := range []int64{0, 1, 3} {
				overwrite(t, f, number*group(ext4Block), make([]byte, ext4Block))
			}
			return f
		}},
		"the first 4 KiB of a small one are garbage": {want: "kept", before: func(t *testing.T) *os.File {
			f := used(t, smallSize)
			overwrite(t, f, 0, garbage(4096))
			return f
		}},
		"the first 8 KiB are zero": {want: "kept", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, 0, make([]byte, 2*ext4Block))
			return f
		}},
		"the bitmaps are damaged too": {want: "memory", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, 0, make([]byte, 4*ext4Block))
			return f
		}},
		"as small as the image's own": {want: "kept", before: func(t *testing.T) *os.File {
			f := used(t, 128<<20)
			overwrite(t, f, 0, make([]byte, 3<<10))
			return f
		}},
		"the first megabyte is garbage": {want: "memory", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, 0, garbage(1<<20))
			return f
		}},
		"the first megabyte is zero": {want: "memory", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, 0, make([]byte, 1<<20))
			return f
		}},
		"the journal is garbage": {want: "read-only", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			overwrite(t, f, journalAt(t, f), garbage(64<<10))
			return f
		}},
		"truncated": {want: "memory", before: func(t *testing.T) *os.File {
			f := used(t, cardSize)
			if err := f.Truncate(300 << 20); err != nil {
				t.Fatal(err)
			}
			return f
		}},
		"random garbage": {want: "memory", before: func(t *testing.T) *os.File {
			f := blank(t, cardSize)
			overwrite(t, f, 0, garbage(4<<20))
			return f
		}},
		"garbage anywhere": {want: "memory", before: func(t *testing.T) *os.File {
			f := blank(t, cardSize)
			overwrite(t, f, 90<<20, []byte{1})
			return f
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := c.before(t)
			content := func() []byte {
				b := make([]byte, 4<<20)
				n, err := f.ReadAt(b, 0)
				if err != nil && n == 0 {
					t.Fatal(err)
				}
				return b[:n]
			}
			before := content()
			got := ""
			alarm, err := partition{
				open:    func() (*os.File, error) { return os.OpenFile(f.Name(), os.O_RDWR, 0) },
				prepare: func(part blockDevice) error { got = "formatted"; return format(part, cardSize) },
				mount: func(flags uintptr, _ string) error {
					if err := mountable(f.Name(), flags); err != nil {
						return err
					}
					if got == "" {
						got = map[bool]string{false: "kept", true: "read-only"}[flags&unix.MS_RDONLY != 0]
					}
					return nil
				},
				memory: func() error { got = "memory"; return nil },
			}.use()
			if got != c.want || err != nil || (alarm != "") != (c.want == "memory") {
				t.Errorf("%s (%v, %q), want %s", got, err, alarm, c.want)
			}
			switch got {
			case "kept":
				if text := onImage(t, "debugfs", "-R", "cat startup-config", f.Name()); !strings.Contains(text, "system hostname kept") {
					t.Errorf("the configuration is %q", text)
				}
				if before[0] == 0 && before[superAt+0x38] == 0x53 { // it was whole
					break
				}
				exec.Command("e2fsck", "-E", "journal_only", "-y", f.Name()).Run() // as the kernel does; an error is a journal that was read
				onImage(t, "e2fsck", "-fn", f.Name())
			case "memory", "read-only":
				if !bytes.Equal(before[:superAt], content()[:superAt]) || !bytes.Equal(before[2*ext4Block:], content()[2*ext4Block:]) {
					t.Error("it was changed")
				}
			}
		})
	}
}

// mountable asks the tools of ext4 what the kernel would say.
func mountable(name string, flags uintptr) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	super := make(superblock, superSize)
	if _, err := f.ReadAt(super, superAt); err != nil {
		return err
	}
	if super.u16(0x38) != ext4Magic || super.blocks()*super.block() > info.Size() {
		return errors.New("there is no file system, or it is larger than its device")
	}
	if flags&unix.MS_RDONLY != 0 {
		out, err := exec.Command("debugfs", "-R", "cat startup-config", name).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "system hostname kept") {
			return errors.New(string(out))
		}
		return nil
	}
	if out, err := exec.Command("e2fsck", "-n", name).CombinedOutput(); err != nil && !strings.Contains(string(out), "skipping journal recovery") {
		return errors.New(string(out))
	}
	return nil
}
