package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
)

// MaxTag is the most that protecting a packet adds, beside an MKI: SRTCP index, GCM tag.
const MaxTag = 4 + 16

// Keys are the session keys of one direction, made ready for use: AES expanded, HMAC's inner and outer state computed. They hold no
// state of packets: roll-over counters and replay windows are with the streams.
type Keys struct {
	rtp    sessionKeys
	mki    []byte
	master []byte // with suite: SRTCP's keys come from it, and it tells an equal key from a new one
	suite  string
}

// sessionKeys are what SRTP uses (RFC 3711 section 4.3).
type sessionKeys struct {
	block        cipher.Block // AES_CM
	aead         cipher.AEAD  // GCM, instead of block and the two states
	inner, outer [sha1.Size]byte
	salt         [16]byte // 14 octets and two zeros, or 12 octets
	tag          int
}

// NewKeys derives session keys (RFC 3711 section 4.3 with key derivation rate 0).
func NewKeys(k Key) (*Keys, error) {
	s, ok := suites[k.Suite]
	if !ok {
		return nil, fmt.Errorf("srtp suite %q: not supported", k.Suite)
	}
	if len(k.Master) != s.key+s.salt {
		return nil, fmt.Errorf("srtp key for %s: has %d octets, not %d", k.Suite, len(k.Master), s.key+s.salt)
	}
	prf, err := aes.NewCipher(k.Master[:s.key])
	if err != nil {
		return nil, fmt.Errorf("srtp key: %w", err)
	}
	out := &Keys{mki: bytes.Clone(k.MKI), master: bytes.Clone(k.Master), suite: k.Suite}
	salt := k.Master[s.key:]
	if out.rtp, err = newSessionKeys(prf, salt, s); err != nil {
		return nil, err
	}
	return out, nil
}

// Labels of the key derivation (RFC 3711 section 4.3.1).
const (
	labelEncryption = iota
	labelAuthentication
	labelSalt
)

func newSessionKeys(prf cipher.Block, salt []byte, s suite) (h sessionKeys, err error) {
	h.tag = s.tag
	block, err := aes.NewCipher(derive(prf, salt, labelEncryption, s.key))
	if err != nil {
		return h, fmt.Errorf("srtp session key: %w", err)
	}
	copy(h.salt[:], derive(prf, salt, labelSalt, s.salt))
	if s.gcm {
		h.aead, err = cipher.NewGCM(block)
		return h, err
	}
	h.block = block
	h.inner, h.outer = hmacStates(derive(prf, salt, labelAuthentication, sha1.Size))
	return h, nil
}

// derive is the AES-CM pseudo-random function of RFC 3711 section 4.3.3.
func derive(prf cipher.Block, salt []byte, label byte, n int) []byte {
	var in [aes.BlockSize]byte
	copy(in[:14], salt)
	in[7] ^= label
	out := make([]byte, (n+aes.BlockSize-1)/aes.BlockSize*aes.BlockSize)
	for i := 0; i < len(out); i += aes.BlockSize {
		binary.BigEndian.PutUint16(in[14:], uint16(i/aes.BlockSize))
		prf.Encrypt(out[i:], in[:])
	}
	return out[:n]
}

// Equal reports whether these keys were derived from a key.
func (k *Keys) Equal(o Key) bool {
	return k != nil && k.suite == o.Suite && bytes.Equal(k.master, o.Master) && bytes.Equal(k.mki, o.MKI)
}

// Prefetch reads what a packet will need first. The sum only keeps the compiler from leaving it out.
func (k *Keys) Prefetch() (sum uint64) { return uint64(k.rtp.inner[0]) + uint64(k.rtp.tag) }
