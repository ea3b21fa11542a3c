package sipgw

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptx"
)

// FuzzReceived feeds datagrams to a gateway with a call in each direction: nothing may panic, and what is sent must be sound SIP.
func FuzzReceived(f *testing.F) {
	for _, m := range []string{
		inviteText("f1", "f1", "Record-Route: <sip:a;lr>\n", "v=0"), inDialogText("BYE", "c1", "x", "tag", 2, "", ""),
		inDialogText("INVITE", "c1", "x", "tag", 2, "Session-Expires: 1800;refresher=uac\n", "v=0"),
		"SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>;tag=2\nCall-ID: x\nCSeq: 1 INVITE\nContent-Length: 0\n\n",
		strings.ReplaceAll(inviteText("f1", "f1", "", ""), "INVITE", "CANCEL"), "\r\n\r\n",
	} {
		f.Add([]byte(crlf(m)))
	}
	b, tag := fuzzBench(f)
	f.Fuzz(func(t *testing.T, m []byte) {
		m = []byte(strings.ReplaceAll(string(m), "tag=tag", "tag="+tag))
		b.paper.put(peerAddr, m)
		b.call.on(func() {})
		b.paper.mu.Lock()
		sent := b.paper.sent
		b.paper.sent = nil
		b.paper.mu.Unlock()
		for _, s := range sent {
			head, body, framing := sipmsg.FrameDatagram([]byte(s))
			if p := sipmsg.Parse(head, body, framing, peerAddr); p.Err != nil {
				t.Errorf("sent %q: %v", s, p.Err)
			}
		}
		for len(b.calls) > 0 {
			in := <-b.calls
			b.call.on(func() { in.Leg.Reject(486, "") })
		}
		for len(b.call.events) > 0 {
			<-b.call.events
		}
		b.g.transactions = siptx.New(b.g.Gate) // transactions live for seconds: the fuzzer must not fill the memory with them
	})
}

func fuzzBench(f testing.TB) (*bench, string) {
	t := &testing.T{}
	b := newBench(t, func(c *config.Config, _ *config.SIPInterface) {
		gw := c.Gateways[0]
		gw.CallsPerSource, gw.RequestsPerSource, gw.UnansweredPerSource = 1e9, 1e9, 1e9 // nothing waits in vain for a refused call
	})
	b.put(inviteText("c1", "c1", "", "v=0 offer"))
	in := <-b.calls
	b.call.on(func() { in.Leg.Answer([]byte("v=0 answer")) })
	tag := in.Leg.dialog.LocalTag
	b.put(inDialogText("ACK", "c1", "ack", tag, 1, "", ""))
	b.call.on(func() {})
	if tag == "" {
		f.Fatal("no call")
	}
	return b, tag
}

// BenchmarkIncomingCall is the signalling of one call that comes in: INVITE, 100, 180, 200, ACK, BYE, 200, without the socket.
func BenchmarkIncomingCall(b *testing.B) {
	x, _ := fuzzBench(b)
	body := []byte(strings.Repeat("v=0\r\n", 60))
	x.s.opts.OnInvite = func(in *Incoming) {
		in.Leg.Take(x.call)
		x.call.Post(func() {
			in.Leg.Provisional(180, "", nil)
			in.Leg.Answer(body)
		})
	}
	var last atomic.Pointer[[]byte]
	sent := make(chan struct{}, 100)
	x.paper.tap = func(m []byte) {
		if bytes.HasPrefix(m, []byte("SIP/2.0 200 ")) {
			last.Store(&m)
			sent <- struct{}{}
		}
	}
	invite := crlf(inviteText("ID", "ID", "Record-Route: <sip:a.example;lr>\n", string(body)))
	ack, bye := crlf(inDialogText("ACK", "ID", "aID", "TAG", 1, "", "")), crlf(inDialogText("BYE", "ID", "bID", "TAG", 2, "", ""))
	b.ReportAllocs()
	for b.Loop() {
		id := sipmsg.Token(12)
		x.paper.put(peerAddr, []byte(strings.NewReplacer("Call-ID", "Call-ID", "ID", id).Replace(invite)))
		<-sent
		r := strings.NewReplacer("Call-ID", "Call-ID", "ID", id, "TAG", tagOf(field(string(*last.Load()), "To")))
		x.paper.put(peerAddr, []byte(r.Replace(ack)))
		x.paper.put(peerAddr, []byte(r.Replace(bye)))
		<-sent
		for len(x.call.events) > 0 {
			<-x.call.events
		}
	}
}
