// Package audio reads and makes the sound of voice codecs: it converts one codec into another, makes tones and noise, finds pauses, and
// rates what a listener heard.
//
// It owns the list of codecs that the box can decode and encode, and so which codecs can be joined, and the numbers that descriptions and
// packets share. It does not own descriptions (package sdp) or packets (package media). Everything is computation: there are no goroutines, and each value belongs to its user.
package audio

import (
	"math"
	"time"
)

// Codec is a voice codec that the box can decode and encode. A nil Codec is one that it cannot: its packets pass as they are, or not at
// all.
//
// Today's codecs, the two of G.711, have no memory and one octet a sample. Convert, Level and Ringing depend on that: a codec with more octets a
// sample (L16) needs another form of squares, other and MaxSize, and a codec that keeps state from packet to packet (G.722) needs that
// state beside each leg. The tests of this package run over Codecs and fail for a codec that lacks any of it.
type Codec struct {
	Name      string        // in SDP
	Rate      int           // samples a second
	Clock     int           // units of RTP timestamps a second, which may differ from Rate (RFC 3551 section 4.5.2)
	Frame     time.Duration // voice in the smallest unit of the code
	FrameSize int           // octets of that unit

	encode  func(octets []byte, samples []int16)
	decode  func(samples []int16, octets []byte)
	squares [256]uint32 // of the sample that an octet stands for; without it Level hears silence
	other   [256]byte   // the same sample in the other codec of the two; without it Convert makes zeros
	ring    []byte      // toneLength of the ringing tone, of makeTones
	silence []byte      // as much
}

// Codecs lists all codecs.
var Codecs = []*Codec{ALaw, MuLaw}

// Find is the codec with a name and a clock rate in SDP, nil when there is none.
func Find(name string, clock int) *Codec {
	for _, c := range Codecs {
		if c.Name == name && c.Clock == clock {
			return c
		}
	}
	return nil
}

// Converts reports whether voice of one codec can be made voice of another, or is the same already.
func Converts(from, to *Codec) bool { return from != nil && to != nil }

// Convert makes voice of one codec voice of another, in place, and returns it: a codec of another size has another length. Today's are of G.711: they have no memory and one octet a sample. A third codec needs
// a table for each pair or a way through samples, and a codec with a memory a converter that keeps the state of one leg.
func Convert(octets []byte, from, to *Codec) []byte {
	if from == to {
		return octets
	}
	table := &from.other
	for i, v := range octets {
		octets[i] = table[v]
	}
	return octets
}

// MaxTime is the most voice in a packet that the box makes. RFC 3551 section 4.2 lets receivers expect up to 200 ms; phones do not.
const MaxTime = 60 * time.Millisecond

// MaxSize is how many octets MaxTime has at most, in any of Codecs, and maxSamples how many samples.
const (
	MaxSize    = 480
	maxSamples = 480
)

// Size is how many octets a time of voice has.
func (c *Codec) Size(d time.Duration) int { return int(d/c.Frame) * c.FrameSize }

// Time is how much voice so many octets hold.
func (c *Codec) Time(octets int) time.Duration { return time.Duration(octets/c.FrameSize) * c.Frame }

// Units is by how much so many octets move an RTP timestamp.
func (c *Codec) Units(octets int) uint32 {
	return uint32(c.Time(octets) * time.Duration(c.Clock) / time.Second)
}

// Encode fills octets, MaxSize at most, with samples.
func (c *Codec) Encode(octets []byte, samples []int16) { c.encode(octets, samples) }

// Decode fills samples with what octets stand for.
func (c *Codec) Decode(samples []int16, octets []byte) { c.decode(samples, octets) }

// samples is how many samples so many octets hold.
func (c *Codec) samples(octets int) int {
	return int(c.Time(octets) * time.Duration(c.Rate) / time.Second)
}

// Level is the noise level of voice in -dBov, 0 to 127 (RFC 3389 section 3.1).
func (c *Codec) Level(octets []byte) uint8 { return levelOf(c.meanSquare(octets)) }

func (c *Codec) meanSquare(octets []byte) uint32 {
	if len(octets) == 0 {
		return 0
	}
	var sum uint64
	for _, o := range octets {
		sum += uint64(c.squares[o])
	}
	return uint32(sum / uint64(len(octets)))
}

func levelOf(mean uint32) uint8 {
	return uint8(min(127, math.Round(10*math.Log10((1<<30)/float64(max(mean, 1))))))
}
