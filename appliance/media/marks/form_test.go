package marks

import (
	"net/netip"
	"testing"
	"time"
)

// What a box of another release or a torn table says must not harm.
func FuzzMarks(f *testing.F) {
	m := Marks{}
	m.Sides[0] = Side{Open: true, Started: true, Noise: 60, Counts: Counts{3, 1}, Source: [2]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5000")},
		Out: Out{true, 70_000, 9, 70_000, 1 << 31, time.Second, 50, 7, 9}, Tally: Tally{SSRC: 7, Lost: -1}}
	m.Sides[0].In[0] = In{8, true, 70_001, 0}
	octets, _ := m.MarshalBinary()
	f.Add(octets)
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, octets []byte) {
		var m, again Marks
		if m.UnmarshalBinary(octets) != nil {
			if m != (Marks{}) {
				t.Error("marks in part")
			}
			return
		}
		written, err := m.MarshalBinary()
		if err != nil || again.UnmarshalBinary(written) != nil || again != m {
			t.Errorf("%x becomes %x:\n%+v\n%+v", octets, written, m, again)
		}
	})
}
