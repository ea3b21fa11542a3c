package flash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Last returns the last n lines, oldest first, without their newlines; fewer when there are fewer. A file that cannot be read is
// left out when another can.
func (l *Log) Last(n int) ([][]byte, error) {
	var lines [][]byte // newest first
	err := l.Backward("", func(line []byte) bool {
		if len(lines) < n {
			lines = append(lines, bytes.Clone(line))
		}
		return len(lines) < n
	})
	slices.Reverse(lines)
	return lines, err
}

// Backward calls each with the lines of a day (2026-11-22) and of those behind it, the newest first and without their newlines, until that
// returns false. A line is valid until each returns. Left out are lines that are longer than LongestLine, and a file that cannot be read
// when another can. It takes a piece of each file at a time, and holds no lock.
func (l *Log) Backward(day string, each func(line []byte) bool) error {
	files, err := l.Files()
	if err != nil {
		return err
	}
	window := make([]byte, 2*LongestLine)
	var unread error
	read := 0
	for _, name := range slices.Backward(files) {
		if d, _, _ := parseName(filepath.Base(name), l.o.Suffix); d < day {
			break
		}
		more, err := backward(name, window, each)
		if err != nil {
			unread = fmt.Errorf("read log: %w", err)
			continue
		}
		if read++; !more {
			break
		}
	}
	if read == 0 {
		return unread
	}
	return nil
}

// backward reads the lines of one file, and reports whether more are wanted. The window has room for the piece that is read and the
// beginning of a line of the piece behind it.
func backward(name string, window []byte, each func(line []byte) bool) (more bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return true, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return true, err
	}
	text := window[len(window):] // the end of a line whose beginning is not read yet
	long := false                // it is too long
	for left := fi.Size(); left > 0; {
		n := int(min(left, LongestLine))
		left -= int64(n)
		from := len(window) - len(text) - n
		copy(window[from+n:], text)
		if _, err := f.ReadAt(window[from:from+n], left); err != nil && !errors.Is(err, io.EOF) {
			return true, err
		}
		text = window[from:]
		for len(text) > 0 {
			text = bytes.TrimSuffix(text, []byte("\n"))
			start := bytes.LastIndexByte(text, '\n') + 1
			if start == 0 && left > 0 {
				break
			}
			if !long && !each(text[start:]) {
				return false, nil
			}
			text, long = text[:start], false
		}
		if len(text) > LongestLine {
			text, long = nil, true
		}
		moved := window[len(window)-len(text):]
		copy(moved, text)
		text = moved
	}
	return true, nil
}
