package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
)

const srtcpTag = 10

// MaxTag is the most that protecting a packet adds: SRTCP index, GCM tag.
const MaxTag = 4 + 16

// keys are the session keys of one direction, made ready for use: AES expanded, HMAC's inner and outer state computed. They hold
// no state of packets, so one packet does not touch them; roll-over counters and replay windows are with the streams.
type Keys struct {
	rtp, rtcp sessionKeys
	mki       []byte
	master    []byte // with suite: to tell an equal key from a new one
	suite     string
}

// sessionKeys is what SRTP, or SRTCP, uses of the keys.
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
	if out.rtp, err = newSessionKeys(prf, salt, s, 0, s.tag); err != nil {
		return nil, err
	}
	out.rtcp, err = newSessionKeys(prf, salt, s, 3, srtcpTag)
	return out, err
}

// newSessionKeys derives with three labels: first is encryption, first+1 authentication, first+2 salt.
func newSessionKeys(prf cipher.Block, salt []byte, s suite, first byte, tag int) (h sessionKeys, err error) {
	h.tag = tag
	block, err := aes.NewCipher(derive(prf, salt, first, s.key))
	if err != nil {
		return h, fmt.Errorf("srtp session key: %w", err)
	}
	copy(h.salt[:], derive(prf, salt, first+2, s.salt))
	if s.gcm {
		h.tag = s.tag
		h.aead, err = cipher.NewGCM(block)
		return h, err
	}
	h.block = block
	h.inner, h.outer = hmacStates(derive(prf, salt, first+1, sha1.Size))
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

// Equal reports whether a key is the one that these were derived from.
func (k *Keys) Equal(o Key) bool {
	return k != nil && k.suite == o.Suite && bytes.Equal(k.master, o.Master) && bytes.Equal(k.mki, o.MKI)
}

// Prefetch reads what a packet will need first, so that the processor waits for the memory of many calls at once; the sum only keeps the
// compiler from leaving it out.
func (k *Keys) Prefetch() (sum uint64) { return uint64(k.rtp.inner[0]) + uint64(k.rtp.tag) }
