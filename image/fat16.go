package image

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"viaduct/image/update"
)

// The boot partition is FAT16 with one FAT, contiguous files, and the files of a folder one behind the other: package update, which
// overwrites some of them, takes that for granted.
const (
	sector         = update.Sector
	fatCluster     = update.FATCluster
	fatRootEntries = 512
	fatEntry       = update.FATEntry
	fatAttrVolume  = 0x08
	fatAttrDir     = update.FATFolder
	fatAttrFile    = 0x20
	fatEnd         = 0xffff
	fatMinClusters = 4085 // fewer is FAT12, by definition
	fatMaxClusters = 65524
)

// fat16 is a file system being written.
type fat16 struct {
	image     []byte
	table     []uint16 // the FAT
	dataStart int      // bytes
	next      int      // cluster
	date, dos uint16   // date and time of everything
	err       error
}

// writeFAT16 lays the tree out in a file system of size bytes; hidden is the number of sectors before the partition.
func writeFAT16(t *tree, label string, size int, hidden uint32, at time.Time) ([]byte, error) {
	sectors := size / sector
	fatSectors := (size/fatCluster*2 + 2*2 + sector - 1) / sector
	rootStart := 1 + fatSectors
	dataStart := rootStart + fatRootEntries*fatEntry/sector
	clusters := (sectors - dataStart) * sector / fatCluster
	if clusters < fatMinClusters || clusters > fatMaxClusters {
		return nil, fmt.Errorf("fat16: %d bytes make %d clusters, which is not FAT16", size, clusters)
	}
	at = at.UTC()
	f := &fat16{
		image: make([]byte, size), table: make([]uint16, clusters+2), dataStart: dataStart * sector, next: 2,
		date: uint16(at.Year()-1980)<<9 | uint16(at.Month())<<5 | uint16(at.Day()),
		dos:  uint16(at.Hour())<<11 | uint16(at.Minute())<<5 | uint16(at.Second()/2),
	}
	f.table[0], f.table[1] = 0xfff8, fatEnd // media descriptor; clean
	le := binary.LittleEndian
	b := f.image
	copy(b, "\xeb\x3c\x90VIADUCT ")
	le.PutUint16(b[11:], sector)
	b[13] = fatCluster / sector
	le.PutUint16(b[14:], 1) // reserved sectors: this one
	b[16] = 1               // FATs
	le.PutUint16(b[17:], fatRootEntries)
	b[21] = 0xf8 // hard disk
	le.PutUint16(b[22:], uint16(fatSectors))
	le.PutUint16(b[24:], 63)  // sectors per track and heads: nobody uses them, some check them
	le.PutUint16(b[26:], 255) //
	le.PutUint32(b[28:], hidden)
	le.PutUint32(b[32:], uint32(sectors))
	b[36], b[38] = 0x80, 0x29
	le.PutUint32(b[39:], uint32(at.Unix()))
	copy(b[43:], fmt.Sprintf("%-11.11s", label))
	copy(b[54:], "FAT16   ")
	b[510], b[511] = 0x55, 0xaa

	root := f.short(fmt.Sprintf("%-11.11s", label), fatAttrVolume, 0, 0)
	root = append(root, f.entries(t.root, 0)...)
	if len(root) > fatRootEntries*fatEntry {
		return nil, fmt.Errorf("fat16: the root holds %d entries, at most %d fit", len(root)/fatEntry, fatRootEntries)
	}
	copy(b[rootStart*sector:], root)
	for i, v := range f.table {
		le.PutUint16(b[sector+2*i:], v)
	}
	return b, f.err
}

// entries writes what is below a folder and returns the folder's entries. self is the folder's first cluster, 0 for the root.
func (f *fat16) entries(dir *entry, self int) []byte {
	var b []byte
	names := shortNames(dir)
	for i, c := range dir.children {
		attr, size := byte(fatAttrFile), len(c.data)
		var first int
		if c.mode.IsDir() {
			attr, size = fatAttrDir, 0
			first = f.allocate(folderSize(c))
			list := append(f.short(".          ", fatAttrDir, first, 0), f.short("..         ", fatAttrDir, self, 0)...)
			f.put(first, append(list, f.entries(c, first)...))
		} else {
			first = f.allocate(size)
			f.put(first, c.data)
		}
		b = append(b, longEntries(c.name, names[i])...)
		b = append(b, f.short(names[i], attr, first, size)...)
	}
	return b
}

// folderSize is the bytes that a folder's entries take.
func folderSize(dir *entry) int {
	n := 2 * fatEntry
	for i, short := range shortNames(dir) {
		n += len(longEntries(dir.children[i].name, short)) + fatEntry
	}
	return n
}

// allocate takes a run of clusters and returns the first; 0 for nothing.
func (f *fat16) allocate(size int) int {
	n := (size + fatCluster - 1) / fatCluster
	if n == 0 {
		return 0
	}
	if f.next+n > len(f.table) {
		f.err = fmt.Errorf("fat16: the files do not fit into %d bytes", len(f.image))
		return 0
	}
	first := f.next
	f.next += n
	for i := first; i < f.next-1; i++ {
		f.table[i] = uint16(i + 1)
	}
	f.table[f.next-1] = fatEnd
	return first
}

func (f *fat16) put(cluster int, data []byte) {
	if cluster >= 2 {
		copy(f.image[f.dataStart+(cluster-2)*fatCluster:], data)
	}
}

// short is a plain directory entry; name has 11 characters.
func (f *fat16) short(name string, attr byte, cluster, size int) []byte {
	b := make([]byte, fatEntry)
	copy(b, name)
	b[11] = attr
	le := binary.LittleEndian
	le.PutUint16(b[14:], f.dos)
	le.PutUint16(b[16:], f.date)
	le.PutUint16(b[18:], f.date)
	le.PutUint16(b[22:], f.dos)
	le.PutUint16(b[24:], f.date)
	le.PutUint16(b[26:], uint16(cluster))
	le.PutUint32(b[28:], uint32(size))
	return b
}

// shortNames returns the 8.3 names of a folder's children, padded to 11 characters.
func shortNames(dir *entry) []string {
	taken := map[string]bool{}
	names := make([]string, len(dir.children))
	for i, c := range dir.children {
		base, ext := strings.ToUpper(c.name), ""
		if dot := strings.LastIndexByte(base, '.'); dot > 0 {
			base, ext = base[:dot], base[dot+1:]
		}
		fits := len(base) <= 8 && len(ext) <= 3 && !strings.ContainsAny(base, ". +,;=[]")
		base = strings.NewReplacer(".", "", " ", "", "+", "_", ",", "_", ";", "_", "=", "_", "[", "_", "]", "_").Replace(base)
		ext = ext[:min(len(ext), 3)]
		stem := base
		for n := 1; !fits || taken[strings.ToUpper(base+"."+ext)]; n++ {
			tail := fmt.Sprintf("~%d", n)
			base = stem[:min(len(stem), 8-len(tail))] + tail
			fits = true
		}
		taken[strings.ToUpper(base+"."+ext)] = true
		names[i] = fmt.Sprintf("%-8s%-3s", base, ext)
	}
	return names
}

// longEntries are the entries of a long name, none when the short one says it all.
func longEntries(name, short string) []byte {
	plain := strings.TrimRight(short[:8], " ")
	if ext := strings.TrimRight(short[8:], " "); ext != "" {
		plain += "." + ext
	}
	if plain == name && name == strings.ToUpper(name) {
		return nil
	}
	return update.LongName(name, short)
}
