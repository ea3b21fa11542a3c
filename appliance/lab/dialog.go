package lab

import (
	"context"
	"fmt"
	"time"
)

// Reply is the box's answer to a re-INVITE of ours.
type Reply struct {
	Code      int
	Reason    string
	Body      string
	Same      bool   // the same session as before: o= line unchanged
	SameKey   bool   // the box's SRTP key is unchanged (true without SRTP)
	Direction string // the answer's direction attribute
}

// Hold puts the box on hold as this peer does: Teams by inactive, STARFACE by sendonly.
func (c *Call) Hold(ctx context.Context) (Reply, error) {
	return c.Reinvite(ctx, c.side.holdDirection())
}

// Resume takes the box off hold.
func (c *Call) Resume(ctx context.Context) (Reply, error) { return c.Reinvite(ctx, "sendrecv") }

// Refresh sends the session as it is once more, as a session timer does.
func (c *Call) Refresh(ctx context.Context) (Reply, error) { return c.Reinvite(ctx, "") }

// Reinvite offers the session with another direction attribute; "": unchanged.
// An answer other than 2xx is an error; the Reply has its code all the same.
func (c *Call) Reinvite(ctx context.Context, direction string) (Reply, error) {
	type result struct {
		reply Reply
		err   error
	}
	done := make(chan result, 1)
	fail := func(r Reply, err error) {
		done <- result{r, fmt.Errorf("re-INVITE of %s to %s: %w", c.From, c.To, err)}
	}
	if err := c.a.do(func() {
		if !c.isUp || c.isOver {
			fail(Reply{}, fmt.Errorf("the call is not up"))
			return
		}
		if direction != "" && direction != c.local.direction {
			c.local.direction = direction
			c.local.version++
		}
		// Our offer may name all that we can do again, but keeps address, port and key.
		offer := *c.local
		c.side.flowTo(c, func(f *flow, err error) {
			if err != nil {
				fail(Reply{}, err)
				return
			}
			m := c.newRequest("INVITE")
			m.headers = append(m.headers, c.side.dress(c, false)...)
			m.add("Content-Type", "application/sdp")
			m.body = offer.bytes()
			acked := false
			c.a.request(f, m, func(m *message) {
				switch {
				case m.code < 200:
					return
				case m.code >= 300:
					fail(Reply{Code: m.code, Reason: m.reason}, fmt.Errorf("%d %s", m.code, m.reason))
					return
				}
				number, _ := m.cseq()
				c.sendACK(f, number, nil)
				if acked {
					return
				}
				acked = true
				before := c.remote
				if r := c.settle(m); r != nil {
					c.side.refuse(m.describe(), f.String(), r)
					fail(Reply{Code: m.code, Reason: m.reason, Body: string(m.body)}, fmt.Errorf("%s", r.text))
					return
				}
				done <- result{Reply{
					Code: m.code, Reason: m.reason, Body: string(m.body), Direction: c.remote.direction,
					Same: before != nil && before.origin == c.remote.origin, SameKey: sameKey(before, c.remote),
				}, nil}
			})
		})
	}); err != nil {
		return Reply{}, err
	}
	select {
	case r := <-done:
		return r.reply, r.err
	case <-ctx.Done():
		return Reply{}, fmt.Errorf("re-INVITE of %s to %s: %w", c.From, c.To, ctx.Err())
	}
}

func sameKey(a, b *session) bool {
	if a == nil || len(a.crypto) == 0 || len(b.crypto) == 0 {
		return a != nil && len(a.crypto) == len(b.crypto)
	}
	return string(a.crypto[0].key) == string(b.crypto[0].key)
}

// reinvited takes an offer of the box in the dialog.
func (c *Call) reinvited(tx *serverTx) {
	if len(tx.request.body) == 0 {
		c.respond(tx, 200, "OK", c.local.bytes())
		return
	}
	offer, err := parseSession(tx.request.body)
	if err != nil {
		c.refuseRequest(tx, &refusal{488, "Not Acceptable Here", err.Error()})
		return
	}
	before := *c.local
	answer, r := c.side.answer(c, offer)
	if r != nil {
		c.refuseRequest(tx, r)
		return
	}
	answer.direction = answering(offer.direction)
	if answer.direction != before.direction {
		answer.version = before.version + 1
	}
	c.local = answer
	if err := c.negotiate(offer); err != nil {
		c.refuseRequest(tx, &refusal{488, "Not Acceptable Here", err.Error()})
		return
	}
	c.respond(tx, 200, "OK", answer.bytes())
}

func (c *Call) refuseRequest(tx *serverTx, r *refusal) {
	c.side.refuse(tx.request.describe(), tx.flow.String(), r)
	c.respond(tx, r.code, r.reason, nil, header{"Reason", fmt.Sprintf("Q.850;cause=63;text=%q", r.text)})
}

// acknowledged takes the ACK of a 200 of ours.
func (c *Call) acknowledged(m *message) {
	number, _ := m.cseq()
	invite, _ := c.serverTxNumber()
	if number == invite {
		c.serverTx.acked = true
		c.serverTx.stopRepeat()
		if c.remote == nil && len(m.body) > 0 { // we made the offer in our 200
			remote, err := parseSession(m.body)
			if err == nil {
				err = c.negotiate(remote)
			}
			if err != nil {
				c.side.refuse("ACK", c.serverTx.flow.String(), &refusal{text: err.Error()})
				c.sendBye(nil)
			}
		}
		return
	}
	// A re-INVITE's: its transaction is known by the number alone.
	for _, tx := range c.a.servers {
		if n, method := tx.request.cseq(); n == number && method == "INVITE" && tx.request.get("Call-ID") == c.ID {
			tx.acked = true
			tx.stopRepeat()
		}
	}
}

func (c *Call) serverTxNumber() (int, bool) {
	if c.serverTx == nil {
		return 0, false
	}
	n, _ := c.serverTx.request.cseq()
	return n, true
}

// dialogRequest takes a request of the box inside the dialog, after the peer's own checks.
func (c *Call) dialogRequest(tx *serverTx) {
	number, method := tx.request.cseq()
	if number <= c.remoteSequence && c.remoteSequence > 0 {
		c.refuseRequest(tx, &refusal{500, "Server Internal Error", fmt.Sprintf("CSeq %d is not higher than %d", number, c.remoteSequence)})
		return
	}
	c.remoteSequence = number
	switch method {
	case "BYE":
		c.respond(tx, 200, "OK", nil)
		c.finish(End{ByBox: true, Reason: "BYE", Cause: tx.request.get("Reason")})
	case "INVITE":
		tx.call = c
		c.reinvited(tx)
	case "OPTIONS", "NOTIFY":
		c.respond(tx, 200, "OK", nil)
	default:
		c.refuseRequest(tx, &refusal{405, "Method Not Allowed", method + " is not in our Allow"})
	}
}

// play sends provisional answers and the final one, as the behaviour says. Runs once the 100 was sent.
func (c *Call) play(b Behaviour) {
	forks := max(b.Forks, 1)
	for range forks - 1 {
		// Every client of the user rings with a tag of its own; the call is answered by another one.
		c.serverTx.respondAs(token(8), 180, "Ringing", nil, c.side.dress(c, true)...)
	}
	c.respond(c.serverTx, 180, "Ringing", nil)
	c.rings()
	if b.EarlyMedia && c.remote != nil {
		c.early = true
		_ = c.negotiate(c.remote)
		c.respond(c.serverTx, 183, "Session Progress", c.local.bytes())
	}
	if b.Manual {
		return
	}
	c.a.after(max(b.Ring, 10*time.Millisecond), func() {
		if !c.isOver && !c.isUp {
			_ = c.answer()
		}
	})
}

// Behaviour is how a simulated peer treats calls from the box. The zero value: ring, then answer at once.
type Behaviour struct {
	Silent     bool          // no response at all to INVITE, not even 100
	Trying     bool          // nothing but 100
	Ring       time.Duration // from 180 to 200; at least 10 ms
	Forks      int           // how many 180 with different tags; 0: one
	EarlyMedia bool          // 183 with SDP after 180
	Manual     bool          // ring until Call.Answer or Call.Reject
	Code       int           // refuse with this response
	Reason     string        // its phrase
	Cause      string        // a Reason header on it
	RetryAfter int           // seconds; 0: no Retry-After

	SilentOptions bool // no response to OPTIONS
	OptionsCode   int  // respond to OPTIONS with this; 0: 200
}
