package store

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"viaduct/appliance/flash"
	"viaduct/appliance/pki"
)

// pair is a certificate and its key that take the places of others.
type pair struct {
	CertificateName, KeyName string
	Certificate, Key         []byte // PEM
}

// pairEntries are a pair as readers see it.
type pairEntries struct {
	certificate entry[[]*x509.Certificate]
	key         entry[crypto.Signer]
}

// check reads a pair. The two must belong together.
func (p pair) check() (e pairEntries, err error) {
	if err := errors.Join(checkName(p.CertificateName), checkName(p.KeyName)); err != nil {
		return e, err
	}
	if e.certificate.value, err = pki.ParseCertificates(p.Certificate); err != nil {
		return e, err
	}
	if e.key.value, err = pki.ParsePrivateKey(p.Key, ""); err != nil {
		return e, err
	}
	return e, pki.Belongs(e.certificate.value[0], e.key.value)
}

// pairFile holds a pair while its two files are written. A power cut leaves the pair before, or this file, from which the next start makes
// the new one whole: never a certificate with the key of another.
const pairFile = "pki/pair"

// InstallPair stores a chain and its key together, in the places of others. Readers see both change at once. With an error both are as
// they were.
func (s *Store) InstallPair(certificateName, keyName string, chain, key []byte) error {
	p := pair{certificateName, keyName, chain, key}
	entries, err := p.check()
	if err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	before, err := s.replaced(p)
	if err != nil {
		return err
	}
	for _, step := range s.steps(p) {
		if err := step(); err != nil {
			return errors.Join(err, s.undo(p, before))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certs[certificateName], s.keys[keyName] = entries.certificate, entries.key
	return nil
}

// steps are the writes that install a pair. Each leaves the medium in a state that finishPair understands.
func (s *Store) steps(p pair) []func() error {
	return []func() error{
		func() error {
			text, err := json.Marshal(p)
			if err != nil {
				return err
			}
			return flash.Write(filepath.Join(s.dir, pairFile), text, 0o600)
		},
		func() error { return flash.Write(filepath.Join(s.dir, keyFolder, p.KeyName), p.Key, 0o600) },
		func() error {
			return flash.Write(filepath.Join(s.dir, certFolder, p.CertificateName), p.Certificate, 0o644)
		},
		func() error { return flash.Remove(filepath.Join(s.dir, pairFile)) },
	}
}

// replaced reads the files that a pair takes the places of; nil stands for one that is not there.
func (s *Store) replaced(p pair) (before pair, err error) {
	read := func(folder, name string) []byte {
		text, failed := os.ReadFile(filepath.Join(s.dir, folder, name))
		if failed != nil && !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("read what is replaced: %w", failed))
		}
		return text
	}
	return pair{Key: read(keyFolder, p.KeyName), Certificate: read(certFolder, p.CertificateName)}, err
}

// undo puts back what a failed installation may have replaced.
func (s *Store) undo(p, before pair) error {
	back := func(folder, name string, text []byte, perm fs.FileMode) error {
		path := filepath.Join(s.dir, folder, name)
		if text == nil {
			return flash.Remove(path)
		}
		return flash.Write(path, text, perm)
	}
	if err := errors.Join(back(certFolder, p.CertificateName, before.Certificate, 0o644), back(keyFolder, p.KeyName, before.Key, 0o600)); err != nil {
		return err // the next start finds the pair, and makes it whole
	}
	return flash.Remove(filepath.Join(s.dir, pairFile))
}

// finishPair completes what a power cut has interrupted. On a medium that cannot be written it does so in memory.
func (s *Store) finishPair() {
	p, entries, err := s.leftPair()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		s.damage = append(s.damage, fmt.Errorf("a certificate was not installed, because its file is damaged: %w", errors.Join(err, flash.PutAside(filepath.Join(s.dir, pairFile)))))
		return
	}
	if err := s.complete(p); err != nil && !s.readOnly {
		s.damage = append(s.damage, fmt.Errorf("a certificate is installed in memory only: %w", err))
	}
	s.certs[p.CertificateName], s.keys[p.KeyName] = entries.certificate, entries.key
}

// leftPair reads the pair whose installation was not completed.
func (s *Store) leftPair() (p pair, entries pairEntries, err error) {
	text, err := os.ReadFile(filepath.Join(s.dir, pairFile))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil {
		entries, err = p.check()
	}
	return p, entries, err
}

// complete takes the steps after the first.
func (s *Store) complete(p pair) error {
	for _, step := range s.steps(p)[1:] {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// overtake comes before a single file changes: a pair that is left is completed now, since the next start would put it in the place of what
// is newer. The lock for writing is held.
func (s *Store) overtake() error {
	p, entries, err := s.leftPair()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return flash.PutAside(filepath.Join(s.dir, pairFile)) // the start could not, and has told why it is damaged
	}
	if err := s.complete(p); err != nil {
		return fmt.Errorf("a certificate waits to be installed: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certs[p.CertificateName], s.keys[p.KeyName] = entries.certificate, entries.key
	return nil
}
