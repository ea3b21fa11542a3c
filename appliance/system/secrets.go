package system

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

// Secrets seals passwords of the configuration with a key of this box's own, so that a file that leaves the box gives nothing
// away. Who can read the key's file can open them: it keeps secrets from onlookers and mail, not from root.
//
// A backup of another box brings that box's key. The one before stays in the file: power may go before the startup-config of the
// backup is there, and what was sealed with the old key, kept startup-configs too, must still open.
type Secrets struct {
	file string
	keys atomic.Pointer[[][]byte] // the first seals, any opens
}

const (
	secretKeyFile = "secret.key"
	secretKeySize = 32
	secretKeysMax = 8 // in the file, one behind the other
)

// OpenSecrets reads the key in a state folder, and makes one where there is none.
func OpenSecrets(dir string) (*Secrets, error) {
	s := &Secrets{file: filepath.Join(dir, secretKeyFile)}
	text, err := os.ReadFile(s.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = make([]byte, secretKeySize)
		rand.Read(text)
		return s, s.replace(text)
	case err == nil && (len(text) == 0 || len(text)%secretKeySize != 0):
		err = fmt.Errorf("%s is damaged", secretKeyFile)
	}
	if err != nil {
		return nil, fmt.Errorf("read key of the box: %w", err)
	}
	s.take(text)
	return s, nil
}

// take takes the keys of a file.
func (s *Secrets) take(text []byte) {
	keys := slices.Collect(slices.Chunk(text, secretKeySize))
	s.keys.Store(&keys)
}

// first is the key that seals.
func (s *Secrets) first() []byte { return (*s.keys.Load())[0] }

// replace seals with another box's key from now on, of its backup.
func (s *Secrets) replace(key []byte) error {
	if len(key) != secretKeySize {
		return errors.New("the key of the box has the wrong length")
	}
	if err := flash.MakeDir(filepath.Dir(s.file), 0o755); err != nil {
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
	if err := flash.Write(s.file, text, 0o600); err != nil {
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
	aead, nonces, err := ciphers(s.first())
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
