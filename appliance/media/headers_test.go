package media

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
	h := newHeader(from, efTOS)
	for n := range 300 {
		frame := append(make([]byte, rawHeaders), srtptest.Random(n)...)
		if n%3 == 0 {
			for i := range frame {
				frame[i] = 0xff // sums with many carries
			}
		}
		writeHeaders(frame, &h, addressOf(to), 9)
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
	h := newHeader(netip.MustParseAddrPort("192.0.2.7:20000"), efTOS)
	to := addressOf(netip.MustParseAddrPort("198.51.100.255:65001"))
	frame := append(make([]byte, rawHeaders), srtptest.Random(182)...)
	for i := range b.N {
		writeHeaders(frame, &h, to, uint16(i))
	}
}
