package view

import (
	"os"
	"sync"
	"time"
)

// file is what stands in files, read again when one of them has changed.
type file[T any] struct {
	names []string
	read  func() (T, error)

	mu      sync.Mutex
	looked  time.Time
	changed []time.Time
	value   T
	err     error
}

// look is how often the files are looked at.
const look = 2 * time.Second

func (f *file[T]) get() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.looked) >= look || now.Before(f.looked) {
		f.looked = now
		if f.touched() {
			if f.value, f.err = f.read(); f.err != nil {
				f.changed = nil // it may be half written
			}
		}
	}
	return f.value, f.err
}

// touched reports whether a file is another one than at the last time.
func (f *file[T]) touched() bool {
	again := f.changed == nil
	if again {
		f.changed = make([]time.Time, len(f.names))
	}
	for i, name := range f.names {
		var at time.Time
		if info, err := os.Stat(name); err == nil {
			at = info.ModTime()
		}
		if !at.Equal(f.changed[i]) {
			f.changed[i], again = at, true
		}
	}
	return again
}
