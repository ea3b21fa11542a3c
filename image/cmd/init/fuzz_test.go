package main

import (
	"errors"
	"io"
	"io/fs"
	"testing"
)

// overlay is a device of which some octets are others; what is written to it is forgotten.
type overlay struct {
	base    []byte
	size    int64
	other   map[int64][]byte
	written [][2]int64
}

func (o *overlay) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 || at >= o.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), o.size-at))
	clear(b[:n])
	if at < int64(len(o.base)) {
		copy(b[:n], o.base[at:])
	}
	for from, text := range o.other {
		begin, end := max(from, at), min(from+int64(len(text)), at+int64(n))
		if begin < end {
			copy(b[begin-at:end-at], text[begin-from:])
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (o *overlay) WriteAt(b []byte, at int64) (int, error) {
	o.written = append(o.written, [2]int64{at, at + int64(len(b))})
	return len(b), nil
}

func (o *overlay) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekEnd {
		return 0, errors.ErrUnsupported
	}
	return o.size, nil
}

func (o *overlay) Sync() error                { return nil }
func (o *overlay) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }
func (o *overlay) Read([]byte) (int, error)   { return 0, errors.ErrUnsupported }
func (o *overlay) Close() error               { return nil }

// Whatever a damaged medium holds in the places that the repair of a superblock reads, it does not crash, which would have the box restart
// for ever, and it writes nowhere but to the superblock and the descriptors behind it.
func FuzzRestoreSuperblock(f *testing.F) {
	const size, head = 128 << 20, 32 << 20 // copies in groups 1 and 3
	file := blank(f, size)
	if err := format(file, size); err != nil {
		f.Fatal(err)
	}
	base := make([]byte, head)
	if _, err := file.ReadAt(base, 0); err != nil {
		f.Fatal(err)
	}
	at := copyAt(1, 1024)
	first, groups := base[at:at+superSize], base[at+1024:at+2048]
	f.Add(first, groups, base[2048:4096])
	f.Fuzz(func(t *testing.T, super, copies, descriptors []byte) {
		if len(super) > superSize || len(copies) > 4096 || len(descriptors) > 4096 {
			return
		}
		o := &overlay{base: base, size: size, other: map[int64][]byte{
			superAt: make([]byte, superSize), at: super, copyAt(3, 1024): super, at + 1024: copies, superAt + 1024: descriptors,
		}}
		err := restoreSuperblock(o)
		if err != nil && len(o.written) > 0 {
			t.Errorf("it was changed: %v", err)
		}
		for _, w := range o.written {
			if w[0] < superAt || w[1] > 8<<10 {
				t.Errorf("octets %d to %d were written", w[0], w[1])
			}
		}
	})
}
