package sipmsg

import (
	"strings"
	"testing"
)

// FuzzFrame cuts a stream into messages, in one piece and in two: the result must be the same, and nothing may get lost.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("\r\n\r\nOPTIONS sip:a SIP/2.0\r\nl: 2\r\n\r\nabBYE sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n"), 20)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		if at < 0 || at > len(b) {
			return
		}
		whole := cut(b)
		rest := []byte{}
		var pieces []string
		for _, part := range [][]byte{b[:at], b[at:]} {
			rest = append(rest, part...)
			for {
				head, body, n, _, _, fatal := FrameStream(rest)
				if head != nil {
					pieces = append(pieces, string(head)+string(body))
				}
				if fatal {
					return
				}
				rest = rest[n:]
				if head == nil {
					break
				}
			}
		}
		if strings.Join(pieces, "|") != strings.Join(whole, "|") {
			t.Errorf("%q in pieces, %q as a whole", pieces, whole)
		}
	})
}

func cut(b []byte) (list []string) {
	for {
		head, body, n, _, _, fatal := FrameStream(b)
		if head != nil {
			list = append(list, string(head)+string(body))
		}
		if fatal || head == nil {
			return list
		}
		b = b[n:]
	}
}

// Two lengths that differ are a classic way to smuggle a message in behind another: nothing on that stream can be believed any more.
func TestTwoLengthsEndTheStream(t *testing.T) {
	for text, fatal := range map[string]bool{
		"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\nl: 0\r\n\r\n":                false,
		"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\nl: 5\r\n\r\n":                true,
		"OPTIONS sip:a SIP/2.0\r\nL : 5\r\ncontent-length: 0\r\n\r\nhello":          true,
		"OPTIONS sip:a SIP/2.0\r\nSubject: x\r\n l: 5\r\nContent-Length: 0\r\n\r\n": false, // folded: part of Subject
		"OPTIONS sip:a SIP/2.0\r\nContent-Length:\r\n 5\r\n\r\nhello":               false,
		"OPTIONS sip:a SIP/2.0\r\nContent-Length: 5\r\n 0\r\n\r\nhello":             true, // "5 0"
		"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n":                       true,
		"OPTIONS sip:a SIP/2.0\r\n\r\n":                                             false, // RFC 2543, and nothing that could be a body
		"INVITE sip:a SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0":          true,  // RFC 3261 18.3: it is not optional there
		"INVITE sip:a SIP/2.0\r\nc: application/sdp\r\n\r\nv=0":                     true,
		"OPTIONS sip:a SIP/2.0\r\nX: a\nContent-Length: 5\r\n\r\nhello":             true, // lengths that only some would see
		"OPTIONS sip:a SIP/2.0\r\nX: a\nl: 5\r\nContent-Length: 0\r\n\r\n":          true,
		"OPTIONS sip:a SIP/2.0\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n":           true,
	} {
		head, _, _, _, f, ended := FrameStream([]byte(text))
		if head == nil || ended != fatal || (f.Code == 400) != fatal {
			t.Errorf("%q: ended %v, %+v", text, ended, f)
		}
	}
}
