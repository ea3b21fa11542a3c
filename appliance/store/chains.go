package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"viaduct/appliance/flash"
)

// LoadChains passes on what is kept of the chains of hubs. A file that parse refuses is put aside.
func (s *Store) LoadChains(parse func(text []byte) error) error {
	path := filepath.Join(s.dir, chainsFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = parse(text)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("read chains: %w", err), flash.PutAside(path))
	}
	return nil
}

// SaveChains keeps them.
func (s *Store) SaveChains(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Write(filepath.Join(s.dir, chainsFile), text, 0o644)
}
