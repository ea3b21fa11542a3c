package call_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestHoldsThatMeet has both sides hold and resume at random, often in the same moment, over a network that is slow and, at the PBX, loses
// packets. Whatever met, in the end everybody is in the state that was asked for last, at the peers and in the relay.
func TestHoldsThatMeet(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { playHolds(t, seed) }) })
	}
}

func playHolds(t *testing.T, seed uint64) {
	w := newWorld(t)
	defer w.stop()
	r := rand.New(rand.NewPCG(seed, 1))
	part := &scenario{}
	if err := part.read("testdata/scenarios/" + []string{"from-pbx.part", "from-teams.part"}[seed%2]); err != nil {
		t.Fatal(err)
	}
	begin := step{where: fmt.Sprint("seed ", seed), words: []string{"hold"}}
	method := []string{"inactive", "sendonly", "none"}[seed/2%3]
	atTeams := map[string]string{"inactive": "inactive", "sendonly": "sendonly", "none": "sendrecv"}[method] // what Teams is offered while the PBX holds
	for _, n := range []string{"primary", "secondary", "tertiary"} {
		w.lines = append(w.lines, "context cs SWITCH", "interface sip if_sip_microsoft-directrouting-"+n, "hold-method direction-attribute "+method)
	}
	if err := w.configure(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
	for _, s := range part.steps {
		if s.describes() {
			w.setUp(s)
			continue
		}
		w.last = time.Now()
		w.step(s)
		w.settle(s)
	}
	pbx := newPhone(w, r, "pbx", "sendonly", seed%2 == 0)
	teams := newPhone(w, r, "teams", "inactive", seed%2 == 1)
	teams.in = append(teams.in, w.peers["region"])
	if seed%3 > 0 {
		pbx.loss = 0.15
	}
	run := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			pbx.turn()
			teams.turn()
			w.settle(begin)
		}
	}
	for range 10 {
		switch r.IntN(4) {
		case 0:
			pbx.wish = !pbx.wish
		case 1:
			teams.wish = !teams.wish
		default:
			pbx.wish, teams.wish = r.IntN(2) == 0, r.IntN(2) == 0
		}
		run([]time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second, 20 * time.Second}[r.IntN(5)])
	}
	run(3 * time.Minute)

	want := map[[2]bool][2]string{ // who holds: directions at the PBX, at Teams
		{false, false}: {"sendrecv", "sendrecv"}, {true, false}: {"sendonly", negotiated("sendrecv", atTeams)},
		{false, true}: {"recvonly", "inactive"}, {true, true}: {"inactive", "inactive"},
	}[[2]bool{pbx.wish, teams.wish}]
	if pbx.wish && !teams.wish && atTeams == "inactive" && pbx.dir == "inactive" {
		want[0] = "inactive" // Teams held until now: nobody could hear the music anyway
	}
	if pbx.dir != want[0] || teams.dir != want[1] || pbx.told != pbx.wish || teams.told != teams.wish {
		w.fail(begin, "holds: pbx %v (has said %v), teams %v (has said %v); directions: pbx %s, teams %s, want %v",
			pbx.wish, pbx.told, teams.wish, teams.told, pbx.dir, teams.dir, want)
	}
	sides := []string{"caller", "callee"}
	if seed%2 == 1 {
		slices.Reverse(sides)
	}
	for n, p := range []*phone{pbx, teams} {
		m, side := w.mediaOf(step{where: begin.where, words: []string{"media", sides[n]}})
		f := m.facts(side)
		if (f["send"] == "yes") != hears(p.dir) || (f["receive"] == "yes") != speaks(p.dir) {
			w.fail(begin, "%s is %s, and the relay sends to it: %s, takes its voice: %s", p.d.name, p.dir, f["send"], f["receive"])
		}
	}
	for _, p := range []*phone{pbx, teams} {
		p.loss = 0
	}
	w.calls.Clear("")
	run(40 * time.Second)
}

func speaks(dir string) bool { return dir == "sendrecv" || dir == "sendonly" }
func hears(dir string) bool  { return dir == "sendrecv" || dir == "recvonly" }

// negotiated is the direction of who offers or answers own, when the other one says theirs.
func negotiated(own, theirs string) string {
	switch send, receive := speaks(own) && hears(theirs), hears(own) && speaks(theirs); {
	case send && receive:
		return "sendrecv"
	case send:
		return "sendonly"
	case receive:
		return "recvonly"
	}
	return "inactive"
}

// phone is a user agent in one dialog that holds and resumes as RFC 3261 and RFC 3264 have it.
type phone struct {
	w    *world
	rand *rand.Rand
	peer *peer
	in   []*peer // where messages of the box come
	d    *dialog
	hold string // its form of hold
	made bool   // it made the Call-ID
	loss float64

	wish, told bool // to hold; and what was taken last
	dir        string
	version    int

	out     *request // INVITE without final response
	retry   time.Time
	answer  *request // 200 without ACK
	delayed []delayed
	replies map[string][]byte // by branch
	acks    map[int]sending   // by CSeq number
}

// request is something that is repeated until it is answered.
type request struct {
	sending
	seq      int
	hold     bool
	interval time.Duration
	next     time.Time
}

type delayed struct {
	at time.Time
	m  *arrived
}

func newPhone(w *world, r *rand.Rand, name, hold string, made bool) *phone {
	return &phone{w: w, rand: r, peer: w.peers[name], in: []*peer{w.peers[name]}, d: w.dialog(name), hold: hold, made: made, dir: "sendrecv", version: 10,
		replies: map[string][]byte{}, acks: map[int]sending{}}
}

// turn is what happens within ten milliseconds.
func (p *phone) turn() {
	now := time.Now()
	for _, from := range p.in {
		from.mu.Lock()
		queue := from.queue
		from.queue = nil
		from.mu.Unlock()
		for _, a := range queue {
			if p.loss == 0 || p.rand.Float64() >= p.loss {
				p.delayed = append(p.delayed, delayed{now.Add(time.Duration(p.rand.IntN(60)) * time.Millisecond), a})
			}
		}
	}
	for len(p.delayed) > 0 && !p.delayed[0].at.After(now) {
		a := p.delayed[0].m
		p.delayed = p.delayed[1:]
		if a.code() == 0 {
			p.asked(a)
		} else if a.method() == "INVITE" {
			p.heard(a)
		}
	}
	for _, r := range []*request{p.out, p.answer} {
		if r != nil && r.interval > 0 && !r.next.After(now) {
			p.send(r.sending)
			r.interval = min(2*r.interval, 4*time.Second)
			r.next = now.Add(r.interval)
		}
	}
	if p.out == nil && p.answer == nil && p.wish != p.told && !p.retry.After(now) {
		p.invite()
	}
}

// send writes to the box, unless the network loses it.
func (p *phone) send(s sending) {
	if p.loss > 0 && p.rand.Float64() < p.loss {
		return
	}
	if err := p.peer.write(s.link, s.b); err != nil {
		p.w.problem("%s: %v", p.d.name, err)
	}
}

// own is the direction that the phone wants when it wishes to hold or not.
func (p *phone) own(hold bool) string {
	if hold {
		return p.hold
	}
	return "sendrecv"
}

func (p *phone) description(dir string) []string {
	name := map[bool]string{true: "teams-answer", false: "pbx-answer"}[p.peer.transport == "tls"]
	p.version++
	return []string{"sdp " + name, "-o=", fmt.Sprintf("o=- 7001 %d IN IP4 192.168.1.100", p.version), "-a=sendrecv", "a=" + dir}
}

func (p *phone) invite() {
	m, err := p.w.request(p.peer, p.d, "INVITE", "")
	if err == nil {
		err = p.w.write(m, p.description(p.own(p.wish)))
	}
	var k *link
	if err == nil && p.peer.transport != "udp" {
		k, err = p.peer.connection("")
	}
	if err != nil {
		p.w.problem("%s: %v", p.d.name, err)
		return
	}
	p.d.sentRequest(m)
	if k != nil {
		p.w.mu.Lock()
		p.w.sentOn[m.branch()] = k
		p.w.mu.Unlock()
	}
	p.w.note("%-7s > INVITE %d %s", p.d.name, m.seq(), p.own(p.wish))
	p.out = &request{sending: sending{m.bytes(), k}, seq: m.seq(), hold: p.wish}
	p.repeat(p.out)
	p.send(p.out.sending)
}

func (p *phone) repeat(r *request) {
	if p.peer.transport == "udp" {
		r.interval = 500 * time.Millisecond
		r.next = time.Now().Add(r.interval)
	}
}

// asked is a request of the box.
func (p *phone) asked(a *arrived) {
	switch b, done := p.replies[a.branch()]; {
	case a.method() == "ACK":
		if p.answer != nil && a.seq() == p.answer.seq {
			p.answer = nil
		}
		return
	case done:
		p.send(sending{b, a.link})
		return
	}
	if a.method() != "INVITE" {
		p.reply(a, "200 OK")
		return
	}
	switch {
	case p.out != nil:
		p.reply(a, "491 Request Pending")
		return
	case p.rand.IntN(8) == 0:
		p.reply(a, []string{"500 Server Internal Error", "503 Service Unavailable"}[p.rand.IntN(2)])
		return
	}
	own := p.own(p.told)
	p.dir = negotiated(own, direction(a.body))
	b := p.reply(a, "200 OK", append(p.description(p.dir), "Contact: "+p.peer.contact)...)
	p.answer = &request{sending: sending{b, a.link}, seq: a.seq()}
	p.repeat(p.answer)
}

func (p *phone) reply(a *arrived, status string, block ...string) []byte {
	m := responseTo(a.message, status, p.d.tag)
	if err := p.w.write(m, block); err != nil {
		p.w.problem("%s: %v", p.d.name, err)
	}
	if m.code() >= 300 && a.method() == "INVITE" {
		p.w.mu.Lock()
		p.w.acks[a.branch()] = false
		p.w.mu.Unlock()
	}
	b := m.bytes()
	p.replies[a.branch()] = b
	p.w.note("%-7s > %s (%d %s)", p.d.name, status, a.seq(), a.method())
	p.send(sending{b, a.link})
	return b
}

// heard is a response to an INVITE.
func (p *phone) heard(a *arrived) {
	if ack, ok := p.acks[a.seq()]; ok && a.code() >= 200 {
		p.send(ack)
		return
	}
	if p.out == nil || a.seq() != p.out.seq {
		return
	}
	if a.code() < 200 {
		p.out.interval = 0 // it has arrived
		return
	}
	out := p.out
	p.out = nil
	p.d.takes(a)
	m, err := p.w.request(p.peer, p.d, "ACK", "")
	if err == nil {
		err = p.w.write(m, nil)
	}
	if err != nil {
		p.w.problem("%s: %v", p.d.name, err)
		return
	}
	p.acks[a.seq()] = sending{m.bytes(), out.link}
	p.send(p.acks[a.seq()])
	switch {
	case a.code() < 300:
		p.told, p.dir = out.hold, negotiated(p.own(out.hold), direction(a.body))
	case a.code() == 491 && p.made:
		p.retry = time.Now().Add(2100*time.Millisecond + time.Duration(p.rand.IntN(191))*10*time.Millisecond)
	case a.code() == 491:
		p.retry = time.Now().Add(time.Duration(p.rand.IntN(201)) * 10 * time.Millisecond)
	case a.code() == 500:
		n, _ := strconv.Atoi(a.get("Retry-After"))
		p.retry = time.Now().Add(time.Duration(n) * time.Second)
	default:
		p.w.problem("%s: the box refuses a hold: %s", p.d.name, a.start)
	}
}

// direction is that of a description.
func direction(body string) string {
	for line := range strings.Lines(body) {
		switch d := strings.TrimPrefix(strings.TrimSpace(line), "a="); d {
		case "sendrecv", "sendonly", "recvonly", "inactive":
			return d
		}
	}
	return "sendrecv"
}
