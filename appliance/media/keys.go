package media

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
)

// suite is what a crypto suite of RFC 4568 or RFC 7714 consists of, lengths in octets.
type suite struct {
	key, salt int
	tag       int // of SRTP; SRTCP of the AES_CM suites always has 10 (RFC 4568 section 6.2.2)
	gcm       bool
}

var suites = map[string]suite{
	AES80:  {key: 16, salt: 14, tag: 10},
	AES32:  {key: 16, salt: 14, tag: 4},
	GCM128: {key: 16, salt: 12, tag: 16, gcm: true},
	GCM256: {key: 32, salt: 12, tag: 16, gcm: true},
}

const srtcpTag = 10

// maxTag is the most that protecting a packet adds: SRTCP index, GCM tag.
const maxTag = 4 + 16

// keys are the session keys of one direction, made ready for use: AES expanded, HMAC's inner and outer state computed. They hold
// no state of packets, so one packet does not touch them; roll-over counters and replay windows are with the streams.
type keys struct {
	rtp, rtcp half
	mki       []byte
	master    []byte // with suite: to tell an equal key from a new one
	suite     string
}

// half is what SRTP, or SRTCP, uses of the keys.
type half struct {
	block        cipher.Block // AES_CM
	aead         cipher.AEAD  // GCM, instead of block and the two states
	inner, outer [sha1.Size]byte
	salt         [16]byte // 14 octets and two zeros, or 12 octets
	tag          int
	expanded     *expanded // of block or aead
}

// newKeys derives session keys (RFC 3711 section 4.3 with key derivation rate 0).
func newKeys(k Key) (*keys, error) {
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
	out := &keys{mki: bytes.Clone(k.MKI), master: bytes.Clone(k.Master), suite: k.Suite}
	salt := k.Master[s.key:]
	if out.rtp, err = newHalf(prf, salt, s, 0, s.tag); err != nil {
		return nil, err
	}
	out.rtcp, err = newHalf(prf, salt, s, 3, srtcpTag)
	return out, err
}

// newHalf derives with three labels: first is encryption, first+1 authentication, first+2 salt.
func newHalf(prf cipher.Block, salt []byte, s suite, first byte, tag int) (h half, err error) {
	h.tag = tag
	block, err := aes.NewCipher(derive(prf, salt, first, s.key))
	if err != nil {
		return h, fmt.Errorf("srtp session key: %w", err)
	}
	copy(h.salt[:], derive(prf, salt, first+2, s.salt))
	if s.gcm {
		h.tag = s.tag
		h.aead, err = cipher.NewGCM(block)
		h.expanded = expandedIn(h.aead)
		return h, err
	}
	h.block, h.expanded = block, expandedIn(block)
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

// equal reports whether a key is the one that these were derived from.
func (k *keys) equal(o Key) bool {
	return k != nil && k.suite == o.Suite && bytes.Equal(k.master, o.Master) && bytes.Equal(k.mki, o.MKI)
}
