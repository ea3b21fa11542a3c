package flash

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Twin is a file with a copy beside it, for what cannot be made again: when one of the two is damaged, it is made good from the other.
type Twin struct {
	Path string
	Copy string
	Perm fs.FileMode
	// Check reports why a text cannot be used. It is never given an empty one.
	Check func(text []byte) error
}

// ErrEmpty is of a file that holds nothing, as a power cut leaves it.
var ErrEmpty = errors.New("it is empty")

// Read returns the text of the file, or else that of its copy, and makes the other one good. A damaged file is put aside. With a text,
// the error says that the other could not be made good; without one it says what is wrong with the file: fs.ErrNotExist when it is not
// there.
func (t Twin) Read() ([]byte, error) {
	text, err := t.read(t.Path)
	spare, spareErr := t.read(t.Copy)
	switch {
	case err == nil && spareErr == nil && bytes.Equal(text, spare):
		return text, nil
	case err == nil:
		return text, errors.Join(aside(t.Copy, spareErr), Write(t.Copy, text, t.Perm))
	case spareErr == nil:
		return spare, errors.Join(aside(t.Path, err), Write(t.Path, spare, t.Perm))
	}
	return nil, err
}

func (t Twin) read(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	switch {
	case err != nil:
		return nil, err
	case len(text) == 0:
		return nil, ErrEmpty
	}
	return text, t.Check(text)
}

// aside puts a file aside that could not be used, for the reason err.
func aside(name string, err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return PutAside(name)
}

// Write replaces the file, then its copy. What is in their places and cannot be used is put aside.
func (t Twin) Write(text []byte) error {
	if err := MakeDir(filepath.Dir(t.Path), 0o700); err != nil {
		return err
	}
	for _, name := range []string{t.Path, t.Copy} {
		_, damage := t.read(name)
		if err := errors.Join(aside(name, damage), Write(name, text, t.Perm)); err != nil {
			return fmt.Errorf("keep %s: %w", filepath.Base(name), err)
		}
	}
	return nil
}
