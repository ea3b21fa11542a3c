// Package partner remembers the other box of a pair: its serial number, and when it was seen last.
//
// It owns that memory on flash, and for how long a box counts as one of the pair that is not heard any more: licenses of either box are the pair's while it
// does. It does not own who is heard (package duty) or what a license allows (package license). It has no goroutines.
package partner

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"viaduct/appliance/flash"
)

const (
	// Lasts is for how long the other box counts after it was seen last: time enough to have one repaired.
	Lasts = 30 * 24 * time.Hour
	every = time.Hour // between two writings that tell of a time alone
	most  = 4096      // octets of the file
)

// known is the other box, and the file.
type known struct {
	Key    string    `json:"key"` // of its line in the configuration: another box in its place is another one
	Serial string    `json:"serial"`
	Seen   time.Time `json:"seen"`
}

// Book is the memory. It is safe for concurrent use.
type Book struct {
	file string
	log  *slog.Logger

	mu      sync.Mutex
	read    bool
	known   known
	written time.Time // Seen, as it is on flash
}

// Open makes the memory that is kept in a file. It is read when somebody asks, and made when there is something.
func Open(file string, log *slog.Logger) *Book { return &Book{file: file, log: log} }

// Saw notes that the box with a key has been heard, and proved that it has the key.
func (b *Book) Saw(key, serial string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.load()
	if key == "" || serial == "" {
		return
	}
	same := b.known.Key == key && b.known.Serial == serial
	b.known = known{key, serial, at.Round(0).UTC()}
	if same && at.Sub(b.written).Abs() < every {
		return
	}
	text, err := json.Marshal(b.known)
	if err == nil {
		err = errors.Join(flash.MakeDir(filepath.Dir(b.file), 0o700), flash.Write(b.file, text, 0o600))
	}
	if err != nil {
		b.log.Warn("the other box of the pair is not remembered", "err", err)
		return
	}
	b.written = at
}

// Serial is that of the box with a key; "": it is not known, or has not been seen for too long.
func (b *Book) Serial(key string, now time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.load()
	if key == "" || b.known.Key != key || now.Sub(b.known.Seen) > Lasts {
		return ""
	}
	return b.known.Serial
}

// load reads the file once. The caller holds the lock.
func (b *Book) load() {
	if b.read {
		return
	}
	b.read = true
	text, err := os.ReadFile(b.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil && len(text) > most {
		err = errors.New("it is too large")
	}
	var k known
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		b.log.Warn("the other box of the pair is not known from before", "err", err)
		return
	}
	b.known, b.written = k, k.Seen
}
