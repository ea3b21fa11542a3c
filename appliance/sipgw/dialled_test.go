package sipgw

import (
	"crypto/x509"
	"fmt"
	"net"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
)

// A peer that got our INVITE on a connection which we opened sends its own requests on it: a real Asterisk its BYE, an SBC over TLS
// that keeps to one connection its calls as well.
func TestRequestsOnAConnectionOfOursAreTaken(t *testing.T) {
	for _, transport := range []siptransport.Transport{siptransport.TCP, siptransport.TLS} {
		t.Run(transport.String(), func(t *testing.T) {
			var l net.Listener
			b := newBox(t, transport.Secure(), func(c *config.Config, i *config.SIPInterface) {
				l = remote(t, c)
				if transport == siptransport.TCP {
					viaTCP(c)
				} else {
					i.Remote.Host = "sip.example"
				}
			})
			var p *peer
			leg := b.invite(nil)
			if transport == siptransport.TCP {
				p = acceptPeer(t, l)
			} else {
				p = secureServer(t, l, b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth), func() {})
			}
			invite := p.want("INVITE ")
			p.write(reply(invite, "200 OK", "theirs", fmt.Sprintf("Contact: <sip:100@127.0.0.2:%d;transport=%s>\n", tcpAddr(l.Addr()).Port(), transport), "v=0 answer"))
			want[Answered](t, b.call)
			p.want("ACK ")

			in := func(method string, seq int) string {
				return fmt.Sprintf("%s sip:127.0.0.1 SIP/2.0\nVia: SIP/2.0/TCP 127.0.0.2;branch=z9hG4bK%s%d;rport\nMax-Forwards: 70\nFrom: %s;tag=theirs\nTo: %s\n"+
					"Call-ID: %s\nCSeq: %d %s\nContact: <sip:100@127.0.0.2>\nContent-Length: 0\n\n", method, method, seq, field(invite, "To"), field(invite, "From"),
					field(invite, "Call-ID"), seq, method)
			}
			p.write(in("OPTIONS", 1))
			p.want("SIP/2.0 200 ")
			call := overTCP(inviteText("new", "new", "", "v=0"))
			p.write(call)
			p.want("SIP/2.0 100 ")
			second := <-b.calls
			b.call.on(func() { second.Leg.Reject(486, "") })
			p.want("SIP/2.0 486 ")
			p.write(in("BYE", 2))
			p.want("SIP/2.0 200 ")
			want[Ended](t, b.call)
			b.call.on(func() { leg.Bye() }) // nothing is left to end
			b.call.none(t)
		})
	}
}

// Who is dialled is not therefore trusted: a host that a route names may answer and not ask.
func TestRequestsOnAConnectionToAStrangerAreDropped(t *testing.T) {
	var l net.Listener
	b := newBox(t, false, func(c *config.Config, i *config.SIPInterface) {
		l = remote(t, c)
		viaTCP(c)
		i.Trust = []config.Source{{Prefix: prefix("127.0.0.3/32")}}
	})
	b.invite(nil)
	p := acceptPeer(t, l)
	invite := p.want("INVITE ")
	p.write(overTCP(inviteText("new", "new", "", "v=0")), reply(invite, "486 Busy Here", "theirs", "", ""))
	p.want("ACK ")
	want[Failed](t, b.call)
	if len(b.calls) != 0 {
		t.Error("it became a call")
	}
}
