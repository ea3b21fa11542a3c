package flash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LogOptions say where a log is and how much of the partition it may take.
type LogOptions struct {
	Dir       string        // made when missing, mode 0700
	Suffix    string        // of the file names, for example ".jsonl"
	Perm      fs.FileMode   // of the files
	MaxTotal  int64         // octets of all files together; the oldest go first. At least 64 KiB
	SyncEvery time.Duration // an appended line is on flash after at most this; default 5 s
	SyncLines int           // or after so many lines; default 64
}

// Log is an append log of lines, one file a day (UTC): 2026-11-22.jsonl, and 2026-11-22.2.jsonl when the first has an
// eighth of MaxTotal. Safe for concurrent use. Append waits while an fsync runs, a second and more on a bad card: give it to
// a goroutine that can wait.
type Log struct {
	o LogOptions

	mu     sync.Mutex // everything below
	file   *os.File
	day    string
	size   int64
	dirty  int         // lines since the last fsync
	timer  *time.Timer // of the fsync that is due, nil when none is
	failed error       // of an fsync in the background, told to the next Append
	closed bool
}

// OpenLog opens the log in its folder. The first file is made by the first line.
func OpenLog(o LogOptions) (*Log, error) {
	if o.SyncEvery == 0 {
		o.SyncEvery = 5 * time.Second
	}
	if o.SyncLines == 0 {
		o.SyncLines = 64
	}
	o.MaxTotal = max(o.MaxTotal, 64<<10)
	if err := MakeDir(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &Log{o: o}, nil
}

// Append adds lines, all or none; the newlines are added here. A nil error says that they are written, and on flash within SyncEvery.
func (l *Log) Append(lines ...[]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.New("append to log: closed")
	}
	if err := l.roll(time.Now().UTC().Format(time.DateOnly)); err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	// One write for the lines and their ends: a torn line can only be the last one.
	size := len(lines)
	for _, line := range lines {
		size += len(line)
	}
	text := make([]byte, 0, size)
	for _, line := range lines {
		text = append(append(text, line...), '\n')
	}
	n, err := l.file.Write(text)
	if err != nil {
		// The partition is full: take the piece back, or it would swallow the next line.
		return fmt.Errorf("append to log: %w", errors.Join(err, l.file.Truncate(l.size)))
	}
	l.size += int64(n)
	l.dirty += len(lines)
	if l.dirty >= l.o.SyncLines {
		l.sync()
	} else if l.timer == nil {
		l.timer = time.AfterFunc(l.o.SyncEvery, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.sync()
		})
	}
	err, l.failed = l.failed, nil
	return err
}

// Close syncs and closes the file. Append fails from now on.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.release()
}

// sync puts all lines on flash.
func (l *Log) sync() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.file == nil || l.dirty == 0 {
		return
	}
	l.dirty = 0
	if err := l.file.Sync(); err != nil {
		l.failed = fmt.Errorf("sync log: %w", err)
	}
}

// release syncs and closes the present file.
func (l *Log) release() error {
	l.sync()
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.failed, l.file.Close())
	l.file, l.failed = nil, nil
	return err
}

// roll makes l.file the file that a line of this day belongs to.
func (l *Log) roll(day string) error {
	if l.file != nil && l.day == day && l.size < l.o.MaxTotal/8 {
		return nil
	}
	part := 1
	files, err := l.Files()
	if err != nil {
		return err
	}
	day = l.forward(day, files)
	if l.file != nil && l.day == day && l.size < l.o.MaxTotal/8 {
		return nil
	}
	for _, name := range files {
		if d, p, ok := parseName(filepath.Base(name), l.o.Suffix); ok && d == day {
			part = p // after a restart: go on with the last file of the day
		}
	}
	if l.file != nil && l.day == day {
		part++
	}
	if err := l.release(); err != nil {
		return err
	}
	f, size, err := l.open(day, part)
	for last := part + damagedParts; err != nil && part < last; {
		part++
		f, size, err = l.open(day, part)
	}
	if err != nil {
		return err
	}
	l.file, l.day, l.size = f, day, size
	return l.trim()
}

// clockSlips is how far a clock may lie behind the one before: the box starts with the time that it has saved last.
const clockSlips = 2 * 24 * time.Hour

// forward is the day whose file a line of this day goes to. While the clock is behind the last file that is this one, so that lines stay in their
// order: a reader whose position is in it would never see what is written to a file before it. A day far ahead is that of a clock that was wrong.
func (l *Log) forward(day string, files []string) string {
	if len(files) == 0 {
		return day
	}
	last, _, _ := parseName(filepath.Base(files[len(files)-1]), l.o.Suffix)
	now, err := time.Parse(time.DateOnly, day)
	if err == nil && last > day && last <= now.Add(clockSlips).Format(time.DateOnly) {
		return last
	}
	return day
}

// damagedParts is how many files of a day may be unusable until the log gives up: the medium is broken then, not a file.
const damagedParts = 3

// open opens a file of the log to append to, and returns its size.
func (l *Log) open(day string, part int) (*os.File, int64, error) {
	f, err := os.OpenFile(filepath.Join(l.o.Dir, fileName(day, part, l.o.Suffix)), os.O_RDWR|os.O_CREATE|os.O_APPEND, l.o.Perm)
	if err != nil {
		return nil, 0, err
	}
	size, err := mend(f)
	if err == nil {
		err = SyncDir(l.o.Dir)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, size, nil
}

// mend ends a line that a power cut tore, so that the next line stands for itself. It returns the size of the file.
func mend(f *os.File) (int64, error) {
	fi, err := f.Stat()
	if err != nil || fi.Size() == 0 {
		return 0, err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, fi.Size()-1); err != nil {
		return 0, err
	}
	if last[0] == '\n' {
		return fi.Size(), nil
	}
	n, err := f.Write([]byte{'\n'})
	return fi.Size() + int64(n), err
}

// trim removes the oldest files until all together, the present one at its full size, fit into MaxTotal.
func (l *Log) trim() error {
	files, err := l.Files()
	if err != nil {
		return err
	}
	total := l.o.MaxTotal / 8
	for _, name := range slices.Backward(files) {
		if name == l.file.Name() {
			continue
		}
		fi, statErr := os.Stat(name)
		if statErr != nil {
			continue
		}
		if total += fi.Size(); total > l.o.MaxTotal {
			err = errors.Join(err, Remove(name))
		}
	}
	return err
}

// Files returns the paths of all files of the log, oldest first.
func (l *Log) Files() ([]string, error) {
	entries, err := os.ReadDir(l.o.Dir)
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	var names []string
	for _, e := range entries {
		if _, _, ok := parseName(e.Name(), l.o.Suffix); ok && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		dayA, partA, _ := parseName(a, l.o.Suffix)
		dayB, partB, _ := parseName(b, l.o.Suffix)
		if c := strings.Compare(dayA, dayB); c != 0 {
			return c
		}
		return partA - partB
	})
	for i, name := range names {
		names[i] = filepath.Join(l.o.Dir, name)
	}
	return names, nil
}

func fileName(day string, part int, suffix string) string {
	if part == 1 {
		return day + suffix
	}
	return day + "." + strconv.Itoa(part) + suffix
}

// parseName is the opposite of fileName.
func parseName(name, suffix string) (day string, part int, ok bool) {
	rest, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return "", 0, false
	}
	day, number, numbered := strings.Cut(rest, ".")
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return "", 0, false
	}
	if !numbered {
		return day, 1, true
	}
	part, err := strconv.Atoi(number)
	return day, part, err == nil && part > 1
}
