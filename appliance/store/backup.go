package store

import (
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"viaduct/appliance/pki"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"

	"golang.org/x/crypto/argon2"
)

// Backup is everything that distinguishes a box from a new one, except call records and the saved time.
type Backup struct {
	Made         time.Time
	Serial       string // of the box that it was made on
	Startup      []byte
	Licenses     []byte
	Certificates map[string][]byte // PEM
	Keys         map[string][]byte // PEM
	Accounts     map[string][]byte `json:",omitempty"` // at certification authorities
	Templates    map[string][]byte `json:",omitempty"` // of files for phones
	SecretKey    []byte            // opens the sealed secrets of Startup
}

// The block around it. argon2id makes a key from the pass phrase, with as much memory as a small box can spare. An attacker spends
// tenths of a second on each guess.
const (
	backupType   = "VIADUCT BACKUP"
	backupMax    = 16 << 20 // octets, unpacked
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	saltSize     = 16
)

var errBackup = errors.New("the pass phrase is wrong, or the backup is damaged")

// cipherOf returns the cipher of a pass phrase.
func cipherOf(passphrase string, salt []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(argon2.IDKey([]byte(passphrase), salt, argonTime, argonMemory, argonThreads, 32))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal returns the backup as one block, encrypted under the pass phrase.
func (b *Backup) Seal(passphrase string) ([]byte, error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if err := json.NewEncoder(z).Encode(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	aead, err := cipherOf(passphrase, salt)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{
		Type:    backupType,
		Headers: map[string]string{"Box": b.Serial, "Made": b.Made.Format(time.RFC3339), "Salt": base64.RawStdEncoding.EncodeToString(salt)},
		Bytes:   aead.Seal(nil, nil, packed.Bytes(), []byte(backupType)),
	}), nil
}

// Check returns an error for a part of the backup that cannot be stored.
func (b *Backup) Check() error {
	for name, text := range b.Certificates {
		if _, err := pki.ParseCertificates(text); err != nil || checkName(name) != nil {
			return fmt.Errorf("certificate %s: %w", name, errors.Join(err, checkName(name)))
		}
	}
	for name, text := range b.Keys {
		if _, err := pki.ParsePrivateKey(text, ""); err != nil || checkName(name) != nil {
			return fmt.Errorf("private key %s: %w", name, errors.Join(err, checkName(name)))
		}
	}
	for name, text := range b.Accounts {
		if !json.Valid(text) || !isAccount(name) {
			return fmt.Errorf("account %q at an authority is damaged", name)
		}
	}
	for name := range b.Templates {
		if !templateName.MatchString(name) {
			return fmt.Errorf("%q is no template", name)
		}
	}
	return nil
}

// Summary describes a backup in one line.
func (b *Backup) Summary() string {
	of := "a box without a serial number"
	if b.Serial != "" {
		of = "box " + b.Serial
	}
	parts := []string{"startup-config", plural.Of(len(b.Certificates), "certificate"), plural.Of(len(b.Keys), "private key")}
	if n := len(b.Accounts); n > 0 {
		parts = append(parts, plural.Of(n, "account")+" at authorities")
	}
	if len(b.Licenses) > 0 {
		parts = append(parts, "licenses")
	}
	return fmt.Sprintf("backup of %s, made %s: %s", of, b.Made.Format("2006-01-02 15:04:05 UTC"), strings.Join(parts, ", "))
}

// OpenBackup decrypts a backup.
func OpenBackup(text []byte, passphrase string) (*Backup, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != backupType {
		return nil, fmt.Errorf("no block of type %s", backupType)
	}
	salt, err := base64.RawStdEncoding.DecodeString(block.Headers["Salt"])
	if err != nil || len(salt) != saltSize {
		return nil, errors.New("the line with the salt is missing or damaged")
	}
	aead, err := cipherOf(passphrase, salt)
	if err != nil {
		return nil, err
	}
	packed, err := aead.Open(nil, nil, block.Bytes, []byte(backupType))
	if err != nil {
		return nil, errBackup
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, errBackup
	}
	var b Backup
	if err := json.NewDecoder(io.LimitReader(z, backupMax)).Decode(&b); err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	return &b, nil
}

// Backup reads the parts of a backup that are in the store.
func (s *Store) Backup() (*Backup, error) {
	b := &Backup{Certificates: map[string][]byte{}, Keys: map[string][]byte{}}
	var err error
	if b.Startup, err = s.Startup(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; `copy running-config startup-config` writes it anew", err)
	}
	licenses, err := s.Licenses()
	if err != nil && len(licenses) == 0 {
		return nil, err
	}
	b.Licenses = []byte(strings.Join(append(licenses, ""), "\n"))
	for _, k := range s.Keys() {
		folder, into := certFolder, b.Certificates
		if k.Kind == status.KeyPrivate {
			folder, into = keyFolder, b.Keys
		}
		text, err := os.ReadFile(filepath.Join(s.dir, folder, k.Name))
		if err != nil {
			return nil, fmt.Errorf("read %s %s: %w", k.Kind, k.Name, err)
		}
		into[k.Name] = text
	}
	if b.Accounts, err = s.acmeAccounts(); err != nil {
		return nil, err
	}
	b.Templates, err = s.provisioningTemplates()
	return b, err
}

// Restore stores the parts of a backup. Keys and certificates of other names stay.
func (s *Store) Restore(b *Backup) error {
	for name, text := range b.Certificates {
		if _, err := s.ImportCertificate(name, text); err != nil {
			return err
		}
	}
	for name, text := range b.Keys {
		if _, err := s.ImportPrivateKey(name, text, ""); err != nil {
			return err
		}
	}
	for name, text := range b.Accounts {
		if err := s.SaveACMEFile(name, text); err != nil {
			return err
		}
	}
	for name, text := range b.Templates {
		if err := s.SaveProvisioningTemplate(name, text); err != nil {
			return err
		}
	}
	for _, key := range licenseLines(b.Licenses) {
		if err := s.AddLicense(key); err != nil {
			return err
		}
	}
	if len(b.Startup) > 0 {
		return s.SaveStartup(b.Startup)
	}
	return nil
}
