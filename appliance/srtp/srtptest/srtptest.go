// Package srtptest makes keys and packets for tests of SRTP, and peers whose SRTP is pion's.
package srtptest

import (
	"crypto/rand"
	"encoding/binary"
	"testing"

	"viaduct/appliance/srtp"

	pion "github.com/pion/srtp/v2"
)

// Random is n random octets.
func Random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// Key is a random key.
func Key(suite string) srtp.Key {
	n, _ := srtp.MasterLength(suite)
	return srtp.Key{Suite: suite, Master: Random(n)}
}

// profiles are the suites by pion's names, said once more: srtp has them for its SRTCP, and this is what that is checked with.
var profiles = map[string]pion.ProtectionProfile{
	srtp.AES80: pion.ProtectionProfileAes128CmHmacSha1_80, srtp.AES32: pion.ProtectionProfileAes128CmHmacSha1_32,
	srtp.GCM128: pion.ProtectionProfileAeadAes128Gcm, srtp.GCM256: pion.ProtectionProfileAeadAes256Gcm,
}

// Pion is a peer's SRTP in one direction.
func Pion(t testing.TB, k srtp.Key, o ...pion.ContextOption) *pion.Context {
	t.Helper()
	n, err := profiles[k.Suite].KeyLen()
	if err != nil {
		t.Fatal(err)
	}
	c, err := pion.CreateContext(k.Master[:n], k.Master[n:], profiles[k.Suite], o...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// room is the capacity of a packet: it takes tag and MKI, and no more than a slot of the relay.
const room = 1728

// Packet is an RTP packet in a buffer with room for a tag.
func Packet(ssrc uint32, seq uint16, payload int) []byte {
	p := make([]byte, 12+payload, room)
	p[0], p[1] = 0x80, 8
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	rand.Read(p[12:])
	return p
}

// Report is a sender report in a buffer with room for a tag.
func Report(ssrc uint32) []byte {
	p := make([]byte, 28, room)
	p[0], p[1] = 0x80, 200
	binary.BigEndian.PutUint16(p[2:], 6)
	binary.BigEndian.PutUint32(p[4:], ssrc)
	rand.Read(p[8:])
	return p
}
