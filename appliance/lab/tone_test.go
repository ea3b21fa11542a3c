package lab

import (
	"math"
	"testing"
)

func TestToneIsMeasuredAsItWasMade(t *testing.T) {
	for _, c := range []struct {
		hz   int
		dBm0 float64
	}{{440, -10}, {1004, -10}, {1004, 0}, {300, -30}, {3000, -20}} {
		var heard []int16
		for _, code := range toneTable(c.hz, c.dBm0)[:4000] {
			heard = append(heard, alawDecode(code))
		}
		tone, ok := measure(heard)
		if !ok || math.Abs(tone.Hz-float64(c.hz)) > 0.5 || math.Abs(tone.DBm0-c.dBm0) > 0.2 || tone.Share < 0.99 {
			t.Errorf("%d Hz at %.0f dBm0 measured as %#v", c.hz, c.dBm0, tone)
		}
	}
}

func TestGapsInATonePullDownItsShare(t *testing.T) {
	var heard []int16
	table := toneTable(440, -10)
	const frameSize = 160
	for at := 0; at+frameSize <= 4000; at += frameSize + 100 { // 100 samples are missing between packets
		for _, code := range table[at : at+frameSize] {
			heard = append(heard, alawDecode(code))
		}
	}
	if tone, _ := measure(heard); tone.Share > 0.9 {
		t.Errorf("a tone in pieces measured as %#v", tone)
	}
}

func TestSilenceIsNoTone(t *testing.T) {
	if tone, ok := measure(make([]int16, 1600)); ok {
		t.Errorf("silence measured as %#v", tone)
	}
}

// The whole of A-law is its 256 codes: each must come back from its own value.
func TestALawCodesComeBack(t *testing.T) {
	for code := range 256 {
		if back := alawEncode(alawDecode(byte(code))); back != byte(code) {
			t.Errorf("%#02x decodes to %d, which encodes to %#02x", code, alawDecode(byte(code)), back)
		}
	}
}
