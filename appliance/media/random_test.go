package media

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"viaduct/appliance/srtp"

	pion "github.com/pion/srtp/v2"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func randomKey(suite string) srtp.Key {
	n, _ := srtp.MasterLength(suite)
	return srtp.Key{Suite: suite, Master: random(n)}
}

var profiles = map[string]pion.ProtectionProfile{
	srtp.AES80: pion.ProtectionProfileAes128CmHmacSha1_80, srtp.AES32: pion.ProtectionProfileAes128CmHmacSha1_32,
	srtp.GCM128: pion.ProtectionProfileAeadAes128Gcm, srtp.GCM256: pion.ProtectionProfileAeadAes256Gcm,
}

// pionContext is SRTP by code of others.
func pionContext(t testing.TB, k srtp.Key, o ...pion.ContextOption) *pion.Context {
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

// packetOf is an RTP packet in a buffer with room for a tag.
func packetOf(ssrc uint32, seq uint16, payload int) []byte {
	p := make([]byte, 12+payload, slotSize)
	p[0], p[1] = 0x80, 8
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	rand.Read(p[12:])
	return p
}

// rtcpPacket is a sender report, as far as it goes.
func rtcpPacket(ssrc uint32) []byte {
	p := make([]byte, 28, slotSize)
	p[0], p[1] = 0x80, senderReport
	binary.BigEndian.PutUint16(p[2:], 6)
	binary.BigEndian.PutUint32(p[4:], ssrc)
	rand.Read(p[8:])
	return p
}
