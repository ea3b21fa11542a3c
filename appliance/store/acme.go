package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"viaduct/appliance/flash"
)

// Accounts at certification authorities, and orders under way, are files of their own. They hold private keys.
const (
	acmeFolder        = "acme"
	acmeTwin          = ".twin"
	acmeAccountPrefix = "account-" // these go into a backup
)

// ACMEFile reads a file of package acme. The error wraps fs.ErrNotExist when there is none.
func (s *Store) ACMEFile(name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	text, err := s.acmeFile(name).Read()
	if text != nil {
		return text, nil // the other of the two may not be made good on a read-only medium
	}
	return nil, fmt.Errorf("read %s: %w", filepath.Join(acmeFolder, name), err)
}

// SaveACMEFile replaces a file of package acme, which is JSON.
func (s *Store) SaveACMEFile(name string, text []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.acmeFile(name).Write(text)
}

func (s *Store) acmeFile(name string) flash.Twin {
	path := filepath.Join(s.dir, acmeFolder, name)
	return flash.Twin{Path: path, Copy: path + acmeTwin, Perm: 0o600, Check: func(text []byte) error {
		if !json.Valid(text) {
			return errors.New("it is damaged")
		}
		return nil
	}}
}

// isAccount tells the file of an account from its twin, and from one that was put aside.
func isAccount(name string) bool {
	return strings.HasPrefix(name, acmeAccountPrefix) && checkName(name) == nil && !strings.Contains(name, ".")
}

// acmeAccounts reads the accounts, for a backup.
func (s *Store) acmeAccounts() (map[string][]byte, error) {
	accounts := map[string][]byte{}
	entries, err := os.ReadDir(filepath.Join(s.dir, acmeFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read accounts at authorities: %w", err)
	}
	for _, e := range entries {
		if name := e.Name(); isAccount(name) {
			if accounts[name], err = s.ACMEFile(name); err != nil {
				return nil, err
			}
		}
	}
	return accounts, nil
}
