package registrar

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
)

const plainRegister = `REGISTER sip:10.108.2.1 SIP/2.0
Via: SIP/2.0/UDP 10.108.2.54:5060;branch=z9hG4bKtorture;rport
Max-Forwards: 70
From: <sip:24@10.108.2.1>;tag=1
To: <sip:24@10.108.2.1>
Call-ID: torture
CSeq: 7 REGISTER
Contact: <sip:24@10.108.2.54>
Content-Length: 0

`

// torture are messages in the spirit of RFC 4475, for a registrar: what is changed in the plain one, the code that it gets (0: silence), and where
// calls go then, beside the phone that had registered before. "-": that one is gone.
var torture = []struct {
	name     string
	old, new string
	want     int
	then     string
}{
	{"the plain one", "", "", 200, "sip:24@10.108.2.54"},
	// Contacts.
	{"no Contact is a question", "Contact: <sip:24@10.108.2.54>\n", "", 200, ""},
	{"an empty Contact", "Contact: <sip:24@10.108.2.54>", "Contact:", 400, ""},
	{"a Contact of commas", "Contact: <sip:24@10.108.2.54>", "Contact: ,,", 400, ""},
	{"a star ends all", "Contact: <sip:24@10.108.2.54>", "Contact: *\nExpires: 0", 200, "-"},
	{"a star in a folded line", "Contact: <sip:24@10.108.2.54>", "Contact:\n \t*\nExpires: 0", 200, "-"},
	{"a star without Expires", "Contact: <sip:24@10.108.2.54>", "Contact: *", 400, ""},
	{"a star that stays", "Contact: <sip:24@10.108.2.54>", "Contact: *\nExpires: 60", 400, ""},
	{"a star with a parameter", "Contact: <sip:24@10.108.2.54>", "Contact: *;expires=0", 400, ""},
	{"a star beside a contact", "Contact: <sip:24@10.108.2.54>", "Contact: *, <sip:24@a>\nExpires: 0", 400, ""},
	{"two stars", "Contact: <sip:24@10.108.2.54>", "Contact: *\nContact: *\nExpires: 0", 400, ""},
	{"a star in brackets", "Contact: <sip:24@10.108.2.54>", "Contact: <*>\nExpires: 0", 400, ""},
	{"compact forms and odd blanks", "Contact: <sip:24@10.108.2.54>", "m  :  \"A , b;c\"\n  <sip:24@10.108.2.54> ; expires = 60", 200, "sip:24@10.108.2.54"},
	{"a comma and a bracket in the name", "Contact: <", "Contact: \"Anna, <home> \\\"\" <", 200, "sip:24@10.108.2.54"},
	{"a quote that does not close", "Contact: <", "Contact: \"Anna <", 400, ""},
	{"a bracket that does not close", "10.108.2.54>\nC", "10.108.2.54\nC", 400, ""},
	{"two URIs in one", "Contact: <sip:24@10.108.2.54>", "Contact: <sip:24@a> <sip:24@b>", 400, ""},
	{"a blank in the URI", "<sip:24@10.108.2.54>\nC", "<sip:24 @10.108.2.54>\nC", 400, ""},
	{"another line in the URI", "<sip:24@10.108.2.54>\nC", "<sip:24@a%0d%0aX: y>\nC", 400, ""},
	{"escaped octets in the user", "<sip:24@10.108.2.54>\nC", "<sip:sips%3Auser%40example.com@10.108.2.54>\nC", 200, "sip:sips%3Auser%40example.com@10.108.2.54"},
	{"an escaped zero", "<sip:24@10.108.2.54>\nC", "<sip:null-%00-null@10.108.2.54>\nC", 200, "sip:null-%00-null@10.108.2.54"},
	{"semicolons in the user", "<sip:24@10.108.2.54>\nC", "<sip:24;par=u%40e@10.108.2.54;transport=udp>\nC", 200, "sip:24;par=u%40e@10.108.2.54;transport=udp"},
	{"no user", "<sip:24@10.108.2.54>\nC", "<sip:10.108.2.54>\nC", 200, "sip:10.108.2.54"},
	{"an address of IPv6", "<sip:24@10.108.2.54>\nC", "<sip:24@[2001:db8::10]:5070>\nC", 200, "sip:24@[2001:db8::10]:5070"},
	{"no host", "<sip:24@10.108.2.54>\nC", "<sip:24@>\nC", 400, ""},
	{"a telephone number", "<sip:24@10.108.2.54>\nC", "<tel:+4972115104221>\nC", 400, ""},
	{"a mail address", "<sip:24@10.108.2.54>\nC", "<mailto:anna@example.com>\nC", 400, ""},
	{"a web page", "<sip:24@10.108.2.54>\nC", "<http://10.108.2.54/>\nC", 400, ""},
	{"sips without TLS", "<sip:24@10.108.2.54>\nC", "<sips:24@10.108.2.54>\nC", 400, ""},
	{"headers in the URI", "<sip:24@10.108.2.54>\nC", "<sip:24@10.108.2.54?Route=%3Csip:sip.example.com%3E>\nC", 400, ""},
	{"a method in the URI", "<sip:24@10.108.2.54>\nC", "<sip:24@10.108.2.54;method=BYE>\nC", 400, ""},
	{"an expires in the URI is not the header's", "<sip:24@10.108.2.54>\nC", "<sip:24@10.108.2.54;expires=5>\nC", 200, "sip:24@10.108.2.54;expires=5"},
	{"parameters without brackets are the header's", "<sip:24@10.108.2.54>\nC", "sip:24@10.108.2.54;unknown;expires=60\nC", 200, "sip:24@10.108.2.54"},
	{"a long URI", "<sip:24@10.108.2.54>\nC", "<sip:24@10.108.2.54;x=" + strings.Repeat("y", 600) + ">\nC", 400, ""},
	{"too many", "Contact: <sip:24@10.108.2.54>", "Contact: <sip:24@a" + strings.Repeat(">, <sip:24@a", 20) + ">", 400, ""},
	{"no UTF-8", "Contact: <sip:24@", "Contact: \"\xff\xfe\" <sip:24@", 400, ""},
	{"an instance without quotes", "54>\nC", "54>;+sip.instance=abc\nC", 200, "sip:24@10.108.2.54"},
	{"reg-id 0", "54>\nC", "54>;reg-id=0;+sip.instance=\"<urn:uuid:1>\"\nC", 400, ""},
	{"reg-id without instance", "54>\nC", "54>;reg-id=x\nC", 200, "sip:24@10.108.2.54"},
	{"a quality beyond 1", "54>\nC", "54>;q=7\nC", 200, "sip:24@10.108.2.54"},
	// Lifetimes.
	{"too brief", "54>\nC", "54>;expires=1\nC", 423, ""},
	{"too brief by the header", "Contact", "Expires: 59\nContact", 423, ""},
	{"a lifetime beyond 32 bits", "54>\nC", "54>;expires=1000000000000000000000000000000000000000\nC", 200, "sip:24@10.108.2.54"},
	{"a lifetime that is no number", "54>\nC", "54>;expires=\"never\"\nC", 200, "sip:24@10.108.2.54"},
	{"a lifetime of a fraction", "Contact", "Expires: 0.5\nContact", 200, "sip:24@10.108.2.54"},
	{"ends what is not there", "54>\nC", "54>;expires=0\nC", 200, ""},
	// Who and where.
	{"another domain", "REGISTER sip:10.108.2.1", "REGISTER sip:example.com", 404, ""},
	{"another domain in To", "To: <sip:24@10.108.2.1>", "To: <sip:24@example.com>", 404, ""},
	{"the domain in capitals", "REGISTER sip:10.108.2.1", "REGISTER sip:PHONES.Example", 200, "sip:24@10.108.2.54"},
	{"a user in the Request-URI", "REGISTER sip:10.108.2.1", "REGISTER sip:24@10.108.2.1", 200, "sip:24@10.108.2.54"},
	{"a scheme that is not known", "REGISTER sip:10.108.2.1", "REGISTER nobodyKnows:24", 416, ""},
	{"a number as the Request-URI", "REGISTER sip:10.108.2.1", "REGISTER tel:+4972115104221", 404, ""},
	{"headers in the Request-URI", "REGISTER sip:10.108.2.1", "REGISTER sip:10.108.2.1?Route=%3Csip:x%3E", 400, ""},
	{"To with a number", "To: <sip:24@10.108.2.1>", "To: <tel:24>", 404, ""},
	{"To without user", "To: <sip:24@10.108.2.1>", "To: <sip:10.108.2.1>", 401, ""},
	{"To with an unknown scheme", "To: <sip:24@10.108.2.1>", "To: <isbn:2983792873>", 404, ""},
	{"From of somebody else", "From: <sip:24@", "From: \"Third\" <sip:99@", 200, "sip:24@10.108.2.54"},
	{"a domain that only looks like ours", "To: <sip:24@10.108.2.1>", "To: <sip:24@10.108.2.1.example.com>", 404, ""},
	// The message.
	{"no Call-ID", "Call-ID: torture\n", "", 400, ""},
	{"no To", "To: <sip:24@10.108.2.1>\n", "", 400, ""},
	{"no From", "From: <sip:24@10.108.2.1>;tag=1\n", "", 400, ""},
	{"no CSeq", "CSeq: 7 REGISTER\n", "", 400, ""},
	{"CSeq of another method", "CSeq: 7 REGISTER", "CSeq: 7 INVITE", 400, ""},
	{"CSeq beyond 32 bits", "CSeq: 7 REGISTER", "CSeq: 36893488147419103232 REGISTER", 400, ""},
	{"a long Call-ID", "Call-ID: torture", "Call-ID: " + strings.Repeat("x", 600), 400, ""},
	{"another version", "SIP/2.0\nVia", "SIP/7.0\nVia", 505, ""},
	{"an extension that is required and not known", "Contact", "Require: nothingSupportsThis, gruu\nContact", 420, ""},
	{"an extension for proxies", "Contact", "Proxy-Require: nothingSupportsThis\nContact", 200, "sip:24@10.108.2.54"},
	{"a proxy that cannot keep flows", "54>\nC", "54>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\nVia: SIP/2.0/UDP p.example.com;branch=z9hG4bK2\nC", 439, ""},
	{"no hops left", "Max-Forwards: 70", "Max-Forwards: 0", 483, ""},
	{"many unknown fields", "Contact", strings.Repeat("NewFangled: \";\\\"\"\n continued, \"x\"\n", 100) + "Contact", 200, "sip:24@10.108.2.54"},
	{"a body", "Content-Length: 0\n\n", "Content-Type: text/plain\nContent-Length: 5\n\nhello", 200, "sip:24@10.108.2.54"},
	{"less than its length says", "Content-Length: 0", "Content-Length: 9999", 400, ""},
	{"a negative length", "Content-Length: 0", "Content-Length: -9", 400, ""},
	{"credentials that are none", "Contact", "Authorization: NoOneKnowsThisScheme opaque-data=here\nContact", 200, "sip:24@10.108.2.54"},
	{"no head", plainRegister, "REGISTER sip:10.108.2.1 SIP/2.0\n\n", 0, ""},
}

func TestTorture(t *testing.T) {
	if len(torture) < 40 {
		t.Errorf("%d messages", len(torture))
	}
	const before = "sip:24@before at 10.108.2.54:5060/udp"
	for _, m := range torture {
		t.Run(m.name, func(t *testing.T) {
			onPaper(t, func(c *config.Config) { c.Location[0].Groups[0].Inbound.MaxContacts = 16 }, func(b *box) {
				p := b.phone("10.108.2.54:5060", "24", "")
				p.want(200, "Contact: <sip:24@before>\n")
				b.wait(1)
				text := strings.Replace(plainRegister, m.old, m.new, 1)
				if m.old != "" && text == plainRegister {
					t.Fatal("nothing is changed in it")
				}
				got := p.ask(text)
				if code(got) != m.want {
					t.Errorf("got %q, not %d", got, m.want)
				}
				if id := field(got, "Call-ID"); m.want != 0 && code(got) != 400 && id != "torture" {
					t.Errorf("the response is not complete: %q", got)
				}
				want := before
				switch {
				case m.then == "-":
					want = ""
				case m.then != "":
					want = m.then + " at 10.108.2.54:5060/udp, " + before
				}
				b.wants("24", want)
				for n, of := range b.reg.Bindings() {
					if strings.ContainsAny(of.Contact, "\r\n") {
						t.Errorf("binding %d: %q", n, of.Contact)
					}
				}
				p.want(200, "Contact: <sip:24@after>\n")
			})
		})
	}
}
