package lab

import (
	"encoding/binary"
	"math"
	"time"
)

// ALaw is a tone in G.711 A-law, 8000 samples a second: what other programs play as a raw file.
func ALaw(hz int, dBm0 float64, length time.Duration) []byte {
	second := toneTable(hz, dBm0)
	sound := make([]byte, int(length.Seconds()*sampleRate))
	for i := range sound {
		sound[i] = second[i%sampleRate]
	}
	return sound
}

// WAV is a tone as a WAV file of 16-bit samples, 8000 a second, one channel.
func WAV(hz int, dBm0 float64, length time.Duration) string {
	samples := ALaw(hz, dBm0, length)
	le := binary.LittleEndian
	b := append([]byte("RIFF"), le.AppendUint32(nil, uint32(36+2*len(samples)))...)
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16) // size of what follows
	b = le.AppendUint16(b, 1)  // PCM
	b = le.AppendUint16(b, 1)  // channels
	b = le.AppendUint32(b, sampleRate)
	b = le.AppendUint32(b, 2*sampleRate)
	b = le.AppendUint16(b, 2) // octets a sample of all channels
	b = le.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(2*len(samples)))
	for _, code := range samples {
		b = le.AppendUint16(b, uint16(alawDecode(code)))
	}
	return string(b)
}

// MeasurePCM measures 16-bit little-endian samples, 8000 a second, as a peer's recording holds them. It reports false for
// less than 0.1 s and for silence.
func MeasurePCM(pcm []byte) (Tone, bool) {
	samples := make([]int16, len(pcm)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(pcm[2*i:]))
	}
	t, ok := measure(samples)
	return t, ok && !math.IsNaN(t.DBm0)
}
