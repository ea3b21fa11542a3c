package link

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"viaduct/appliance/flash"
)

// Key is by what a box is known to the other one: an Ed25519 key. Its private half is in a file and in here, and nowhere else: a Key prints and logs as
// the SHA-256 of its public half.
type Key struct {
	certificate tls.Certificate
	hash        string
}

// keyMax is the size of a file with a key, in octets.
const keyMax = 4 << 10

const pemType = "PRIVATE KEY"

// EnsureKey reads the key in a file, and makes one, with its folder, when there is none. It takes no file that others may read, nor one that is damaged:
// another key would end the pair without a word.
func EnsureKey(file string) (*Key, error) {
	text, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeKey(file)
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("the key in %s is damaged: remove the file for a new key, which the configuration of both boxes must have then", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("the key in %s is no Ed25519 key: remove the file for a new key, which the configuration of both boxes must have then", file)
	}
	return newKey(private)
}

func readKey(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the key of the box in its pair: %w", err)
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the key of the box in its pair: %w", err)
	}
	if about.Mode().Perm()&0o077 != 0 || about.Size() > keyMax {
		return nil, fmt.Errorf("read the key of the box in its pair: others may read %s, or it is no key; `chmod 600 %s` if it is not known to them", file, file)
	}
	text := make([]byte, about.Size())
	n, err := f.Read(text)
	if err != nil && n == 0 {
		return nil, fmt.Errorf("read the key of the box in its pair: %w", err)
	}
	return text[:n], nil
}

func makeKey(file string) ([]byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key of the box in its pair: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("make a key of the box in its pair: %w", err)
	}
	if err := flash.MakeDir(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("make a key of the box in its pair: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
	if err := flash.Write(file, bytes.Clone(text), 0o600); err != nil {
		return nil, fmt.Errorf("make a key of the box in its pair: %w", err)
	}
	return text, nil
}

// newKey makes the certificate around a key. It has no dates that end, no name and no issuer: the key is all that counts.
func newKey(private ed25519.PrivateKey) (*Key, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "viaduct pair"}, NotBefore: time.Unix(0, 0),
		NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // "no end", RFC 5280 4.1.2.5
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of the box in its pair: %w", err)
	}
	hash, err := hashOf(private.Public())
	if err != nil {
		return nil, err
	}
	return &Key{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, hash}, nil
}

func hashOf(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("the public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// Hash is the SHA-256 of the public key, as `box N key` of the configuration has it.
func (k *Key) Hash() string { return k.hash }

func (k *Key) String() string { return k.hash }

// GoString keeps %#v from the private half.
func (k *Key) GoString() string { return k.hash }

// LogValue keeps the log from the private half.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.hash) }

// errStranger is somebody with another key than that of the other box.
var errStranger = errors.New("it has another key than the configuration says of the other box")

// tls is how the boxes know each other, in both directions: by the key alone, whatever name and dates the certificate has.
func (k *Key) tls(pin string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{k.certificate},
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // VerifyConnection looks at the key
		SessionTicketsDisabled: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return errStranger
			}
			hash, err := hashOf(cs.PeerCertificates[0].PublicKey)
			if err != nil || subtle.ConstantTimeCompare([]byte(hash), []byte(pin)) != 1 {
				return errStranger
			}
			return nil
		},
	}
}
