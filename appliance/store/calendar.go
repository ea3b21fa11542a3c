package store

import (
	"path/filepath"

	"viaduct/appliance/flash"
)

// Calendar returns the signed calendar that was imported, nil when none was.
func (s *Store) Calendar() ([]byte, error) { return s.optional(calendarFile, "calendar") }

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
