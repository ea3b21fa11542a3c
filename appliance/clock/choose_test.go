package clock

import (
	"slices"
	"testing"
	"time"
)

func TestChoose(t *testing.T) {
	ms := func(offset, distance int) Sample {
		return Sample{Offset: time.Duration(offset) * time.Millisecond, Distance: time.Duration(distance) * time.Millisecond}
	}
	for name, c := range map[string]struct {
		samples []Sample
		offset  time.Duration
		used    []bool
		agreed  bool
	}{
		"nobody":                         {nil, 0, []bool{}, false},
		"one":                            {[]Sample{ms(700, 10)}, 700 * time.Millisecond, []bool{true}, true},
		"two that agree: the middle":     {[]Sample{ms(10, 20), ms(30, 20)}, 20 * time.Millisecond, []bool{true, true}, true},
		"two that disagree: the first":   {[]Sample{ms(10, 5), ms(900, 5)}, 10 * time.Millisecond, []bool{true, false}, false},
		"one false of three":             {[]Sample{ms(3600_000, 5), ms(12, 5), ms(10, 5)}, 11 * time.Millisecond, []bool{false, true, true}, true},
		"two false of five":              {[]Sample{ms(9, 5), ms(-5000, 5), ms(10, 5), ms(7000, 5), ms(14, 5)}, 10 * time.Millisecond, []bool{true, false, true, false, true}, true},
		"two false of four: no majority": {[]Sample{ms(9, 5), ms(10, 5), ms(7000, 5), ms(7001, 5)}, 9 * time.Millisecond, []bool{true, false, false, false}, false},
		"a vague one agrees with all, the median stays": {[]Sample{ms(400, 1000), ms(10, 5), ms(11, 5)}, 11 * time.Millisecond, []bool{true, true, true}, true},
	} {
		offset, used, agreed := choose(c.samples)
		if offset != c.offset || !slices.Equal(used, c.used) || agreed != c.agreed {
			t.Errorf("%s: %v %v %v, want %v %v %v", name, offset, used, agreed, c.offset, c.used, c.agreed)
		}
	}
}
