package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/partition/gpt"
)

func blank(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "part"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func wantNew(t *testing.T, f *os.File, want bool, when string) {
	t.Helper()
	if got, err := isNew(f); got != want || err != nil {
		t.Errorf("%s: new is %v (%v)", when, got, err)
	}
}

func TestFormat(t *testing.T) {
	for name, size := range map[string]int64{"the image's own size": 128 << 20, "a card": 3 << 30} {
		t.Run(name, func(t *testing.T) {
			f := blank(t, size)
			wantNew(t, f, true, "empty")
			if err := format(f, size); err != nil {
				t.Fatal(err)
			}
			wantNew(t, f, false, "formatted")
			if out, err := exec.Command("e2fsck", "-fn", f.Name()).CombinedOutput(); err != nil {
				t.Errorf("e2fsck: %v\n%s", err, out)
			}
		})
	}
}

func TestFormattingIsBegunAgainAfterAPowerCut(t *testing.T) {
	f := blank(t, 128<<20)
	if err := format(f, 128<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(formatting, 0); err != nil { // everything is there, but the last write was not
		t.Fatal(err)
	}
	wantNew(t, f, true, "cut short")
}

func TestGrowTable(t *testing.T) {
	const small, large = 64 << 20, 200 << 20
	f := blank(t, small)
	table := &gpt.Table{GUID: "60c24cc1-f3f9-427a-8199-000000000000"}
	for i := range 4 {
		start := uint64(2048 + i*16384)
		table.Partitions = append(table.Partitions, &gpt.Partition{Index: i + 1, Type: gpt.LinuxFilesystem, Name: "p", Start: start, Size: 8 << 20})
	}
	if err := table.Write(f, small); err != nil {
		t.Fatal(err)
	}
	mbr := []byte(strings.Repeat("hybrid", 80))
	if _, err := f.WriteAt(mbr, 0); err != nil {
		t.Fatal(err)
	}
	// The signature has to be right for the table to be read.
	if _, err := f.WriteAt([]byte{0x55, 0xaa}, 510); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(large); err != nil {
		t.Fatal(err)
	}
	start, length, err := growTable(f, large)
	if err != nil {
		t.Fatal(err)
	}
	if wantStart, end := int64(2048+3*16384)*sectorSize, start+length; start != wantStart || end <= large-(1<<20) || end > large-33*sectorSize {
		t.Errorf("data lies at %d..%d", start, end)
	}
	got, err := gpt.Read(f, sectorSize, sectorSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Verify(f, large); err != nil {
		t.Error(err)
	}
	for i, p := range got.Partitions[:3] {
		if p.Start != table.Partitions[i].Start || p.End != table.Partitions[i].End || p.GUID != table.Partitions[i].GUID {
			t.Errorf("partition %d changed: %+v", i+1, p)
		}
	}
	head := make([]byte, len(mbr))
	if _, err := f.ReadAt(head, 0); err != nil || string(head) != string(mbr) {
		t.Errorf("the first sector was rewritten (%v)", err)
	}
	if _, length, err = growTable(f, large); length != 0 || err != nil {
		t.Errorf("grown twice: %d bytes, %v", length, err)
	}
}

func TestJournalBeginsInMemoryAndIsBounded(t *testing.T) {
	j := &journal{}
	if _, err := j.Write([]byte("early\n")); err != nil {
		t.Fatal(err)
	}
	if j.text() != "early\n" {
		t.Errorf("text is %q", j.text())
	}
	name := filepath.Join(t.TempDir(), "log")
	if err := j.to(name); err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 2 * journalMax / len(line) {
		if _, err := j.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(name)
	if err != nil || info.Size() > journalMax || info.Size() == 0 {
		t.Errorf("size %d (%v)", info.Size(), err)
	}
}
