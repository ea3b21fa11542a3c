package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"viaduct/appliance/flash"
)

// licenseHead begins the file of licenses, so that one without any license is not empty.
const licenseHead = "# license keys, one a line\n"

// Licenses returns the keys of the installed licenses. The file has one key a line; lines that begin with # are comments. For a file
// that is empty or unreadable, Licenses returns an error and the keys from before the last change.
func (s *Store) Licenses() ([]string, error) {
	text, err := os.ReadFile(s.licenses.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err == nil && len(bytes.Trim(text, "\x00\r\n ")) == 0:
		err = flash.ErrEmpty
	}
	if err == nil {
		return licenseLines(text), nil
	}
	text = nil
	if old, e := s.licenses.List(); e == nil && len(old) > 0 {
		text, _ = s.licenses.Load(old[0].Number)
	}
	return licenseLines(text), fmt.Errorf("the file of licenses is damaged: %w", err)
}

func licenseLines(text []byte) (keys []string) {
	for line := range strings.Lines(string(text)) {
		if key := strings.TrimSpace(line); key != "" && key[0] != '#' {
			keys = append(keys, key)
		}
	}
	return keys
}

// AddLicense keeps a key. One that is there already is not added twice.
func (s *Store) AddLicense(key string) error {
	return s.editLicenses(func(keys []string) []string {
		if slices.Contains(keys, key) {
			return keys
		}
		return append(keys, key)
	})
}

// RemoveLicense forgets a key. One that is not there is no error.
func (s *Store) RemoveLicense(key string) error {
	return s.editLicenses(func(keys []string) []string {
		return slices.DeleteFunc(keys, func(k string) bool { return k == key })
	})
}

func (s *Store) editLicenses(edit func(keys []string) []string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	keys, damaged := s.Licenses()
	before := len(keys)
	if keys = edit(keys); len(keys) == before && damaged == nil {
		return nil
	}
	text := licenseHead + strings.Join(append(keys, ""), "\n")
	if err := s.licenses.Save([]byte(text)); err != nil {
		return fmt.Errorf("save licenses: %w", err)
	}
	return nil
}
