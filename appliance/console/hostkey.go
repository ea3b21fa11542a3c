package console

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// The file of the host key has a twin, from which it is made good when a power cut or the medium has damaged it.
const (
	hostKeyFile = "ssh_host_ed25519_key"
	hostKeyTwin = "ssh_host_ed25519_key.twin"
)

// hostKey reads the SSH host key of a folder: an administrator who has accepted it once must never be asked again. It makes one
// where none is, or none that can be read. A key that cannot be kept comes with an error: it is good for this run, and without it
// nobody got to a console of a box whose data partition is damaged.
func hostKey(dir string) (ssh.Signer, error) {
	file, twin := filepath.Join(dir, hostKeyFile), filepath.Join(dir, hostKeyTwin)
	key, text, err := readHostKey(file)
	spare, spareText, spareErr := readHostKey(twin)
	switch {
	case err == nil && spareErr == nil:
		return key, nil
	case err == nil:
		keepHostKey(twin, text) // without it the key is as good
		return key, nil
	case spareErr == nil:
		return spare, keepHostKey(file, spareText)
	}
	if key, text, err = newHostKey(); err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	return key, errors.Join(keepHostKey(file, text), keepHostKey(twin, text))
}

// lostHostKey says why the host key of a folder cannot be used any more, nil when it can or there never was one.
func lostHostKey(dir string) error {
	_, _, err := readHostKey(filepath.Join(dir, hostKeyFile))
	if _, _, twin := readHostKey(filepath.Join(dir, hostKeyTwin)); twin == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func readHostKey(path string) (ssh.Signer, []byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	key, err := ssh.ParsePrivateKey(text)
	return key, text, err
}

func newHostKey() (ssh.Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, nil, err
	}
	key, err := ssh.NewSignerFromKey(private)
	return key, pem.EncodeToMemory(block), err
}

// keepHostKey writes a key beside its place, syncs it and renames it: power may go at any moment.
func keepHostKey(path string, text []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep host key: %w", err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
