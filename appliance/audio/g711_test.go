package audio

import "testing"

func TestLawsOfG711(t *testing.T) {
	for _, c := range []struct {
		codec  *Codec
		octet  byte
		linear int16
	}{
		{ALaw, 0xd5, 8}, {ALaw, 0x55, -8}, {ALaw, 0xaa, 32256}, {ALaw, 0x2a, -32256}, {ALaw, 0xd4, 24}, {ALaw, 0xc5, 264},
		{MuLaw, 0xff, 0}, {MuLaw, 0x7f, 0}, {MuLaw, 0x80, 32124}, {MuLaw, 0x00, -32124}, {MuLaw, 0xfe, 8}, {MuLaw, 0xef, 132},
	} {
		if got := c.codec.sample(c.octet); got != c.linear {
			t.Errorf("%s, octet %02x: %d, want %d", c.codec.Name, c.octet, got, c.linear)
		}
	}
	for _, c := range []*Codec{ALaw, MuLaw} {
		other := ALaw
		if c == ALaw {
			other = MuLaw
		}
		for i := range 256 {
			o, v := byte(i), c.sample(byte(i))
			back := []byte{0}
			if c.Encode(back, []int16{v}); back[0] != o && v != 0 {
				t.Errorf("%s: octet %02x comes back as %02x", c.Name, o, back)
			}
			far := c.other[o]
			if v, w := int(v), int(other.sample(far)); abs(v-w) > 16+abs(v)/16 || v*w < 0 {
				t.Errorf("%s: octet %02x is %d, in the other law %d", c.Name, o, v, w)
			}
			// What was converted to and fro stays the same from then on: no call gets worse with each box on its way.
			once := other.other[far]
			if twice := other.other[c.other[once]]; twice != once {
				t.Errorf("%s: octet %02x wanders to %02x and %02x", c.Name, o, once, twice)
			}
		}
	}
}

func abs(v int) int { return max(v, -v) }

func (c *Codec) sample(octet byte) int16 {
	var v [1]int16
	c.Decode(v[:], []byte{octet})
	return v[0]
}
