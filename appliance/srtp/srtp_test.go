package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 3711 appendix B.3.
func TestKeyDerivationVectors(t *testing.T) {
	prf, _ := aes.NewCipher(unhex(t, "E1F97A0D3E018BE0D64FA32C06DE4139"))
	salt := unhex(t, "0EC675AD498AFEEBB6960B3AABE6")
	for label, want := range map[byte]string{
		0: "C61E7A93744F39EE10734AFE3FF7A087",
		1: "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
		2: "30CBBC08863D8C85D49DB34A9AE1",
	} {
		if got := derive(prf, salt, label, len(want)/2); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("label %d: %X", label, got)
		}
	}
}

// RFC 3711 appendix B.2: the keystream for SSRC and index 0.
func TestCounterModeVectors(t *testing.T) {
	block, _ := aes.NewCipher(unhex(t, "2B7E151628AED2A6ABF7158809CF4F3C"))
	h := &sessionKeys{block: block}
	copy(h.salt[:], unhex(t, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD"))
	data := make([]byte, 48)
	NewCrypter().xor(h, data, 0, 0)
	if want := unhex(t, "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0"); !bytes.Equal(data, want) {
		t.Errorf("%X", data)
	}
}

// RFC 7714 section 16 gives session keys and salt, so the derivation is left out.
func TestGCMVectors(t *testing.T) {
	const packet = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573"
	for _, c := range []struct {
		suite, key, srtp string
	}{
		{GCM128, "000102030405060708090a0b0c0d0e0f",
			"8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce"},
		{GCM256, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			"8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"},
	} {
		k, err := NewKeys(Key{Suite: c.suite, Master: counting(len(c.key)/2 + 12)})
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(unhex(t, c.key))
		if err != nil {
			t.Fatal(err)
		}
		if k.rtp.aead, err = cipher.NewGCM(block); err != nil {
			t.Fatal(err)
		}
		copy(k.rtp.salt[:], "Quid pro quo")
		crypt, buf := NewCrypter(), make([]byte, 256)
		n := crypt.Protect(k, buf, copy(buf, unhex(t, packet)), 12, 0xf17b)
		if got := hex.EncodeToString(buf[:n]); got != c.srtp {
			t.Errorf("%s: SRTP is\n%s, want\n%s", c.suite, got, c.srtp)
		}
		if n, ok := crypt.Unprotect(k, buf[:n], 12, 0xf17b); !ok || hex.EncodeToString(buf[:n]) != packet {
			t.Errorf("%s: the packet does not come back", c.suite)
		}
	}
}

// Reports as they were before others' code made them, which libsrtp took.
func TestReportsOnTheWire(t *testing.T) {
	const report = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
	for _, c := range []struct{ suite, mki, wire string }{
		{AES80, "", "81c8000d4d6172734a3e00666ac8f579117d068cae0b4faa665b5a899c7a33f7ee5408d9f3acdb82b873c0ea7f0dc71ee8fc3d0f800005d43af64eca1efb11193a9a"},
		{AES80, "\x01\x02", "81c8000d4d6172734a3e00666ac8f579117d068cae0b4faa665b5a899c7a33f7ee5408d9f3acdb82b873c0ea7f0dc71ee8fc3d0f800005d401023af64eca1efb11193a9a"},
		{GCM256, "", "81c8000d4d6172732f0c16be6fc6820f17957bebc9009158c76f915d10569278581a857b5258a0fe8e89950b6f338277eaa5d3e7ec0adaca03f4455be58e55460434c167800005d4"},
		{GCM256, "\x01\x02", "81c8000d4d6172732f0c16be6fc6820f17957bebc9009158c76f915d10569278581a857b5258a0fe8e89950b6f338277eaa5d3e7ec0adaca03f4455be58e55460434c167800005d40102"},
		{GCM128, "", "81c8000d4d6172732a177bb737c87fead778211998fe4447a6e1e960a85baf5a56b284117450a7544990d640c11937ac709406751741701db3874794c2215726df51e1ce800005d4"},
		{GCM128, "\x01\x02", "81c8000d4d6172732a177bb737c87fead778211998fe4447a6e1e960a85baf5a56b284117450a7544990d640c11937ac709406751741701db3874794c2215726df51e1ce800005d40102"},
		{AES32, "", "81c8000d4d6172734a3e00666ac8f579117d068cae0b4faa665b5a899c7a33f7ee5408d9f3acdb82b873c0ea7f0dc71ee8fc3d0f800005d43af64eca1efb11193a9a"},
		{AES32, "\x01\x02", "81c8000d4d6172734a3e00666ac8f579117d068cae0b4faa665b5a899c7a33f7ee5408d9f3acdb82b873c0ea7f0dc71ee8fc3d0f800005d401023af64eca1efb11193a9a"},
	} {
		n, _ := MasterLength(c.suite)
		k, err := NewKeys(Key{Suite: c.suite, Master: counting(n), MKI: []byte(c.mki)})
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 256)
		buf = buf[:k.ProtectRTCP(buf, copy(buf, unhex(t, report)), 0x5d4)]
		if got := hex.EncodeToString(buf); got != c.wire {
			t.Errorf("%s: SRTCP is\n%s, want\n%s", c.suite, got, c.wire)
		}
		for bit := range 8 * len(buf) {
			bad := bytes.Clone(buf)
			bad[bit/8] ^= 1 << (bit % 8)
			if _, _, ok := k.UnprotectRTCP(bad); ok && c.mki == "" {
				t.Errorf("%s: bit %d is not noticed", c.suite, bit)
			}
		}
		if n, index, ok := k.UnprotectRTCP(buf); !ok || index != 0x5d4 || hex.EncodeToString(buf[:n]) != report {
			t.Errorf("%s: the report does not come back", c.suite)
		}
	}
}

func counting(n int) (b []byte) {
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

func TestHMACAgainstTheStandardLibrary(t *testing.T) {
	a := newAuthenticator()
	for _, n := range []int{0, 1, 59, 60, 63, 64, 120, 172, 500} {
		key, message := counting(20), counting(n)
		h := &sessionKeys{}
		h.inner, h.outer = hmacStates(key)
		m := hmac.New(sha1.New, key)
		m.Write(message)
		m.Write([]byte{0, 0, 0, 7})
		if got := a.tag(h, message, 7, true); !bytes.Equal(got, m.Sum(nil)) {
			t.Errorf("%d octets: %x", n, got)
		}
	}
}

func TestWindow(t *testing.T) {
	var w Window
	for _, step := range []struct {
		seq   uint16
		index uint64
		want  Verdict
	}{
		{65534, 65534, Fresh}, {65534, 65534, Seen}, {65533, 65533, Fresh}, {0, 65536, Fresh}, {65535, 65535, Fresh},
		{65535, 65535, Seen}, {100, 65636, Fresh}, {65535, 65535, Seen}, {65508, 65508, TooOld}, {65509, 65509, Fresh}, {400, 65936, Fresh}, {273, 65809, Fresh}, {272, 65808, TooOld},
	} {
		index, ok := w.Estimate(step.seq)
		if !ok || index != step.index {
			t.Fatalf("%d: index %d", step.seq, index)
		}
		if v := w.Check(index); v != step.want {
			t.Fatalf("%d: %v", step.seq, v)
		} else if v == Fresh {
			w.Mark(index)
		}
	}
	w = Window{}
	w.Mark(5)
	if _, ok := w.Estimate(65000); ok {
		t.Error("an index before the stream's first")
	}
}
