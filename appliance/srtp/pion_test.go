package srtp_test

import (
	"bytes"
	"fmt"
	mathrand "math/rand/v2"
	"testing"

	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"

	pion "github.com/pion/srtp/v2"
)

func TestBothWaysWithPion(t *testing.T) {
	for _, suite := range srtp.Suites {
		for _, mki := range [][]byte{nil, {1}, {0, 0, 0, 7}} {
			t.Run(fmt.Sprint(suite, " MKI ", len(mki)), func(t *testing.T) {
				k := srtptest.Key(suite)
				k.MKI = mki
				var o []pion.ContextOption
				if mki != nil {
					o = append(o, pion.MasterKeyIndicator(mki))
				}
				ours, err := srtp.NewKeys(k)
				if err != nil {
					t.Fatal(err)
				}
				c, theirs, theirsIn := srtp.NewCrypter(), srtptest.Pion(t, k, o...), srtptest.Pion(t, k, o...)
				for i := range 400 {
					index := uint64(65400 + i) // across a roll-over
					p := srtptest.Packet(7, uint16(index), mathrand.IntN(400))
					plain := bytes.Clone(p)
					want, err := theirs.EncryptRTP(nil, p, nil)
					if err != nil {
						t.Fatal(err)
					}
					n := c.Protect(ours, p[:cap(p)], len(p), 12, index)
					if !bytes.Equal(p[:n], want) {
						t.Fatalf("packet %d: not what pion makes", i)
					}
					if got, err := theirsIn.DecryptRTP(nil, p[:n], nil); err != nil || !bytes.Equal(got, plain) {
						t.Fatalf("packet %d: pion does not take it: %v", i, err)
					}
					if n, ok := c.Unprotect(ours, want, 12, index); !ok || !bytes.Equal(want[:n], plain) {
						t.Fatalf("packet %d: does not come back", i)
					}
				}
				for i := range 50 {
					p := srtptest.Report(9)
					plain := bytes.Clone(p)
					want, err := theirs.EncryptRTCP(nil, p, nil)
					if err != nil {
						t.Fatal(err)
					}
					n := ours.ProtectRTCP(p[:cap(p)], len(p), uint32(i+1))
					if !bytes.Equal(p[:n], want) {
						t.Fatalf("report %d: not what pion makes\n%x\n%x", i, p[:n], want)
					}
					n, index, ok := ours.UnprotectRTCP(want)
					if !ok || index != uint32(i+1) || !bytes.Equal(want[:n], plain) {
						t.Fatalf("report %d: does not come back (index %d)", i, index)
					}
				}
			})
		}
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	for _, suite := range srtp.Suites {
		k, _ := srtp.NewKeys(srtptest.Key(suite))
		c := srtp.NewCrypter()
		p := srtptest.Packet(7, 1, 160)
		n := c.Protect(k, p[:cap(p)], len(p), 12, 1)
		for bit := range 8 * n {
			bad := bytes.Clone(p[:n])
			bad[bit/8] ^= 1 << (bit % 8)
			header, ok := srtp.HeaderLength(bad)
			if !ok {
				continue
			}
			if _, ok := c.Unprotect(k, bad, header, 1); ok {
				t.Errorf("%s: bit %d", suite, bit)
			}
		}
	}
}

func TestAnnouncedMKIThatThePacketsLack(t *testing.T) {
	k := srtptest.Key(srtp.AES80)
	bare, _ := srtp.NewKeys(k)
	k.MKI = []byte{1}
	with, _ := srtp.NewKeys(k)
	c := srtp.NewCrypter()
	p := srtptest.Packet(7, 1, 160)
	n := c.Protect(bare, p[:cap(p)], len(p), 12, 1)
	if m, ok := c.Unprotect(with, p[:n], 12, 1); !ok || m != 172 {
		t.Errorf("%d %v", m, ok)
	}
}

func TestKeysThatCannotBe(t *testing.T) {
	for _, k := range []srtp.Key{{Suite: "F8_128_HMAC_SHA1_80", Master: srtptest.Random(30)}, {Suite: srtp.AES80, Master: srtptest.Random(29)}, {Suite: srtp.GCM256, Master: srtptest.Random(28)}} {
		if _, err := srtp.NewKeys(k); err == nil {
			t.Errorf("%s with %d octets is taken", k.Suite, len(k.Master))
		}
	}
}

func FuzzUnprotect(f *testing.F) {
	key := srtp.Key{Suite: srtp.AES80, Master: bytes.Repeat([]byte{7}, 30), MKI: []byte{1}}
	gcm := srtp.Key{Suite: srtp.GCM128, Master: bytes.Repeat([]byte{7}, 28)}
	all := make([]*srtp.Keys, 0, 2)
	c := srtp.NewCrypter()
	for _, k := range []srtp.Key{key, gcm} {
		ours, _ := srtp.NewKeys(k)
		all = append(all, ours)
		p := srtptest.Packet(7, 1, 20)
		f.Add(p[:c.Protect(ours, p[:cap(p)], len(p), 12, 1)], uint64(1))
		p = srtptest.Report(7)
		f.Add(p[:ours.ProtectRTCP(p[:cap(p)], len(p), 1)], uint64(1))
	}
	f.Fuzz(func(t *testing.T, p []byte, index uint64) {
		if len(p) > srtp.MaxPacket {
			return
		}
		for _, k := range all {
			if header, ok := srtp.HeaderLength(p); ok {
				if n, ok := c.Unprotect(k, bytes.Clone(p), header, index&(1<<48-1)); ok && (n < header || n >= len(p)) {
					t.Errorf("%d octets of %d", n, len(p))
				}
			}
			if len(p) >= 8 {
				k.UnprotectRTCP(bytes.Clone(p))
			}
		}
	})
}

func BenchmarkSRTP(b *testing.B) {
	for _, suite := range []string{srtp.AES80, srtp.AES32, srtp.GCM128, srtp.GCM256} {
		k, _ := srtp.NewKeys(srtptest.Key(suite))
		c := srtp.NewCrypter()
		b.Run(suite+"/protect", func(b *testing.B) {
			b.ReportAllocs()
			p := srtptest.Packet(7, 1, 160)
			for i := range b.N {
				c.Protect(k, p[:cap(p)], len(p), 12, uint64(i))
			}
		})
		b.Run(suite+"/unprotect", func(b *testing.B) {
			b.ReportAllocs()
			p := srtptest.Packet(7, 1, 160)
			n := c.Protect(k, p[:cap(p)], len(p), 12, 1)
			work := make([]byte, n)
			for b.Loop() {
				copy(work, p[:n])
				if _, ok := c.Unprotect(k, work, 12, 1); !ok {
					b.Fatal("not authentic")
				}
			}
		})
	}
}
