package image

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

// when is the time of the builds in tests: long ago, since a box takes no time from before its build.
var when = time.Date(2025, 1, 1, 6, 0, 0, 0, time.UTC)

// many is a tree with what makes file systems stumble: long names, many of them, empty files, sizes around blocks.
func many() *tree {
	t := newTree()
	t.file("cmdline.txt", 0o644, []byte("root=old\n"))
	t.file("loader/entries/gokrazy.conf", 0o644, []byte("options root=old\n"))
	t.file("EFI/BOOT/BOOTAA64.EFI", 0o644, bytes.Repeat([]byte("x"), 70000))
	t.file("vmlinuz", 0o644, bytes.Repeat([]byte("kernel"), 300000))
	t.file("empty", 0o600, nil)
	for i := range 300 {
		t.file(fmt.Sprintf("overlays/a-rather-long-name-%03d.dtbo", i), 0o644, []byte{byte(i)})
		t.file(fmt.Sprintf("overlays/a.long.name+%03d.dtbo", i), 0o644, bytes.Repeat([]byte{byte(i)}, i*17))
	}
	for i, n := range []int{sector, fatCluster - 1, fatCluster, fatCluster + 1, squashBlock - 1, squashBlock, squashBlock + 1} {
		t.file(fmt.Sprintf("sizes/%d.bin", i), 0o755, bytes.Repeat([]byte{byte(n), byte(i)}, n)[:n])
	}
	return t
}

// tool runs a program of the host on an image file.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// sound checks a boot partition: every tool shall take it.
func sound(t *testing.T, boot []byte) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "boot")
	if err := os.WriteFile(name, boot, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "fsck.fat", "-n", name)
}

func TestFAT16IsClean(t *testing.T) {
	img, err := writeFAT16(many(), "VIADUCT", 64*mib, bootStart/sector, when)
	if err != nil {
		t.Fatal(err)
	}
	sound(t, img)
}

func TestFAT16RefusesWhatDoesNotFit(t *testing.T) {
	big := newTree()
	big.file("vmlinuz", 0o644, make([]byte, 70*mib))
	if _, err := writeFAT16(big, "VIADUCT", 64*mib, 0, when); err == nil {
		t.Error("70 MiB were put into 64 MiB")
	}
	for _, size := range []int{mib, 1024 * mib} {
		if _, err := writeFAT16(newTree(), "VIADUCT", size, 0, when); err == nil {
			t.Errorf("%d bytes were called FAT16", size)
		}
	}
}

func TestSquashFSUnpacksToWhatWentIn(t *testing.T) {
	tree := many()
	tree.dir("perm")
	tree.link("etc/resolv.conf", "/nowhere/at/all")
	img, err := writeSquashFS(tree, when)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name, out := filepath.Join(dir, "root"), filepath.Join(dir, "out")
	if err := os.WriteFile(name, img, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "unsquashfs", "-no-progress", "-strict-errors", "-d", out, name)
	seen := 0
	var compare func(e *entry, path string)
	compare = func(e *entry, path string) {
		seen++
		info, err := os.Lstat(path)
		if err != nil {
			t.Error(err)
			return
		}
		if info.Mode() != e.mode && e.mode&fs.ModeSymlink == 0 || !info.ModTime().Equal(when) {
			t.Errorf("%s: mode %v, time %v", path, info.Mode(), info.ModTime())
		}
		switch {
		case e.mode.IsDir():
			if list, _ := os.ReadDir(path); len(list) != len(e.children) {
				t.Errorf("%s has %d entries, want %d", path, len(list), len(e.children))
			}
			for _, c := range e.children {
				compare(c, filepath.Join(path, c.name))
			}
		case e.mode&fs.ModeSymlink != 0:
			if target, err := os.Readlink(path); target != e.target {
				t.Errorf("%s points to %q (%v)", path, target, err)
			}
		default:
			if data, err := os.ReadFile(path); !bytes.Equal(data, e.data) {
				t.Errorf("%s: %d bytes differ from the %d that went in (%v)", path, len(data), len(e.data), err)
			}
		}
	}
	compare(tree.root, out)
	if seen < 600 {
		t.Errorf("only %d entries compared", seen)
	}
}

// The Raspberry Pi's firmware reads an MBR: it must find the boot partition there, where the GPT has it.
func TestTheMBRNamesTheBootPartitionToo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	if err := writeDisk(name, []byte("boot"), []byte("root")); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old, err := mbr.Read(f, sector, sector)
	if err != nil {
		t.Fatal(err)
	}
	table, err := gpt.Read(f, sector, sector)
	if err != nil {
		t.Fatal(err)
	}
	boot, rest := old.Partitions[0], old.Partitions[1]
	if boot.Type != mbr.Fat32LBA || !boot.Bootable || uint64(boot.Start) != table.Partitions[0].Start || uint64(boot.Size)*sector != table.Partitions[0].Size {
		t.Errorf("boot is %+v, in the GPT %+v", boot, table.Partitions[0])
	}
	const protective = 0xee
	if rest.Type != protective || rest.Bootable || rest.Start != 1 || rest.Start+rest.Size != boot.Start {
		t.Errorf("the second entry is %+v", rest)
	}
}
