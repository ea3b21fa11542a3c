package srtp

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// MaxPacket is the most that a packet may have, with room for what protecting it adds.
const MaxPacket = 2048

// Crypter runs SRTP for one thread: what changes per packet and would otherwise be allocated.
type Crypter struct {
	auth      *authenticator
	counter   [aes.BlockSize]byte
	nonce     [12]byte
	keystream [MaxPacket]byte
	spare     [MaxPacket]byte // a packet as it came, where more than one key or index may fit
}

// NewCrypter returns one for a thread.
func NewCrypter() *Crypter { return &Crypter{auth: newAuthenticator()} }

// HeaderLength is the length of an RTP header with CSRCs and extension; ok is false when the packet is not RTP.
func HeaderLength(p []byte) (n int, ok bool) {
	if len(p) < 12 || p[0]>>6 != 2 {
		return 0, false
	}
	n = 12 + 4*int(p[0]&15)
	if p[0]&0x10 != 0 {
		if len(p) < n+4 {
			return 0, false
		}
		n += 4 + 4*int(binary.BigEndian.Uint16(p[n+2:]))
	}
	return n, n <= len(p)
}

// Protect encrypts the RTP packet buf[:n] in place and appends its tag; buf has room for MaxTag and the MKI. header is the
// length of the RTP header. It returns the new length.
func (c *Crypter) Protect(k *Keys, buf []byte, n, header int, index uint64) int {
	ssrc := binary.BigEndian.Uint32(buf[8:])
	if h := &k.rtp; h.aead == nil {
		c.xor(h, buf[header:n], ssrc, index)
		tag := c.auth.tag(h, buf[:n], uint32(index>>16), true)
		n += copy(buf[n:], k.mki) // the MKI stands before the tag and is not authenticated (section 3.1)
		n += copy(buf[n:], tag[:h.tag])
	} else {
		n = len(h.aead.Seal(buf[:header], c.iv(h, ssrc, index), buf[header:n], buf[:header]))
		n += copy(buf[n:], k.mki)
	}
	return n
}

// Unprotect checks and decrypts an SRTP packet in place. header is the length of the RTP header. ok is false when the packet is
// not authentic; its octets are then useless but for the header.
func (c *Crypter) Unprotect(k *Keys, p []byte, header int, index uint64) (n int, ok bool) {
	n, ok = c.open(k, p, header, index, len(k.mki))
	if !ok && len(k.mki) > 0 && k.rtp.aead == nil {
		// Some announce an MKI in a=crypto and leave it out of the packets. (A failed GCM leaves nothing to try again with.)
		n, ok = c.open(k, p, header, index, 0)
	}
	return n, ok
}

// Keep returns a copy of a packet that a failed Unprotect would spoil, valid until the next call; nil when it would not.
func (c *Crypter) Keep(k *Keys, p []byte) []byte {
	if k.rtp.aead == nil {
		return nil
	}
	return c.spare[:copy(c.spare[:], p)]
}

func (c *Crypter) open(k *Keys, p []byte, header int, index uint64, mki int) (n int, ok bool) {
	h := &k.rtp
	if h.aead != nil { // ciphertext, tag, MKI
		n = len(p) - mki
		if n < header+h.tag || string(p[n:]) != string(k.mki[:mki]) {
			return 0, false
		}
		plain, err := h.aead.Open(p[header:header], c.iv(h, binary.BigEndian.Uint32(p[8:]), index), p[header:n], p[:header])
		return header + len(plain), err == nil
	}
	n = len(p) - h.tag - mki
	if n < header || string(p[n:n+mki]) != string(k.mki[:mki]) {
		return 0, false
	}
	tag := c.auth.tag(h, p[:n], uint32(index>>16), true)
	if subtle.ConstantTimeCompare(tag[:h.tag], p[n+mki:]) != 1 {
		return 0, false
	}
	c.xor(h, p[header:n], binary.BigEndian.Uint32(p[8:]), index)
	return n, true
}

// xor applies AES in counter mode with the initial value of RFC 3711 section 4.1.1: salt, SSRC and index.
func (c *Crypter) xor(h *sessionKeys, data []byte, ssrc uint32, index uint64) {
	iv := &c.counter
	*iv = h.salt
	binary.BigEndian.PutUint32(iv[4:], binary.BigEndian.Uint32(iv[4:])^ssrc)
	binary.BigEndian.PutUint64(iv[8:], binary.BigEndian.Uint64(iv[8:])^index<<16)
	n := (len(data) + aes.BlockSize - 1) &^ (aes.BlockSize - 1)
	for i := 0; i < n; i += aes.BlockSize {
		binary.BigEndian.PutUint16(iv[14:], uint16(i/aes.BlockSize))
		h.block.Encrypt(c.keystream[i:], iv[:])
	}
	subtle.XORBytes(data, data, c.keystream[:n])
}

// iv is the nonce of RFC 7714 section 8.1: two zeros, SSRC, and the 48-bit index, over the salt.
func (c *Crypter) iv(h *sessionKeys, ssrc uint32, index uint64) []byte {
	b := binary.BigEndian
	copy(c.nonce[:], h.salt[:12])
	b.PutUint32(c.nonce[2:], b.Uint32(c.nonce[2:])^ssrc)
	b.PutUint16(c.nonce[6:], b.Uint16(c.nonce[6:])^uint16(index>>32))
	b.PutUint32(c.nonce[8:], b.Uint32(c.nonce[8:])^uint32(index))
	return c.nonce[:]
}
