package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// SIP timers (RFC 3261 17).
const (
	timerT1 = 500 * time.Millisecond
	timerT2 = 4 * time.Second
	timerB  = 64 * timerT1
)

// agent is a SIP user agent with just enough of RFC 3261 for a lab: transactions and what they
// retransmit. One goroutine (run) owns all its state; everything else posts to it.
type agent struct {
	name     string
	capitals bool // header names as Microsoft spells them
	options  *Options

	ctx  context.Context
	mail chan func()
	wg   sync.WaitGroup // everything that the agent's owner has started

	// handle takes a new request; not ACK, CANCEL or retransmissions. In run.
	handle func(*serverTx)
	// ack takes an ACK that belongs to no transaction, so to a 2xx. In run.
	ack func(*message, *flow)
	// cancelled takes the CANCEL of an INVITE that has no final response yet. In run.
	cancelled func(*serverTx, *message)
	// stray takes a response that belongs to no transaction. In run.
	stray func(*message, *flow)
	// broken takes bytes that are no message. In run.
	broken func(error, *flow)

	servers map[string]*serverTx
	clients map[string]*clientTx
	left    map[string]bool // Call-IDs of the calls that we have hung up a moment ago
}

// crossing is how long after our BYE was answered a request of the box may come that had left before it got the BYE.
const crossing = 2 * time.Second

// serverTx is a request that came in, with the last response to it.
type serverTx struct {
	a       *agent
	request *message
	flow    *flow
	key     string
	tag     string // To tag of our responses
	final   bool
	last    []byte
	call    *Call // of an INVITE
	acked   bool
	repeat  *time.Timer // retransmits a final response to INVITE until ACK
}

// clientTx is a request of ours that waits for responses.
type clientTx struct {
	request  *message
	flow     *flow
	key      string
	take     func(*message) // every response, in run
	final    bool
	heard    bool // any response: no more retransmissions of an INVITE
	moved    bool // it was sent on a second flow, because the first one broke
	repeat   *time.Timer
	deadline *time.Timer
}

func newAgent(ctx context.Context, name string, o *Options) *agent {
	return &agent{name: name, options: o, ctx: ctx, mail: make(chan func(), 256), servers: map[string]*serverTx{}, clients: map[string]*clientTx{}, left: map[string]bool{}}
}

func (a *agent) run() {
	for {
		select {
		case <-a.ctx.Done():
			return
		case f := <-a.mail:
			f()
		}
	}
}

// post has f run by the agent's goroutine, later. It must not be called by it.
func (a *agent) post(f func()) {
	select {
	case a.mail <- f:
	case <-a.ctx.Done():
	}
}

// do has f run by the agent's goroutine and waits for it.
func (a *agent) do(f func()) error {
	done := make(chan struct{})
	a.post(func() {
		defer close(done)
		f()
	})
	select {
	case <-done:
		return nil
	case <-a.ctx.Done():
		return fmt.Errorf("%s: %w", a.name, net.ErrClosed)
	}
}

func (a *agent) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { a.post(f) })
}

func (a *agent) tell(format string, args ...any) {
	a.options.Tell(a.name, fmt.Sprintf(format, args...))
}

// receive takes one message from a reader.
func (a *agent) receive(f *flow, data []byte) {
	if a.options.Trace != nil {
		a.options.Trace(a.name, "<", f.String(), string(data))
	}
	m, err := parseMessage(data)
	a.post(func() {
		switch {
		case err != nil:
			a.broken(err, f)
		case m.code != 0:
			a.response(m, f)
		default:
			a.requested(m, f)
		}
	})
}

func (a *agent) write(f *flow, data []byte) error {
	if a.options.Trace != nil {
		a.options.Trace(a.name, ">", f.String(), string(data))
	}
	return f.write(data)
}

func (a *agent) requested(m *message, f *flow) {
	branch, sentBy := m.branch()
	method := m.method
	if method == "ACK" || method == "CANCEL" {
		method = "INVITE"
	}
	key := branch + "|" + sentBy + "|" + method
	tx := a.servers[key]
	switch {
	case m.method == "ACK":
		if tx != nil && !strings.HasPrefix(string(tx.last), "SIP/2.0 2") {
			tx.acked = true
			tx.stopRepeat()
			return
		}
		a.ack(m, f)
		return
	case m.method == "CANCEL":
		cancel := a.serve(m, f, branch+"|"+sentBy+"|CANCEL")
		if tx == nil {
			cancel.respond(481, "Call/Transaction Does Not Exist", nil)
			return
		}
		cancel.tag = tx.tag
		cancel.respond(200, "OK", nil)
		if !tx.final {
			a.cancelled(tx, m)
		}
		return
	case tx != nil:
		if tx.last != nil {
			_ = a.write(tx.flow, tx.last)
		}
		return
	}
	a.handle(a.serve(m, f, key))
}

func (a *agent) serve(m *message, f *flow, key string) *serverTx {
	tx := &serverTx{a: a, request: m, flow: f, key: key, tag: m.tag("To")}
	if tx.tag == "" {
		tx.tag = token(8)
	}
	a.servers[key] = tx
	return tx
}

// respond sends a response: the headers that RFC 3261 8.2.6 says are copied as they came.
func (tx *serverTx) respond(code int, reason string, body []byte, headers ...header) {
	tx.respondAs(tx.tag, code, reason, body, headers...)
}

// respondAs responds with another To tag, as a fork does.
func (tx *serverTx) respondAs(tag string, code int, reason string, body []byte, headers ...header) {
	m := &message{code: code, reason: reason, body: body}
	for _, h := range tx.request.headers {
		switch {
		case is(h.name, "Via"), is(h.name, "From"), is(h.name, "Call-ID"), is(h.name, "CSeq"):
			m.headers = append(m.headers, h)
		case is(h.name, "To"):
			if code > 100 && tx.request.tag("To") == "" {
				h.value += ";tag=" + tag
			}
			m.headers = append(m.headers, h)
		}
	}
	m.headers = append(m.headers, headers...)
	if len(body) > 0 {
		m.add("Content-Type", "application/sdp")
	}
	tx.last = m.bytes(tx.a.capitals)
	_ = tx.a.write(tx.flow, tx.last)
	if code < 200 {
		return
	}
	tx.final = true
	if tx.request.method == "INVITE" && (code < 300 || !tx.flow.reliable()) {
		tx.repeatUntilACK(timerT1, time.Now().Add(timerB))
	}
	tx.a.after(timerB, func() { delete(tx.a.servers, tx.key) })
}

func (tx *serverTx) repeatUntilACK(wait time.Duration, deadline time.Time) {
	tx.repeat = tx.a.after(wait, func() {
		switch {
		case tx.acked:
		case time.Now().After(deadline):
			if tx.call != nil {
				tx.call.lostACK(tx)
			}
		default:
			_ = tx.a.write(tx.flow, tx.last)
			tx.repeatUntilACK(min(2*wait, timerT2), deadline)
		}
	})
}

func (tx *serverTx) stopRepeat() {
	if tx.repeat != nil {
		tx.repeat.Stop()
	}
}

// request sends a request of ours on a flow; take hears every response, a 408 of our own when none
// comes and a 503 when the flow fails. The Via is put on here.
func (a *agent) request(f *flow, m *message, take func(*message)) *clientTx {
	tx := &clientTx{request: m, flow: f, take: take}
	a.putVia(tx, token(10))
	tx.send(a)
	tx.deadline = a.after(timerB, func() {
		if !tx.final && !(m.method == "INVITE" && tx.heard) {
			tx.fail(a, 408, "Request Timeout")
		}
	})
	return tx
}

func (a *agent) putVia(tx *clientTx, id string) {
	branch := "z9hG4bK" + id
	sentBy := tx.flow.local.String()
	if h := tx.flow.hub; h != nil && a.options.Pair { // where the other box can respond to, RFC 3261 18.2.2
		sentBy = netip.AddrPortFrom(h.site.addr, teamsPort).String()
	}
	via := header{"Via", fmt.Sprintf("SIP/2.0/%s %s;branch=%s;rport", strings.ToUpper(tx.flow.network), sentBy, branch)}
	tx.request.headers = append([]header{via}, tx.request.headers...)
	tx.key = branch + "|" + tx.request.method
	a.clients[tx.key] = tx
}

func (tx *clientTx) send(a *agent) {
	data := tx.request.bytes(a.capitals)
	if err := a.write(tx.flow, data); err != nil {
		a.tell("cannot send %s: %v", tx.request.describe(), err)
		tx.flow.close()
		if a.options.Pair && tx.flow.hub != nil && !tx.moved {
			return // its reader finds the end, too, and has it sent again
		}
		// The caller does not have the transaction yet: let it return first.
		tx.repeat = a.after(0, func() { tx.fail(a, 503, "Connection Failed") })
		return
	}
	if !tx.flow.reliable() {
		tx.repeatRequest(a, data, timerT1)
	}
}

// move sends a request that had no response on another flow, as a transaction of its own.
func (tx *clientTx) move(a *agent, f *flow) {
	delete(a.clients, tx.key)
	tx.flow, tx.request.headers = f, tx.request.headers[1:] // without the Via
	a.putVia(tx, token(10))
	tx.send(a)
}

func (tx *clientTx) repeatRequest(a *agent, data []byte, wait time.Duration) {
	tx.repeat = a.after(wait, func() {
		if tx.final || (tx.heard && tx.request.method == "INVITE") {
			return
		}
		_ = a.write(tx.flow, data)
		tx.repeatRequest(a, data, min(2*wait, timerT2))
	})
}

// fail ends the transaction with a response that never was on the wire.
func (tx *clientTx) fail(a *agent, code int, reason string) {
	if tx.final {
		return
	}
	tx.end(a)
	tx.take(&message{code: code, reason: reason, headers: []header{{"CSeq", tx.request.get("CSeq")}, {"Via", ""}, {"X-Lab", "local"}}})
}

// end keeps the transaction for a while, to absorb retransmitted responses.
func (tx *clientTx) end(a *agent) {
	tx.final = true
	tx.deadline.Stop()
	a.after(timerB, func() { delete(a.clients, tx.key) })
}

func (a *agent) response(m *message, f *flow) {
	branch, _ := m.branch()
	tx := a.clients[branch+"|"+m.cseqMethod()]
	if tx == nil || f.reliable() && f != tx.flow && !tx.flow.gone { // a response comes where its request went (A.15)
		a.stray(m, f)
		return
	}
	tx.heard = true
	invite := tx.request.method == "INVITE"
	switch {
	case m.code < 200:
		if tx.final {
			return
		}
	case invite && m.code >= 300:
		a.ackFailure(tx, m)
		if tx.final {
			return
		}
		tx.end(a)
	case tx.final && !invite:
		return
	case !tx.final:
		tx.end(a)
	}
	tx.take(m) // a repeated 2xx to INVITE too: it wants another ACK
}

// ackFailure is the transaction's own ACK (RFC 3261 17.1.1.3).
func (a *agent) ackFailure(tx *clientTx, m *message) {
	ack := &message{method: "ACK", uri: tx.request.uri}
	for _, h := range tx.request.headers {
		switch {
		case is(h.name, "Via"), is(h.name, "From"), is(h.name, "Call-ID"), is(h.name, "Route"), is(h.name, "Max-Forwards"):
			ack.headers = append(ack.headers, h)
		}
	}
	n, _ := tx.request.cseq()
	ack.add("To", m.get("To"))
	ack.add("CSeq", fmt.Sprintf("%d ACK", n))
	_ = a.write(tx.flow, ack.bytes(a.capitals))
}

// cancel sends the CANCEL of an INVITE of ours (RFC 3261 9.1).
func (a *agent) cancel(tx *clientTx, headers ...header) {
	m := &message{method: "CANCEL", uri: tx.request.uri}
	for _, h := range tx.request.headers {
		switch {
		case is(h.name, "Via"), is(h.name, "From"), is(h.name, "To"), is(h.name, "Call-ID"), is(h.name, "Route"), is(h.name, "Max-Forwards"):
			m.headers = append(m.headers, h)
		}
	}
	n, _ := tx.request.cseq()
	m.add("CSeq", fmt.Sprintf("%d CANCEL", n))
	m.headers = append(m.headers, headers...)
	branch, _ := tx.request.branch()
	ct := &clientTx{request: m, flow: tx.flow, key: branch + "|CANCEL", take: func(*message) {}}
	a.clients[ct.key] = ct
	ct.send(a)
	ct.deadline = a.after(timerB, func() { ct.fail(a, 408, "Request Timeout") })
}

// token is n random bytes in hexadecimal.
func token(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // does not fail
	return hex.EncodeToString(b)
}
