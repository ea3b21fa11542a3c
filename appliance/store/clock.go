package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/flash"
)

// SavedTime returns the time that was saved last, the zero time when none is saved or the file is damaged.
func (s *Store) SavedTime() (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, timeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read saved time: %w", err)
	}
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	if err != nil {
		return time.Time{}, fmt.Errorf("read saved time: %w", err)
	}
	return t, nil
}

// SaveTime keeps t for the next start.
func (s *Store) SaveTime(t time.Time) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := flash.Write(filepath.Join(s.dir, timeFile), []byte(t.UTC().Format(time.RFC3339)+"\n"), 0o644); err != nil {
		return fmt.Errorf("save time: %w", err)
	}
	return nil
}

// SavedDrift returns the frequency of the clock that was saved last, in parts per million, 0 when none is saved.
func (s *Store) SavedDrift() (float64, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, driftFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var drift float64
	if err == nil {
		drift, err = strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	}
	if err != nil {
		return 0, fmt.Errorf("read saved drift: %w", err)
	}
	return drift, nil
}

// SaveDrift keeps the frequency of the clock for the next start.
func (s *Store) SaveDrift(drift float64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := flash.Write(filepath.Join(s.dir, driftFile), fmt.Appendf(nil, "%.3f\n", drift), 0o644); err != nil {
		return fmt.Errorf("save drift: %w", err)
	}
	return nil
}
