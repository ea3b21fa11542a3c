package system

import (
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
	"sync/atomic"

	"viaduct/appliance/flash"
)

// Secrets seals passwords of the configuration with a key of this box's own, so that a file that leaves the box gives nothing
// away. Who can read the key's file can open them: it keeps secrets from onlookers and mail, not from root.
type Secrets struct {
	file string
	key  atomic.Pointer[[secretKeySize]byte]
}

const (
	secretKeyFile = "secret.key"
	secretKeySize = 32
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
	case err == nil && len(text) != secretKeySize:
		err = fmt.Errorf("%s is damaged", secretKeyFile)
	}
	if err != nil {
		return nil, fmt.Errorf("read key of the box: %w", err)
	}
	s.key.Store((*[secretKeySize]byte)(text))
	return s, nil
}

// replace takes another box's key, from its backup.
func (s *Secrets) replace(key []byte) error {
	if len(key) != secretKeySize {
		return errors.New("the key of the box has the wrong length")
	}
	if err := flash.MakeDir(filepath.Dir(s.file), 0o755); err != nil {
		return fmt.Errorf("save key of the box: %w", err)
	}
	if err := flash.Write(s.file, key, 0o600); err != nil {
		return fmt.Errorf("save key of the box: %w", err)
	}
	s.key.Store((*[secretKeySize]byte)(key))
	return nil
}

func (s *Secrets) cipher() (cipher.AEAD, []byte, error) {
	key := s.key.Load()[:]
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
	aead, nonces, err := s.cipher()
	if err != nil {
		return "", err
	}
	nonce := derived(nonces, secret)[:aead.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, []byte(secret), nil)), nil
}

// Unseal is its inverse; the error says that another box has sealed it.
func (s *Secrets) Unseal(text string) (string, error) {
	other := errors.New("the secret was sealed by another box, or is damaged: enter it anew")
	aead, _, err := s.cipher()
	if err != nil {
		return "", err
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < aead.NonceSize() {
		return "", other
	}
	secret, err := aead.Open(nil, b[:aead.NonceSize()], b[aead.NonceSize():], nil)
	if err != nil {
		return "", other
	}
	return string(secret), nil
}
