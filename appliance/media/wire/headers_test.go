package wire

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"viaduct/appliance/srtp/srtptest"
)

// The plain way of RFC 1071.
func slowSum(p []byte) (sum uint32) {
	for i := 0; i < len(p); i += 2 {
		word := uint32(p[i]) << 8
		if i+1 < len(p) {
			word |= uint32(p[i+1])
		}
		sum += word
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

func TestChecksums(t *testing.T) {
	from, to := netip.MustParseAddrPort("192.0.2.7:20000"), netip.MustParseAddrPort("198.51.100.255:65001")
	h := NewHeader(from, 0xb8)
	for n := range 300 {
		frame := append(make([]byte, Length), srtptest.Random(n)...)
		if n%3 == 0 {
			for i := range frame {
				frame[i] = 0xff // sums with many carries
			}
		}
		Write(frame, &h, AddressOf(to), 9)
		if sum := slowSum(frame[:20]); sum != 0xffff {
			t.Fatalf("%d octets: IP header %#x", n, sum)
		}
		pseudo := append(append([]byte{}, frame[12:20]...), 0, 17)
		pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(8+n))
		if sum := slowSum(append(pseudo, frame[20:]...)); sum != 0xffff {
			t.Fatalf("%d octets: %#x", n, sum)
		}
	}
}

func BenchmarkHeaders(b *testing.B) {
	b.ReportAllocs()
	h := NewHeader(netip.MustParseAddrPort("192.0.2.7:20000"), 0xb8)
	to := AddressOf(netip.MustParseAddrPort("198.51.100.255:65001"))
	frame := append(make([]byte, Length), srtptest.Random(182)...)
	for i := range b.N {
		Write(frame, &h, to, uint16(i))
	}
}
