package srtp

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// SRTCP is a packet in seconds: its keys are derived anew for each one (some microseconds), in place of kept for each call (2 KiB).

const (
	rtcpHeader = 8 // not encrypted (RFC 3711 section 3.4)
	srtcpIndex = 4
	srtcpTag   = 10 // of all AES_CM suites (RFC 4568 section 6.2.2)
	encrypted  = 1 << 31
)

// control are the session keys of SRTCP. NewKeys has seen that they can be derived.
func (k *Keys) control() (h sessionKeys, ok bool) {
	s := suites[k.suite]
	prf, err := aes.NewCipher(k.master[:s.key])
	if err != nil {
		return h, false
	}
	if !s.gcm {
		s.tag = srtcpTag
	}
	h, err = newSessionKeys(prf, k.master[s.key:], s, labelsOfSRTCP)
	return h, err == nil
}

// ProtectRTCP encrypts the RTCP packet buf[:n] in place and appends index, MKI and tag; buf has room for MaxTag and the MKI. An index, of 31
// bits, is used once under a key. It returns the new length, 0 when the packet is not RTCP.
func (c *Crypter) ProtectRTCP(k *Keys, buf []byte, n int, index uint32) int {
	h, ok := k.control()
	if !ok || n < rtcpHeader || index == 0 || n+MaxTag+len(k.mki) > len(buf) {
		return 0
	}
	ssrc := binary.BigEndian.Uint32(buf[4:])
	if h.aead != nil { // ciphertext, tag, index, MKI (RFC 7714 section 9)
		n = len(h.aead.Seal(buf[:rtcpHeader], c.iv(&h, ssrc, uint64(index)), buf[rtcpHeader:n], c.associated(buf, encrypted|index)))
		binary.BigEndian.PutUint32(buf[n:], encrypted|index)
		n += srtcpIndex
		return n + copy(buf[n:], k.mki)
	}
	c.xor(&h, buf[rtcpHeader:n], ssrc, uint64(index))
	binary.BigEndian.PutUint32(buf[n:], encrypted|index)
	n += srtcpIndex
	tag := c.auth.tag(&h, buf[:n], 0, false)
	n += copy(buf[n:], k.mki) // it is not authenticated (RFC 3711 section 3.4)
	return n + copy(buf[n:], tag[:h.tag])
}

// associated is what GCM authenticates beside the ciphertext: the header, and the word with the index.
func (c *Crypter) associated(p []byte, word uint32) []byte {
	copy(c.aad[:], p[:rtcpHeader])
	binary.BigEndian.PutUint32(c.aad[rtcpHeader:], word)
	return c.aad[:]
}

// UnprotectRTCP checks and decrypts an SRTCP packet in place and returns its length and index. ok is false when it is not authentic, or
// not encrypted; its octets are then useless.
func (c *Crypter) UnprotectRTCP(k *Keys, p []byte) (n int, index uint32, ok bool) {
	h, ok := k.control()
	if !ok {
		return 0, 0, false
	}
	var kept []byte
	if len(k.mki) > 0 {
		kept = c.spare[:copy(c.spare[:], p)] // a failed GCM leaves nothing
	}
	n, index, ok = c.openRTCP(&h, p, k.mki)
	if !ok && len(k.mki) > 0 {
		n, index, ok = c.openRTCP(&h, p[:copy(p, kept)], nil) // some announce an MKI in a=crypto and leave it out of the packets
	}
	return n, index, ok
}

func (c *Crypter) openRTCP(h *sessionKeys, p, mki []byte) (n int, index uint32, ok bool) {
	tail := 0 // octets behind the MKI
	if h.aead == nil {
		tail = h.tag
	}
	at := len(p) - tail - len(mki) // the MKI's place
	n = at - srtcpIndex
	if n < rtcpHeader || string(p[at:at+len(mki)]) != string(mki) {
		return 0, 0, false
	}
	ssrc, word := binary.BigEndian.Uint32(p[4:]), binary.BigEndian.Uint32(p[n:])
	if index = word &^ encrypted; word == index {
		return 0, 0, false // UNENCRYPTED_SRTCP was not agreed
	}
	if h.aead != nil {
		plain, err := h.aead.Open(p[rtcpHeader:rtcpHeader], c.iv(h, ssrc, uint64(index)), p[rtcpHeader:n], c.associated(p, word))
		return rtcpHeader + len(plain), index, err == nil
	}
	if tag := c.auth.tag(h, p[:at], 0, false); subtle.ConstantTimeCompare(tag[:h.tag], p[at+len(mki):]) != 1 {
		return 0, 0, false
	}
	c.xor(h, p[rtcpHeader:n], ssrc, uint64(index))
	return n, index, true
}
