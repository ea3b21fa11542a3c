package flash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Position is a place between two lines of a Log: behind so many octets of a file, whose name has no folder. The zero value is the
// beginning.
type Position struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
}

// LongestLine is the most that a line of a log may have for From to return it: a damaged file may have no line end for megabytes.
const LongestLine = 256 << 10

// From returns the next lines behind a position, at most so many, and no more once they have so many octets. Each lies at its end: At is
// the position behind it. Lines without an end are left out: one that a power cut tore, and one that is longer than LongestLine. So is
// what cannot be read, which err names, unless it is in the last file: lines are still added to that.
// next is the position behind everything that was read or left out. gone says that the file of the position has been deleted.
func (l *Log) From(p Position, lines, octets int) (list []Entry, next Position, gone bool, err error) {
	files, err := l.Files()
	if err != nil {
		return nil, p, false, err
	}
	day, part, ok := parseName(p.File, l.o.Suffix)
	first := 0
	if ok {
		for first < len(files) && before(filepath.Base(files[first]), day, part, l.o.Suffix) {
			first++
		}
		gone = first == len(files) || filepath.Base(files[first]) != p.File
	}
	next = p
	for n, name := range files[first:] {
		if base := filepath.Base(name); base != next.File {
			next = Position{File: base}
		}
		last := first+n == len(files)-1
		read, offset, failed := entries(name, next, last, lines-len(list), octets)
		next.Offset, err = offset, errors.Join(err, failed)
		list = append(list, read...)
		for _, e := range read {
			octets -= len(e.Line)
		}
		if len(list) == lines || octets <= 0 {
			break
		}
	}
	return list, next, gone, err
}

// Entry is a line of a Log, and the position behind it.
type Entry struct {
	Line []byte
	At   Position
}

// before reports whether the file base belongs in front of the part of a day.
func before(base, day string, part int, suffix string) bool {
	d, n, _ := parseName(base, suffix)
	return d < day || d == day && n < part
}

// entries reads lines of one file. The end of the last file may still be in the making, so a line without an end stays for the next time.
func entries(name string, p Position, last bool, lines, octets int) (list []Entry, offset int64, err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, p.Offset, nil // deleted meanwhile
	}
	if err != nil {
		return nil, p.Offset, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(p.Offset, io.SeekStart); err != nil {
		return nil, p.Offset, fmt.Errorf("read log: %w", err)
	}
	offset = p.Offset
	whole := offset // behind the last line that has an end
	for r, long := bufio.NewReaderSize(f, LongestLine), false; len(list) < lines && octets > 0; {
		line, err := r.ReadSlice('\n')
		offset += int64(len(line))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = true
			continue
		case errors.Is(err, io.EOF):
			if last {
				offset = whole
			}
			return list, offset, nil
		case err != nil:
			return list, whole, fmt.Errorf("read log: %w", err)
		}
		whole = offset
		if !long {
			list = append(list, Entry{Line: slices.Clone(line[:len(line)-1]), At: Position{p.File, offset}})
			octets -= len(line) - 1
		}
		long = false
	}
	return list, offset, nil
}

// End is the position behind the last line.
func (l *Log) End() (Position, error) {
	files, err := l.Files()
	if err != nil || len(files) == 0 {
		return Position{}, err
	}
	name := files[len(files)-1]
	fi, err := os.Stat(name)
	if err != nil {
		return Position{}, fmt.Errorf("end of log: %w", err)
	}
	return Position{filepath.Base(name), fi.Size()}, nil
}

// Settle moves a position that lies behind the end of its file to that end: what was there when it was noted, a power cut has taken. Call
// it before anything is appended.
func (l *Log) Settle(p Position) Position {
	fi, err := os.Stat(filepath.Join(l.o.Dir, filepath.Base(p.File)))
	if p.File != "" && err == nil && fi.Size() < p.Offset {
		p.Offset = fi.Size()
	}
	p.Offset = max(p.Offset, 0)
	return p
}

// Behind is the number of octets behind a position.
func (l *Log) Behind(p Position) (octets int64, err error) {
	files, err := l.Files()
	if err != nil {
		return 0, err
	}
	day, part, ok := parseName(p.File, l.o.Suffix)
	for _, name := range files {
		base := filepath.Base(name)
		fi, err := os.Stat(name)
		if err != nil || ok && before(base, day, part, l.o.Suffix) {
			continue
		}
		octets += fi.Size()
		if base == p.File {
			octets -= min(p.Offset, fi.Size())
		}
	}
	return octets, nil
}

// Tail is the position of the first line behind which, itself included, there are no more than so many octets.
func (l *Log) Tail(octets int64) (Position, error) {
	files, err := l.Files()
	if err != nil {
		return Position{}, err
	}
	for _, name := range slices.Backward(files) {
		fi, err := os.Stat(name)
		if err != nil {
			continue
		}
		if octets -= fi.Size(); octets < 0 {
			return lineFrom(name, -octets)
		}
	}
	return Position{}, nil
}

// lineFrom is the position of the first line of a file that begins behind so many octets or more.
func lineFrom(name string, offset int64) (Position, error) {
	p := Position{File: filepath.Base(name), Offset: offset}
	f, err := os.Open(name)
	if err != nil {
		return p, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(offset-1, io.SeekStart); err != nil {
		return p, fmt.Errorf("read log: %w", err)
	}
	p.Offset--
	for r := bufio.NewReader(f); ; {
		piece, err := r.ReadSlice('\n')
		p.Offset += int64(len(piece))
		switch {
		case err == nil, errors.Is(err, io.EOF):
			return p, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return p, fmt.Errorf("read log: %w", err)
		}
	}
}

// Expire deletes the files of all days before this one (2026-11-22). It returns how many there were.
func (l *Log) Expire(day string) (files int, err error) {
	return l.erase(func(d string) bool { return d < day })
}

// Erase deletes all files.
func (l *Log) Erase() (files int, err error) { return l.erase(func(string) bool { return true }) }

func (l *Log) erase(which func(day string) bool) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	names, err := l.Files()
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		day, _, _ := parseName(filepath.Base(name), l.o.Suffix)
		if !which(day) {
			continue
		}
		if l.file != nil && l.file.Name() == name {
			err = errors.Join(err, l.release())
		}
		if gone := Remove(name); gone != nil {
			err = errors.Join(err, gone)
			continue
		}
		n++
	}
	return n, err
}
