package sipgw

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/siplegs"
	"viaduct/appliance/sipmsg"
)

// narrow gives each source little, and the switch an emergency number.
func narrow(c *config.Config, i *config.SIPInterface) {
	twoPeers(c, i)
	gw := c.Gateways[0]
	gw.CallsPerSource, gw.UnansweredPerSource, gw.RequestsPerSource = 5, 8, 10
	c.CS[0].Emergency = []string{"112"}
}

func codes(list []string) map[string]int {
	n := map[string]int{}
	for _, m := range list {
		n[strings.TrimPrefix(m, "SIP/2.0 ")[:3]]++
	}
	return n
}

func TestRequestsOfASourceAreLimited(t *testing.T) {
	for _, method := range []string{"OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY", "BYE", "INFO", "REFER", "MESSAGE"} {
		onPaper(t, narrow, func(t *testing.T, b *bench) {
			for n := range 30 {
				b.putFrom(otherAddr, strings.ReplaceAll(optionsText(fmt.Sprint("o", n), ""), "OPTIONS", method))
			}
			list := b.sent()
			if n := codes(list); n["503"] != 10 || len(list) != 30 || field(list[29], "Retry-After") == "" {
				t.Errorf("%s: %v", method, n)
			}
			if n := b.g.transactions.Count().Lingering; n != 20 {
				t.Errorf("%s: %d transactions", method, n)
			}
			b.put(optionsText("peer", ""))
			b.one("SIP/2.0 200 ") // others do not notice
			time.Sleep(time.Second)
			b.putFrom(otherAddr, optionsText("later", ""))
			b.one("SIP/2.0 200 ")
		})
	}
}

// What is beyond any reason is not even read: requests, responses and garbage.
func TestMessagesOfASourceAreLimited(t *testing.T) {
	onPaper(t, narrow, func(t *testing.T, b *bench) {
		for range 100 {
			b.putFrom(otherAddr, "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnobody\nCSeq: 1 OPTIONS\n\n")
		}
		b.putFrom(otherAddr, optionsText("o", ""))
		b.starts()
		if n := b.g.Counters.Surplus.Load(); n != 21 {
			t.Errorf("%d messages dropped", n)
		}
		b.put(optionsText("peer", ""))
		b.one("SIP/2.0 200 ")
	})
}

func TestCallsOfASourceAreLimited(t *testing.T) {
	onPaper(t, narrow, func(t *testing.T, b *bench) {
		invite := func(from netip.AddrPort, id string) string {
			b.putFrom(from, inviteText(id, id, "", "v=0"))
			list := b.sent()
			return list[len(list)-1]
		}
		taken := 0
		for n := range 30 {
			if m := invite(otherAddr, fmt.Sprint("c", n)); strings.HasPrefix(m, "SIP/2.0 100 ") {
				taken++
			} else if !strings.HasPrefix(m, "SIP/2.0 503 ") || field(m, "Retry-After") == "" {
				t.Error(m)
			}
		}
		if taken != 8 || legsOf(b.g) != 8 || b.g.transactions.Count().Servers != 8 {
			t.Errorf("%d taken, %d legs, %d transactions", taken, legsOf(b.g), b.g.transactions.Count().Servers)
		}
		if m := invite(peerAddr, "other"); !strings.HasPrefix(m, "SIP/2.0 100 ") {
			t.Error("another source suffers:", m)
		}
		b.putFrom(otherAddr, strings.ReplaceAll(inviteText("e", "e", "", "v=0"), "sip:+49711@", "sip:112@"))
		b.one("SIP/2.0 100 ") // an emergency call finds a place
		for n := range 8 {
			in := <-b.calls
			if n < 4 {
				b.call.on(func() { in.Leg.Reject(486, "") })
			}
		}
		b.sent()
		time.Sleep(time.Minute)
		b.sent()
		for n, want := range []string{"100", "100", "100", "100", "503"} {
			if m := invite(otherAddr, fmt.Sprint("d", n)); !strings.HasPrefix(m, "SIP/2.0 "+want) {
				t.Errorf("%d: %s, want %s", n, m, want)
			}
		}
	})
}

// Whoever forges the caller's address never sees the 200, and so sends no ACK.
func TestCallsWithoutACKGiveWay(t *testing.T) {
	onPaper(t, twoPeers, func(t *testing.T, b *bench) {
		var ended []string
		for n := range 16 + 1 {
			id := fmt.Sprint("c", n)
			b.put(inviteText(id, id, "", "v=0"))
			in := <-b.calls
			b.call.on(func() { in.Leg.Answer([]byte("v=0 answer")) })
			for _, m := range b.sent() {
				if strings.HasPrefix(m, "BYE ") {
					ended = append(ended, field(m, "Call-ID"))
				}
			}
			time.Sleep(time.Second)
		}
		if fmt.Sprint(ended) != "[c0]" {
			t.Errorf("given up: %v, want the oldest", ended)
		}
		if e := want[Ended](t, b.call); e.Code != 408 {
			t.Errorf("%+v", e)
		}
	})
}

func TestTooManyHeadersAreRefused(t *testing.T) {
	for name, extra := range map[string]string{
		"fields":           strings.Repeat("a:\n", sipmsg.MaxFields),
		"a long one":       "Subject: " + strings.Repeat("x", sipmsg.MaxField) + "\n",
		"a long one, fold": "Subject: x\n" + strings.Repeat(" x\n", sipmsg.MaxField/2),
		"60 kB of them":    strings.Repeat("a:\n", 20000),
		"many Vias":        strings.Repeat("v: SIP/2.0/UDP a;branch=z9hG4bKx\n", 1500),
	} {
		onPaper(t, nil, func(t *testing.T, b *bench) {
			b.put(optionsText("o1", extra))
			if m := b.one("SIP/2.0 513 "); field(m, "Call-ID") != "o1" || len(m) > 2*sipmsg.MaxField {
				t.Errorf("%s: %d octets: %.200s", name, len(m), m)
			}
			if n := b.g.transactions.Count().Lingering; n != 0 {
				t.Errorf("%s: %d transactions", name, n)
			}
		})
	}
}

func TestRequestsOfACallAreLimited(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		_, ok := b.arrived("c1", "")
		tag := tagOf(field(ok, "To"))
		for n := range 100 {
			b.put(inDialogText("OPTIONS", "c1", "x"+itoa(n), tag, 2+n, "", ""))
		}
		if n := codes(b.sent()); n["200"] > 2*siplegs.DialogRequests || n["503"] < 50 {
			t.Error(n)
		}
		b.put(inDialogText("BYE", "c1", "bye", tag, 200, "", ""))
		b.one("SIP/2.0 200 ")
	})
}
