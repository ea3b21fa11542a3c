package store

import (
	"fmt"
	"io/fs"
	"os"

	"viaduct/appliance/flash"
)

// Startup returns the text of the startup-config; the error is fs.ErrNotExist when there is none. An empty file is damaged: the box never
// saves one.
func (s *Store) Startup() ([]byte, error) {
	text, err := os.ReadFile(s.startup.Path)
	if err == nil && len(text) == 0 {
		err = flash.ErrEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("read startup-config: %w", err)
	}
	return text, nil
}

// StartupSaved is when the startup-config was saved, and how large it is; the error is fs.ErrNotExist when there is none.
func (s *Store) StartupSaved() (flash.Version, error) {
	fi, err := os.Stat(s.startup.Path)
	if err != nil {
		return flash.Version{}, fmt.Errorf("read startup-config: %w", err)
	}
	return flash.Version{Time: fi.ModTime(), Size: fi.Size()}, nil
}

// SaveStartup replaces the startup-config; its predecessor becomes number 1 of the kept ones.
func (s *Store) SaveStartup(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.startup.Save(text); err != nil {
		return fmt.Errorf("save startup-config: %w", err)
	}
	return nil
}

// EraseStartup removes the startup-config; it stays among the kept ones.
func (s *Store) EraseStartup() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.startup.Erase(); err != nil {
		return fmt.Errorf("erase startup-config: %w", err)
	}
	return nil
}

// OldStartups lists the kept startup-configs, youngest first: the first is number 1.
func (s *Store) OldStartups() ([]flash.Version, error) { return s.startup.List() }

// OldStartup returns the text of the nth last startup-config, n from 1.
func (s *Store) OldStartup(n int) ([]byte, error) {
	list, err := s.startup.List()
	if err != nil {
		return nil, err
	}
	if n < 1 || n > len(list) {
		return nil, &fs.PathError{Op: "read", Path: fmt.Sprintf("startup-config.%d", n), Err: fs.ErrNotExist}
	}
	return s.startup.Load(list[n-1].Number)
}
