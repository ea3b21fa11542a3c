package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// blockCipher is a cipher for private keys, always in CBC mode.
type blockCipher struct {
	key int // bytes
	new func([]byte) (cipher.Block, error)
}

var (
	aes128 = blockCipher{16, aes.NewCipher}
	aes192 = blockCipher{24, aes.NewCipher}
	aes256 = blockCipher{32, aes.NewCipher}
	des3   = blockCipher{24, des.NewTripleDESCipher}
)

// oldCiphers are the names in DEK-Info headers.
var oldCiphers = map[string]blockCipher{"AES-128-CBC": aes128, "AES-192-CBC": aes192, "AES-256-CBC": aes256, "DES-EDE3-CBC": des3}

// decryptOld decrypts OpenSSL's older form: the block's headers name cipher and IV, the key is a chain of MD5 sums (EVP_BytesToKey).
func decryptOld(b block, pass string) ([]byte, error) {
	if pass == "" {
		return nil, ErrEncrypted
	}
	name, ivHex, _ := strings.Cut(b.headers["DEK-Info"], ",")
	c, ok := oldCiphers[name]
	iv, err := hex.DecodeString(ivHex)
	if !ok || err != nil || len(iv) < 8 {
		return nil, fmt.Errorf("the private key is encrypted in a way that is not known here (%s)%s", unknownCipher(name), convert)
	}
	var key, sum []byte
	for len(key) < c.key {
		h := md5.New()
		h.Write(sum)
		h.Write([]byte(pass))
		h.Write(iv[:8])
		sum = h.Sum(nil)
		key = append(key, sum...)
	}
	return decryptCBC(c, key[:c.key], iv, b.der)
}

const convert = ": encrypt it anew with `openssl pkcs8 -topk8 -v2 aes-256-cbc`"

func unknownCipher(s string) string { return fmt.Sprintf("%.20q", s) }

// Object identifiers of RFC 8018.
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	pkcs8Ciphers = map[string]blockCipher{
		"2.16.840.1.101.3.4.1.2": aes128, "2.16.840.1.101.3.4.1.22": aes192, "2.16.840.1.101.3.4.1.42": aes256, "1.2.840.113549.3.7": des3,
	}
	pkcs8Hashes = map[string]func() hash.Hash{
		"": sha1.New, "1.2.840.113549.2.7": sha1.New, "1.2.840.113549.2.8": sha256.New224, "1.2.840.113549.2.9": sha256.New,
		"1.2.840.113549.2.10": sha512.New384, "1.2.840.113549.2.11": sha512.New,
	}
)

// encryptedKey is RFC 5958's EncryptedPrivateKeyInfo.
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2 struct{ KDF, Cipher pkix.AlgorithmIdentifier }

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// maxIterations keeps a hostile paste from occupying the box for hours; OpenSSL writes 2,048, careful people some 600,000.
const maxIterations = 5_000_000

// decryptPKCS8 decrypts a PKCS#8 key (PBES2 with PBKDF2, RFC 8018).
func decryptPKCS8(der []byte, pass string) ([]byte, error) {
	var e encryptedKey
	if rest, err := asn1.Unmarshal(der, &e); err != nil || len(rest) > 0 {
		return nil, errors.New("this private key cannot be read: it is damaged")
	}
	if pass == "" {
		return nil, ErrEncrypted
	}
	unknown := func(what string, oid asn1.ObjectIdentifier) error {
		return fmt.Errorf("the private key is encrypted with a %s that is not known here (%v)%s", what, oid, convert)
	}
	var s pbes2
	var k pbkdf2Params
	var iv []byte
	if !e.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, unknown("scheme", e.Algorithm.Algorithm)
	}
	if err := unmarshal(e.Algorithm.Parameters.FullBytes, &s); err != nil {
		return nil, err
	}
	if !s.KDF.Algorithm.Equal(oidPBKDF2) {
		return nil, unknown("key derivation", s.KDF.Algorithm)
	}
	if err := errors.Join(unmarshal(s.KDF.Parameters.FullBytes, &k), unmarshal(s.Cipher.Parameters.FullBytes, &iv)); err != nil {
		return nil, err
	}
	c, ok := pkcs8Ciphers[s.Cipher.Algorithm.String()]
	if !ok {
		return nil, unknown("cipher", s.Cipher.Algorithm)
	}
	h, ok := pkcs8Hashes[k.PRF.Algorithm.String()]
	if !ok {
		return nil, unknown("hash", k.PRF.Algorithm)
	}
	if k.Iterations < 1 || k.Iterations > maxIterations {
		return nil, fmt.Errorf("the private key asks for %d rounds of key derivation; 1 to %d are taken%s", k.Iterations, maxIterations, convert)
	}
	key, err := pbkdf2.Key(h, pass, k.Salt, k.Iterations, c.key)
	if err != nil {
		return nil, fmt.Errorf("derive the key: %w", err)
	}
	return decryptCBC(c, key, iv, e.Data)
}

func unmarshal(der []byte, v any) error {
	if rest, err := asn1.Unmarshal(der, v); err != nil || len(rest) > 0 {
		return errors.New("this private key cannot be read: what it says about its encryption is damaged")
	}
	return nil
}

// decryptCBC decrypts and takes off the padding, which tells whether the pass phrase was right (nearly always: see ParsePrivateKey).
func decryptCBC(c blockCipher, key, iv, data []byte) ([]byte, error) {
	b, err := c.new(key)
	if err != nil {
		return nil, err
	}
	size := b.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errors.New("this private key cannot be read: it is damaged")
	}
	clear := make([]byte, len(data))
	cipher.NewCBCDecrypter(b, iv).CryptBlocks(clear, data)
	pad := int(clear[len(clear)-1])
	if pad == 0 || pad > size {
		return nil, ErrPassphrase
	}
	for _, x := range clear[len(clear)-pad:] {
		if int(x) != pad {
			return nil, ErrPassphrase
		}
	}
	return clear[:len(clear)-pad], nil
}
