package sipgw

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/siptx"
)

func optionsText(id, extra string) string {
	return "OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK" + id + ";rport\nMax-Forwards: 70\n" +
		"From: <sip:a@192.0.2.100>;tag=1\nTo: <sip:192.0.2.1>\nCall-ID: " + id + "\nCSeq: 1 OPTIONS\n" + extra + "Content-Length: 0\n\n"
}

// Of a request that was answered only the answer is kept, whatever the request brought.
func TestAnAnsweredRequestIsLetGoOf(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		for n := range 50 {
			b.put(optionsText(fmt.Sprint("o", n), "Subject: "+strings.Repeat("x", 4000)+"\n"))
		}
		if c := b.g.transactions.Count(); c.Lingering != 50 || c.Octets > 50*2048 || c.Servers != 0 || c.Merged != 50 {
			t.Errorf("%+v", c)
		}
		b.sent()
		b.put(optionsText("o7", ""))
		b.one("SIP/2.0 200 ") // a retransmission
		time.Sleep(time.Minute)
		if c := b.g.transactions.Count(); c != (siptx.Counts{}) {
			t.Errorf("left: %+v", c)
		}
	})
}

// A refused INVITE is repeated until its ACK comes, and absorbed after that.
func TestARefusalIsRepeatedUntilItsACK(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		invite := inviteText("c1", "b1", "", "v=0")
		b.put(invite)
		in := <-b.calls
		b.call.on(func() { in.Leg.Reject(486, "") })
		refusal := b.starts("SIP/2.0 100 ", "SIP/2.0 486 ")[1]
		time.Sleep(1600 * time.Millisecond)
		b.starts("SIP/2.0 486 ", "SIP/2.0 486 ")
		b.put(invite)
		b.one("SIP/2.0 486 ")
		b.put(strings.NewReplacer("INVITE sip", "ACK sip", "1 INVITE", "1 ACK", "To: <sip:+49711@192.0.2.1>", "To: "+field(refusal, "To")).Replace(invite))
		time.Sleep(10 * time.Second)
		b.starts()
		b.put(strings.NewReplacer("INVITE sip", "CANCEL sip", "1 INVITE", "1 CANCEL").Replace(invite))
		if r := b.one("SIP/2.0 200 "); tagOf(field(r, "To")) != tagOf(field(refusal, "To")) {
			t.Error(r)
		}
		time.Sleep(time.Minute)
		b.starts()
		if c := b.g.transactions.Count(); c != (siptx.Counts{}) {
			t.Errorf("left: %+v", c)
		}
	})
}
