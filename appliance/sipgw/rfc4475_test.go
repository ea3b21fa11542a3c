package sipgw

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"viaduct/appliance/config"
)

// TestRFC4475 runs the torture messages of RFC 4475 (testdata/rfc4475, under the RFC's names) through a gateway on paper. Each is
// answered as the RFC asks of a user agent; after each the gateway still answers OPTIONS.
func TestRFC4475(t *testing.T) {
	files, err := filepath.Glob("testdata/rfc4475/*.dat")
	if err != nil || len(files) != len(rfc4475) {
		t.Fatalf("%d messages, the table has %d (%v)", len(files), len(rfc4475), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".dat")
		t.Run(name, func(t *testing.T) {
			want, known := rfc4475[name]
			if !known {
				t.Fatal("not in the table")
			}
			m, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			onPaper(t, func(_ *config.Config, i *config.SIPInterface) { i.TransferAccept = true }, func(t *testing.T, b *bench) {
				b.paper.put(peerAddr, m)
				got := "silence"
				if list := b.sent(); len(list) == 1 {
					got, _, _ = strings.Cut(strings.TrimPrefix(list[0], "SIP/2.0 "), "\r\n")
					complete(t, string(m), list[0])
				} else if len(list) > 1 {
					t.Errorf("answered by %q", firstLines(list))
				}
				if !strings.HasPrefix(got, want.answer) {
					t.Errorf("%s: answered by %s, want %s", want.why, got, want.answer)
				}
				select {
				case in := <-b.calls:
					if want.answer != "100" {
						t.Errorf("%s: became a call", want.why)
					}
					b.call.on(func() { in.Leg.Reject(486, "") })
					b.sent()
				default:
					if want.answer == "100" {
						t.Errorf("%s: became no call", want.why)
					}
				}
				b.put("OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKafter;rport\nMax-Forwards: 70\n" +
					"From: <sip:192.0.2.100>;tag=after\nTo: <sip:192.0.2.1>\nCall-ID: after\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n")
				b.one("SIP/2.0 200 ")
				synctest.Wait()
			})
		})
	}
}

// complete wants what an answer of that code must say (RFC 3261 8.2.6.2 and 21.4): the Vias of the request, a tag of ours, and what
// would have been taken.
func complete(t *testing.T, request, answer string) {
	t.Helper()
	vias := func(m string) int { return len(regexp.MustCompile(`(?mi)^(via|v)[ \t]*:`).FindAllString(m, -1)) }
	request, _, _ = strings.Cut(request, "\r\n\r\n")
	if vias(answer) < vias(request) { // one field of ours may hold one of several
		t.Errorf("%d Vias, the request has %d:\n%s", vias(answer), vias(request), answer)
	}
	code := answer[len("SIP/2.0 "):][:3]
	if to := field(answer, "To"); code != "100" && to != "" && tagOf(to) == "" {
		t.Errorf("To without tag: %s", to)
	}
	for of, name := range map[string]string{"405": "Allow", "415": "Accept", "420": "Unsupported", "200": "Allow"} {
		if code == of && field(answer, name) == "" {
			t.Errorf("%s without %s", code, name)
		}
	}
	for name, value := range map[string]string{"Unsupported": "nothingSupportsThis, nothingSupportsThisEither", "Accept": "application/sdp, multipart/mixed"} {
		if got := field(answer, name); got != "" && got != value {
			t.Errorf("%s: %s, want %s", name, got, value)
		}
	}
}

// rfc4475 is what each message must be answered with by an element that is no registrar: REGISTER is refused by 405 whatever is
// in it, unless its syntax is broken. Where the RFC leaves a choice, it is ours.
var rfc4475 = map[string]struct{ answer, why string }{
	// 3.1.1 valid messages
	"wsinv":      {"481", "every kind of white space; a re-INVITE of a dialog that we do not have"},
	"intmeth":    {"501", "a method and URI of unusual but allowed characters"},
	"esc01":      {"100", "escapes in the user part are not a URI of their own"},
	"escnull":    {"405", "escaped nulls in URIs"},
	"esc02":      {"501", "percent signs in a method are no escapes: this is not REGISTER"},
	"lwsdisp":    {"200", "no white space between display name and <"},
	"longreq":    {"100", "long values everywhere"},
	"dblreq":     {"405", "what follows the message in the datagram is ignored"},
	"semiuri":    {"200", "semicolons in the user part"},
	"transports": {"200", "unknown transports in Via"},
	"mpart01":    {"405", "a multipart MESSAGE"},
	"unreason":   {"silence", "a response that nobody waits for"},
	"noreason":   {"silence", "a response without reason phrase"},

	// 3.1.2 invalid messages
	"badinv01":   {"400", "extraneous separators"},
	"clerr":      {"400", "Content-Length larger than the datagram"},
	"ncl":        {"400", "negative Content-Length"},
	"scalar02":   {"400", "numbers out of range"},
	"scalarlg":   {"silence", "numbers out of range in a response"},
	"quotbal":    {"400", "unterminated quoted string"},
	"ltgtruri":   {"400", "<> around the Request-URI"},
	"lwsruri":    {"400", "white space in the Request-URI"},
	"lwsstart":   {"400", "several spaces in the request line"},
	"trws":       {"400", "spaces at the end of the request line"},
	"escruri":    {"400", "headers in the Request-URI"},
	"baddate":    {"100", "a date that is not in GMT: nobody here reads dates"},
	"regbadct":   {"405", "a URI with a question mark but without <>"},
	"badaspec":   {"400", "spaces within an addr-spec"},
	"baddn":      {"400", "display name with a comma and without quotes"},
	"badvers":    {"505", "unknown version"},
	"mismatch01": {"400", "CSeq names another method"},
	"mismatch02": {"501", "CSeq names another method, and ours is unknown"},
	"bigcode":    {"silence", "status code out of range"},

	// 3.2 transaction layer, 3.3 application layer, 3.4 backward compatibility
	"badbranch": {"200", "a branch of nothing but the cookie"},
	"insuf":     {"400", "From, To and Call-ID are missing"},
	"unkscm":    {"416", "unknown scheme"},
	"novelsc":   {"416", "known scheme of another world"},
	"unksm2":    {"405", "unknown schemes in To and From"},
	"bext01":    {"420", "unknown extensions are required"},
	"invut":     {"415", "unknown content type"},
	"regaut01":  {"405", "unknown authorization scheme"},
	"multi01":   {"400", "several values where one is allowed"},
	"mcl01":     {"400", "two Content-Lengths"},
	"bcast":     {"silence", "a response with a broadcast address"},
	"zeromf":    {"200", "Max-Forwards 0, and we are the end of the way"},
	"cparam01":  {"405", "an unknown Contact parameter"},
	"cparam02":  {"405", "an unknown URI parameter in Contact"},
	"regescrt":  {"405", "escaped headers in a Contact"},
	"sdp01":     {"406", "a body type is wanted that we cannot make"},
	"inv2543":   {"100", "RFC 2543: no branch cookie, no tag, no Max-Forwards"},
}
