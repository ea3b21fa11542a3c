package lab

import (
	"fmt"
	"math"
	"time"
)

const (
	sampleRate = 8000
	usualPtime = 20 * time.Millisecond
	// A-law overloads at +3.14 dBm0 (G.711): that level has this peak on the 16-bit scale.
	overloadLevel = 3.14
	overloadPeak  = 32768.0
)

// Tone is what a simulated peer heard.
type Tone struct {
	Hz    float64 // frequency of the strongest tone between 200 and 3400 Hz
	DBm0  float64 // its level; a lone tone at full A-law scale has +3.14
	Share float64 // its share of all power that was heard, 0 to 1: what gaps, clicks and noise take is missing
}

func (t Tone) String() string {
	return fmt.Sprintf("%.0f Hz at %.1f dBm0", t.Hz, t.DBm0)
}

// toneTable is one second of a tone in A-law; for whole frequencies it repeats without a seam.
func toneTable(hz int, dBm0 float64) []byte {
	peak := overloadPeak * math.Pow(10, (dBm0-overloadLevel)/20)
	table := make([]byte, sampleRate)
	for i := range table {
		table[i] = alawEncode(int16(math.Round(peak * math.Sin(2*math.Pi*float64(hz)*float64(i)/sampleRate))))
	}
	return table
}

// measure finds the strongest tone in at least 0.1 s of samples: a coarse search by Goertzel's
// filter in steps of 10 Hz on the last 0.1 s, then ever finer ones around the best.
func measure(samples []int16) (Tone, bool) {
	const coarse = sampleRate / 10
	if len(samples) < coarse {
		return Tone{}, false
	}
	best, bestPower := 0.0, 0.0
	last := samples[len(samples)-coarse:]
	for hz := 200.0; hz <= 3400; hz += 10 {
		if p := goertzel(last, hz); p > bestPower {
			best, bestPower = hz, p
		}
	}
	if bestPower == 0 {
		return Tone{}, false
	}
	// The longer the window the narrower the filter: a step must not jump over its main lobe.
	for _, fine := range []struct {
		in         []int16
		span, step float64
	}{{last, 10, 2}, {samples, 3, 0.5}, {samples, 0.5, 0.1}} {
		from, to := best-fine.span, best+fine.span
		bestPower = 0
		for hz := from; hz <= to; hz += fine.step {
			if p := goertzel(fine.in, hz); p > bestPower {
				best, bestPower = hz, p
			}
		}
	}
	total := 0.0
	for _, s := range samples {
		total += float64(s) * float64(s)
	}
	total /= float64(len(samples))
	// bestPower is the power of a sine (half its squared peak); a lone sine has it all.
	return Tone{
		Hz:    best,
		DBm0:  10*math.Log10(2*bestPower/(overloadPeak*overloadPeak)) + overloadLevel,
		Share: min(bestPower/total, 1),
	}, true
}

// goertzel is the power of one frequency in the samples: for a sine of that frequency half its squared peak.
func goertzel(samples []int16, hz float64) float64 {
	w := 2 * math.Pi * hz / sampleRate
	coefficient := 2 * math.Cos(w)
	var s1, s2 float64
	for _, x := range samples {
		s1, s2 = float64(x)+coefficient*s1-s2, s1
	}
	n := float64(len(samples))
	return 2 * (s1*s1 + s2*s2 - coefficient*s1*s2) / (n * n)
}

// alawEncode and alawDecode are G.711 table 1 in its usual 16-bit form.
func alawEncode(pcm int16) byte {
	sign, x := byte(0x80), int(pcm)
	if x < 0 {
		sign, x = 0, -x-1
	}
	x >>= 3 // 13 bits and a half
	segment := 0
	for v := x >> 5; v != 0 && segment < 7; v >>= 1 {
		segment++
	}
	shift := max(segment, 1)
	return (byte(segment<<4) | byte(x>>shift)&0x0f | sign) ^ 0x55
}

func alawDecode(code byte) int16 {
	code ^= 0x55
	segment, x := int(code>>4)&7, int(code&0x0f)<<4+8
	if segment > 0 {
		x = (x + 0x100) << (segment - 1)
	}
	if code&0x80 == 0 {
		x = -x
	}
	return int16(x)
}
