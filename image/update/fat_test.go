package update

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// bootPartition is a boot partition of one folder with one file.
func bootPartition() []byte {
	b := make([]byte, 16<<10)
	b[14], b[16], b[17], b[22] = 1, 1, 32, 1 // reserved sectors, FATs, entries of the root, sectors of a FAT
	const root, data = 2 * Sector, 2*Sector + 32*FATEntry
	entry := func(at int, name string, attribute, cluster, size byte) {
		copy(b[at:], name)
		b[at+11], b[at+26], b[at+28] = attribute, cluster, size
	}
	entry(root, "LOADER     ", FATFolder, 2, 0)
	entry(data, "ENTRIES TXT", 0x20, 3, 5)
	copy(b[data+FATCluster:], "hello")
	return b
}

func TestReadFindsAFileInAFolder(t *testing.T) {
	got, err := Read(bytes.NewReader(bootPartition()), "loader/entries.txt")
	if err != nil || string(got) != "hello" {
		t.Errorf("%q (%v)", got, err)
	}
	for _, path := range []string{"loader", "nothing", "loader/nothing", "loader/entries.txt/more"} {
		if got, err := Read(bytes.NewReader(bootPartition()), path); err == nil {
			t.Errorf("%s holds %q", path, got)
		}
	}
}

func TestAFileIsNotLargerThanItsPartition(t *testing.T) {
	b := bootPartition()
	copy(b[2*Sector+32*FATEntry+28:], "\xff\xff\xff\xff")
	if _, err := Read(bytes.NewReader(b), "loader/entries.txt"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("its error is %v", err)
	}
}

// A boot partition that the medium has spoiled is an error: PID 1 reads it at each start.
func FuzzRead(f *testing.F) {
	f.Add(bootPartition(), "loader/entries.txt")
	f.Fuzz(func(t *testing.T, boot []byte, path string) {
		if got, err := Read(bytes.NewReader(boot), path); err == nil && len(got) > len(boot) {
			t.Errorf("%d octets of %d", len(got), len(boot))
		}
	})
}
