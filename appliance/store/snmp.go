package store

import (
	"path/filepath"

	"viaduct/appliance/flash"
)

// SNMPEngine returns the identity of the box in SNMP and how often it has started, as they were saved; nil: they never were.
func (s *Store) SNMPEngine() ([]byte, error) { return s.optional(snmpFile, "SNMP engine") }

// SaveSNMPEngine keeps them. A backup leaves them out: two boxes with one identity would take recorded messages for fresh ones.
func (s *Store) SaveSNMPEngine(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return flash.Write(filepath.Join(s.dir, snmpFile), text, 0o600)
}
