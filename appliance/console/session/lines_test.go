package session

import (
	"bytes"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"viaduct/appliance/api/wire"
)

func TestLinesEndAnyWay(t *testing.T) {
	const text = "one\rtwo\ntwo and a half\r\n\r\n\n  three\ttabs \xc3\xa4\nlast"
	want := []string{"one", "two", "two and a half", "", "", "  three\ttabs ä", "last"}
	for name, r := range map[string]io.Reader{"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text))} {
		var got []string
		if err := readLines(r, func(some []input) bool {
			for _, l := range some {
				got = append(got, l.text)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestLineThatIsTooLongIsCountedNotKept(t *testing.T) {
	const size = 64 << 20
	in := io.MultiReader(strings.NewReader("before\n"), io.LimitReader(repeat('x'), size), strings.NewReader("\nafter\n"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var got []input
	if err := readLines(in, func(some []input) bool { got = append(got, some...); return true }); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if len(got) != 3 || got[0].text != "before" || got[2].text != "after" || got[1].bad != "the line has 67108864 bytes, the limit is 65536" {
		t.Errorf("lines: %.200v", got)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("allocated %d bytes for it", grown)
	}
	var longest string
	readLines(strings.NewReader(strings.Repeat("y", wire.MaxLine)+"\n"), func(some []input) bool { longest = some[0].text + some[0].bad; return true })
	if len(longest) != wire.MaxLine {
		t.Errorf("a line of %d bytes gave %.100q", wire.MaxLine, longest)
	}
}

type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func FuzzReadLines(f *testing.F) {
	f.Add([]byte("a\r\nb\rc\n"), 3)
	f.Fuzz(func(t *testing.T, data []byte, seed int) {
		rnd := rand.New(rand.NewPCG(uint64(seed), 1))
		var whole, torn []input
		readLines(bytes.NewReader(data), func(some []input) bool { whole = append(whole, some...); return true })
		readLines(&randomReader{data, rnd}, func(some []input) bool { torn = append(torn, some...); return true })
		if !slices.Equal(whole, torn) {
			t.Errorf("at once %+v, in pieces %+v", whole, torn)
		}
	})
}

type randomReader struct {
	data []byte
	rnd  *rand.Rand
}

func (r *randomReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data[:1+r.rnd.IntN(len(r.data))])
	r.data = r.data[n:]
	return n, nil
}
