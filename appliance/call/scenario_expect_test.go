package call_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/license"
	"viaduct/appliance/media"
	"viaduct/appliance/status"
)

// expects is "PEER < ...".
func (w *world) expects(s step, limit time.Duration, exact bool) {
	w.t.Helper()
	p, d := w.who(s)
	w.settle(s)
	a := w.take(s, p, d)
	switch {
	case a != nil && exact && a.at.Sub(w.last) < limit-10*time.Millisecond:
		w.fail(s, "it came %v too early:\n%s", limit-a.at.Sub(w.last), a.raw)
	case a == nil && exact:
		time.Sleep(limit)
		w.settle(s)
		if a = w.take(s, p, d); a != nil && a.at.Sub(w.last) < limit-10*time.Millisecond {
			w.fail(s, "it came after %v:\n%s", a.at.Sub(w.last), a.raw)
		}
	case a == nil && limit > 0:
		for until := time.Now().Add(limit); a == nil && time.Now().Before(until); {
			time.Sleep(min(100*time.Millisecond, time.Until(until)))
			w.settle(s)
			a = w.take(s, p, d)
		}
	}
	if a == nil {
		w.fail(s, "nothing came; what waits at %s: %s", p.name, p.waiting())
	}
	if why := w.differs(s, d, a); why != "" {
		w.fail(s, "%s\nin\n%s", why, a.raw)
	}
	d.takes(a)
	d.publish(w.vars)
}

// take removes the first message of a dialog from its peer's queue; of messages that came on different connections, between which
// there is no order, the one that the step wants. A 100 that is not expected is nothing to speak of.
func (w *world) take(s step, p *peer, d *dialog) *arrived {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.words[2] != "100" {
		p.queue = slices.DeleteFunc(p.queue, func(a *arrived) bool { return a.code() == 100 && a.get("Call-ID") == d.callID })
	}
	first := -1
	seen := map[*link]bool{}
	for i, a := range p.queue {
		switch {
		case d.callID == "" && (a.code() != 0 || a.method() != s.words[2] || tagOf(a.get("To")) != "" || w.known(p, a.get("Call-ID"))):
			continue
		case d.callID != "" && a.get("Call-ID") != d.callID, seen[a.link]:
			continue
		}
		seen[a.link] = true
		if key(a.message) == s.words[2] {
			first = i
			break
		}
		if first < 0 {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	a := p.queue[first]
	p.queue = slices.Delete(p.queue, first, first+1)
	return a
}

// known reports whether a peer has a dialog with this Call-ID. The phones of one identity get the same one.
func (w *world) known(p *peer, callID string) bool {
	for _, d := range w.dialogs {
		if name, _, _ := strings.Cut(d.name, "/"); name == p.name && d.callID == callID {
			return true
		}
	}
	return false
}

func (p *peer) waiting() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, a := range p.queue {
		list = append(list, fmt.Sprintf("%s (%s)", a.start, a.get("CSeq")))
	}
	if list == nil {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

// differs says what a message has other than its step; "" when it is what was expected.
func (w *world) differs(s step, d *dialog, a *arrived) string {
	v := w.vars.clone()
	start := s.text(2)
	switch first := s.words[2]; {
	case first[0] >= '1' && first[0] <= '6':
		if !strings.HasPrefix(a.start, "SIP/2.0 "+first) || len(s.words) > 3 && !v.match("SIP/2.0 "+start, a.start) {
			return "expected " + start
		}
		if to := s.options["to"]; to != "" && a.method() != to {
			return "expected a response to " + to
		}
	default:
		if a.method() != first || a.code() != 0 || len(s.words) > 3 && !v.match(start+" SIP/2.0", a.start) {
			return "expected " + start
		}
	}
	if want := s.options["transport"]; want != "" && a.transport != want {
		return "came over " + a.transport
	}
	if want := s.options["connection"]; want != "" && a.link.number(w.peers[strings.Split(s.words[0], "/")[0]]) != want {
		return "came on another connection"
	}
	if last := d.last[key(a.message)]; s.has("same") && string(last) != string(a.raw) {
		return "not the same as before:\n" + string(last)
	}
	after := map[string]int{}
	for _, line := range s.block {
		no := false
		if rest, ok := strings.CutPrefix(line, "no "); ok {
			no, line = true, rest
		}
		f := fieldLine.FindStringSubmatch(line)
		switch {
		case line == "body":
			if (a.body == "") != no {
				return "body"
			}
		case line == "sdp same":
			if a.body != d.body {
				return "another body than\n" + d.body
			}
		case strings.HasPrefix(line, "*"):
			if v.match(line, string(a.raw)) == no {
				return fmt.Sprintf("%q %s", line, map[bool]string{true: "is there", false: "is missing"}[no])
			}
		case strings.HasPrefix(line, "|"), sdpLine.MatchString(line):
			pattern := strings.TrimPrefix(strings.TrimPrefix(line, "|"), " ")
			found := slices.ContainsFunc(strings.Split(strings.TrimSuffix(a.body, "\r\n"), "\r\n"), func(l string) bool { return v.match(pattern, l) })
			if found == no {
				return fmt.Sprintf("body line %q %s", pattern, map[bool]string{true: "is there", false: "is missing"}[no])
			}
		case f == nil && no && fieldLine.MatchString(line+":"):
			if a.has(line) {
				return line + " is there"
			}
		case f == nil:
			return fmt.Sprintf("what is %q?", line)
		case no:
			if slices.ContainsFunc(a.all(f[1]), func(x string) bool { return v.match(f[2], x) }) {
				return line + " is there"
			}
		default:
			name, values := strings.ToLower(f[1]), a.all(f[1])
			i := after[name]
			for i < len(values) && !v.match(f[2], values[i]) {
				i++
			}
			if i == len(values) {
				return fmt.Sprintf("%s is %q, want %q", f[1], values, f[2])
			}
			after[name] = i + 1
		}
	}
	maps.Copy(w.vars, v)
	return ""
}

func (w *world) mediaOf(s step) (*mediaSession, media.Side) {
	w.t.Helper()
	n, _ := strconv.Atoi(s.options["call"])
	m := w.relay.session(n)
	if m == nil {
		w.fail(s, "no call has media")
	}
	switch s.words[1] {
	case "caller":
		return m, media.A
	case "callee":
		return m, media.B
	}
	w.fail(s, "caller or callee?")
	return nil, 0
}

// facts compares lines "name: pattern" with what is.
func (w *world) facts(s step, f map[string]string) {
	w.t.Helper()
	for _, line := range s.block {
		name, pattern, ok := strings.Cut(line, ":")
		if value, known := f[name]; !ok || !known || !w.vars.match(strings.TrimSpace(pattern), value) {
			w.fail(s, "%s: it is %q; all there is: %v", line, value, f)
		}
	}
}

// countMessages compares the SIP messages of an interface with what there must have been since the last such step.
func (w *world) countMessages(s step) {
	w.t.Helper()
	now := map[string]status.SIPTraffic{}
	for _, i := range w.config().CS[0].Interfaces {
		now[i.Name] = w.stack.Messages(i.ID())
	}
	if len(s.words) == 1 {
		w.counted = now
		return
	}
	since := func(of func(status.SIPTraffic) status.SIPMessages) string {
		text, before, after := "", of(w.counted[s.words[1]]), of(now[s.words[1]])
		was := map[string]uint64{}
		for _, c := range slices.Concat(before.Requests, before.Responses) {
			was[c.Of] = c.N
		}
		for _, c := range slices.Concat(after.Requests, after.Responses) {
			if n := c.N - was[c.Of]; n > 0 {
				text += fmt.Sprintf("%s %d, ", c.Of, n)
			}
		}
		return fmt.Sprintf("%srepeated %d", text, after.Repeated-before.Repeated)
	}
	w.facts(s, map[string]string{
		"received": since(func(t status.SIPTraffic) status.SIPMessages { return t.Received }),
		"sent":     since(func(t status.SIPTraffic) status.SIPMessages { return t.Sent }),
	})
}

// record compares the record of a call that ended.
func (w *world) record(s step) {
	w.t.Helper()
	w.settle(s)
	w.mu.Lock()
	n := len(w.records)
	if i, err := strconv.Atoi(s.options["call"]); err == nil {
		n = min(n, i)
	}
	if n == 0 {
		w.mu.Unlock()
		w.fail(s, "no call has ended")
	}
	b, err := json.Marshal(w.records[n-1])
	w.mu.Unlock()
	var tree map[string]any
	if err == nil {
		err = json.Unmarshal(b, &tree)
	}
	if err != nil {
		w.fail(s, "%v", err)
	}
	f := map[string]string{}
	flatten(f, "", tree)
	w.facts(s, f)
}

// flatten names every leaf of a record: "attempts 1 code".
func flatten(f map[string]string, prefix string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			flatten(f, strings.TrimSpace(prefix+" "+k), x)
		}
	case []any:
		f[prefix] = strconv.Itoa(len(v))
		for i, x := range v {
			flatten(f, fmt.Sprintf("%s %d", prefix, i+1), x)
		}
	default:
		f[prefix] = fmt.Sprint(v)
	}
}

// empty demands that nobody has got a message that no step expected.
func (w *world) empty(s step) {
	w.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(w.peers)) {
		p := w.peers[name]
		p.mu.Lock()
		p.queue = slices.DeleteFunc(p.queue, func(a *arrived) bool { return a.code() == 100 })
		n := len(p.queue)
		p.mu.Unlock()
		if n > 0 {
			w.fail(s, "%s has got what no step expects: %s", name, p.waiting())
		}
	}
}

// end demands that nothing is left of the scenario's calls: no message, leg, media session, license or missing ACK.
func (w *world) end(s step) {
	w.t.Helper()
	w.empty(s)
	time.Sleep(70 * time.Second)
	w.settle(s)
	w.empty(s)
	for branch, came := range w.acks {
		if !came {
			w.fail(s, "the refusal of INVITE %s was not acknowledged", branch)
		}
	}
	w.isEmpty(s)
}

// isEmpty demands that the box has nothing left of calls.
func (w *world) isEmpty(s step) {
	w.t.Helper()
	for _, g := range w.stack.Gateways() {
		if g.Legs != 0 {
			w.fail(s, "gateway %s still has %d legs", g.Name, g.Legs)
		}
	}
	if n := w.calls.Count(); n != 0 {
		w.fail(s, "%d calls are left", n)
	}
	if n := w.relay.open(); n != 0 {
		w.fail(s, "%d media sessions are open", n)
	}
	for _, r := range w.licenses.Table() {
		held := w.sessions
		if r.Name == string(license.SRTPChannels) {
			held = w.channels
		}
		if r.Alloc != held {
			w.fail(s, "%d licenses %s are not given back", r.Alloc-held, r.Name)
		}
	}
}
