package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"viaduct/appliance/flash"
)

// Licenses are those of both boxes together: a box that joins may have some that the active one has not. It tells that one, which adds them to its own.
// A key that the active box had once, and has not any more, was removed there, and is removed here. What a box had as the active one is no sign of that:
// the other may never have heard of it.

const (
	takenFile   = "licenses" // in the folder of the pair: the keys that the active box had last
	maxLicenses = 1000
	maxLicense  = 4096 // octets
)

func lines(text []byte) []string {
	return strings.Fields(string(text)) // a key has no space
}

// takeLicenses brings the keys of this box in line with those of the active one.
func (f *Files) takeLicenses(theirs []string) (changed bool, err error) {
	own, err := f.o.Store.Licenses()
	if err != nil && len(own) == 0 {
		return false, err
	}
	file := filepath.Join(f.o.Store.PairDir(), takenFile)
	last, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read which licenses the active box had: %w", err)
	}
	for _, key := range theirs {
		if !slices.Contains(own, key) {
			if err := f.o.Store.AddLicense(key); err != nil {
				return changed, err
			}
			changed = true
		}
	}
	var more []string
	for _, key := range own {
		switch {
		case slices.Contains(theirs, key):
		case slices.Contains(lines(last), key):
			if err := f.o.Store.RemoveLicense(key); err != nil {
				return changed, err
			}
			changed = true
		default:
			more = append(more, key)
		}
	}
	if text := strings.Join(theirs, "\n"); text != string(last) {
		if err := flash.MakeDir(f.o.Store.PairDir(), 0o700); err != nil {
			return changed, err
		}
		if err := flash.Write(file, []byte(text), 0o600); err != nil {
			return changed, err
		}
	}
	f.o.Link.Tell([]byte(strings.Join(more, "\n")))
	return changed, nil
}

// adoptLicenses adds the keys that the standby has told of.
func (f *Files) adoptLicenses() {
	f.mu.Lock()
	notes := f.notes
	f.notes = nil
	f.mu.Unlock()
	for _, note := range notes {
		own, err := f.o.Store.Licenses()
		if err != nil {
			return
		}
		changed := false
		for _, key := range lines(note) {
			if len(own) >= maxLicenses || len(key) > maxLicense || slices.Contains(own, key) || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) || key[0] == '#' {
				continue
			}
			if err := f.o.Store.AddLicense(key); err != nil {
				f.o.Log.Warn("a license of the standby cannot be kept", "error", err)
				break
			}
			own, changed = append(own, key), true
		}
		if changed {
			f.o.Stored(false, true)
		}
	}
}
