package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// recordRoute is what the hub puts on every dialog: with it alone its Contacts can be reached.
func (h *Hub) recordRoute() string {
	return fmt.Sprintf("<sip:%s:%d;transport=tls;lr>", h.site.region, teamsPort)
}

// taken is every new request of the box.
func (t *Teams) taken(tx *serverTx) {
	m, f := tx.request, tx.flow
	if c := t.calls[m.get("Call-ID")]; c != nil && m.tag("To") != "" {
		if r := t.checkDialog(m, f, c); r != nil {
			t.respondRefusal(tx, r)
			return
		}
		c.dialogRequest(tx)
		return
	}
	switch {
	case m.tag("To") != "" && t.left[m.get("Call-ID")]:
		tx.respond(481, "Call/Transaction Does Not Exist", nil)
	case m.tag("To") != "":
		t.respondRefusal(tx, &refusal{481, "Call/Transaction Does Not Exist", m.method + " in a dialog that is not there"})
	case !f.accepted:
		t.respondRefusal(tx, &refusal{403, "Forbidden", "a request on a connection that Teams opened: open your own"})
	case m.method == "OPTIONS":
		t.optionsTaken(tx)
	case m.method == "INVITE":
		t.invited(tx)
	default:
		t.respondRefusal(tx, &refusal{405, "Method Not Allowed", m.method + " is not in our Allow"})
	}
}

func (t *Teams) optionsTaken(tx *serverTx) {
	h := tx.flow.hub
	h.options++
	if h.behaviour.SilentOptions {
		return
	}
	if r := t.checkOptions(tx.request, tx.flow); r != nil {
		t.respondRefusal(tx, r)
		return
	}
	if code := h.behaviour.OptionsCode; code != 0 {
		tx.respond(code, "As Told", nil, header{"Server", teamsServer})
		return
	}
	tx.respond(200, "OK", nil, header{"Allow", teamsAllow}, header{"Server", teamsServer})
	h.seen = time.Now()
	if !h.polling {
		h.polling = true
		h.poll()
	}
	h.tellActive()
}

func (t *Teams) invited(tx *serverTx) {
	m, f := tx.request, tx.flow
	f.hub.invites++
	b := f.hub.behaviour
	if b.Silent {
		return
	}
	if r := t.checkInvite(m, f); r != nil {
		t.respondRefusal(tx, r)
		return
	}
	tx.respond(100, "Trying", nil)
	c := newCall(t.agent, t, m.get("Call-ID"))
	c.Hub = f.hub
	c.receiveDialog(tx)
	t.calls[c.ID] = c
	t.tell("%s: call from %s to %s", f.hub.Name, c.From, c.To)
	if b.Trying {
		deliver(t.incoming, c)
		return
	}
	if b.Code != 0 {
		var headers []header
		if b.RetryAfter > 0 {
			headers = append(headers, header{"Retry-After", fmt.Sprint(b.RetryAfter)})
		}
		c.reject(b.Code, b.Reason, b.Cause, headers...)
		return
	}
	offer, err := parseSession(m.body)
	if err == nil {
		var r *refusal
		if err = t.openAudio(c); err == nil {
			if c.local, r = t.answer(c, offer); r == nil {
				err = c.negotiate(offer)
			}
		}
	}
	if err != nil {
		t.refuse(m.describe(), f.String(), &refusal{text: err.Error()})
		c.reject(500, "Server Internal Error", "")
		return
	}
	deliver(t.incoming, c)
	c.play(b)
}

// gaveUp: the box cancels a call that rings.
func (t *Teams) gaveUp(tx *serverTx, cancel *message) {
	cancelCall(tx, cancel)
}

func cancelCall(tx *serverTx, cancel *message) {
	tx.respond(487, "Request Terminated", nil)
	if tx.call != nil {
		tx.call.finish(End{ByBox: true, Code: 487, Reason: "CANCEL", Cause: cancel.get("Reason")})
	}
}

func (t *Teams) acknowledged(m *message, f *flow) {
	c := t.calls[m.get("Call-ID")]
	if c == nil {
		return // of a call that has ended meanwhile
	}
	if r := t.checkDialog(m, f, c); r != nil {
		t.refuse(m.describe(), f.String(), r)
	}
	c.acknowledged(m)
}

func (t *Teams) strayed(m *message, f *flow) {
	t.refuse(m.describe(), f.String(), &refusal{text: "a response to nothing that we asked on this connection"})
}

func (t *Teams) brokenMessage(err error, f *flow) {
	t.refuse("message", f.String(), &refusal{text: err.Error()})
	f.close()
}

func (t *Teams) respondRefusal(tx *serverTx, r *refusal) {
	t.refuse(tx.request.describe(), tx.flow.String(), r)
	tx.respond(r.code, r.reason, nil, header{"Reason", fmt.Sprintf("Q.850;cause=63;text=%q", r.text)}, header{"Allow", teamsAllow}, header{"Server", teamsServer})
}

// refuse implements side: it keeps and tells a refusal.
func (t *Teams) refuse(what, from string, r *refusal) {
	t.refused = append(t.refused, Refusal{Time: time.Now(), By: t.name, What: what, From: from, Code: r.code, Text: r.text})
	t.tell("refused %s (%s): %s", what, from, r.text)
}

func (t *Teams) flowTo(c *Call, use func(*flow, error)) { c.Hub.way(use) }

// dress implements side. The Contact cannot be dialled: only the Record-Route leads back (A.32).
func (t *Teams) dress(c *Call, response bool) []header {
	if c.contact == "" {
		c.contact = fmt.Sprintf("sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=%s;x-c=%s/d/8/%s", token(16), token(16), token(16))
	}
	headers := []header{
		{"Record-Route", c.Hub.recordRoute()},
		{"Contact", "<" + c.contact + ">"},
		{"Allow", teamsAllow},
	}
	if response {
		return append(headers, header{"Server", teamsServer})
	}
	headers = append(headers, header{"User-Agent", teamsServer}, header{"Supported", "timer"}, header{"Session-Expires", "3600;refresher=uac"}, header{"Min-SE", "300"})
	return append(headers, c.extra...)
}

func (t *Teams) openAudio(c *Call) (err error) {
	c.Audio, err = openPair(t.agent, t.world.WAN, MediaAddr, &t.nextPort, teamsPorts)
	if err == nil {
		c.Audio.setTone(TeamsTone, ToneDBm0)
	}
	return err
}

// openPair opens the next free pair of ports at or after next, going round at 60000.
func openPair(a *agent, n *Namespace, addr netip.Addr, next *uint16, first uint16) (audio *Audio, err error) {
	for range 100 {
		if *next >= 60000 {
			*next = first
		}
		pair := *next
		*next += 2
		if audio, err = newAudio(a.ctx, n, addr, pair, a.options.Ptime); err == nil {
			return audio, nil
		}
	}
	return nil, err
}

func (t *Teams) offer(c *Call) *local {
	if c.local != nil {
		return c.local
	}
	return &local{
		user: "-", id: uint64(time.Now().UnixMilli()), version: 0, addr: MediaAddr, port: c.Audio.port, ptime: t.world.options.Ptime, direction: "sendrecv", mux: true,
		formats: teamsFormats,
		// The 32-bit suite comes first and the tags start at 0 (A.38): an SBC must answer with the other.
		crypto: []cryptoLine{{tag: 0, suite: suite32, key: newKey(), lifetime: "2^31"}, {tag: 1, suite: suite80, key: newKey(), lifetime: "2^31"}},
	}
}

// answer implements side: A-law with the crypto line that Teams wants, the same key for the whole call.
func (t *Teams) answer(c *Call, offer *session) (*local, *refusal) {
	line := offer.line80()
	if line == nil {
		return nil, &refusal{488, "Not Acceptable Here", "no crypto line with " + suite80}
	}
	key := newKey()
	version, id := uint64(0), uint64(time.Now().UnixMilli())
	if c.local != nil {
		id, version = c.local.id, c.local.version
		if own := slices.IndexFunc(c.local.crypto, func(l cryptoLine) bool { return l.suite == suite80 }); own >= 0 {
			key = c.local.crypto[own].key
		}
	}
	formats := []format{{8, "PCMA/8000", ""}}
	if !slices.Contains(offer.payloads, 8) {
		return nil, &refusal{488, "Not Acceptable Here", "the lab speaks A-law only"}
	}
	if slices.Contains(offer.payloads, 13) {
		formats = append(formats, format{13, "CN/8000", ""})
	}
	if pt := offer.event(); pt >= 0 {
		formats = append(formats, format{pt, "telephone-event/8000", "0-16"})
	}
	return &local{
		user: "-", id: id, version: version, addr: MediaAddr, port: c.Audio.port, ptime: t.world.options.Ptime, direction: answering(offer.direction), mux: offer.mux,
		formats: formats, crypto: []cryptoLine{{tag: line.tag, suite: suite80, key: key, lifetime: "2^31"}},
	}, nil
}

// established implements side: what the 2xx to our INVITE must have.
func (t *Teams) established(c *Call, m *message) *refusal {
	if r := t.checkContact(m); r != nil {
		return r
	}
	// A dialog's route set is copied into the answer (RFC 3261 12.1.1).
	if got, want := strings.Join(m.list("Record-Route"), ", "), c.Hub.recordRoute(); got != want {
		return &refusal{text: fmt.Sprintf("200 to INVITE with Record-Route %q instead of ours, %s", got, want)}
	}
	return nil
}

// accept implements side: the box's answer.
func (t *Teams) accept(c *Call, answer *session) *refusal {
	no := func(format string, args ...any) *refusal { return &refusal{text: fmt.Sprintf(format, args...)} }
	switch {
	case answer.proto != "RTP/SAVP":
		return no("the answer's media profile is %s instead of RTP/SAVP", answer.proto)
	case answer.port == 0:
		return no("the answer refuses the audio")
	case len(answer.crypto) != 1:
		return no("the answer has %d crypto lines instead of 1", len(answer.crypto))
	case answer.crypto[0].suite != suite80:
		return no("the answer's suite is %s instead of %s", answer.crypto[0].suite, suite80)
	case !slices.ContainsFunc(c.local.crypto, func(l cryptoLine) bool { return l.suite == suite80 && l.tag == answer.crypto[0].tag }):
		return no("the answer's crypto tag %d is not that of the offer's %s line", answer.crypto[0].tag, suite80)
	case !slices.Contains(answer.payloads, 8):
		return no("the answer has no A-law")
	}
	if r := checkSession(answer); r != nil {
		return no("answer: %s", r.text)
	}
	return nil
}

func (t *Teams) holdDirection() string { return "inactive" }

// plan implements side. Teams never sends to another place than the first (A.44).
func (t *Teams) plan(c *Call, remote *session) audioPlan {
	place := netip.AddrPortFrom(remote.addr, remote.port)
	if !c.place.IsValid() {
		c.place = place
	} else if c.place != place {
		t.refuse("SDP", remote.addr.String(), &refusal{text: fmt.Sprintf("media moved from %v to %v within the call: Teams keeps sending to the first", c.place, place)})
	}
	p := audioPlan{
		remote: c.place, remoteRTCP: netip.AddrPortFrom(remote.addr, remote.rtcpPort), mux: remote.mux && c.local.mux,
		payload: 8, event: remote.event(),
		send:      remote.direction == "sendrecv" && c.local.direction == "sendrecv",
		remoteKey: remote.line80().key,
	}
	for _, l := range c.local.crypto {
		if l.suite == suite80 {
			p.localKey = l.key
		}
	}
	return p
}

func (t *Teams) forget(c *Call) {
	delete(t.calls, c.ID)
	by := "Teams"
	if c.end.ByBox {
		by = "the box"
	}
	stats := ""
	if c.Audio != nil {
		s := c.Audio.Stats()
		stats = fmt.Sprintf(", %d packets sent, %d received, %d lost", s.Sent, s.Received, s.Lost)
	}
	t.tell("call from %s to %s ended by %s: %s%s", c.From, c.To, by, endText(c.end), stats)
}

func endText(e End) string {
	if e.Code != 0 {
		return fmt.Sprintf("%d %s", e.Code, e.Reason)
	}
	return e.Reason
}
