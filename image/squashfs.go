package image

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"time"
)

// SquashFS 4.0 with zlib, the only compression that both kernels have. No fragments, no extended attributes, no export table,
// one owner (root): what a root of few large programs needs. Files are stored as they are: unpacking them took half a second of the
// start, and there is room enough.
const (
	squashMagic     = 0x73717368
	squashBlock     = 128 << 10 // bytes of a data block
	squashMeta      = 8 << 10   // bytes of a metadata block before compression
	squashZlib      = 1
	squashFlags     = 0x10 | 0x200 // no fragments, no xattrs
	squashAbsent    = math.MaxUint64
	squashRawData   = 1 << 24 // in a data block's size: stored as it is
	squashRawMeta   = 1 << 15 // in a metadata block's size: stored as it is
	squashHeader    = 96
	squashPad       = 4096
	squashDir       = 1
	squashFile      = 2
	squashSymlink   = 3
	squashDirRun    = 256                // entries below one header of a listing
	squashDirLimit  = math.MaxUint16 - 3 // bytes of a listing that a plain folder inode can have
	squashNoFrag    = math.MaxUint32
	squashNameLimit = 256
)

// squash is a file system being written.
type squash struct {
	out    bytes.Buffer
	inodes metadata
	dirs   metadata
	time   uint32
	number map[*entry]uint32 // inode numbers, from 1
	err    error
}

// inodeRef is where an inode lies: its metadata block's place in the inode table, and the offset in the uncompressed block.
type inodeRef struct {
	block  uint32
	offset uint16
	kind   uint16
}

// writeSquashFS lays the tree out as a file system image. The same tree and time give the same bytes.
func writeSquashFS(t *tree, at time.Time) ([]byte, error) {
	s := &squash{time: uint32(at.Unix()), number: map[*entry]uint32{}}
	s.count(t.root)
	s.out.Write(make([]byte, squashHeader))
	root := s.write(t.root, uint32(len(s.number)+1))
	if s.err != nil {
		return nil, s.err
	}
	inodeTable := s.out.Len()
	s.out.Write(s.inodes.finish())
	dirTable := s.out.Len()
	s.out.Write(s.dirs.finish())

	var ids metadata
	ids.write(binary.LittleEndian.AppendUint32(nil, 0)) // root's user and group
	idBlock := s.out.Len()
	s.out.Write(ids.finish())
	idTable := s.out.Len()
	s.out.Write(binary.LittleEndian.AppendUint64(nil, uint64(idBlock)))
	used := s.out.Len()
	s.out.Write(make([]byte, (squashPad-used%squashPad)%squashPad))

	head, err := binary.Append(nil, binary.LittleEndian, struct {
		Magic, Inodes, Time, BlockSize, Fragments    uint32
		Compressor, BlockLog, Flags, IDs             uint16
		Major, Minor                                 uint16
		Root, Used, IDTable, XattrTable              uint64
		InodeTable, DirTable, FragTable, ExportTable uint64
	}{
		squashMagic, uint32(len(s.number)), s.time, squashBlock, 0,
		squashZlib, 17, squashFlags, 1,
		4, 0,
		uint64(root.block)<<16 | uint64(root.offset), uint64(used), uint64(idTable), squashAbsent,
		uint64(inodeTable), uint64(dirTable), squashAbsent, squashAbsent,
	})
	if err != nil {
		return nil, err
	}
	image := s.out.Bytes()
	copy(image, head)
	return image, nil
}

// count gives inode numbers, children first as write writes them.
func (s *squash) count(e *entry) {
	for _, c := range e.children {
		s.count(c)
	}
	s.number[e] = uint32(len(s.number) + 1)
}

// write writes an entry and what is below it, and returns where its inode lies.
func (s *squash) write(e *entry, parent uint32) inodeRef {
	var kind uint16
	var body []byte
	le := binary.LittleEndian
	switch {
	case e.mode.IsDir():
		refs := make([]inodeRef, len(e.children))
		for i, c := range e.children {
			refs[i] = s.write(c, s.number[e])
		}
		kind = squashDir
		listing := s.listing(e, refs)
		block, offset := s.dirs.write(listing)
		links := 2
		for _, c := range e.children {
			if c.mode.IsDir() {
				links++
			}
		}
		body = le.AppendUint32(body, block)
		body = le.AppendUint32(body, uint32(links))
		body = le.AppendUint16(body, uint16(len(listing)+3)) // the kernel counts . and .. as 3 bytes
		body = le.AppendUint16(body, offset)
		body = le.AppendUint32(body, parent)
	case e.mode&fs.ModeSymlink != 0:
		kind = squashSymlink
		body = le.AppendUint32(body, 1)
		body = le.AppendUint32(body, uint32(len(e.target)))
		body = append(body, e.target...)
	default:
		kind = squashFile
		body = le.AppendUint32(body, uint32(s.out.Len()))
		body = le.AppendUint32(body, squashNoFrag)
		body = le.AppendUint32(body, 0)
		body = le.AppendUint32(body, uint32(len(e.data)))
		for rest := e.data; len(rest) > 0; {
			n := min(len(rest), squashBlock)
			s.out.Write(rest[:n])
			body = le.AppendUint32(body, uint32(n)|squashRawData)
			rest = rest[n:]
		}
	}
	head := le.AppendUint16(nil, kind)
	head = le.AppendUint16(head, uint16(e.mode.Perm()))
	head = le.AppendUint32(head, 0) // user and group: the first of the id table
	head = le.AppendUint32(head, s.time)
	head = le.AppendUint32(head, s.number[e])
	block, offset := s.inodes.write(append(head, body...))
	return inodeRef{block, offset, kind}
}

// listing is a folder's names. A header says the inode block of the entries below it, and a base that their numbers are
// relative to.
func (s *squash) listing(e *entry, refs []inodeRef) []byte {
	var b []byte
	le := binary.LittleEndian
	for i := 0; i < len(refs); {
		base := s.number[e.children[i]]
		n := i
		for n < len(refs) && n-i < squashDirRun && refs[n].block == refs[i].block && s.number[e.children[n]]-base <= math.MaxInt16 {
			n++
		}
		b = le.AppendUint32(b, uint32(n-i-1))
		b = le.AppendUint32(b, refs[i].block)
		b = le.AppendUint32(b, base)
		for ; i < n; i++ {
			c := e.children[i]
			if len(c.name) > squashNameLimit || c.name == "" {
				s.err = fmt.Errorf("squashfs: name of %d bytes", len(c.name))
				return nil
			}
			b = le.AppendUint16(b, refs[i].offset)
			b = le.AppendUint16(b, uint16(s.number[c]-base))
			b = le.AppendUint16(b, refs[i].kind)
			b = le.AppendUint16(b, uint16(len(c.name)-1))
			b = append(b, c.name...)
		}
	}
	if len(b) > squashDirLimit {
		s.err = fmt.Errorf("squashfs: folder %q has too many names", e.name)
	}
	return b
}

// metadata is a table of records, cut into blocks that are compressed one by one.
type metadata struct {
	done bytes.Buffer // blocks as on disk
	open []byte       // of the block being filled
}

// write adds a record and returns where it begins.
func (m *metadata) write(record []byte) (block uint32, offset uint16) {
	block, offset = uint32(m.done.Len()), uint16(len(m.open))
	m.open = append(m.open, record...)
	for len(m.open) >= squashMeta {
		m.flush(squashMeta)
	}
	return block, offset
}

func (m *metadata) flush(n int) {
	block, packed := deflate(m.open[:n])
	size := uint16(len(block))
	if !packed {
		size |= squashRawMeta
	}
	m.done.Write(binary.LittleEndian.AppendUint16(nil, size))
	m.done.Write(block)
	m.open = m.open[n:]
}

// finish returns the table.
func (m *metadata) finish() []byte {
	if len(m.open) > 0 {
		m.flush(len(m.open))
	}
	return m.done.Bytes()
}

// deflate compresses a block; packed is false when it does not get smaller, and the block is then the data itself.
func deflate(data []byte) (block []byte, packed bool) {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil || b.Len() >= len(data) {
		return data, false
	}
	return b.Bytes(), true
}
