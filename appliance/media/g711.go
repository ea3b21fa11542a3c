package media

import "math/bits"

// laws holds tables for the octets of G.711, by ALaw and MuLaw.
var laws = makeLaws()

type lawTable struct {
	linear  [256]int16 // 16 bits, full scale
	squares [256]uint32
	other   [256]byte // the octet of the other law
}

func makeLaws() (t [3]lawTable) {
	for i := range 256 {
		a, m := decodeALaw(byte(i)), decodeMuLaw(byte(i))
		t[ALaw].linear[i], t[ALaw].other[i] = int16(a), encodeMuLaw(a)
		t[MuLaw].linear[i], t[MuLaw].other[i] = int16(m), encodeALaw(m)
		t[ALaw].squares[i], t[MuLaw].squares[i] = uint32(a*a), uint32(m*m)
	}
	return t
}

// encode is the octet for a linear sample of 16 bits.
func (l Law) encode(v int) byte {
	if l == MuLaw {
		return encodeMuLaw(v)
	}
	return encodeALaw(v)
}

// decodeALaw and the three after it are G.711 sections 3.2 and 3.3: a sign, three bits of segment, four bits within it, and all
// even bits (A), or all bits (mu), inverted on the wire.
func decodeALaw(octet byte) int {
	octet ^= 0x55
	v, segment := int(octet&15)<<4+8, octet>>4&7
	if segment > 0 {
		v = (v + 0x100) << (segment - 1)
	}
	if octet&0x80 == 0 {
		return -v
	}
	return v
}

func encodeALaw(v int) byte {
	sign := byte(0x80)
	if v < 0 {
		sign, v = 0, -v
	}
	v = min(v, 32767)
	segment := bits.Len(uint(v >> 8))
	within := v >> (max(segment, 1) + 3) & 15
	return (sign | byte(segment)<<4 | byte(within)) ^ 0x55
}

// muBias is what mu-law adds so that segments begin at powers of two.
const muBias = 0x84

func decodeMuLaw(octet byte) int {
	octet = ^octet
	v := (int(octet&15)<<3+muBias)<<(octet>>4&7) - muBias
	if octet&0x80 != 0 {
		return -v
	}
	return v
}

func encodeMuLaw(v int) byte {
	sign := byte(0)
	if v < 0 {
		sign, v = 0x80, -v
	}
	v = min(v, 32635) + muBias
	segment := bits.Len(uint(v>>7)) - 1
	return ^(sign | byte(segment)<<4 | byte(v>>(segment+3)&15))
}
