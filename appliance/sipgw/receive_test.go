package sipgw

import (
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

func TestRequestCheck(t *testing.T) {
	sound := inviteText("c1", "b1", "", "v=0")
	for name, c := range map[string]struct {
		old, new string
		code     string
	}{
		"no From":                   {"From: \"A\" <sip:user.01@192.0.2.100>;tag=from-c1\n", "", "400"},
		"no To":                     {"To: <sip:+49711@192.0.2.1>\n", "", "400"},
		"no Call-ID":                {"Call-ID: c1\n", "", "400"},
		"no CSeq":                   {"CSeq: 1 INVITE\n", "", "400"},
		"two From":                  {"To: ", "From: <sip:b@c>;tag=2\nTo: ", "400"},
		"From without tag":          {";tag=from-c1", "", "400"},
		"an open quote":             {"\"A\" <", "\"A <", "400"},
		"CSeq of another method":    {"1 INVITE", "1 BYE", "400"},
		"CSeq too large":            {"1 INVITE", "36893488147419103232 INVITE", "400"},
		"two lengths that differ":   {"Content-Length: 3", "Content-Length: 3\nl: 5", "400"},
		"two lengths that agree":    {"Content-Length: 3", "Content-Length: 3\nl: 3", "400"},
		"a length of words":         {"Content-Length: 3", "Content-Length: three", "400"},
		"a length beyond the body":  {"Content-Length: 3", "Content-Length: 30", "400"},
		"Max-Forwards 0":            {"Max-Forwards: 70", "Max-Forwards: 0", "483"},
		"Max-Forwards of words":     {"Max-Forwards: 70", "Max-Forwards: many", "400"},
		"Max-Forwards of 256":       {"Max-Forwards: 70", "Max-Forwards: 256", "400"},
		"two Max-Forwards":          {"Max-Forwards: 70", "Max-Forwards: 70\nMax-Forwards: 69", "400"},
		"another scheme":            {"INVITE sip:+49711@192.0.2.1", "INVITE nobodyKnowsThisScheme:totallyopaquecontent", "416"},
		"another version":           {"192.0.2.1 SIP/2.0", "192.0.2.1 SIP/7.0", "505"},
		"something required":        {"Max-Forwards", "Require: nothingSupportsThis, timer, norThis\nMax-Forwards", "420"},
		"an unknown method":         {"INVITE", "NEWMETHOD", "501"},
		"REGISTER":                  {"INVITE", "REGISTER", "405"},
		"BYE out of the blue":       {"INVITE", "BYE", "481"},
		"SUBSCRIBE":                 {"INVITE", "SUBSCRIBE", "489"},
		"NOTIFY":                    {"INVITE", "NOTIFY", "200"},
		"a body of unknown type":    {"application/sdp", "application/unknown", "415"},
		"a body of no type":         {"Content-Type: application/sdp\n", "", "400"},
		"an encoded body":           {"Content-Type", "Content-Encoding: gzip\nContent-Type", "415"},
		"no Contact":                {"Contact: <sip:user.01@192.0.2.100:5060;x=1;x=2>\n", "", "400"},
		"a Contact that is none":    {"<sip:user.01@192.0.2.100:5060;x=1;x=2>", "< >", "400"},
		"headers in the URI":        {"INVITE sip:+49711@192.0.2.1", "INVITE sip:+49711@192.0.2.1?Route=%3Csip:x%3E", "400"},
		"a dialog that is not here": {"To: <sip:+49711@192.0.2.1>", "To: <sip:+49711@192.0.2.1>;tag=x", "481"},
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, nil, func(t *testing.T, b *bench) {
				m := strings.ReplaceAll(sound, c.old, c.new)
				if m == sound {
					t.Fatal("the test changes nothing")
				}
				b.put(m)
				r := b.one("SIP/2.0 " + c.code + " ")
				if c.code == "420" && field(r, "Unsupported") != "nothingSupportsThis, norThis" {
					t.Error(r)
				}
				if len(b.calls) != 0 {
					t.Error("it became a call")
				}
				b.put(strings.ReplaceAll(m, "INVITE", "ACK")) // whatever is wrong with it, an ACK is never answered
				if strings.Contains(m, "INVITE") {
					b.starts()
				}
			})
		})
	}
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(sound, "From:", "FROM:"), "CSeq", "CSEQ"), "Call-ID", "i"))
		b.one("SIP/2.0 100 ") // header names in capitals and short ones (A.33)
		b.put(strings.Replace(sound, "branchb1", "branchb2", 1))
	})
}

func TestMergedRequestIsALoop(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "b1", "", "v=0"))
		b.one("SIP/2.0 100 ")
		b.put(inviteText("c1", "b2", "", "v=0"))
		b.one("SIP/2.0 482 ")
		b.put(inviteText("c1", "b1", "", "v=0"))
		b.one("SIP/2.0 100 ") // a retransmission
	})
}

func TestOptionsIsAnsweredWithContactAndAllow(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(strings.ReplaceAll(inviteText("c1", "b1", "", ""), "INVITE", "OPTIONS"))
		m := b.one("SIP/2.0 200 ")
		if field(m, "Contact") != "<sip:192.0.2.1:5060>" || !strings.HasPrefix(field(m, "Allow"), "INVITE, ") || strings.Contains(m, "REFER") ||
			tagOf(field(m, "To")) == "" || !strings.Contains(field(m, "Via"), "rport=5060") {
			t.Error(m)
		}
	})
}

func TestResponseGoesWhereRFC3581Says(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(strings.ReplaceAll(strings.ReplaceAll(inviteText("c1", "b1", "", ""), "INVITE", "OPTIONS"), "UDP 192.0.2.100:5060", "UDP pbx.example:5070"))
		if m := b.one("SIP/2.0 200 "); !strings.Contains(field(m, "Via"), "received=192.0.2.100") {
			t.Error(m)
		}
	})
}

func TestCallsPerSecond(t *testing.T) {
	onPaper(t, func(c *config.Config, _ *config.SIPInterface) { c.Gateways[0].CallsPerSecond = 2 }, func(t *testing.T, b *bench) {
		for i, want := range []string{"100", "100", "503"} {
			id := string(rune('a' + i))
			b.put(inviteText(id, id, "", "v=0"))
			b.one("SIP/2.0 " + want)
		}
		time.Sleep(time.Second)
		b.sent()
		b.put(inviteText("z", "z", "", "v=0"))
		b.one("SIP/2.0 100")
	})
}

func TestTrust(t *testing.T) {
	onPaper(t, func(c *config.Config, i *config.SIPInterface) {
		other := *i
		other.Name, other.Remote = "other", config.HostPort{Host: "pbx2.example"}
		other.Trust = []config.Source{{Remote: true}, {Prefix: prefix("198.51.100.0/24")}}
		teams := *i
		teams.Name, teams.Remote, teams.Trust = "teams", config.HostPort{Host: "sip.example"}, []config.Source{{Teams: true}}
		c.CS[0].Interfaces = append(c.CS[0].Interfaces, &other, &teams)
		i.Trust = append(i.Trust, config.Source{Prefix: prefix("198.51.0.0/16")})
	}, func(t *testing.T, b *bench) {
		b.s.opts.Resolver = fakeNames{"pbx2.example": {addr("198.51.100.7")}}
		for a, want := range map[string]string{"192.0.2.100": "pbx", "198.51.100.7": "other", "198.51.100.8": "pbx", "198.51.3.1": "pbx", "52.114.7.7": "teams", "52.127.0.1": "", "10.1.1.1": ""} {
			got := ""
			if i := b.g.InterfaceOf(addr(a)); i != nil {
				got = i.Name
			}
			if got != want || b.g.Trusts(addr(a)) != (want != "") {
				t.Errorf("%s belongs to %q, want %q", a, got, want)
			}
		}
	})
}

func TestStrangersGetSilence(t *testing.T) {
	m := []byte(strings.ReplaceAll(inviteText("c1", "b1", "", ""), "\n", "\r\n"))
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.paper.put(addrPort("203.0.113.9:5060"), m)
		b.starts()
		if b.g.Counters.Untrusted.Load() != 1 {
			t.Error("not counted")
		}
	})
	onPaper(t, func(c *config.Config, _ *config.SIPInterface) { c.Gateways[0].AnswerUntrusted = true }, func(t *testing.T, b *bench) {
		b.paper.put(addrPort("203.0.113.9:5060"), m)
		b.one("SIP/2.0 403 ")
	})
}

// A header inside a header's value must not come back from us as a header.
func TestBareLineBreaksAreRefused(t *testing.T) {
	for _, evil := range []string{"\n", "\r", "\x00", "\n\n", "\r\r\n"} {
		for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq", "Subject", "Timestamp", "Record-Route"} {
			onPaper(t, nil, func(t *testing.T, b *bench) {
				m := crlf("OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKx;rport\nFrom: <sip:192.0.2.100>;tag=x\n" +
					"To: <sip:192.0.2.1>\nCall-ID: c\nCSeq: 1 OPTIONS\nSubject: s\nTimestamp: 1\nRecord-Route: <sip:a;lr>\nMax-Forwards: 70\nContent-Length: 0\n\n")
				start := strings.Index(m, name+": ") + len(name) + 2
				end := start + strings.Index(m[start:], "\r\n")
				b.paper.put(peerAddr, []byte(m[:end]+evil+"X-Evil: 1"+m[end:]))
				for _, r := range b.sent() {
					if !strings.HasPrefix(r, "SIP/2.0 400 ") {
						t.Errorf("%q in %s is taken: %q", evil, name, r)
					}
					if strings.Contains(r, "\nX-Evil") || strings.Contains(strings.ReplaceAll(r, "\r\n", ""), "\n") || strings.Contains(r, "\x00") {
						t.Errorf("%q in %s comes back: %q", evil, name, r)
					}
				}
			})
		}
	}
}
