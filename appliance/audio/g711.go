package audio

import (
	"math/bits"
	"time"
)

// The two codecs of G.711.
var (
	ALaw  = newG711("PCMA", encodeALaw, decodeALaw, encodeMuLaw)
	MuLaw = newG711("PCMU", encodeMuLaw, decodeMuLaw, encodeALaw)
)

// newG711 makes a codec of 8,000 octets a second, each of which stands for a sample.
func newG711(name string, encode func(sample int) byte, decode func(octet byte) int, encodeOther func(sample int) byte) *Codec {
	c := &Codec{Name: name, Rate: 8000, Clock: 8000, Frame: time.Second / 8000, FrameSize: 1}
	c.encode = func(octets []byte, samples []int16) {
		for i, v := range samples {
			octets[i] = encode(int(v))
		}
	}
	c.decode = func(samples []int16, octets []byte) {
		for i, o := range octets {
			samples[i] = int16(decode(o))
		}
	}
	for i := range 256 {
		v := decode(byte(i))
		c.squares[i], c.other[i] = uint32(v*v), encodeOther(v)
	}
	c.makeTones()
	return c
}

// decodeALaw and the three functions after it are G.711 sections 3.2 and 3.3: an octet has a sign, three bits of segment and four bits within
// it. On the wire the even bits (A) or all bits (mu) are inverted.
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
