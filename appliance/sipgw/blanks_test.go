package sipgw

import (
	"strings"
	"testing"

	"viaduct/appliance/sipmsg"
)

// RFC 3261 7.3.1 and 25.1: blanks and folds stand around every colon, and capitals matter in no name, nor in the version (7.1).
func TestBlanksAndCapitalsAreTaken(t *testing.T) {
	const sound = "OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKx\nMax-Forwards: 70\nFrom: <sip:192.0.2.100>;tag=t\n" +
		"To: <sip:192.0.2.1>\nCall-ID: c\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n"
	for name, c := range map[string]struct{ old, new string }{
		"a folded length":              {"Content-Length: 0", "Content-Length:\n 0"},
		"a compact folded length":      {"Content-Length: 0", "l :\n\t0"},
		"a version in small letters":   {"192.0.2.1 SIP/2.0", "192.0.2.1 sip/2.0"},
		"a method behind line ends":    {"OPTIONS sip:192.0.2.1", "\n\nOPTIONS sip:192.0.2.1"},
		"a folded CSeq":                {"CSeq: 1 OPTIONS", "cseq :\n 1\n OPTIONS"},
		"a folded Call-ID":             {"Call-ID: c", "CALL-ID\t:\n\tc"},
		"From with a fold at each sep": {"From: <sip:192.0.2.100>;tag=t", "f:\n <sip:192.0.2.100>\n ;\n TAG\n =\n t"},
		"a folded Max-Forwards":        {"Max-Forwards: 70", "MAX-FORWARDS :\n  0070"},
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, nil, func(t *testing.T, b *bench) {
				m := strings.Replace(sound, c.old, c.new, 1)
				if m == sound {
					t.Fatal("the test changes nothing")
				}
				head, _ := strings.CutSuffix(m, "\n\n")
				b.paper.put(peerAddr, []byte(strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"))
				b.one("SIP/2.0 200 ")
			})
		})
	}
}

// What a refusal repeats of a message that is too large is repeated whole: a Via without its second line has no branch.
func TestFoldedFieldsOfLargeMessages(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put("OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060\n ;branch=z9hG4bKx\nMax-Forwards: 70\nFrom: <sip:192.0.2.100>;tag=t\n" +
			"To: <sip:192.0.2.1>\nCall-ID: c\nCSeq: 1 OPTIONS\n" + strings.Repeat("X: y\n", 2*sipmsg.MaxFields) + "Content-Length: 0\n\n")
		if v := field(b.one("SIP/2.0 513 "), "Via"); v != "SIP/2.0/UDP 192.0.2.100:5060 ;branch=z9hG4bKx" {
			t.Error(v)
		}
	})
}
