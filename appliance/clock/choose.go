package clock

import (
	"slices"
	"time"
)

// slack is added to the error that a server claims: delays differ there and back, and our scheduling adds to them.
const slack = 5 * time.Millisecond

// choose decides which samples to believe. Every sample claims that the true offset lies within its distance; the largest set
// of claims that hold together wins when it is a majority (Marzullo's algorithm, RFC 5905 section 11.2.1), and the median of
// the set is the offset. Without a majority the first sample (the primary server's) is believed alone; agreed is false then.
func choose(samples []Sample) (offset time.Duration, used []bool, agreed bool) {
	used = make([]bool, len(samples))
	if len(samples) == 0 {
		return 0, used, false
	}
	low := func(s Sample) time.Duration { return s.Offset - s.Distance - slack }
	high := func(s Sample) time.Duration { return s.Offset + s.Distance + slack }
	// The point that most claims hold begins where a claim begins.
	best, at := 0, time.Duration(0)
	for _, s := range samples {
		n := 0
		for _, other := range samples {
			if low(other) <= low(s) && low(s) <= high(other) {
				n++
			}
		}
		if n > best {
			best, at = n, low(s)
		}
	}
	if best*2 <= len(samples) {
		used[0] = true
		return samples[0].Offset, used, false
	}
	var offsets []time.Duration
	for i, s := range samples {
		if low(s) <= at && at <= high(s) {
			used[i] = true
			offsets = append(offsets, s.Offset)
		}
	}
	slices.Sort(offsets)
	middle := len(offsets) / 2
	if len(offsets)%2 == 0 {
		return (offsets[middle-1] + offsets[middle]) / 2, used, true
	}
	return offsets[middle], used, true
}
