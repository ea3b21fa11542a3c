package store

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"viaduct/appliance/flash"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// What the two boxes of a pair have alike. It is what a backup holds, and what a box that takes over could not find out again: whose presence is to be
// restored, and by which key a hub knows it, as a fleet sees a pair as one member. The licenses and the startup-config have methods of their own.
//
// A box keeps for itself: its key of the pair, the keys by which SSH and the web page are known at its own addresses, its identity in SNMP, its clock,
// alarms and trail, what its daily check found, orders of certificates under way, what a hub has leased to its serial number, and at which address it has
// seen which phone.
const (
	sharedCertificate = "certificate/"
	sharedKey         = "private-key/"
	sharedAccount     = "acme/"
	sharedTemplate    = "template/"
)

// sharedFleet is by what the hub of a fleet knows the pair.
const sharedFleet = fleetDir + "/key"

var sharedFiles = []string{calendarFile, presenceFile, starfaceFile, sharedFleet}

// Shared reads what both boxes of a pair have, each part under a name of its own.
func (s *Store) Shared() (map[string][]byte, error) {
	b, err := s.Backup()
	if err != nil {
		return nil, err
	}
	parts := map[string][]byte{}
	for prefix, files := range map[string]map[string][]byte{sharedCertificate: b.Certificates, sharedKey: b.Keys, sharedAccount: b.Accounts, sharedTemplate: b.Templates} {
		for name, text := range files {
			parts[prefix+name] = text
		}
	}
	for _, name := range sharedFiles {
		text, err := s.optional(name, name)
		if err != nil {
			return nil, err
		}
		if text != nil {
			parts[name] = text
		}
	}
	return parts, nil
}

// TakeShared stores a part that Shared has read on the other box; nil removes it.
func (s *Store) TakeShared(name string, text []byte) error {
	prefix, file, _ := strings.Cut(name, "/")
	switch prefix + "/" {
	case sharedCertificate:
		if text == nil {
			return gone(s.RemoveKey(status.KeyCertificate, file))
		}
		certs, err := pki.ParseCertificates(text)
		return s.takeKey(name, certFolder, text, 0o644, err, func() { s.certs[file] = entry[[]*x509.Certificate]{value: certs} })
	case sharedKey:
		if text == nil {
			return gone(s.RemoveKey(status.KeyPrivate, file))
		}
		key, err := pki.ParsePrivateKey(text, "")
		return s.takeKey(name, keyFolder, text, 0o600, err, func() { s.keys[file] = entry[crypto.Signer]{value: key} })
	case sharedTemplate:
		if text == nil {
			return s.EraseProvisioningTemplate(file)
		}
		return s.SaveProvisioningTemplate(file, text)
	case sharedAccount:
		if !isAccount(file) {
			return fmt.Errorf("%q is no account", file)
		}
		if text == nil {
			return s.eraseACMEFile(file)
		}
		return s.SaveACMEFile(file, text)
	}
	switch name {
	case calendarFile, starfaceFile:
		return s.takeFile(name, text, 0o644)
	case presenceFile:
		return s.takeFile(name, text, 0o600)
	case sharedFleet:
		if err := flash.MakeDir(s.FleetDir(), 0o700); err != nil {
			return err
		}
		return s.takeFile(name, text, 0o600)
	}
	return fmt.Errorf("%q is nothing that a pair has in common", name)
}

// takeKey stores a certificate or a key octet for octet, so that both boxes have the same. invalid is why it is none.
func (s *Store) takeKey(name, folder string, text []byte, perm fs.FileMode, invalid error, publish func()) error {
	_, file, _ := strings.Cut(name, "/")
	if err := errors.Join(checkName(file), invalid); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.write(filepath.Join(folder, file), text, perm, publish)
}

func (s *Store) takeFile(name string, text []byte, perm fs.FileMode) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if text == nil {
		return flash.Remove(filepath.Join(s.dir, name))
	}
	return flash.Write(filepath.Join(s.dir, name), text, perm)
}

// gone is the error of a removal, unless there was nothing.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// eraseACMEFile forgets a file of package acme.
func (s *Store) eraseACMEFile(name string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	file := s.acmeFile(name)
	return errors.Join(flash.Remove(file.Path), flash.Remove(file.Copy))
}

// IsShared reports whether a part of the other box is one that this release knows.
func IsShared(name string) bool {
	prefix, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{sharedCertificate, sharedKey, sharedAccount, sharedTemplate}, prefix+"/") || slices.Contains(sharedFiles, name)
}
