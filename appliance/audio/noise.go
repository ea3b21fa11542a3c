package audio

import "math"

// Noise is white noise whose samples are evenly distributed. Spectral coefficients of a description (RFC 3389) are not used.
type Noise struct {
	peak   int
	random uint32
}

// NewNoise makes silence. The seed must not be 0.
func NewNoise(seed uint32) Noise { return Noise{random: seed} }

// SetLevel sets how loud the noise is, in -dBov; the highest bit has no meaning.
func (n *Noise) SetLevel(level uint8) {
	n.peak = int(32768 * math.Sqrt(3) * math.Pow(10, -float64(level&0x7f)/20))
}

// Fill writes the next octets of noise, MaxSize at most. The generator is Marsaglia's xorshift, whose period is longer than any call.
func (n *Noise) Fill(octets []byte, c *Codec) {
	var buffer [maxSamples]int16
	samples := buffer[:c.samples(len(octets))]
	for i := range samples {
		n.random ^= n.random << 13
		n.random ^= n.random >> 17
		n.random ^= n.random << 5
		samples[i] = int16(max(min(int64(int32(n.random))*int64(n.peak)>>31, math.MaxInt16), math.MinInt16))
	}
	c.Encode(octets, samples)
}
