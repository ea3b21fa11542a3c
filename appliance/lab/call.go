package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// side is what differs between the simulated peers in a call. All methods run in the agent's goroutine.
type side interface {
	// flowTo finds the way for a request of ours in the dialog.
	flowTo(c *Call, use func(*flow, error))
	// dress returns the headers that this peer puts on requests and responses of a call.
	dress(c *Call, response bool) []header
	// offer is what we offer; hold is the direction attribute that puts the box on hold.
	offer(c *Call) *local
	// answer chooses from an offer.
	answer(c *Call, offer *session) (*local, *refusal)
	// accept checks the box's answer to our offer.
	accept(c *Call, answer *session) *refusal
	// established checks the 2xx to our INVITE.
	established(c *Call, m *message) *refusal
	holdDirection() string
	openAudio(c *Call) error
	plan(c *Call, remote *session) audioPlan
	refuse(what string, peer string, r *refusal)
	forget(c *Call)
}

// refusal is why a message is not taken: the response, and the reason in words.
type refusal struct {
	code   int
	reason string
	text   string
}

// Refusal is something that the box did and a simulated peer did not take.
type Refusal struct {
	Time time.Time
	By   string // who refused
	What string // first line of the message, or handshake
	From string // where it came from
	Code int    // of the response, 0 when there was none
	Text string
}

func (r Refusal) String() string {
	return fmt.Sprintf("%s: %s from %s: %s", r.By, r.What, r.From, r.Text)
}

// End says how a call ended.
type End struct {
	ByBox  bool          // the box ended or refused it
	Code   int           // final response of a call that never was up; 0: it was up
	Reason string        // the response's phrase, or BYE, CANCEL, no ACK
	Cause  string        // the Reason header, as written
	After  time.Duration // from the INVITE
}

// Call is one call between the box and a simulated peer, as the peer sees it.
type Call struct {
	// Incoming: the box sent the INVITE.
	Incoming bool
	// Hub is where the call came in or went out at Teams, nil at STARFACE.
	Hub *Hub
	// From and To are the user parts in the INVITE; Asserted is its P-Asserted-Identity.
	From, FromName, To, Asserted string
	// Account is the SIP account of the call at STARFACE.
	Account string
	ID      string // Call-ID
	// Audio is valid until the call has ended; its Stats stay.
	Audio *Audio

	a       *agent
	side    side
	invite  *message
	began   time.Time
	ringing chan struct{}
	up      chan struct{}
	over    chan struct{}
	end     End // valid when over is closed

	// The following belong to the agent's goroutine.
	callDialog
	callProgress
	callMedia
}

// callDialog is the dialog of a call (RFC 3261 12).
type callDialog struct {
	localValue, remoteValue string // From and To values of our requests, with tags
	localTag, remoteTag     string
	target                  string // Request-URI of our requests
	contact                 string // ours, as written in our Contact
	routes                  []string
	sequence                int
	remoteSequence          int
	extra                   []header // on our INVITEs
}

// callProgress is how far a call has come.
type callProgress struct {
	serverTx     *serverTx // the INVITE that came in
	clientTx     *clientTx // the INVITE that we sent
	cancelling   bool
	isUp, isOver bool
	provisionals []Provisional
}

// callMedia is what was said of the media of a call.
type callMedia struct {
	local      *local // what we said last
	remote     *session
	early      bool           // we send before the answer
	offerless  bool           // our INVITE has no SDP, and
	lateAnswer []byte         // our ACK has the answer
	place      netip.AddrPort // where the first SDP put the box's media
}

// Provisional is a 1xx that the box sent us.
type Provisional struct {
	Code  int
	Tag   string
	Media bool // it had SDP
}

func newCall(a *agent, s side, id string) *Call {
	return &Call{
		a: a, side: s, ID: id, began: time.Now(),
		ringing: make(chan struct{}), up: make(chan struct{}), over: make(chan struct{}),
	}
}

// Began is when the INVITE was sent, or came.
func (c *Call) Began() time.Time { return c.began }

// Ringing is closed when the box said that it rings, or we said so.
func (c *Call) Ringing() <-chan struct{} { return c.ringing }

// Up is closed when the call was answered.
func (c *Call) Up() <-chan struct{} { return c.up }

// Over is closed when the call has ended; End tells how.
func (c *Call) Over() <-chan struct{} { return c.over }

// End says how the call ended; call it when Over is closed.
func (c *Call) End() End { return c.end }

// WaitUp waits until the call was answered.
func (c *Call) WaitUp(ctx context.Context) error {
	select {
	case <-c.up:
		return nil
	case <-c.over:
		select {
		case <-c.up:
			return nil
		default:
		}
		return fmt.Errorf("call %s to %s: ended with %d %s %s", c.From, c.To, c.end.Code, c.end.Reason, c.end.Cause)
	case <-ctx.Done():
		return fmt.Errorf("call %s to %s: not answered: %w", c.From, c.To, ctx.Err())
	}
}

// WaitOver waits for the end of the call.
func (c *Call) WaitOver(ctx context.Context) (End, error) {
	select {
	case <-c.over:
		return c.end, nil
	case <-ctx.Done():
		return End{}, fmt.Errorf("call %s to %s: not ended: %w", c.From, c.To, ctx.Err())
	}
}

// Header returns the first value of a header of the INVITE, "" if it is not there.
func (c *Call) Header(name string) string { return c.invite.get(name) }

// RequestURI is that of the INVITE.
func (c *Call) RequestURI() string { return c.invite.uri }

// Body is that of the INVITE.
func (c *Call) Body() string { return string(c.invite.body) }

// Provisionals are the 1xx that the box sent so far, in order, without 100.
func (c *Call) Provisionals() (list []Provisional) {
	_ = c.a.do(func() { list = slices.Clone(c.provisionals) })
	return list
}

// receiveDialog fills the dialog from an INVITE of the box.
func (c *Call) receiveDialog(tx *serverTx) {
	m := tx.request
	c.Incoming, c.serverTx, c.invite = true, tx, m
	tx.call = c
	from, to := parseAddress(m.get("From")), parseAddress(m.get("To"))
	c.From, c.FromName, c.To = from.uri.user, from.display, to.uri.user
	c.Asserted = parseAddress(m.get("P-Asserted-Identity")).uri.user
	c.localTag, c.remoteTag = tx.tag, from.params["tag"]
	c.localValue, c.remoteValue = m.get("To")+";tag="+tx.tag, m.get("From")
	c.target = parseAddress(m.list("Contact")[0]).text
	c.routes = m.list("Record-Route")
	c.remoteSequence, _ = m.cseq()
}

func (c *Call) respond(tx *serverTx, code int, reason string, body []byte, headers ...header) {
	tx.respond(code, reason, body, append(c.side.dress(c, true), headers...)...)
}

func (c *Call) rings() {
	select {
	case <-c.ringing:
	default:
		close(c.ringing)
	}
}

// Answer answers a call that came in.
func (c *Call) Answer() error {
	var err error
	return errors.Join(c.a.do(func() { err = c.answer() }), err)
}

func (c *Call) answer() error {
	if c.isOver || c.isUp || !c.Incoming {
		return fmt.Errorf("answer call %s to %s: it is not waiting", c.From, c.To)
	}
	// An INVITE without SDP is answered with an offer; the answer comes in the ACK.
	if c.local == nil {
		c.local = c.side.offer(c)
	}
	c.isUp = true
	c.rings()
	c.respond(c.serverTx, 200, "OK", c.local.bytes())
	close(c.up)
	if c.remote != nil {
		return c.negotiate(c.remote)
	}
	return nil
}

// Reject ends a call that came in and was not answered.
func (c *Call) Reject(code int, reason string, cause string) error {
	var err error
	return errors.Join(c.a.do(func() {
		if c.isOver || c.isUp || !c.Incoming {
			err = fmt.Errorf("reject call %s to %s: it is not waiting", c.From, c.To)
			return
		}
		c.reject(code, reason, cause)
	}), err)
}

func (c *Call) reject(code int, reason, cause string, headers ...header) {
	if cause != "" {
		headers = append(headers, header{"Reason", cause})
	}
	c.respond(c.serverTx, code, reason, nil, headers...)
	c.finish(End{Code: code, Reason: reason, Cause: cause})
}

func (c *Call) finish(e End) {
	if c.isOver {
		return
	}
	c.isOver = true
	e.After = time.Since(c.began)
	c.end = e
	if c.serverTx != nil {
		c.serverTx.stopRepeat()
	}
	if c.Audio != nil {
		c.Audio.Close()
	}
	c.side.forget(c)
	if c.isUp && !e.ByBox {
		c.a.left[c.ID] = true
		c.a.after(crossing, func() { delete(c.a.left, c.ID) })
	}
	close(c.over)
}

func (c *Call) lostACK(tx *serverTx) {
	if c.isOver {
		return
	}
	c.side.refuse("200 to INVITE", tx.flow.String(), &refusal{text: "no ACK came for it within 32 s"})
	c.sendBye(nil)
}

// negotiate takes a new remote session and sets the audio to it.
func (c *Call) negotiate(remote *session) error {
	c.remote = remote
	plan := c.side.plan(c, remote)
	plan.send = plan.send && (c.isUp || c.early)
	return c.Audio.apply(plan)
}

// send starts a call of ours on a flow.
func (c *Call) send(f *flow) {
	c.local = c.side.offer(c)
	m := c.newRequest("INVITE")
	m.headers = append(m.headers, c.side.dress(c, false)...)
	if !c.offerless {
		m.add("Content-Type", "application/sdp")
		m.body = c.local.bytes()
	}
	c.invite = m
	c.clientTx = c.a.request(f, m, c.inviteResponse)
}

func (c *Call) newRequest(method string) *message {
	c.sequence++
	m := &message{method: method, uri: c.target}
	for _, r := range c.routes {
		m.add("Route", r)
	}
	m.add("Max-Forwards", "68")
	m.add("From", c.localValue)
	m.add("To", c.remoteValue)
	m.add("Call-ID", c.ID)
	m.add("CSeq", fmt.Sprintf("%d %s", c.sequence, method))
	return m
}

// Hangup ends the call from our side, whatever its state: BYE, CANCEL or 603. It waits until it is over.
func (c *Call) Hangup(ctx context.Context) error { return c.hangup(ctx, "") }

// Cancel is Hangup with a Reason header.
func (c *Call) Cancel(ctx context.Context, cause string) error { return c.hangup(ctx, cause) }

func (c *Call) hangup(ctx context.Context, cause string) error {
	var headers []header
	if cause != "" {
		headers = []header{{"Reason", cause}}
	}
	done := make(chan error, 1)
	err := c.a.do(func() {
		switch {
		case c.isOver:
			done <- nil
		case c.isUp:
			c.sendBye(done, headers...)
		case c.Incoming:
			c.reject(603, "Decline", cause)
			done <- nil
		default:
			if !c.cancelling {
				c.cancelling = true
				c.a.cancel(c.clientTx, headers...)
			}
			done <- nil
		}
	})
	if err != nil {
		return err
	}
	select {
	case err = <-done:
	case <-ctx.Done():
		return fmt.Errorf("hang up %s to %s: %w", c.From, c.To, ctx.Err())
	}
	if err != nil {
		return err
	}
	_, err = c.WaitOver(ctx)
	return err
}

// sendBye ends a call that is up; done, if not nil, hears whether the box agreed.
func (c *Call) sendBye(done chan<- error, headers ...header) {
	c.side.flowTo(c, func(f *flow, err error) {
		result := func(err error) {
			if done != nil {
				done <- err
			}
		}
		switch {
		case c.isOver:
			result(nil)
			return
		case err != nil:
			c.finish(End{Reason: err.Error()})
			result(err)
			return
		}
		bye := c.newRequest("BYE")
		bye.headers = append(bye.headers, headers...)
		c.a.request(f, bye, func(m *message) {
			if m.code < 200 {
				return
			}
			if m.code != 200 {
				result(fmt.Errorf("BYE of %s to %s: %d %s", c.From, c.To, m.code, m.reason))
			} else {
				result(nil)
			}
			c.finish(End{Reason: "BYE"})
		})
	})
}
