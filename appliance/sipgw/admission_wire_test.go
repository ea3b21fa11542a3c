package sipgw

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// Connections that are used stay, those on which nobody has spoken yet give way.
func TestConnectionLimits(t *testing.T) {
	b := newBox(t, false, func(c *config.Config, i *config.SIPInterface) {
		c.Gateways[0].MaxConnections, c.Gateways[0].MaxConnsPerSource = 4, 2
		i.Trust = []config.Source{{Prefix: prefix("127.0.0.0/24")}}
	})
	var peers []*peer
	isOpen := func(p *peer, want bool) bool {
		wait := patience
		if want {
			wait = 200 * time.Millisecond
		}
		p.c.SetReadDeadline(time.Now().Add(wait))
		_, err := p.c.Read(make([]byte, 1))
		return isTimeout(err)
	}
	for i, c := range []struct {
		from        string
		speaks      bool
		open        bool
		givesWay    int // which of the earlier ones; -1: none
		description string
	}{
		{"127.0.0.2", true, true, -1, "the first"},
		{"127.0.0.2", false, true, -1, "the second of a source"},
		{"127.0.0.2", true, true, 1, "the third: the second was half open"},
		{"127.0.0.2", true, false, -1, "the fourth: both others are in use"},
		{"127.0.0.3", false, true, -1, "another source"},
		{"127.0.0.4", true, true, -1, "and another"},
		{"127.0.0.5", true, true, 4, "a fourth source: one is half open"},
		{"127.0.0.6", true, false, -1, "the sixth: all are in use"},
	} {
		p, err := b.tryConnect(c.from, b.plain)
		if err != nil {
			if c.open {
				t.Fatal(err)
			}
			peers = append(peers, nil)
			continue
		}
		peers = append(peers, p)
		if c.open && c.speaks {
			p.write(overTCP(strings.ReplaceAll(inviteText(fmt.Sprint("o", i), fmt.Sprint("o", i), "", ""), "INVITE", "OPTIONS")))
			p.want("SIP/2.0 200 ")
		}
		if isOpen(p, c.open) != c.open {
			t.Errorf("%s: open is not %v", c.description, c.open)
		}
		if c.givesWay >= 0 && isOpen(peers[c.givesWay], false) {
			t.Errorf("%s: number %d has not given way", c.description, c.givesWay)
		}
	}
}

// Half-open connections of some do not shut out others: 640 of ten addresses, and an eleventh comes in.
func TestHalfOpenConnectionsShutNobodyOut(t *testing.T) {
	b := newBox(t, false, func(_ *config.Config, i *config.SIPInterface) {
		i.Trust = []config.Source{{Prefix: prefix("127.0.0.0/24")}}
	})
	good := b.connect("127.0.0.2", b.plain)
	options := func(p *peer, id string) {
		p.write(overTCP(strings.ReplaceAll(inviteText(id, id, "", ""), "INVITE", "OPTIONS")))
		p.want("SIP/2.0 200 ")
	}
	options(good, "good")
	for i := range 640 {
		if p, err := b.tryConnect(fmt.Sprint("127.0.0.", 20+i%10), b.plain); err == nil {
			p.c.Write([]byte("OPTIONS"))
		}
	}
	options(b.connect("127.0.0.3", b.plain), "newcomer")
	options(good, "still")
	if n := b.s.Gateways()[0].Connections; n > 64+2 { // as many may be half open
		t.Errorf("%d connections are open", n)
	}
}
