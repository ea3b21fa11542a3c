package console

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"viaduct/appliance/flash"

	"golang.org/x/crypto/ssh"
)

// The file of the host key has a twin, from which it is made good when a power cut or the medium has damaged it.
const (
	hostKeyFile = "ssh_host_ed25519_key"
	hostKeyTwin = "ssh_host_ed25519_key.twin"
)

// hostKeyOf is where the host key of a folder is kept.
func hostKeyOf(dir string) flash.Twin {
	return flash.Twin{Path: filepath.Join(dir, hostKeyFile), Copy: filepath.Join(dir, hostKeyTwin), Perm: 0o600, Check: func(text []byte) error {
		_, err := ssh.ParsePrivateKey(text)
		return err
	}}
}

// hostKey reads the SSH host key of a folder: an administrator who has accepted it once must never be asked again. It makes one
// where none is, or none that can be read; lost says why the one that was there cannot be used any more. A new key that cannot be kept
// comes with an error: it is good for this run, and without it nobody got to a console of a box whose data partition is damaged.
func hostKey(dir string) (key ssh.Signer, lost, err error) {
	flash.Sweep(dir) // what a power cut has left; what is wrong with the folder shows below
	file := hostKeyOf(dir)
	text, err := file.Read()
	if text != nil {
		key, err = ssh.ParsePrivateKey(text) // the file is good even when its copy is not
		return key, nil, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		lost = err
	}
	if key, text, err = newHostKey(); err != nil {
		return nil, lost, fmt.Errorf("make host key: %w", err)
	}
	if err := file.Write(text); err != nil {
		return key, lost, fmt.Errorf("keep host key: %w", err)
	}
	return key, lost, nil
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
