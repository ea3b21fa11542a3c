package siptx

import (
	"errors"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// Timers of RFC 3261, table 4.
const (
	T1 = 500 * time.Millisecond
	T2 = 4 * time.Second
	T4 = 5 * time.Second

	Timeout = 64 * T1 // timers B, D, F, H, L and M
)

type txState uint8

const (
	txCalling    txState = iota // client: nothing came back yet; server: no final response yet
	txProceeding                // client: a provisional response came
	txCompleted                 // client: a final response, other than 2xx to INVITE
	txAccepted                  // INVITE: 2xx (RFC 6026)
	txTerminated
)

// Client is a client transaction (RFC 3261 17.1, RFC 6026). sipgo's own machine blocks its read loop for 4 s on a
// retransmitted final response and while a response waits to be taken, so this one hands responses to a function.
type Client struct {
	table   *Table
	key     string
	invite  bool
	Request *sip.Request
	via     string // of raw: the INVITE's ACK and CANCEL have the same
	raw     []byte
	flow    siptransport.Flow
	phone   *siptransport.PhoneTarget // whom it asks; nil: no phone
	// result is given every response that matters in its order, or one error; after an error or a final response to a
	// non-INVITE nothing more comes. It may be called under the transaction's lock, and may only post.
	result func(*sipmsg.Response, error)

	mu       sync.Mutex
	state    txState
	answered bool // a response came
	taken    bool // the connection writes the request, or has written it
	givenUp  bool // it is cancelled as soon as it can be
	reason   []sipmsg.Header
	acked    []byte
	release  func()
	ways
	clientTimers
}

// clientTimers are those of table 4.
type clientTimers struct {
	interval time.Duration
	retry    *time.Timer
	timeout  *time.Timer
	linger   *time.Timer
}

// maxDatagram is the largest request that goes over UDP (RFC 3261 18.1.1); responses may be of any size.
const maxDatagram = 1300

// Begin starts a client transaction to an endpoint. A request that is too large for UDP goes by TCP, and by UDP after all
// when the peer has no TCP; one for a phone goes as the phone came. result is called as Client says.
func (t *Table) Begin(req *sip.Request, to siptransport.Endpoint, result func(*sipmsg.Response, error)) (*Client, error) {
	branch := sipmsg.NewBranch()
	tx := &Client{table: t, Request: req, key: clientKey(branch, string(req.Method)), invite: req.Method == sip.INVITE, phone: to.Phone, result: result}
	tx.put = func(transport siptransport.Transport, branch string) error {
		e := to
		e.Transport = transport
		flow, err := t.gate.Flow(e)
		if err != nil {
			return err
		}
		tx.via = t.gate.Conf().At(transport, flow.Local()).Via(transport, branch)
		tx.flow, tx.raw = flow, sipmsg.Render(req, tx.via)
		return nil
	}
	err := tx.put(to.Transport, branch)
	if err == nil && !to.Transport.Reliable() && to.Phone == nil && len(tx.raw) > maxDatagram {
		tx.large = tx.put(siptransport.TCP, branch) == nil
	}
	if err != nil {
		return nil, err
	}
	tx.start()
	return tx, nil
}

func clientKey(branch, method string) string { return branch + " " + method }

// branch is that of the request. The lock is held, or it cannot change any more.
func (tx *Client) branch() string {
	branch, _, _ := strings.Cut(tx.key, " ")
	return branch
}

// Cancel sends a CANCEL (9.1) by the flow of the INVITE, or by what a phone has opened in place of that one. Its response says nothing: what
// counts is the INVITE's.
func (tx *Client) Cancel(h []sipmsg.Header) {
	tx.mu.Lock()
	c := &Client{table: tx.table, Request: tx.Request, via: tx.via, flow: tx.flow, result: func(*sipmsg.Response, error) {}}
	branch := tx.branch()
	tx.mu.Unlock()
	if tx.phone != nil {
		phone := tx.table.gate.Present(*tx.phone)
		if flow, err := tx.table.gate.Flow(siptransport.Endpoint{Phone: &phone}); err == nil {
			c.flow = flow
		}
	}
	c.key = clientKey(branch, string(sip.CANCEL))
	c.raw = sipmsg.RenderSame(c.Request, sip.CANCEL, c.via, sipmsg.First(c.Request.Headers(), "To"), h)
	c.start()
}

// ErrGivenUp: the request was not sent, because nobody wants its answer any more.
var ErrGivenUp = errors.New("given up before it was sent")

// GiveUp ends an INVITE by a CANCEL with these headers: at once if something has come back, else with the first provisional response (9.1). What
// still waits for its connection is not sent. The result is the final response, ErrGivenUp, or ErrTimeout when none comes within 64*T1.
func (tx *Client) GiveUp(h []sipmsg.Header) {
	tx.mu.Lock()
	ringing := false
	switch {
	case tx.givenUp || tx.state != txCalling && tx.state != txProceeding:
	case tx.state == txCalling && !tx.taken && tx.flow.Reliable():
		tx.end()
		tx.result(nil, ErrGivenUp)
	default:
		tx.givenUp, tx.reason = true, h
		ringing = tx.state == txProceeding
	}
	tx.mu.Unlock()
	if ringing {
		tx.giveUpNow()
	}
}

func (tx *Client) giveUpNow() {
	tx.mu.Lock()
	if tx.state == txProceeding {
		tx.timeout.Reset(Timeout)
	}
	h := tx.reason
	tx.mu.Unlock()
	tx.Cancel(h)
}

// Asked is where the request went.
func (tx *Client) Asked() siptransport.Origin {
	return siptransport.OriginOf(tx.Flow())
}

// start registers the transaction and sends its request.
func (tx *Client) start() {
	tx.mu.Lock()
	tx.table.addClient(tx)
	tx.timeout = time.AfterFunc(Timeout, func() { tx.fail(nil, ErrTimeout) })
	send := tx.enter()
	tx.mu.Unlock()
	send()
}

// enter takes up the flow; the lock is held. What it returns sends the request, and is to be called without the lock.
func (tx *Client) enter() func() {
	flow, raw := tx.flow, tx.raw
	failed := func(err error) { tx.fail(flow, err) }
	tx.release = flow.Hold(func(err error) { tx.lost(flow, err) })
	if !flow.Reliable() {
		tx.interval = T1
		tx.retry = time.AfterFunc(T1, tx.resend)
	}
	return func() { flow.Send(raw, tx.wanted, failed) }
}

// wanted is asked by the connection before it writes the request.
func (tx *Client) wanted() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.taken = true
	return tx.state != txTerminated
}

// resend is timer A or E.
func (tx *Client) resend() {
	tx.mu.Lock()
	if tx.state != txCalling && (tx.invite || tx.state != txProceeding) {
		tx.mu.Unlock()
		return
	}
	tx.interval *= 2
	if !tx.invite && (tx.interval > T2 || tx.state == txProceeding) {
		tx.interval = T2
	}
	tx.retry.Reset(tx.interval)
	flow, raw := tx.flow, tx.raw
	tx.mu.Unlock()
	tx.table.gate.Resend(flow, raw, func(err error) { tx.fail(flow, err) })
}

// lost is told when the connection breaks. A peer that has answered already may still send its final response on another one
// (RFC 3261 18.2.2); one that has not will not.
func (tx *Client) lost(flow siptransport.Flow, err error) {
	tx.mu.Lock()
	answered := tx.answered
	tx.mu.Unlock()
	if !answered {
		tx.fail(flow, err)
	}
}

// fail ends a transaction without final response. flow is what failed, nil when something else did; one that has been left for
// another does not matter.
func (tx *Client) fail(flow siptransport.Flow, err error) {
	tx.mu.Lock()
	if tx.state != txCalling && tx.state != txProceeding || flow != nil && (flow != tx.flow || tx.second == secondWaits) {
		tx.mu.Unlock()
		return
	}
	if flow != nil && !tx.answered {
		if send := tx.another(err); send != nil {
			tx.mu.Unlock()
			send()
			return
		}
	}
	switch {
	case tx.answered:
	case !tx.flow.Reliable():
		tx.table.gate.Failed(tx.flow.Remote())
	case err == ErrTimeout:
		siptransport.Retire(tx.flow) // perhaps it leads nowhere any more
	}
	tx.end()
	tx.result(nil, err)
	tx.mu.Unlock()
}

// drop ends the transaction for good.
func (tx *Client) drop(err error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	waits := tx.state == txCalling || tx.state == txProceeding
	if tx.end(); waits {
		tx.result(nil, err)
	}
}

// Abort ends the transaction in silence; a request that still waits for its connection is not sent.
func (tx *Client) Abort() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.end()
}

// Withdraw ends the transaction when its request still waits for its connection, and reports whether it did. It is not sent then.
func (tx *Client) Withdraw() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.taken || !tx.flow.Reliable() {
		return false
	}
	tx.end()
	return true
}

// Receive is called in the read loop.
func (tx *Client) Receive(res *sipmsg.Response) {
	tx.mu.Lock()
	var ack []byte
	refused, cancels := false, false
	switch {
	case tx.state == txTerminated:
	case res.StatusCode < 200:
		cancels = tx.givenUp && tx.state == txCalling
		tx.provisional(res)
	case !tx.invite:
		if tx.state == txCalling || tx.state == txProceeding {
			tx.answered = true
			tx.end()
			tx.result(res, nil)
		}
	case res.StatusCode < 300:
		if tx.state == txCalling || tx.state == txProceeding {
			tx.state, tx.answered, tx.raw = txAccepted, true, nil
			tx.quiet()
			tx.linger = time.AfterFunc(Timeout, tx.Abort)
		}
		if tx.state == txAccepted {
			tx.result(res, nil) // also a retransmission, or the answer of another fork: the leg acknowledges each
		}
	case tx.state == txCalling || tx.state == txProceeding:
		tx.state, tx.answered = txCompleted, true
		tx.quiet()
		tx.acked = sipmsg.RenderSame(tx.Request, sip.ACK, tx.via, res.ToText, nil) // 17.1.1.3
		ack, refused = tx.acked, true
	case tx.state == txCompleted:
		ack = tx.acked
	}
	tx.mu.Unlock()
	switch {
	case cancels:
		tx.giveUpNow()
	case refused:
		tx.flow.Send(ack, nil, nil)
		tx.settleRefused(ack)
		tx.result(res, nil) // after the ACK has left: an INVITE that follows must not overtake it
	case ack != nil:
		tx.table.gate.AcknowledgeAgain(res.Source.Addr(), tx.flow, ack)
	}
}

func (tx *Client) provisional(res *sipmsg.Response) {
	if tx.state != txCalling && tx.state != txProceeding {
		return
	}
	began := tx.state == txCalling
	tx.state, tx.answered = txProceeding, true
	if tx.invite && (began || !tx.givenUp) {
		tx.quiet() // how long a phone may ring is the leg's matter (timer C)
	}
	tx.result(res, nil)
}

// quiet stops retransmission and time-out.
func (tx *Client) quiet() {
	if tx.retry != nil {
		tx.retry.Stop()
	}
	tx.timeout.Stop()
}

// end removes the transaction; the lock is held.
func (tx *Client) end() {
	if tx.state == txTerminated {
		return
	}
	tx.state = txTerminated
	tx.quiet()
	if tx.linger != nil {
		tx.linger.Stop()
	}
	tx.table.dropClient(tx)
	tx.release()
}

// ErrTimeout: no final response within 64*T1.
var ErrTimeout = errors.New("no response")

// Flow is what the request went by.
func (tx *Client) Flow() siptransport.Flow {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.flow
}
