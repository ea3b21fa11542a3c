package console

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTelnetCommandsAreTakenOut(t *testing.T) {
	for _, c := range []struct{ name, in, text string }{
		{"text", "show version\r\n", "show version\r\n"},
		{"CR NUL", "a\r\x00b", "a\rb"},
		{"options", "a\xff\xfb\x1fb\xff\xfe\x01c", "abc"},
		{"the byte itself", "a\xff\xffb", "a\xffb"},
		{"a window size", "a\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0b", "ab"},
		{"a width of 255", "a\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0b", "ab"},
		{"a subnegotiation without an end", "a\xff\xfa" + strings.Repeat("x", 1000), "a"},
		{"are you there", "a\xff\xf6b", "ab"},
	} {
		for _, torn := range []bool{false, true} {
			var in io.Reader = strings.NewReader(c.in)
			if torn {
				in = iotest.OneByteReader(in)
			}
			got, err := io.ReadAll(&telnetReader{from: in, size: func(int, int) {}})
			if err != nil || string(got) != c.text {
				t.Errorf("%s, torn %v: %q, %v", c.name, torn, got, err)
			}
		}
	}
	var width, height int
	r := &telnetReader{from: strings.NewReader("\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0"), size: func(w, h int) { width, height = w, h }}
	io.ReadAll(r)
	if width != 255 || height != 24 {
		t.Errorf("window %d by %d", width, height)
	}
	endless := strings.NewReader("\xff\xfa" + strings.Repeat("\xff\xff", 1000))
	r = &telnetReader{from: endless}
	if io.ReadAll(r); len(r.sub) > 16 {
		t.Errorf("%d octets are kept of a subnegotiation without an end", len(r.sub))
	}
	var out bytes.Buffer
	if n, err := (telnetWriter{&out}).Write([]byte("a\xffb")); n != 3 || err != nil || out.String() != "a\xff\xffb" {
		t.Errorf("%d, %v, %q", n, err, out.String())
	}
}
