package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"viaduct/appliance/flash"
)

// SNMPEngine returns the identity of the box in SNMP and how often it has started, as they were saved; nil: they never were.
func (s *Store) SNMPEngine() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, snmpFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read SNMP engine: %w", err)
	}
	return text, nil
}

// SaveSNMPEngine keeps them. A backup leaves them out: two boxes with one identity would take recorded messages for fresh ones.
func (s *Store) SaveSNMPEngine(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Write(filepath.Join(s.dir, snmpFile), text, 0o600)
}
