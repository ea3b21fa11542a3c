package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"viaduct/appliance/flash"
)

// takingFile holds what is being taken from the other box of a pair. A power cut leaves nothing of it, or this file, from which the next start takes the
// rest: never a certificate with the key of another.
const takingFile = "pki/taking"

// TakeAll stores parts that Shared has read on the other box; nil removes one. It returns what cannot be taken, by name. Nothing is when there is no room.
// Without parts it sees to it that no earlier ones are noted any more: the next start would put them in the place of what is newer by then.
func (s *Store) TakeAll(parts map[string][]byte) map[string]error {
	failed := map[string]error{}
	if len(parts) > 0 {
		if err := s.note(parts); err != nil {
			for name := range parts {
				failed[name] = err
			}
			return failed
		}
		failed = s.takeNoted(parts)
	}
	if err := flash.Remove(filepath.Join(s.dir, takingFile)); err != nil {
		failed[takingFile] = err
	}
	return failed
}

// note keeps what is about to be taken.
func (s *Store) note(parts map[string][]byte) error {
	text, err := json.Marshal(parts)
	if err == nil {
		err = flash.Write(filepath.Join(s.dir, takingFile), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep what the other box has: %w", err)
	}
	return nil
}

func (s *Store) takeNoted(parts map[string][]byte) map[string]error {
	failed := map[string]error{}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if err := s.TakeShared(name, parts[name]); err != nil {
			failed[name] = err
		}
	}
	return failed
}

// finishTaking takes the rest of what a power cut has interrupted.
func (s *Store) finishTaking() {
	file := filepath.Join(s.dir, takingFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	var parts map[string][]byte
	if err = json.Unmarshal(text, &parts); err == nil {
		failed := s.takeNoted(parts)
		for _, name := range slices.Sorted(maps.Keys(failed)) {
			err = errors.Join(err, fmt.Errorf("%s of the other box of the pair was not taken: %w", name, failed[name]))
		}
	}
	if err != nil && !s.readOnly {
		s.damage = append(s.damage, err)
	}
	_ = flash.Remove(file) // what is left is taken once more, which changes nothing
}
