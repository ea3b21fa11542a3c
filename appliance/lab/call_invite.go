package lab

import (
	"fmt"
	"slices"
	"strings"
)

// inviteResponse takes what answers our INVITE.
func (c *Call) inviteResponse(m *message) {
	switch {
	case m.code < 200:
		c.progress(m)
	case m.code < 300:
		c.succeed(m)
	default:
		c.finish(End{ByBox: true, Code: m.code, Reason: m.reason, Cause: m.get("Reason")})
	}
}

func (c *Call) progress(m *message) {
	if m.code == 100 || c.isUp {
		return
	}
	c.provisionals = append(c.provisionals, Provisional{Code: m.code, Tag: m.tag("To"), Media: len(m.body) > 0})
	c.rings()
	if len(m.body) == 0 {
		return
	}
	if remote, err := parseSession(m.body); err == nil && c.side.accept(c, remote) == nil {
		_ = c.negotiate(remote)
	}
}

func (c *Call) succeed(m *message) {
	if !c.isUp {
		c.remoteTag, c.remoteValue = m.tag("To"), m.get("To")
		if contacts := m.list("Contact"); len(contacts) > 0 {
			c.target = parseAddress(contacts[0]).text
		}
		c.routes = m.list("Record-Route")
		slices.Reverse(c.routes)
	}
	if m.tag("To") != c.remoteTag {
		c.side.refuse(m.describe(), c.clientTx.flow.String(), &refusal{text: "a second final answer with another tag"})
		return
	}
	invite, _ := m.cseq()
	c.side.flowTo(c, func(f *flow, err error) {
		if err != nil {
			c.finish(End{Code: 503, Reason: err.Error()})
			return
		}
		if c.isUp { // or is since the first copy of this 2xx: the connection was being opened
			c.sendACK(f, invite, c.lateAnswer)
			return
		}
		c.isUp = true
		c.rings()
		r := c.settle(m)
		c.sendACK(f, invite, c.lateAnswer)
		if c.isOver {
			return
		}
		if r != nil {
			c.side.refuse(m.describe(), c.clientTx.flow.String(), r)
			c.sendBye(nil)
			return
		}
		if c.cancelling {
			c.sendBye(nil)
			return
		}
		close(c.up)
	})
}

// settle takes the answer in a 2xx to an offer of ours.
func (c *Call) settle(m *message) *refusal {
	if r := c.side.established(c, m); r != nil {
		return r
	}
	remote, err := parseSession(m.body)
	if err != nil {
		return &refusal{text: err.Error()}
	}
	if c.offerless && c.lateAnswer == nil {
		answer, r := c.side.answer(c, remote)
		if r != nil {
			return r
		}
		c.local, c.lateAnswer = answer, answer.bytes()
	} else if r := c.side.accept(c, remote); r != nil {
		return r
	}
	if err := c.negotiate(remote); err != nil {
		return &refusal{text: err.Error()}
	}
	return nil
}

func (c *Call) sendACK(f *flow, invite int, body []byte) {
	ack := c.newRequest("ACK")
	c.sequence-- // an ACK takes the number of its INVITE
	for i := range ack.headers {
		if is(ack.headers[i].name, "CSeq") {
			ack.headers[i].value = fmt.Sprintf("%d ACK", invite)
		}
	}
	via := header{"Via", fmt.Sprintf("SIP/2.0/%s %v;branch=z9hG4bK%s", strings.ToUpper(f.network), f.local, token(10))}
	ack.headers = append([]header{via}, ack.headers...)
	if ack.body = body; body != nil {
		ack.add("Content-Type", "application/sdp")
	}
	_ = c.a.write(f, ack.bytes(c.a.capitals))
}
