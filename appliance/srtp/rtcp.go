package srtp

import (
	"bytes"
	"encoding/binary"
	"fmt"

	pion "github.com/pion/srtp/v2"
)

// SRTCP is a packet in seconds, so what it costs does not matter, and it is pion/srtp's. Its contexts know no MKI that may be missing, and
// keep something of every SSRC that they are shown: both are seen to here.

const (
	srtcpIndex = 4
	srtcpTag   = 10 // of all AES_CM suites (RFC 4568 section 6.2.2)
	encrypted  = 1 << 31
)

// mostSources is how many SSRCs a context is shown before it is made anew: a peer must not be able to fill it.
const mostSources = 32

// control is SRTCP of one direction.
type control struct {
	fresh   func() (*pion.Context, error)
	context *pion.Context
	ssrc    uint32 // that came last
	sources int    // how often it changed
	tail    int    // octets behind the place of the MKI
	spare   []byte // a packet without its MKI
}

func newControl(k Key, s suite) (c control, err error) {
	master := bytes.Clone(k.Master)
	c.fresh = func() (*pion.Context, error) { return pion.CreateContext(master[:s.key], master[s.key:], s.profile) }
	if c.context, err = c.fresh(); err != nil {
		return c, fmt.Errorf("srtcp key: %w", err)
	}
	if !s.gcm {
		c.tail = srtcpTag // the MKI stands before the tag (RFC 3711 section 3.4), and at the end under GCM (RFC 7714 section 9.3)
	}
	return c, nil
}

// ProtectRTCP encrypts the RTCP packet buf[:n] and appends index, MKI and tag; buf has room for MaxTag and the MKI. An index, of 31 bits,
// is used once under a key. It returns the new length, 0 when the packet is not RTCP.
func (k *Keys) ProtectRTCP(buf []byte, n int, index uint32) int {
	c := &k.rtcp
	if n < 8 || index == 0 || !c.meets(binary.BigEndian.Uint32(buf[4:])) {
		return 0
	}
	c.context.SetIndex(c.ssrc, index-1)
	out, err := c.context.EncryptRTCP(nil, buf[:n], nil)
	if err != nil || len(out)+len(k.mki) > len(buf) {
		return 0
	}
	n = copy(buf, out[:len(out)-c.tail])
	n += copy(buf[n:], k.mki)
	return n + copy(buf[n:], out[len(out)-c.tail:])
}

// UnprotectRTCP checks and decrypts an SRTCP packet in place and returns its length and index. ok is false when it is not authentic, or
// not encrypted.
func (k *Keys) UnprotectRTCP(p []byte) (n int, index uint32, ok bool) {
	n, index, ok = k.openRTCP(p, len(k.mki))
	if !ok && len(k.mki) > 0 {
		n, index, ok = k.openRTCP(p, 0) // some announce an MKI in a=crypto and leave it out of the packets
	}
	return n, index, ok
}

func (k *Keys) openRTCP(p []byte, mki int) (n int, index uint32, ok bool) {
	c := &k.rtcp
	at := len(p) - c.tail - mki // the MKI's place
	if at < 8+srtcpIndex || string(p[at:at+mki]) != string(k.mki[:mki]) || !c.meets(binary.BigEndian.Uint32(p[4:])) {
		return 0, 0, false
	}
	c.spare = append(append(c.spare[:0], p[:at]...), p[at+mki:]...)
	word := binary.BigEndian.Uint32(p[at-srtcpIndex:])
	if word&encrypted == 0 {
		return 0, 0, false // UNENCRYPTED_SRTCP was not agreed
	}
	out, err := c.context.DecryptRTCP(nil, c.spare, nil)
	if err != nil {
		return 0, 0, false
	}
	return copy(p, out), word &^ encrypted, true
}

// meets notes whose packet comes. It is false when no context can be made.
func (c *control) meets(ssrc uint32) bool {
	if ssrc == c.ssrc {
		return true
	}
	if c.sources++; c.sources > mostSources {
		context, err := c.fresh()
		if err != nil {
			return false
		}
		c.context, c.sources = context, 1
	}
	c.ssrc = ssrc
	return true
}
