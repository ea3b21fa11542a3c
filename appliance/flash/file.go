// Package flash puts files on the data partition so that a power cut at any moment leaves the old file or the new one.
//
// It owns the order of steps (temporary file, fsync, rename, fsync of the folder), files that keep their predecessors
// (Versions), and append logs that rotate by day and by total size (Log). It does not own what is in the files, nor where
// they are. The partition is mounted without sync (rw,relatime): without these steps a file written 30 s before a reset is lost.
// It starts no goroutine of its own; a Log has a timer that Close stops.
package flash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// Write replaces the file name with data. When it returns nil, the file survives a power cut; when it returns an error, name
// is as it was before, or (only when the last fsync failed) the new file that may not survive. perm is set whatever the
// umask and the mode of an older file.
func Write(name string, data []byte, perm fs.FileMode) error {
	// The temporary file must be on the same file system and never in a shared $TMPDIR: it may hold a private key.
	dir := filepath.Dir(name)
	f, err := renameio.NewPendingFile(name, renameio.WithTempDir(dir), renameio.WithPermissions(perm&0o600), renameio.WithStaticPermissions(perm))
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer f.Cleanup()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return SyncDir(dir)
}

// Remove deletes a file for good. A file that does not exist is no error.
func Remove(name string) error {
	if err := os.Remove(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return SyncDir(filepath.Dir(name))
}

// damaged ends the names of files that were put aside.
const damaged = ".damaged"

// Rename gives a file another name, in place of the file that has it. When it returns nil, that survives a power cut.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// PutAside renames a file that cannot be used, or a folder in its place, so that its contents can still be examined. It replaces what
// was put aside before.
func PutAside(name string) error {
	if err := os.RemoveAll(name + damaged); err != nil {
		return fmt.Errorf("put aside %s: %w", name, err)
	}
	if err := os.Rename(name, name+damaged); err != nil {
		return fmt.Errorf("put aside %s: %w", name, err)
	}
	return SyncDir(filepath.Dir(name))
}

// SyncDir makes the entries of a folder survive a power cut: names live in the folder, not in the file.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// MakeDir makes a folder and its missing parents with mode perm, whatever the umask, so that they survive a power cut.
// A folder that exists is left as it is.
func MakeDir(dir string, perm fs.FileMode) error {
	if fi, err := os.Stat(dir); err == nil {
		if !fi.IsDir() {
			return fmt.Errorf("make folder %s: a file of this name is in the way", dir)
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeDir(parent, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.Chmod(dir, perm); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return SyncDir(parent)
}

// Sweep removes the temporary files that a power cut left in a folder. Call it before anything writes there.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if e.Type().IsRegular() && leftover(e.Name()) {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// leftover tells a temporary file by its name: a dot, the name of its destination, at least eight random digits.
func leftover(name string) bool {
	trimmed := strings.TrimRight(name, "0123456789")
	return strings.HasPrefix(name, ".") && len(trimmed) > 1 && len(name)-len(trimmed) >= 8
}
