package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"viaduct/appliance/flash"
)

// Calendar returns the signed calendar that was imported, nil when none was.
func (s *Store) Calendar() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, calendarFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read calendar: %w", err)
	}
	return text, nil
}

// SaveCalendar keeps a signed calendar.
func (s *Store) SaveCalendar(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Write(filepath.Join(s.dir, calendarFile), text, 0o644)
}

// EraseCalendar forgets it. It is no error when there is none.
func (s *Store) EraseCalendar() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Remove(filepath.Join(s.dir, calendarFile))
}
