package srtp

import (
	"encoding/binary"
	"slices"

	pion "github.com/pion/srtp/v2"
)

// SRTCP is a packet in seconds, so what it costs does not matter, and it is pion/srtp's. A context of pion holds 2 KiB and keeps something of
// every SSRC that it is shown, so one is made for each report. It knows no MKI that may be missing: that is seen to here.

const (
	srtcpIndex = 4
	srtcpTag   = 10 // of all AES_CM suites (RFC 4568 section 6.2.2)
	encrypted  = 1 << 31
)

// control makes the context of one report. tail is how many octets stand behind the place of its MKI: the MKI stands before the tag (RFC
// 3711 section 3.4), and at the end under GCM (RFC 7714 section 9.3).
func (k *Keys) control() (c *pion.Context, tail int, ok bool) {
	s := suites[k.suite]
	if !s.gcm {
		tail = srtcpTag
	}
	c, err := pion.CreateContext(k.master[:s.key], k.master[s.key:], s.profile)
	return c, tail, err == nil
}

// ProtectRTCP encrypts the RTCP packet buf[:n] and appends index, MKI and tag; buf has room for MaxTag and the MKI. An index, of 31 bits,
// is used once under a key. It returns the new length, 0 when the packet is not RTCP.
func (k *Keys) ProtectRTCP(buf []byte, n int, index uint32) int {
	c, tail, ok := k.control()
	if !ok || n < 8 || index == 0 {
		return 0
	}
	c.SetIndex(binary.BigEndian.Uint32(buf[4:]), index-1)
	out, err := c.EncryptRTCP(nil, buf[:n], nil)
	if err != nil || len(out)+len(k.mki) > len(buf) {
		return 0
	}
	return copy(buf, slices.Insert(out, len(out)-tail, k.mki...))
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
	c, tail, ok := k.control()
	at := len(p) - tail - mki // the MKI's place
	if !ok || at < 8+srtcpIndex || string(p[at:at+mki]) != string(k.mki[:mki]) {
		return 0, 0, false
	}
	word := binary.BigEndian.Uint32(p[at-srtcpIndex:])
	if word&encrypted == 0 {
		return 0, 0, false // UNENCRYPTED_SRTCP was not agreed
	}
	out, err := c.DecryptRTCP(nil, slices.Concat(p[:at], p[at+mki:]), nil)
	if err != nil {
		return 0, 0, false
	}
	return copy(p, out), word &^ encrypted, true
}
