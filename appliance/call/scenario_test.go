package call_test

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/call"
	"viaduct/appliance/drain"
	"viaduct/appliance/license"
	"viaduct/appliance/media"
)

// TestScenarios plays every file of testdata/scenarios against the whole signalling of the box (package sipgw, route and call with
// the reference configuration) in virtual time, and then reads the table of docs/teams.md. README.md beside the files says how they
// are read.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.sip")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	played := map[string]*scenario{}
	for _, file := range files {
		s, err := readScenario(file)
		if err != nil {
			t.Errorf("read scenario: %v", err)
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, newWorld(t), s) })
			played[s.name] = s
		})
	}
	t.Run("table", func(t *testing.T) { checkTable(t, played) })
}

// TestScenariosInAnotherBox plays them again. Whenever all calls are established and nothing is under way, the box dies, and another one takes its
// place. What a scenario expects then is what it expects of one box, except where elsewhere says why it cannot.
func TestScenariosInAnotherBox(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.sip")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		s, err := readScenario(file)
		if err != nil || elsewhere[s.name] != "" {
			continue // TestScenarios says so
		}
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.paired, w.dies = true, true
				play(t, w, s)
			})
		})
	}
}

// elsewhere says of scenarios what another box does otherwise, because it was not there when it began.
var elsewhere = map[string]string{
	"ack-lost":                       "it acknowledges a repeated 200 with an ACK of its own",
	"dialog-challenged":              "it skips nonce counts",
	"fork-answers-twice":             "a second fork that answers is not known to it, and its caller hangs up without an ACK",
	"fork-answers-twice-reliably":    "the same",
	"hold-not-taken":                 "it offers hold a second after it has begun, and counts anew",
	"hold-offerless":                 "the same",
	"in-dialog-options-notify":       "it does not know the CSeq of a request that changes nothing",
	"key-lifetime":                   "it tries again when its own relay asks for a key",
	"messages-counted":               "it counts its own messages",
	"names-silent":                   "it has resolved no name before",
	"phones-pick-up":                 "it knows no call that had ended",
	"phones-register":                "it has no connection of a phone that registers by TCP",
	"reinvite-answered-with-nothing": "it offers again what was not taken",
	"reinvite-refused":               "the same",
	"reinvite-unusable":              "it knows no transaction that a CANCEL would end",
}

func play(t *testing.T, w *world, s *scenario) {
	defer w.stop()
	for _, st := range w.begin(s) {
		w.goThrough(st)
		if w.dies && w.calls.Count() > 0 && !w.awaited() && call.Settled(w.calls) {
			w.takeOver()
			w.settle(st)
		}
	}
	w.end(step{where: s.name, words: []string{"end"}})
}

// begin starts the box of a scenario, and returns the steps that follow.
func (w *world) begin(s *scenario) []step {
	w.t.Helper()
	first := step{where: s.name, words: []string{"begin"}}
	steps := s.steps
	for len(steps) > 0 && steps[0].describes() {
		w.setUp(steps[0])
		steps = steps[1:]
	}
	if err := w.configure(); err != nil {
		w.fail(first, "%v", err)
	}
	time.Sleep(10 * time.Second) // registrations and the first OPTIONS
	w.settle(first)
	w.last = time.Now()
	return steps
}

// goThrough is one step, and what the box does then.
func (w *world) goThrough(s step) {
	w.t.Helper()
	w.step(s)
	w.settle(s)
	w.last = time.Now()
}

// describes reports whether a step says what the world is like. At the top of a file it is so before the box starts.
func (s step) describes() bool {
	switch s.words[0] {
	case "config", "manual", "sdp", "name", "service", "peer", "forward", "pair":
		return true
	}
	return len(s.words) > 1 && (s.words[1] == "is" || s.words[1] == "has" || s.words[1] == "refuses")
}

// setUp is a step that says what the world is like.
func (w *world) setUp(s step) {
	w.t.Helper()
	switch s.words[0] {
	case "config":
		w.lines = append(w.lines, s.block...)
	case "pair": // the box is one of two
		w.paired, w.dies = true, false
	case "manual":
		w.mu.Lock()
		w.manual[s.text(1)] = true
		w.mu.Unlock()
	case "sdp":
		w.sdps[s.text(1)] = s.block
	case "name":
		var addrs []netip.Addr
		for _, a := range s.words[2:] {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		w.names.set(s.words[1], addrs)
	case "service": // service _sip._udp.NAME TARGET:PORT ...: the best first
		var list []*net.SRV
		for n, target := range s.words[2:] {
			host, port, _ := strings.Cut(target, ":")
			p, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				w.fail(s, "%v", err)
			}
			list = append(list, &net.SRV{Target: host + ".", Port: uint16(p), Priority: uint16(n)})
		}
		w.names.mu.Lock()
		w.names.srv[s.words[1]] = list
		w.names.mu.Unlock()
	case "peer": // peer NAME ADDRESS:PORT TRANSPORT [ADDRESS:PORT of the box]
		addr, err := netip.ParseAddrPort(s.words[2])
		if err != nil {
			w.fail(s, "%v", err)
		}
		p := w.addPeer(s.words[1], addr, s.words[3])
		if len(s.words) > 4 {
			p.box = netip.MustParseAddrPort(s.words[4])
		}
	case "forward": // forward PUBLIC PRIVATE: a router before the box
		for _, p := range w.peers {
			if p.box.Addr() == netip.MustParseAddr(s.words[1]) {
				p.box = netip.AddrPortFrom(netip.MustParseAddr(s.words[2]), p.box.Port())
			}
		}
	default:
		w.mood(s)
	}
}

// mood is "PEER refuses", "PEER is silent", "PEER answers", "PEER closes", "PEER has no tcp".
func (w *world) mood(s step) {
	w.t.Helper()
	if s.words[0] == "names" { // the name servers
		w.names.mu.Lock()
		w.names.silent = s.words[len(s.words)-1] == "silent"
		w.names.mu.Unlock()
		return
	}
	p := w.peers[s.words[0]]
	if p == nil {
		w.fail(s, "what is that?")
	}
	mode := ""
	switch s.words[len(s.words)-1] {
	case "refuses":
		mode = "refuses"
	case "silent":
		mode = "silent"
	case "answers":
	case "closes":
		p.closeAll()
		return
	case "tcp":
		p.tcp = false
		return
	default:
		w.fail(s, "what is that?")
	}
	p.mu.Lock()
	p.mode = mode
	p.mu.Unlock()
	if mode != "" {
		p.closeAll()
	}
}

func (w *world) step(s step) {
	w.t.Helper()
	var limit time.Duration
	exact := false
	if d, ok := strings.CutPrefix(s.words[0], "+"); ok {
		limit, exact = w.duration(s, d), true
		s.words = s.words[1:]
	} else if s.words[0] == "within" {
		limit = w.duration(s, s.words[1])
		s.words = s.words[2:]
	}
	if len(s.words) > 2 && s.words[1] == ">" {
		time.Sleep(limit)
		w.sends(s)
		return
	}
	if len(s.words) > 2 && s.words[1] == "<" {
		w.expects(s, limit, exact)
		return
	}
	switch s.words[0] {
	case "wait":
		time.Sleep(w.duration(s, s.words[1]))
	case "quiet":
		if len(s.words) > 1 {
			time.Sleep(w.duration(s, s.words[1]))
		}
		w.settle(s)
		w.empty(s)
	case "config":
		w.setUp(s)
		w.reconfigure(s)
	case "manual", "name", "service", "sdp", "peer":
		w.setUp(s)
	case "automatic":
		w.mu.Lock()
		delete(w.manual, s.text(1))
		w.mu.Unlock()
	case "media":
		m, side := w.mediaOf(s)
		w.facts(s, m.facts(side))
	case "counted":
		m, side := w.mediaOf(s)
		f := map[string]string{}
		for _, line := range s.block {
			name, value, _ := strings.Cut(line, ":")
			f[name] = strings.TrimSpace(value)
		}
		if err := m.counted(side, f); err != nil {
			w.fail(s, "%v", err)
		}
	case "voice", "silence", "worn":
		m, side := w.mediaOf(s)
		m.happen(media.Event{Side: side, Kind: map[string]media.EventKind{"voice": media.Started, "silence": media.TimedOut, "worn": media.KeyUsed}[s.words[0]]})
	case "dials": // dials SIDE EVENT LENGTH: the relay has got a telephone-event that the other side takes by signalling only
		m, side := w.mediaOf(s)
		event, err := strconv.Atoi(s.words[2])
		if err != nil {
			w.fail(s, "%v", err)
		}
		m.happen(media.Event{Side: side, Kind: media.Pressed, Digit: uint8(event), Length: w.duration(s, s.words[3])})
	case "record":
		w.record(s)
	case "licenses":
		f := map[string]string{}
		for _, r := range w.licenses.Table() {
			f[r.Name] = fmt.Sprintf("%d of %d", r.Alloc, r.Total)
		}
		w.facts(s, f)
	case "lessor": // somebody can bring more licenses
		w.licenses.Attach(nil)
	case "leased": // leased KIND N: the hub has given so many
		n, err := strconv.Atoi(s.words[2])
		if err != nil {
			w.fail(s, "%v", err)
		}
		w.licenses.SetLeased(license.Kind(s.words[1]), n)
	case "take": // take N licenses of each pool, take channels N: so many of that pool from now on
		n, err := strconv.Atoi(s.words[len(s.words)-1])
		if err == nil && w.taken == nil {
			w.taken, err = w.licenses.Acquire(0, 0)
		}
		switch {
		case err != nil:
		case s.words[1] == "channels":
			err, w.channels = w.taken.Channels(n), n
		default:
			w.sessions, w.channels = n, n
			w.taken, err = w.licenses.Acquire(n, n)
		}
		if err != nil {
			w.fail(s, "%v", err)
		}
	case "calls":
		f := map[string]string{"count": strconv.Itoa(w.calls.Count())}
		for _, identity := range []string{"user.01", "user.02", "user.03"} {
			f["carries "+identity] = fmt.Sprint(w.calls.Carries(identity))
		}
		for i, c := range w.calls.Calls() {
			f[fmt.Sprintf("state %d", i+1)] = c.State.String()
			if r, ok := w.calls.Lookup(c.ID); ok {
				f[fmt.Sprintf("so far %d", i+1)] = fmt.Sprintf("%d attempts, %d holds", len(r.Attempts), r.Holds)
			}
			for n, l := range c.Legs {
				f[fmt.Sprintf("digits %d %s", i+1, [...]string{"caller", "callee"}[n])] = l.Digits.String()
			}
		}
		w.facts(s, f)
	case "log":
		w.mu.Lock()
		log := w.log.String()
		w.mu.Unlock()
		for _, want := range s.block {
			if !slices.ContainsFunc(strings.Split(log, "\n"), func(l string) bool { return w.vars.match("*"+want+"*", l) }) {
				w.fail(s, "no line of the log has %q", want)
			}
		}
	case "messages": // messages [INTERFACE]
		w.countMessages(s)
	case "drain": // drain LIMIT [INTERFACE]
		o := drain.Order{Limit: w.duration(s, s.words[1]), By: "anna", Undo: "no drain"}
		if len(s.words) > 2 {
			o.Scope = drain.Scope{Context: "SWITCH", Interface: s.words[2]}
		}
		if err := w.drains.Start(o); err != nil {
			w.fail(s, "%v", err)
		}
	case "undrain":
		if !w.drains.Stop(drain.Scope{}, "anna") {
			w.fail(s, "nothing is drained")
		}
	case "drains":
		f := map[string]string{}
		for _, d := range w.drains.Status() {
			f = map[string]string{"what": d.What, "state": d.State.String(), "calls": strconv.Itoa(d.Calls)}
		}
		w.facts(s, f)
	case "registered", "lamps", "survival":
		w.phones.set(s)
	case "presence": // presence IDENTITY CODE: calls for this Teams user are refused; without a code: go on
		code, _ := strconv.Atoi(s.text(2))
		w.presence.is(s.words[1], code)
	case "dies": // the box does, and the other one takes its place
		w.takeOver()
	case "gathers": // a planned switch begins
		m := w.calls
		w.gathered = make(chan error, 1)
		go func() { w.gathered <- m.Gather(w.t.Context()) }()
	case "resumes": // it was called off, and the standby may be a new one
		w.kept.clear()
		w.calls.Resume()
	case "hands": // hands over: the box stands still, and the other one goes on
		w.handOver(s)
	case "clear":
		w.calls.Clear("")
	case "keep-alives": // keep-alives PEER N: double CRLFs on connections of the box since the last such step
		p := w.peers[s.words[1]]
		p.mu.Lock()
		n := p.crlf
		p.crlf = 0
		p.mu.Unlock()
		if fmt.Sprint(n) != s.text(2) {
			w.fail(s, "%d", n)
		}
	case "connections": // connections PEER N: those that the box has opened until now
		p, n := w.peers[s.words[1]], 0
		p.mu.Lock()
		for _, k := range p.links {
			if k.byBox {
				n++
			}
		}
		p.mu.Unlock()
		if fmt.Sprint(n) != s.text(2) {
			w.fail(s, "%d", n)
		}
	case "set":
		name, value, _ := strings.Cut(s.text(1), " ")
		value, err := w.vars.expand(value)
		if err != nil {
			w.fail(s, "%v", err)
		}
		w.vars[name] = value
	default:
		w.mood(s)
	}
}

func (w *world) duration(s step, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		w.fail(s, "%v", err)
	}
	return d
}

// who takes "pbx" or "pbx/2" apart: the peer, and the dialog with it.
func (w *world) who(s step) (*peer, *dialog) {
	name, rest, _ := strings.Cut(s.words[0], "/")
	p := w.peers[name]
	if p == nil {
		w.fail(s, "there is no peer %s", name)
	}
	if other, _, _ := strings.Cut(rest, "/"); w.peers[other] != nil {
		return p, w.dialog(rest)
	}
	return p, w.dialog(s.words[0])
}

// sends is "PEER > ...".
func (w *world) sends(s step) {
	w.t.Helper()
	p, d := w.who(s)
	var m *message
	var err error
	var k *link
	connection := s.options["connection"]
	switch first := s.words[2]; {
	case first == "CRLF":
		k, err = p.connection(connection)
		if err == nil {
			before := p.pongs
			err = p.write(k, []byte("\r\n\r\n"))
			w.settle(s)
			if err == nil && p.pongs != before+1 {
				err = fmt.Errorf("no CRLF came back")
			}
		}
		if err != nil {
			w.fail(s, "%v", err)
		}
		return
	case first == "again":
		last, ok := d.sent[s.text(3)]
		if !ok {
			w.fail(s, "nothing of that kind was sent")
		}
		w.note("%-7s > again: %s", p.name, strings.SplitN(string(last.b), "\r\n", 2)[0])
		if err := p.write(last.link, last.b); err != nil {
			w.fail(s, "%v", err)
		}
		return
	case first == "raw":
		var lines []string
		for _, l := range s.block {
			l, err := w.vars.expand(strings.TrimPrefix(strings.TrimPrefix(l, "|"), " "))
			if err != nil {
				w.fail(s, "%v", err)
			}
			lines = append(lines, l)
		}
		head, body, _ := strings.Cut(strings.Join(lines, "\r\n")+"\r\n", "\r\n\r\n")
		m = &message{start: lines[0], body: body}
		if p.transport != "udp" {
			if k, err = p.connection(connection); err != nil {
				w.fail(s, "%v", err)
			}
		}
		for _, l := range lines {
			if f := fieldLine.FindStringSubmatch(l); f != nil && d.callID == "" && (strings.EqualFold(f[1], "Call-ID") || strings.EqualFold(f[1], "i")) {
				d.callID = f[2]
			}
		}
		w.note("%-7s > %s (raw)", p.name, m.start)
		if err := p.write(k, []byte(strings.TrimSuffix(head, "\r\n")+"\r\n\r\n"+body)); err != nil {
			w.fail(s, "%v", err)
		}
		return
	case first[0] >= '1' && first[0] <= '6':
		var req *arrived
		if to := s.options["to"]; to != "" {
			req = d.requests[to]
		} else if len(d.pending) > 0 {
			req = d.pending[len(d.pending)-1]
		}
		if req == nil {
			w.fail(s, "there is no request to answer")
		}
		tag := d.tag
		if t, ok := s.options["tag"]; ok {
			tag = t
		}
		m = responseTo(req.message, s.text(2), tag)
		if len(s.words) == 3 {
			m.start += " " + phrases[first]
		}
		if code := m.code(); req.method() == "INVITE" && code > 100 && code < 300 {
			m.add("Contact", p.contact)
		}
		if k = req.link; k != nil && k.closed {
			w.fail(s, "the connection of the request is closed")
		}
		if err = w.write(m, s.block); err != nil {
			w.fail(s, "%v", err)
		}
		if m.code() > 100 && (d.local == "" || m.code() >= 200 && m.code() < 300) {
			d.local = m.get("To")
		}
		if m.code() >= 200 {
			d.pending = slices.DeleteFunc(d.pending, func(a *arrived) bool { return a == req || a.method() == req.method() && a.seq() == req.seq() })
			if m.code() >= 300 && req.method() == "INVITE" {
				w.mu.Lock()
				w.acks[req.branch()] = false
				w.mu.Unlock()
			}
		}
	default:
		var block []string
		if m, err = w.request(p, d, first, s.text(3)); err == nil {
			block, err = d.signed(m, s.block)
		}
		if err == nil {
			err = w.write(m, block)
		}
		if err != nil {
			w.fail(s, "%v", err)
		}
		if first != "ACK" && first != "CANCEL" && tagOf(m.get("From")) == "" {
			i := slices.IndexFunc(m.fields, func(f [2]string) bool { return strings.EqualFold(f[0], "From") })
			if i >= 0 && !s.has("untagged") {
				m.fields[i][1] += ";tag=" + d.tag
			}
		}
		d.sentRequest(m)
		if p.transport != "udp" || s.has("tcp") {
			if k, err = p.connection(connection); err != nil {
				w.fail(s, "%v", err)
			}
			w.mu.Lock()
			w.sentOn[m.branch()] = k
			w.mu.Unlock()
		}
	}
	b := m.bytes()
	d.sent[key(m)], d.sent[""] = sending{b, k}, sending{b, k}
	d.publish(w.vars)
	w.note("%-7s > %s", p.name, m.start)
	if err := p.write(k, b); (err != nil) != s.has("refused") {
		w.fail(s, "sending it: %v", err)
	}
}

var phrases = map[string]string{"100": "Trying", "180": "Ringing", "183": "Session Progress", "200": "OK", "202": "Accepted", "486": "Busy Here",
	"487": "Request Terminated", "491": "Request Pending", "503": "Service Unavailable", "404": "Not Found", "603": "Decline"}

// key is what a message is called in a dialog: its method or code.
func key(m *message) string {
	if m.code() != 0 {
		return strconv.Itoa(m.code())
	}
	return m.method()
}
