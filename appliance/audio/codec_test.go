package audio

import (
	"testing"
	"time"
)

func TestSizesOfEveryCodec(t *testing.T) {
	for _, c := range Codecs {
		if n := c.Size(MaxTime); n > MaxSize || c.samples(n) > maxSamples || c.Time(n) != MaxTime {
			t.Errorf("%s: %d octets, %d samples, %v in the longest packet", c.Name, n, c.samples(n), c.Time(n))
		}
		if n := c.Size(20 * ms); c.Units(n) != uint32(c.Clock/50) || c.samples(n) != c.Rate/50 {
			t.Errorf("%s: 20 ms are %d octets, %d units, %d samples", c.Name, n, c.Units(n), c.samples(n))
		}
		if Find(c.Name, c.Clock) != c || Find(c.Name, c.Clock+1) != nil {
			t.Errorf("%s is not found", c.Name)
		}
		if LossOf(c.Name) == (Impairment{}) {
			t.Errorf("%s has no score", c.Name)
		}
	}
}

func TestWhatCanBeConverted(t *testing.T) {
	if !Converts(ALaw, MuLaw) || !Converts(MuLaw, MuLaw) || Converts(ALaw, nil) || Converts(nil, MuLaw) || Converts(nil, nil) {
		t.Error("only codecs that the box can decode and encode are converted")
	}
}

// Voice that Converts promises sounds in the other codec as it did, whichever two they are.
func TestEveryCodecIsConvertedToEveryOther(t *testing.T) {
	for _, from := range Codecs {
		for _, to := range Codecs {
			octets := make([]byte, from.Size(20*ms), MaxSize)
			new(Ringing).Fill(octets, from)
			want := from.Level(octets)
			octets = Convert(octets, from, to)
			if got := to.Level(octets); len(octets) != to.Size(20*ms) || abs(int(got)-int(want)) > 1 {
				t.Errorf("%s to %s: %d octets of -%d dBov for -%d", from.Name, to.Name, len(octets), got, want)
			}
		}
	}
}

func TestNoiseHasItsLevel(t *testing.T) {
	for _, c := range Codecs {
		for _, level := range []uint8{10, 40, 60, 60 | 0x80} {
			octets := make([]byte, c.Size(20*ms))
			n := NewNoise(1)
			n.SetLevel(level)
			n.Fill(octets, c)
			if got, want := int(c.Level(octets)), int(level&0x7f); abs(got-want) > 2 {
				t.Errorf("%s: -%d dBov for -%d", c.Name, got, want)
			}
		}
	}
}

// The end of one filling and the beginning of the next belong together.
func TestRingingDoesNotDependOnPackets(t *testing.T) {
	for _, c := range Codecs {
		var whole, parts Ringing
		want := make([]byte, c.Size(6*time.Second))
		whole.Fill(want, c)
		var got []byte
		for len(got) < len(want) {
			part := make([]byte, c.Size(30*ms))
			parts.Fill(part, c)
			got = append(got, part...)
		}
		if string(got) != string(want) {
			t.Errorf("%s: a tone in packets is another one", c.Name)
		}
	}
}

func TestNumbersAreASetOfDynamicPayloadTypes(t *testing.T) {
	var n Numbers
	for _, pt := range []uint8{0, 95, 96, 127} {
		n.Add(pt)
	}
	for pt := range uint8(128) {
		if n.Has(pt) != (pt == 96 || pt == 127) {
			t.Errorf("%d: %v", pt, n.Has(pt))
		}
	}
}
