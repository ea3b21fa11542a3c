package store

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"viaduct/appliance/flash"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// Item is one file of the key store.
type Item struct {
	Kind status.KeyKind
	Name string
	Err  error // it cannot be used, and why
}

// missing is the certificate or the key that nobody has imported. It is fs.ErrNotExist, whose own words would only repeat that.
type missing string

func (m missing) Error() string { return string(m) + " has not been imported" }
func (m missing) Unwrap() error { return fs.ErrNotExist }

// Certificates implements pki.Store. The error wraps fs.ErrNotExist when nothing of this name was imported.
func (s *Store) Certificates(name string) ([]*x509.Certificate, error) {
	if name == pki.BuiltInName {
		return pki.BuiltIn(), nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.certs[name]
	if !ok {
		return nil, missing("certificate " + name)
	}
	return e.value, e.err
}

// PrivateKey implements pki.Store. The error wraps fs.ErrNotExist when nothing of this name was imported.
func (s *Store) PrivateKey(name string) (crypto.Signer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.keys[name]
	if !ok {
		return nil, missing("private key " + name)
	}
	return e.value, e.err
}

// ImportCertificate checks one or several PEM certificates and stores them under a name, in place of an earlier import, that of the box first. Its errors
// do not repeat the name, which the caller prints.
func (s *Store) ImportCertificate(name string, text []byte) ([]*x509.Certificate, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	certs, err := pki.ParseCertificates(text)
	if err != nil {
		return nil, err
	}
	if sorted := pki.LeafFirst(certs); !slices.EqualFunc(sorted, certs, (*x509.Certificate).Equal) {
		certs, text = sorted, pki.ChainPEM(sorted)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	err = s.write(filepath.Join(certFolder, name), append(bytes.TrimSpace(text), '\n'), 0o644, func() {
		s.certs[name] = entry[[]*x509.Certificate]{value: certs}
	})
	if err != nil {
		return nil, err
	}
	return certs, nil
}

// ImportPrivateKey checks a PEM key and stores it under a name, in place of an earlier import. It stores the key without its pass
// phrase, since a box must start unattended.
func (s *Store) ImportPrivateKey(name string, text []byte, passphrase string) (crypto.Signer, error) {
	return s.importPrivateKey(name, text, passphrase, func() error { return nil })
}

// AddPrivateKey stores a PEM key under a name that is free. The error wraps fs.ErrExist when it is not.
func (s *Store) AddPrivateKey(name string, text []byte) (crypto.Signer, error) {
	return s.importPrivateKey(name, text, "", func() error {
		if _, err := s.PrivateKey(name); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("private key %s: %w", name, fs.ErrExist)
		}
		return nil
	})
}

// importPrivateKey asks may when nothing else changes any more.
func (s *Store) importPrivateKey(name string, text []byte, passphrase string, may func() error) (crypto.Signer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	key, err := pki.ParsePrivateKey(text, passphrase)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	plain := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := may(); err != nil {
		return nil, err
	}
	err = s.write(filepath.Join(keyFolder, name), plain, 0o600, func() {
		s.keys[name] = entry[crypto.Signer]{value: key}
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

// CertificateText returns the PEM text that was imported.
func (s *Store) CertificateText(name string) ([]byte, error) {
	if _, err := s.Certificates(name); errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(s.dir, certFolder, name))
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return text, nil
}

// RemoveKey forgets a certificate or private key. The error wraps fs.ErrNotExist when there is none of this name.
func (s *Store) RemoveKey(kind status.KeyKind, name string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var folder string
	var err error
	switch kind {
	case status.KeyCertificate:
		folder = certFolder
		_, err = s.Certificates(name)
	case status.KeyPrivate:
		folder = keyFolder
		_, err = s.PrivateKey(name)
	default:
		return fmt.Errorf("the key store has certificates and private keys, nothing of kind %q", kind)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.overtake(); err != nil {
		return err
	}
	if err := flash.Remove(filepath.Join(s.dir, folder, name)); err != nil {
		return fmt.Errorf("remove %s %s: %w", kind, name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == status.KeyCertificate {
		delete(s.certs, name)
	} else {
		delete(s.keys, name)
	}
	return nil
}

// Keys lists the key store by kind and name, files that cannot be used included.
func (s *Store) Keys() []Item {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []Item
	for name, e := range s.certs {
		list = append(list, Item{status.KeyCertificate, name, e.err})
	}
	for name, e := range s.keys {
		list = append(list, Item{status.KeyPrivate, name, e.err})
	}
	slices.SortFunc(list, func(a, b Item) int {
		return strings.Compare(string(a.Kind)+" "+a.Name, string(b.Kind)+" "+b.Name)
	})
	return list
}

// Problems lists the files of the store that cannot be used.
func (s *Store) Problems() []error {
	list := slices.Clone(s.damage)
	for _, i := range s.Keys() {
		if i.Err != nil {
			list = append(list, i.Err)
		}
	}
	return list
}

// write puts a file on flash and then, in one step for readers, into memory. The lock for writing is held.
func (s *Store) write(name string, text []byte, perm fs.FileMode, publish func()) error {
	if err := s.overtake(); err != nil {
		return err
	}
	if err := flash.Write(filepath.Join(s.dir, name), text, perm); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	publish()
	return nil
}

// loadKeys reads the key store. A file that cannot be parsed keeps its place with its error.
func (s *Store) loadKeys() {
	for _, f := range s.files(certFolder) {
		if checkName(f.Name()) == nil {
			s.certs[f.Name()] = load(filepath.Join(s.dir, certFolder, f.Name()), "certificate "+f.Name(), pki.ParseCertificates)
		}
	}
	for _, f := range s.files(keyFolder) {
		if checkName(f.Name()) != nil {
			continue
		}
		path := filepath.Join(s.dir, keyFolder, f.Name())
		// A key that was copied here by hand may be readable by others.
		if fi, err := f.Info(); err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o077 != 0 {
			if err := os.Chmod(path, 0o600); err != nil {
				s.keys[f.Name()] = entry[crypto.Signer]{err: fmt.Errorf("private key %s can be read by others and is not used: %w", f.Name(), err)}
				continue
			}
		}
		s.keys[f.Name()] = load(path, "private key "+f.Name(), func(text []byte) (crypto.Signer, error) { return pki.ParsePrivateKey(text, "") })
	}
}

// files lists a folder of the key store.
func (s *Store) files(folder string) []fs.DirEntry {
	list, err := os.ReadDir(filepath.Join(s.dir, folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a read-only medium may lack the folder
		s.damage = append(s.damage, fmt.Errorf("the folder %s is damaged: %w", folder, err))
	}
	return list
}

func load[T any](path, object string, parse func([]byte) (T, error)) (e entry[T]) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) == 0 {
		err = flash.ErrEmpty
	}
	if err == nil {
		e.value, err = parse(text)
	}
	if err != nil {
		e.err = fmt.Errorf("%s cannot be used, import it again: %w", object, err)
	}
	return e
}

// checkName refuses names that are no plain file names: they come from a paste.
func checkName(name string) error {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-@+", r)
	}
	if name == pki.BuiltInName {
		return fmt.Errorf("name %q stands for the built-in roots", name)
	}
	if name == "" || len(name) > 100 || name[0] == '.' || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return fmt.Errorf("name %q: 1 to 100 letters, digits and the signs . _ - @ + are allowed, and no dot in front", name)
	}
	return nil
}
