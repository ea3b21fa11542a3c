package flash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Versions is a file that keeps its predecessors beside it: Path is the present one, Path.1, Path.2, ... those before it,
// with ever growing numbers (not dates: the clock of a box may have started in 1970).
type Versions struct {
	Path string
	Keep int // predecessors, for example 10
	Perm fs.FileMode
}

// Version is one predecessor.
type Version struct {
	Number int // as in the file's name; the highest is the youngest
	Time   time.Time
	Size   int64 // octets
}

// Save makes data the present file, and what was there the youngest predecessor. Saving what is there already changes
// nothing. A power cut leaves the old or the new file in place, never none; an error leaves the old one. What cannot be read
// is put aside: it must not keep anything from being saved. An empty file is no predecessor worth a place.
func (v Versions) Save(data []byte) error {
	old, err := os.ReadFile(v.Path)
	switch {
	case err == nil && string(old) == string(data):
		return nil
	case err == nil && len(old) > 0:
		if err := v.retire(old); err != nil {
			return err
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		if err := PutAside(v.Path); err != nil {
			return fmt.Errorf("save: %w", err)
		}
	}
	if err := Write(v.Path, data, v.Perm); err != nil {
		return err
	}
	// The new file is safe. Old ones that cannot be removed now are removed next time.
	return v.trim()
}

// Erase removes the present file; it becomes the youngest predecessor.
func (v Versions) Erase() error {
	old, err := os.ReadFile(v.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return PutAside(v.Path)
	}
	if err := v.retire(old); err != nil {
		return err
	}
	return errors.Join(Remove(v.Path), v.trim())
}

// retire gives the present file its second name. After a power cut between this and the replacement the present file is also
// the youngest predecessor; the next retire sees that and makes no second copy.
func (v Versions) retire(present []byte) error {
	list, err := v.List()
	if err != nil {
		return err
	}
	next := 1
	if len(list) > 0 {
		next = list[0].Number + 1
		if young, err := v.Load(list[0].Number); err == nil && string(young) == string(present) {
			return nil
		}
	}
	// A hard link costs no data blocks; a file system without links gets a copy.
	if err := os.Link(v.Path, v.name(next)); err == nil {
		return SyncDir(filepath.Dir(v.Path))
	}
	return Write(v.name(next), present, v.Perm)
}

// List returns the predecessors, youngest first.
func (v Versions) List() ([]Version, error) {
	entries, err := os.ReadDir(filepath.Dir(v.Path))
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	var list []Version
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), filepath.Base(v.Path)+".")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 1 || !e.Type().IsRegular() {
			continue
		}
		if fi, err := e.Info(); err == nil {
			list = append(list, Version{Number: n, Time: fi.ModTime(), Size: fi.Size()})
		}
	}
	slices.SortFunc(list, func(a, b Version) int { return b.Number - a.Number })
	return list, nil
}

// Load returns the text of one predecessor, by its number.
func (v Versions) Load(number int) ([]byte, error) {
	b, err := os.ReadFile(v.name(number))
	if err != nil {
		return nil, fmt.Errorf("load version %d: %w", number, err)
	}
	return b, nil
}

func (v Versions) name(number int) string { return v.Path + "." + strconv.Itoa(number) }

func (v Versions) trim() error {
	list, err := v.List()
	if err != nil {
		return err
	}
	for _, old := range list[min(v.Keep, len(list)):] {
		err = errors.Join(err, Remove(v.name(old.Number)))
	}
	return err
}
