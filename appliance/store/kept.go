package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"viaduct/appliance/flash"
)

// LoadCheck passes on what is kept of the last daily check. A file that parse refuses is put aside.
func (s *Store) LoadCheck(parse func(text []byte) error) error { return s.load(checkFile, parse) }

// SaveCheck keeps it.
func (s *Store) SaveCheck(text []byte) error { return s.save(checkFile, text) }

// LoadChains passes on what is kept of the chains of hubs, likewise.
func (s *Store) LoadChains(parse func(text []byte) error) error { return s.load(chainsFile, parse) }

// SaveChains keeps them.
func (s *Store) SaveChains(text []byte) error { return s.save(chainsFile, text) }

// LoadStarface passes on what is kept of do not disturb that the box has set at a STARFACE, likewise.
func (s *Store) LoadStarface(parse func(text []byte) error) error {
	return s.load(starfaceFile, parse)
}

// SaveStarface keeps it. A backup leaves it out: another box has set nothing.
func (s *Store) SaveStarface(text []byte) error { return s.save(starfaceFile, text) }

// LoadPresence passes on which preferred presences in Teams are to be restored, likewise.
func (s *Store) LoadPresence(parse func(text []byte) error) error { return s.load(presenceFile, parse) }

// SavePresence keeps them. They say how people were, which concerns nobody else.
func (s *Store) SavePresence(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Write(filepath.Join(s.dir, presenceFile), text, 0o600)
}

// LoadBindings passes on which phones have registered with the box, likewise.
func (s *Store) LoadBindings(parse func(text []byte) error) error { return s.load(phonesFile, parse) }

// SaveBindings keeps them. A backup leaves them out: phones register with the box that they find.
func (s *Store) SaveBindings(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Write(filepath.Join(s.dir, phonesFile), text, 0o600)
}

// optional reads a file that need not be there: nil, if it is not. what names it in the error.
func (s *Store) optional(name, what string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return text, nil
}

// load reads a file of an engine.
func (s *Store) load(name string, parse func(text []byte) error) error {
	path := filepath.Join(s.dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = parse(text)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("read %s: %w", name, err), flash.PutAside(path))
	}
	return nil
}

func (s *Store) save(name string, text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Write(filepath.Join(s.dir, name), text, 0o644)
}
