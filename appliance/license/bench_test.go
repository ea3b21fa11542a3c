package license

import "testing"

// BenchmarkAcquire is what a call costs, with three licenses installed.
func BenchmarkAcquire(b *testing.B) {
	issuer, authorities := lab(b)
	m := New()
	for serial := range uint32(3) {
		if _, err := m.Install(sign(b, issuer, License{Kind: SIPSessions, Count: 20, Serial: serial}), box, today, authorities); err != nil {
			b.Fatal(err)
		}
	}
	acquire := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, err := m.Acquire(1, 1)
			if err != nil {
				b.Fatal(err)
			}
			s.Release()
		}
	}
	b.Run("alone", acquire)
	m.Attach(map[Kind]int{SIPSessions: 8})
	b.Run("with a hub", acquire)
}
