package webserver

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

// Reasons for which nothing is signed.
var (
	ErrOtherCertificate = errors.New("another certificate is in use now")
	ErrNoHandshake      = errors.New("this is no handshake of a TLS server: nothing else is signed")
	ErrTooMany          = errors.New("too many handshakes at the moment")
)

// Handshakes a second, and at once.
const (
	signRate  = 25
	signBurst = 50
)

// is reports whether leaf is the SHA-256 of a certificate that there is.
func (c *shown) is(leaf []byte) bool {
	if c == nil {
		return false
	}
	sum := c.leaf()
	return bytes.Equal(leaf, sum[:])
}

// Sign signs the message of a TLS server's handshake with the key of a certificate that is shown, or was until a moment ago. The caller
// names the hash and the padding as crypto/tls does to its signers.
//
// Whoever asks is consoled, or somebody who has taken it over. Such a one shall not get a signature under anything else, for the key may be
// that of a gateway, too.
func (s *Server) Sign(leaf []byte, message []byte, hash crypto.Hash, pss bool) ([]byte, error) {
	now := time.Now()
	s.mu.Lock()
	c := s.now
	if !c.is(leaf) && now.Before(s.until) {
		c = s.before
	}
	s.signed = now
	s.mu.Unlock()
	switch {
	case !c.is(leaf):
		return nil, ErrOtherCertificate
	case !handshake(message):
		return nil, ErrNoHandshake
	case !s.signers.take(now):
		return nil, ErrTooMany
	}
	opts := crypto.SignerOpts(hash)
	switch c.key.Public().(type) {
	case ed25519.PublicKey:
		if hash != 0 {
			return nil, ErrNoHandshake
		}
	case *rsa.PublicKey, *ecdsa.PublicKey:
		if hash != crypto.SHA256 && hash != crypto.SHA384 && hash != crypto.SHA512 {
			return nil, ErrNoHandshake
		}
		if pss {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
	}
	return crypto.SignMessage(c.key, rand.Reader, message, opts)
}

// server13 stands before the hash of a handshake in what a server of TLS 1.3 signs (RFC 8446, 4.4.3).
var server13 = append(bytes.Repeat([]byte{' '}, 64), "TLS 1.3, server CertificateVerify\x00"...)

// handshake reports whether a message is what a TLS server signs.
func handshake(message []byte) bool {
	if sum, ok := bytes.CutPrefix(message, server13); ok {
		return len(sum) == 32 || len(sum) == 48
	}
	// TLS 1.2 with ECDHE: two random values, and the parameters of the curve (RFC 8422, 5.4).
	const randoms, namedCurve = 64, 3
	if len(message) < randoms+4 || message[randoms] != namedCurve || len(message) != randoms+4+int(message[randoms+3]) {
		return false
	}
	switch tls.CurveID(binary.BigEndian.Uint16(message[randoms+1:])) {
	case tls.CurveP256, tls.CurveP384, tls.CurveP521, tls.X25519:
		return true
	}
	return false
}

// bucket bounds how often something happens.
type bucket struct {
	mu   sync.Mutex
	left float64
	at   time.Time // when left was counted
}

// take reports whether it may happen once more.
func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at.IsZero() {
		b.left = signBurst
	} else {
		b.left = min(signBurst, b.left+now.Sub(b.at).Seconds()*signRate)
	}
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
