package flash

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// Cursor is how far the reader of a Log has come, and the file that keeps this over a restart. What it has been advanced over since it was saved
// last is read again after a power cut. One goroutine reads and advances; all else is safe for concurrent use.
type Cursor struct {
	file string

	mu     sync.Mutex
	log    *Log      // nil: it is not open
	at     *Position // nil: the reader has not begun, or has stopped
	dirty  bool      // at is not on flash
	saved  time.Time // when it was put there last
	erased int       // times that lines were erased
	read   int       // of erased, at the last Next
}

// ErrNotOpen is of a Cursor that was not opened yet.
var ErrNotOpen = errors.New("the log is not open yet")

// NewCursor returns a cursor that keeps its position in a file, whose folder must exist when it is opened.
func NewCursor(file string) *Cursor { return &Cursor{file: file} }

// Open has it read a log, from the position that it has or that its file holds. A file that cannot be read is the beginning: everything is read
// again rather than left out. It is to be called before anything is appended to the log; see Settle.
func (c *Cursor) Open(log *Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := os.ReadFile(c.file)
	c.log = log
	if c.at == nil && !errors.Is(err, fs.ErrNotExist) {
		at := readPosition(text)
		c.at = &at
	}
	if c.at != nil {
		*c.at = log.Settle(*c.at)
	}
}

func readPosition(text []byte) (at Position) {
	if json.Unmarshal(text, &at) != nil {
		return Position{}
	}
	return at
}

// Begin has the reader begin at a position of the log, unless it has begun already.
func (c *Cursor) Begin(at Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at, c.dirty = &at, true
	}
}

// Begun reports whether the reader has begun.
func (c *Cursor) Begun() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at != nil
}

// Next returns the next lines, as Log.From does. A reader that has not begun begins at the end: what was there before was not asked for. It does
// not advance.
func (c *Cursor) Next(lines, octets int) (list []Entry, next Position, gone bool, err error) {
	log, from, err := c.begin()
	if err != nil {
		return nil, next, false, err
	}
	list, next, gone, err = log.From(from, lines, octets)
	if from.File == "" && len(list) > 0 { // so that it is seen when that file is deleted
		c.Advance(Position{File: list[0].At.File})
	}
	return list, next, gone, err
}

// begin begins at the end of the log, unless the reader has begun.
func (c *Cursor) begin() (log *Log, at Position, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.log == nil {
		return nil, at, ErrNotOpen
	}
	if c.at == nil {
		end, err := c.log.End()
		if err != nil {
			return nil, at, err
		}
		c.at, c.dirty = &end, true
	}
	c.read = c.erased
	return c.log, *c.at, nil
}

// Advance moves on, unless lines were erased since the last Next, or the reader has stopped.
func (c *Cursor) Advance(to Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at != nil && c.read == c.erased && *c.at != to {
		*c.at, c.dirty = to, true
	}
}

// Skip has the reader go on at a position, whether it has begun or not.
func (c *Cursor) Skip(to Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.dirty = &to, true
	c.erased++ // what is being read does not move it
}

// Limit passes over the oldest lines when more than so many octets are behind the position, and reports whether it did.
func (c *Cursor) Limit(octets int64) (over bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil || c.log == nil {
		return false, nil
	}
	behind, err := c.log.Behind(*c.at)
	if err != nil || behind <= octets {
		return false, err
	}
	to, err := c.log.Tail(octets)
	if err != nil {
		return false, err
	}
	*c.at, c.dirty = to, true
	return true, nil
}

// Behind is the number of octets that are still to be read.
func (c *Cursor) Behind() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil || c.log == nil {
		return 0
	}
	octets, err := c.log.Behind(*c.at)
	if err != nil {
		return 0 // the folder cannot be listed: Next says so
	}
	return octets
}

// Forget takes part in an erasure of all days before this one, or of all for "": what is deleted then was not lost.
func (c *Cursor) Forget(first string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.erased++
	if c.at != nil && (first == "" || c.at.File < first) {
		*c.at, c.dirty = Position{}, true
	}
}

// Stop ends the reading for good and deletes the file. A reader that goes on begins anew.
func (c *Cursor) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.dirty = nil, false
	return Remove(c.file)
}

// Unsaved reports whether the position is not on flash.
func (c *Cursor) Unsaved() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dirty
}

// SaveEvery saves the position when it was saved so long ago.
func (c *Cursor) SaveEvery(every time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.saved) < every {
		return nil
	}
	return c.save()
}

// Save puts the position on flash. Where that fails, what was read since is read again after the next start.
func (c *Cursor) Save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.save()
}

func (c *Cursor) save() error {
	if !c.dirty || c.at == nil {
		return nil
	}
	c.saved = time.Now()
	text, err := json.Marshal(*c.at)
	if err == nil {
		err = Write(c.file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("save position: %w", err)
	}
	c.dirty = false
	return nil
}
