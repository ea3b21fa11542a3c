package sipmsg

import (
	"bytes"
	"testing"
)

// A header without a value goes on in the line below it; the body has none.
func TestCallIDIsFound(t *testing.T) {
	for m, want := range map[string]string{
		"INVITE sip:a SIP/2.0\r\nVia: x\r\nCall-ID: abc@d\r\n\r\n": "abc@d",
		"INVITE sip:a SIP/2.0\r\ni :  abc\r\n\r\n":                 "abc",
		"INVITE sip:a SIP/2.0\r\nCall-ID:\r\n abc\r\n\r\n":         "abc",
		"INVITE sip:a SIP/2.0\r\n\r\nCall-ID: body\r\n":            "",
		"": "",
	} {
		if got := string(CallIDOf([]byte(m))); got != want {
			t.Errorf("%q: %q", m, got)
		}
	}
}

func FuzzCallIDOf(f *testing.F) {
	f.Add([]byte("OPTIONS sip:a SIP/2.0\r\nCall-ID:\r\n o-1\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\ni : x \n"))
	f.Fuzz(func(t *testing.T, m []byte) {
		if id := CallIDOf(m); bytes.ContainsAny(id, "\n") || !bytes.Contains(m, id) {
			t.Errorf("%q in %q", id, m)
		}
	})
}
