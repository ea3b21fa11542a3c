package sipgw

import "testing"

// RFC 3261 25.1 allows blanks around every separator of a Via, and 8.2.6.2 wants the field back as it was.
func TestBlanksInViaAreTaken(t *testing.T) {
	for name, c := range map[string]struct{ via, answered string }{
		"around semicolons":  {"SIP/2.0/UDP 192.0.2.100:5060 ; branch = z9hG4bKa2 ; rport", "SIP/2.0/UDP 192.0.2.100:5060 ; branch = z9hG4bKa2 ;rport=5060;received=192.0.2.100"},
		"around the colon":   {"SIP/2.0/UDP 192.0.2.100 : 5060;branch=z9hG4bKa9", "SIP/2.0/UDP 192.0.2.100 : 5060;branch=z9hG4bKa9"},
		"around the comma":   {"SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKa6 , SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb6", "SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKa6 , SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb6"},
		"around slashes":     {"SIP / 2.0 / UDP 192.0.2.100:5060;branch=z9hG4bKa3", "SIP / 2.0 / UDP 192.0.2.100:5060;branch=z9hG4bKa3"},
		"capitals":           {"SIP/2.0/UDP 192.0.2.100:5060;BRANCH=z9hG4bKa11;RPORT", "SIP/2.0/UDP 192.0.2.100:5060;BRANCH=z9hG4bKa11;RPORT=5060;received=192.0.2.100"},
		"a folded field":     {"SIP/2.0/UDP 192.0.2.100:5060\n\t;branch=z9hG4bKc1", "SIP/2.0/UDP 192.0.2.100:5060 ;branch=z9hG4bKc1"},
		"RFC 3261's example": {"SIP / 2.0 / UDP first.example.com: 4000;ttl=16\n  ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1", "SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1;received=192.0.2.100"},
		"tabs":               {"SIP/2.0/UDP\t192.0.2.100:5060\t;\tbranch=z9hG4bKt1\t;\trport", "SIP/2.0/UDP\t192.0.2.100:5060\t;\tbranch=z9hG4bKt1\t;rport=5060;received=192.0.2.100"},
		"lower case":         {"sip/2.0/udp 192.0.2.100;branch=z9hG4bKl1;rport", "sip/2.0/udp 192.0.2.100;branch=z9hG4bKl1;rport=5060;received=192.0.2.100"},
		"IPv6":               {"SIP/2.0/UDP [2001:db8::9] : 5060 ;branch=z9hG4bKv6;rport", "SIP/2.0/UDP [2001:db8::9] : 5060 ;branch=z9hG4bKv6;rport=5060;received=192.0.2.100"},
		"quoted separators":  {`SIP/2.0/UDP 192.0.2.100:5060;x="a;b,c" ;branch=z9hG4bKq1 , SIP/2.0/UDP 10.0.0.1;y="d,e"`, `SIP/2.0/UDP 192.0.2.100:5060;x="a;b,c" ;branch=z9hG4bKq1 , SIP/2.0/UDP 10.0.0.1;y="d,e"`},
		"a forged source":    {"SIP/2.0/UDP 192.0.2.100:5060;received=203.0.113.9;rport=9;branch=z9hG4bKf1", "SIP/2.0/UDP 192.0.2.100:5060;rport=5060;branch=z9hG4bKf1;received=192.0.2.100"},
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, nil, func(t *testing.T, b *bench) {
				options := func(via string) string {
					return "OPTIONS sip:192.0.2.1 SIP/2.0\nVia: " + via + "\nMax-Forwards: 70\nFrom: <sip:192.0.2.100> ; tag = t\nTo: <sip:192.0.2.1>\n" +
						"Call-ID: c\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n"
				}
				b.put(options(c.via))
				if r := b.one("SIP/2.0 200 "); field(r, "Via") != c.answered {
					t.Errorf("Via: %s\nwant %s", field(r, "Via"), c.answered)
				}
				b.put(options(c.via)) // the same transaction: the same response, no second one of its own
				b.one("SIP/2.0 200 ")
				if n := b.g.transactions.Count().Lingering; n != 1 {
					t.Errorf("%d transactions", n)
				}
			})
		})
	}
}

// A Via that cannot be understood says nothing of where to answer, but the datagram came from somewhere.
func TestMalformedViaIsRefused(t *testing.T) {
	for _, via := range []string{
		"SIP/2.0/UDP", "SIP/2.0", "192.0.2.100", "SIP/2.0/UDP 192.0.2.100:port;branch=z9hG4bK1", "SIP/2.0/UDP [2001:db8::1;branch=z9hG4bK1",
		"SIP/2.0/UDP 192.0.2.100;;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.100;branch=z9hG4bK1,", "SIP/2.0/UDP a b;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.100:99999",
		"HTTP/1.1/TCP 192.0.2.100;branch=z9hG4bK1",
	} {
		onPaper(t, nil, func(t *testing.T, b *bench) {
			b.put("OPTIONS sip:192.0.2.1 SIP/2.0\nVia: " + via + "\nMax-Forwards: 70\nFrom: <sip:192.0.2.100>;tag=t\nTo: <sip:192.0.2.1>\n" +
				"Call-ID: c\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n")
			if r := b.one("SIP/2.0 400 "); field(r, "Via") != via {
				t.Errorf("Via: %s, want %s", field(r, "Via"), via)
			}
		})
	}
}
