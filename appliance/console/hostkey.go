package console

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// hostKey reads the SSH host key of a folder: an administrator who has accepted it once must never be asked again. It makes one
// where none is, or none that can be read. A new one that cannot be kept comes with an error: it is good for this run, and without it nobody got to a console of a box whose
// data partition is damaged.
func hostKey(dir string) (ssh.Signer, error) {
	path := filepath.Join(dir, "ssh_host_ed25519_key")
	if text, err := os.ReadFile(path); err == nil {
		if key, err := ssh.ParsePrivateKey(text); err == nil {
			return key, nil
		}
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("make host key: %w", err)
	}
	if err := keepHostKey(path, pem.EncodeToMemory(block)); err != nil {
		return key, fmt.Errorf("keep host key: %w", err)
	}
	return key, nil
}

// keepHostKey writes a key beside its place, syncs it and renames it: power may go at any moment.
func keepHostKey(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
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
