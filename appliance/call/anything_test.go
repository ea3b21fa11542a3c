package call_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/media"
)

// TestNothingIsLeftOfAnyCall has the peers do whatever may come to their minds, in an order that nobody has thought of: calls, answers of
// every kind, hold, transfers with and without Replaces, BYE in the middle of it. What holds in every scenario holds here too, and when
// they have all hung up, nothing may be left: no leg, call, media session or license. A failure names the seed that repeats it.
func TestNothingIsLeftOfAnyCall(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { playAnything(t, seed) }) })
	}
}

// crowd are the peers of one such run.
type crowd struct {
	*world
	rand     *rand.Rand
	ringing  []*party // INVITEs of the box that are not answered
	talking  []*party
	inviting []*party // that the box has not answered
	count    int
}

// party is a peer in one dialog.
type party struct {
	peer string
	d    *dialog
	out  bool // the box has called it
}

func playAnything(t *testing.T, seed uint64) {
	w := newWorld(t)
	defer w.stop()
	parts := &scenario{}
	if err := parts.read("testdata/scenarios/sdp.part"); err != nil {
		t.Fatal(err)
	}
	for _, s := range parts.steps {
		w.setUp(s)
	}
	w.lines = strings.Split(`context cs SWITCH
interface sip if_sip_starface
ringback local
call-transfer accept
call-transfer emit
interface sip if_sip_microsoft-directrouting-primary
srtp renegotiate-on-connect
call-transfer accept
routing-table called-e164 rt_from_starface
route 300 dest-interface if_sip_starface
service hunt-group hg_microsoft-directrouting
route call 4 dest-interface if_sip_starface
profile voip pf_voip_starface
codec 2 g722-64k rx-length 20 tx-length 20
codec 3 g711ulaw64k rx-length 20 tx-length 20
profile voip pf_voip_microsoft
codec 2 g722-64k rx-length 20 tx-length 20`, "\n")
	if err := w.configure(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
	c := &crowd{world: w, rand: rand.New(rand.NewPCG(seed, 0))}
	for range 60 {
		c.act()
		time.Sleep([]time.Duration{0, 0, 10 * time.Millisecond, time.Second, 5 * time.Second, 40 * time.Second}[c.rand.IntN(6)])
		c.listen()
	}
	for len(c.ringing)+len(c.talking) > 0 {
		for _, p := range slices.Concat(c.talking, c.ringing) {
			c.leave(p)
		}
		time.Sleep(time.Second)
		c.listen()
	}
	w.calls.Clear("")
	for range 100 {
		time.Sleep(5 * time.Second)
		c.listen()
	}
	for _, p := range w.peers {
		p.queue = nil
	}
	clear(w.acks)
	w.end(step{where: fmt.Sprint("seed ", seed), words: []string{"end"}})
}

// pick is one of a list.
func pick[T any](c *crowd, list ...T) T { return list[c.rand.IntN(len(list))] }

// say sends a message of a peer.
func (c *crowd) say(p *party, what string, options map[string]string, block ...string) {
	if options == nil {
		options = map[string]string{}
	}
	if req := p.d.requests[options["to"]]; req != nil && req.link != nil && req.link.closed {
		return // the box has given it up long ago
	}
	c.sends(step{where: "anything", words: append([]string{p.d.name, ">"}, strings.Fields(what)...), options: options, block: block})
	c.settle(step{where: "anything", words: []string{what}})
}

func (c *crowd) party(peer string) *party {
	c.count++
	return &party{peer: peer, d: c.dialog(fmt.Sprintf("%s/%d", peer, c.count))}
}

// description is an SDP of a peer, with a codec and a direction that it likes just now.
func (c *crowd) description(p *party) []string {
	profile, key, at := "RTP/AVP", []string{}, pick(c, "192.168.1.100", "192.168.1.100", "192.168.1.100", "192.168.1.101", "127.0.0.1", "0.0.0.0")
	if p.peer != "pbx" {
		profile, at = "RTP/SAVP", pick(c, "52.113.10.20", "52.113.10.20", "52.113.10.20", "52.113.10.21", "192.168.1.1", "0.0.0.0")
		key = []string{"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + strings.Repeat(pick(c, "A", "B", "C"), 40) + "|2^31"}
	}
	codecs := pick(c, "8 101", "8 0 9 101", "9 8 101", "0 101", "9 101", "8 13 101")
	return append([]string{"v=0", "o=- " + fmt.Sprint(c.rand.IntN(1000), " ", c.rand.IntN(5)) + " IN IP4 " + at, "s=-", "c=IN IP4 " + at, "t=0 0",
		fmt.Sprintf("m=audio %d %s %s", 12000+2*c.rand.IntN(1000), profile, codecs), "a=rtpmap:101 telephone-event/8000",
		"a=" + pick(c, "sendrecv", "sendrecv", "sendrecv", "inactive", "sendonly", "recvonly")}, key...)
}

// mostly is a description, and now and then none.
func (c *crowd) mostly(p *party) []string {
	if c.rand.IntN(8) == 0 {
		return nil
	}
	return c.description(p)
}

// act does one thing.
func (c *crowd) act() {
	switch n := c.rand.IntN(12); {
	case n < 3 && len(c.talking)+len(c.ringing) < 8:
		c.call(nil)
	case n < 7 && len(c.ringing) > 0:
		c.answer(pick(c, c.ringing...))
	case n < 8 && len(c.inviting) > 0:
		c.say(pick(c, c.inviting...), "CANCEL", nil)
	case len(c.talking) == 0:
		c.call(nil)
	default:
		c.talk(pick(c, c.talking...))
	}
	if m := c.relay.session(1 + c.rand.IntN(10)); m != nil {
		m.happen(media.Event{Side: pick(c, media.A, media.B), Kind: pick(c, media.Started, media.Started, media.KeyUsed)})
	}
}

// call begins a call, or one that is to replace p.
func (c *crowd) call(p *party) {
	n := c.party(pick(c, "teams", "pbx"))
	if p != nil {
		n = c.party(p.peer)
	}
	uri := pick(c, "sip:user.01@192.168.1.1", "sip:300@192.168.1.1", "sip:user.02@192.168.1.1")
	block := []string{}
	if n.peer == "teams" {
		uri = "sip:+4989123456@sbc.meinefirma.de:5062;user=phone;transport=tls"
		block = append(block, "From: <sip:+497123222@sip.pstnhub.microsoft.com>")
	}
	block = append(block, "Allow: INVITE, ACK, CANCEL, BYE, REFER, NOTIFY, UPDATE")
	if p != nil {
		block = append(block, "Replaces: "+c.names(p, ";", "="))
	}
	if c.rand.IntN(4) > 0 {
		block = append(block, c.description(n)...)
	}
	c.inviting = append(c.inviting, n)
	c.say(n, "INVITE "+uri, nil, block...)
}

// names is a dialog as Replaces has it.
func (c *crowd) names(p *party, and, is string) string {
	return p.d.callID + and + "to-tag" + is + tagOf(p.d.remote) + and + "from-tag" + is + tagOf(p.d.local)
}

// answer says something to an INVITE of the box.
func (c *crowd) answer(p *party) {
	to := map[string]string{"to": "INVITE"}
	switch code := pick(c, "100", "180", "183", "181", "200", "200", "200", "486", "503", "491", "488", "422", "302"); {
	case code == "200":
		c.ringing = slices.DeleteFunc(c.ringing, func(o *party) bool { return o == p })
		c.say(p, "200 OK", to, append([]string{"Allow: INVITE, ACK, BYE, REFER, NOTIFY"}, c.mostly(p)...)...)
		if !slices.Contains(c.talking, p) {
			c.talking = append(c.talking, p)
		}
	case code[0] > '2':
		c.ringing = slices.DeleteFunc(c.ringing, func(o *party) bool { return o == p })
		c.say(p, code, to)
	case code == "183" && c.rand.IntN(3) > 0:
		c.say(p, code, to, c.description(p)...)
	default:
		c.say(p, code, to)
	}
}

// talk does something in an established dialog.
func (c *crowd) talk(p *party) {
	other := pick(c, c.talking...)
	switch c.rand.IntN(8) {
	case 0:
		c.leave(p)
	case 1:
		c.call(p)
	case 2:
		c.say(p, "REFER", nil, "Refer-To: <"+pick(c, "sip:user.02@192.168.1.1", "sip:223@starface.meinefirma.de", "sip:sip.pstnhub.microsoft.com:5061;x-t=1")+">")
	case 3:
		c.say(p, "REFER", nil, "Refer-To: <sip:user.02@192.168.1.1?Replaces="+c.names(other, "%3B", "%3D")+">")
	case 4:
		c.say(p, "UPDATE", nil, c.description(p)...)
	case 5:
		c.say(p, "INFO", nil, "Content-Type: application/dtmf-relay", "| Signal=5")
	default:
		if c.rand.IntN(4) == 0 {
			c.say(p, "INVITE", nil)
		} else {
			c.say(p, "INVITE", nil, c.description(p)...)
		}
	}
}

// leave ends what a peer has.
func (c *crowd) leave(p *party) {
	if i := slices.Index(c.ringing, p); i >= 0 {
		c.ringing = slices.Delete(c.ringing, i, i+1)
		c.say(p, "480", map[string]string{"to": "INVITE"})
		if !slices.Contains(c.talking, p) {
			return
		}
	}
	c.talking = slices.DeleteFunc(c.talking, func(o *party) bool { return o == p })
	c.say(p, "BYE", nil)
}

// listen takes what the box has sent.
func (c *crowd) listen() {
	for again := true; again; {
		again = false
		for _, name := range slices.Sorted(maps.Keys(c.peers)) {
			p := c.peers[name]
			p.mu.Lock()
			queue := p.queue
			p.queue = nil
			p.mu.Unlock()
			for _, a := range queue {
				again = true
				c.hears(name, a)
			}
		}
		c.settle(step{where: "anything", words: []string{"listen"}})
	}
}

// hears reacts to one message.
func (c *crowd) hears(peer string, a *arrived) {
	var p *party
	for _, o := range slices.Concat(c.talking, c.ringing, c.inviting) {
		if o.d.callID == a.get("Call-ID") {
			p = o
		}
	}
	if p == nil {
		for _, d := range c.dialogs {
			if d.callID == a.get("Call-ID") {
				p = &party{peer: peer, d: d}
			}
		}
	}
	if p == nil {
		p = c.party(peer)
		p.out = true
	}
	p.d.takes(a)
	switch method := a.method(); {
	case a.code() == 0 && method == "INVITE":
		if !slices.Contains(c.ringing, p) {
			c.ringing = append(c.ringing, p)
		}
	case a.code() == 0 && method == "ACK":
	case a.code() == 0:
		c.say(p, pick(c, "200", "200", "200", "481")+" x", map[string]string{"to": method})
		if i := slices.Index(c.ringing, p); method == "CANCEL" && i >= 0 {
			c.ringing = slices.Delete(c.ringing, i, i+1)
			c.say(p, "487", map[string]string{"to": "INVITE"})
		}
		if method == "BYE" {
			c.talking = slices.DeleteFunc(c.talking, func(o *party) bool { return o == p })
			if i := slices.Index(c.ringing, p); i >= 0 {
				c.ringing = slices.Delete(c.ringing, i, i+1)
				c.say(p, "487", map[string]string{"to": "INVITE"})
			}
		}
	case method == "INVITE" && a.code() >= 200:
		first := slices.Contains(c.inviting, p)
		c.inviting = slices.DeleteFunc(c.inviting, func(o *party) bool { return o == p })
		switch {
		case a.code() >= 300 || p.d.invite.body != "":
			c.say(p, "ACK", nil)
		default:
			c.say(p, "ACK", nil, c.mostly(p)...)
		}
		if a.code() < 300 && first {
			c.talking = append(c.talking, p)
		}
	}
}
