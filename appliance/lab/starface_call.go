package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// taken is every new request of the box.
func (s *Starface) taken(tx *serverTx) {
	m := tx.request
	if s.offline {
		return
	}
	if c := s.calls[m.get("Call-ID")]; c != nil && m.tag("To") != "" {
		if m.method == "UPDATE" || m.method == "INFO" {
			c.respond(tx, 200, "OK", nil)
			return
		}
		c.dialogRequest(tx)
		return
	}
	switch {
	case m.method == "SUBSCRIBE":
		s.subscribed(tx)
	case m.tag("To") != "" && s.left[m.get("Call-ID")]:
		tx.respond(481, "Call/Transaction Does Not Exist", nil)
	case m.tag("To") != "":
		s.respondRefusal(tx, &refusal{481, "Call/Transaction Does Not Exist", m.method + " in a dialog that is not there"})
	case m.method == "REGISTER":
		s.registered(tx)
	case m.method == "OPTIONS":
		tx.respond(200, "OK", nil, header{"Allow", starfaceAllow}, header{"Server", starfaceServer})
	case m.method == "INVITE":
		s.invited(tx)
	default:
		s.respondRefusal(tx, &refusal{405, "Method Not Allowed", m.method + " out of a dialog"})
	}
}

// checkInvite: a call belongs to the account in From; its Contact is where that account is registered.
func (s *Starface) checkInvite(tx *serverTx) *refusal {
	m := tx.request
	from := parseAddress(m.get("From"))
	account := from.uri.user
	if _, known := s.passwords[account]; !known {
		return &refusal{404, "Not Found", fmt.Sprintf("From user %q is no account", account)}
	}
	if from.uri.host != StarfaceAddr.String() {
		return &refusal{403, "Forbidden", fmt.Sprintf("From host %q is not this PBX's address", from.uri.host)}
	}
	r := s.contacts[account]
	if r == nil || time.Now().After(r.expires) {
		return &refusal{403, "Forbidden", fmt.Sprintf("account %s is not registered", account)}
	}
	contacts := m.list("Contact")
	if len(contacts) == 0 {
		return &refusal{400, "Bad Request", "INVITE without Contact"}
	}
	if got, want := parseAddress(contacts[0]).uri, parseURI(r.uri); got.user != want.user || got.host != want.host || got.port != want.port {
		return &refusal{403, "Forbidden", fmt.Sprintf("Contact %s is not the registered one, %s", parseAddress(contacts[0]).text, r.uri)}
	}
	if u := parseURI(m.uri); u.host != StarfaceAddr.String() && u.host != StarfaceName {
		return &refusal{404, "Not Found", fmt.Sprintf("Request-URI host %q is not this PBX", u.host)}
	}
	return nil
}

func (s *Starface) invited(tx *serverTx) {
	s.invites++
	m, b := tx.request, s.behaviour
	if b.Silent {
		return
	}
	if r := s.checkInvite(tx); r != nil {
		s.respondRefusal(tx, r)
		return
	}
	account, ok := s.authenticate(tx)
	if !ok {
		return
	}
	if user := parseAddress(m.get("From")).uri.user; account != user {
		s.respondRefusal(tx, &refusal{403, "Forbidden", fmt.Sprintf("credentials of %q for a call of %q", account, user)})
		return
	}
	tx.respond(100, "Trying", nil)
	c := newCall(s.agent, s, m.get("Call-ID"))
	c.Account = account
	c.receiveDialog(tx)
	c.contact = fmt.Sprintf("sip:%s@%v:%d", c.To, StarfaceAddr, starfacePort)
	s.calls[c.ID] = c
	s.tell("call of %s to %s", c.Account, c.To)
	if b.Trying {
		deliver(s.incoming, c)
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
	if err := s.openAudio(c); err != nil {
		s.refuse(m.describe(), tx.flow.String(), &refusal{text: err.Error()})
		c.reject(500, "Server Internal Error", "")
		return
	}
	if len(m.body) > 0 {
		if r := s.takeOffer(c, m.body); r != nil {
			s.refuse(m.describe(), tx.flow.String(), r)
			c.reject(r.code, r.reason, "")
			return
		}
	}
	deliver(s.incoming, c)
	c.play(b)
}

func (s *Starface) takeOffer(c *Call, body []byte) *refusal {
	offer, err := parseSession(body)
	if err != nil {
		return &refusal{488, "Not Acceptable Here", err.Error()}
	}
	var r *refusal
	if c.local, r = s.answer(c, offer); r != nil {
		return r
	}
	if err := c.negotiate(offer); err != nil {
		return &refusal{488, "Not Acceptable Here", err.Error()}
	}
	return nil
}

func (s *Starface) gaveUp(tx *serverTx, cancel *message) { cancelCall(tx, cancel) }

func (s *Starface) acknowledged(m *message, _ *flow) {
	if c := s.calls[m.get("Call-ID")]; c != nil {
		c.acknowledged(m)
	}
}

func (s *Starface) strayed(m *message, f *flow) {
	if !s.offline {
		s.refuse(m.describe(), f.String(), &refusal{text: "a response to nothing that we asked"})
	}
}

func (s *Starface) brokenMessage(err error, f *flow) {
	s.refuse("message", f.String(), &refusal{text: err.Error()})
}

func (s *Starface) respondRefusal(tx *serverTx, r *refusal) {
	s.refuse(tx.request.describe(), tx.flow.String(), r)
	tx.respond(r.code, r.reason, nil, header{"Warning", fmt.Sprintf("399 starface %q", r.text)}, header{"Server", starfaceServer})
}

// refuse implements side: it keeps and tells a refusal.
func (s *Starface) refuse(what, from string, r *refusal) {
	s.refused = append(s.refused, Refusal{Time: time.Now(), By: s.name, What: what, From: from, Code: r.code, Text: r.text})
	s.tell("refused %s (%s): %s", what, from, r.text)
}

// flowTo implements side: back on the way that the call took, for UDP to where the box's Contact points.
func (s *Starface) flowTo(c *Call, use func(*flow, error)) {
	if c.serverTx != nil && c.serverTx.flow.reliable() {
		use(c.serverTx.flow, nil)
		return
	}
	if c.clientTx != nil && c.clientTx.flow.reliable() {
		use(c.clientTx.flow, nil)
		return
	}
	u := parseURI(c.target)
	addr, err := s.world.DNS.lookup(u.host)
	if err != nil {
		use(nil, err)
		return
	}
	port := u.port
	if port == 0 {
		port = starfacePort
	}
	use(packetFlow(s.udp, netip.AddrPortFrom(addr, uint16(port))), nil)
}

func (s *Starface) dress(c *Call, response bool) []header {
	if c.contact == "" {
		c.contact = fmt.Sprintf("sip:%s@%v:%d", c.From, StarfaceAddr, starfacePort)
	}
	headers := []header{{"Contact", "<" + c.contact + ">"}, {"Allow", starfaceAllow}}
	if response {
		return append(headers, header{"Server", starfaceServer}, header{"Supported", "replaces, timer"})
	}
	headers = append(headers, header{"User-Agent", starfaceServer}, header{"Supported", "100rel, timer, replaces, norefersub"})
	return append(headers, c.extra...)
}

func (s *Starface) openAudio(c *Call) (err error) {
	c.Audio, err = openPair(s.agent, s.world.LAN, StarfaceAddr, &s.nextPort, starfacePorts)
	if err == nil {
		c.Audio.setTone(StarfaceTone, ToneDBm0)
	}
	return err
}

func (s *Starface) offer(c *Call) *local {
	if c.local != nil {
		return c.local
	}
	return &local{
		user: "-", id: uint64(time.Now().UnixMilli()), version: 1, addr: StarfaceAddr, port: c.Audio.port, ptime: s.world.options.Ptime, direction: "sendrecv", formats: starfaceFormats,
	}
}

func (s *Starface) answer(c *Call, offer *session) (*local, *refusal) {
	no := func(format string, args ...any) *refusal {
		return &refusal{488, "Not Acceptable Here", fmt.Sprintf(format, args...)}
	}
	switch {
	case offer.proto != "RTP/AVP":
		return nil, no("media profile %s instead of RTP/AVP", offer.proto)
	case !slices.Contains(offer.payloads, 8):
		return nil, no("no A-law in the offer")
	}
	l := &local{user: "-", id: uint64(time.Now().UnixMilli()), version: 1, addr: StarfaceAddr, port: c.Audio.port, ptime: s.world.options.Ptime, direction: answering(offer.direction)}
	if c.local != nil {
		l.id, l.version = c.local.id, c.local.version
	}
	l.formats = []format{{8, "PCMA/8000", ""}}
	if pt := offer.event(); pt >= 0 {
		l.formats = append(l.formats, format{pt, "telephone-event/8000", "0-16"})
	}
	return l, nil
}

func (s *Starface) established(c *Call, m *message) *refusal {
	if len(m.list("Contact")) == 0 {
		return &refusal{text: "200 to INVITE without Contact"}
	}
	return nil
}

func (s *Starface) accept(c *Call, answer *session) *refusal {
	switch {
	case answer.proto != "RTP/AVP":
		return &refusal{text: fmt.Sprintf("the answer's media profile is %s instead of RTP/AVP", answer.proto)}
	case answer.port == 0:
		return &refusal{text: "the answer refuses the audio"}
	case !slices.Contains(answer.payloads, 8):
		return &refusal{text: "the answer has no A-law"}
	case answer.mux:
		return &refusal{text: "the answer has rtcp-mux, which was not offered"}
	}
	return nil
}

func (s *Starface) holdDirection() string { return "sendonly" }

func (s *Starface) plan(c *Call, remote *session) audioPlan {
	sends := func(direction string) bool { return direction == "sendrecv" || direction == "sendonly" }
	receives := func(direction string) bool { return direction == "sendrecv" || direction == "recvonly" }
	return audioPlan{
		remote: netip.AddrPortFrom(remote.addr, remote.port), remoteRTCP: netip.AddrPortFrom(remote.addr, remote.rtcpPort),
		payload: 8, event: remote.event(),
		send: sends(c.local.direction) && receives(remote.direction), learn: true,
	}
}

func (s *Starface) forget(c *Call) {
	delete(s.calls, c.ID)
	by := "STARFACE"
	if c.end.ByBox {
		by = "the box"
	}
	stats := ""
	if c.Audio != nil {
		st := c.Audio.Stats()
		stats = fmt.Sprintf(", %d packets sent, %d received, %d lost", st.Sent, st.Received, st.Lost)
	}
	s.tell("call from %s to %s ended by %s: %s%s", c.From, c.To, by, endText(c.end), stats)
}
