package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"viaduct/appliance/flash"
)

// Secrets seals passwords of the configuration with a key of this box, so that a file that leaves the box gives nothing away. Anyone who
// can read the file of the key can open them: the seal protects against onlookers and mail, not against root.
//
// A backup of another box brings that box's key. The earlier key stays in the file: power may fail before the startup-config of the
// backup is stored, and passwords sealed with the earlier key, in older startup-configs too, must still open.
//
// The file has a twin (flash.Twin). Only when both are lost does the box make a new key in place of an old one, and Damage says so.
type Secrets struct {
	file   flash.Twin
	keys   atomic.Pointer[[][]byte] // the first seals, any opens
	damage string
}

const (
	secretKeyFile = "secret.key"
	secretKeyTwin = "secret.key.twin"
	secretKeySize = 32
	secretKeysMax = 8 // in the file, one behind the other
)

// OpenSecrets reads the key in a state folder, and makes one where there is none. mark stands in front of every sealed password. It
// returns an error when a file cannot be written; a new key that cannot be stored is not used.
func OpenSecrets(dir, mark string) (*Secrets, error) {
	s := &Secrets{file: flash.Twin{Path: filepath.Join(dir, secretKeyFile), Copy: filepath.Join(dir, secretKeyTwin), Perm: 0o600, Check: checkKeys}}
	text, err := s.file.Read()
	switch {
	case text != nil:
		s.take(text)
		return s, err
	case !errors.Is(err, fs.ErrNotExist):
		s.damage = fmt.Sprintf("the key that opens sealed passwords is damaged (%v)", err)
	case sealedIn(dir, mark):
		s.damage = "the key that opens sealed passwords is lost"
	}
	fresh := make([]byte, secretKeySize)
	rand.Read(fresh)
	if err := s.Adopt(fresh); err != nil {
		return nil, err
	}
	return s, nil
}

// checkKeys reports what is wrong with a file of keys.
func checkKeys(text []byte) error {
	switch {
	case len(text)%secretKeySize != 0:
		return fmt.Errorf("it has %d octets", len(text))
	case bytes.Equal(text, make([]byte, len(text))):
		return errors.New("it holds nothing but zeros")
	}
	return nil
}

// sealedIn reports whether a configuration that was saved in a folder holds sealed passwords: then there was a key.
func sealedIn(dir, mark string) bool {
	names, _ := filepath.Glob(filepath.Join(dir, StartupFile+"*"))
	return slices.ContainsFunc(names, func(name string) bool {
		text, _ := os.ReadFile(name)
		return bytes.Contains(text, []byte(mark))
	})
}

// Damage says that the key was lost and another one is in its place; "" when it was not.
func (s *Secrets) Damage() string { return s.damage }

// take uses the keys of a file.
func (s *Secrets) take(text []byte) {
	keys := slices.Collect(slices.Chunk(text, secretKeySize))
	s.keys.Store(&keys)
}

// Key is the key that seals: a backup holds it.
func (s *Secrets) Key() []byte { return (*s.keys.Load())[0] }

// Adopt makes a key the one that seals: that of another box, from its backup.
func (s *Secrets) Adopt(key []byte) error {
	if len(key) != secretKeySize {
		return errors.New("the key of the box has the wrong length")
	}
	if err := flash.MakeDir(filepath.Dir(s.file.Path), 0o755); err != nil {
		return fmt.Errorf("save key of the box: %w", err)
	}
	keys := [][]byte{key}
	if old := s.keys.Load(); old != nil {
		for _, k := range *old {
			if !bytes.Equal(k, key) && len(keys) < secretKeysMax {
				keys = append(keys, k)
			}
		}
	}
	text := slices.Concat(keys...)
	if err := s.file.Write(text); err != nil {
		return fmt.Errorf("save key of the box: %w", err)
	}
	s.take(text)
	return nil
}

// ciphers returns the cipher of a key, and the key of its nonces.
func ciphers(key []byte) (cipher.AEAD, []byte, error) {
	block, err := aes.NewCipher(derived(key, "seal"))
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, derived(key, "nonce"), err
}

func derived(key []byte, use string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(use))
	return h.Sum(nil)
}

// Seal returns the sealed form of a secret. The same secret has the same form, so that a printed configuration changes only
// where it was changed: the nonce is made from the text (as in RFC 8452).
func (s *Secrets) Seal(secret string) (string, error) {
	aead, nonces, err := ciphers(s.Key())
	if err != nil {
		return "", err
	}
	nonce := derived(nonces, secret)[:aead.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, []byte(secret), nil)), nil
}

// Unseal is its inverse; the error says that another box has sealed it.
func (s *Secrets) Unseal(text string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	for _, key := range *s.keys.Load() {
		aead, _, e := ciphers(key)
		if e != nil {
			return "", e
		}
		if err != nil || len(b) < aead.NonceSize() {
			break
		}
		if secret, e := aead.Open(nil, b[:aead.NonceSize()], b[aead.NonceSize():], nil); e == nil {
			return string(secret), nil
		}
	}
	return "", errors.New("the secret was sealed by another box, or is damaged: enter it anew")
}
