package sipgw

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
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
	t4 = 5 * time.Second

	transactionTimeout = 64 * t1 // timers B, F, H, L and M
	lingerD            = 32 * time.Second
)

type txState uint8

const (
	txCalling    txState = iota // client: nothing came back yet; server: no final response yet
	txProceeding                // client: a provisional response came
	txCompleted                 // client: a final response, other than 2xx to INVITE
	txAccepted                  // INVITE: 2xx (RFC 6026)
	txTerminated
)

// clientTx is a client transaction (RFC 3261 17.1, RFC 6026). sipgo's own machine blocks its read loop for 4 s on a
// retransmitted final response and while nobody takes a response from it, so this one hands responses to a function.
type clientTx struct {
	g      *gateway
	key    string
	invite bool
	req    *sip.Request
	via    string // of raw: the INVITE's ACK and CANCEL have the same
	raw    []byte
	way    siptransport.Flow
	// result is given every response that matters in its order, or one error; after an error or a final response to a
	// non-INVITE nothing more comes. It may be called under the transaction's lock, and may only post.
	result func(*sipmsg.Response, error)
	// fallback, when not nil, changes way and raw to another transport after the first could not be dialled (18.1.1).
	fallback func(transport siptransport.Transport) error

	mu       sync.Mutex
	state    txState
	answered bool // a response came
	taken    bool // the connection writes the request, or has written it
	acked    []byte
	interval time.Duration
	retry    *time.Timer
	timeout  *time.Timer
	linger   *time.Timer
	release  func()
}

// cancel sends a CANCEL (9.1) on the way of the INVITE. Its response says nothing: what counts is the INVITE's.
func (tx *clientTx) cancel(h []sipmsg.Header) {
	tx.mu.Lock()
	c := &clientTx{g: tx.g, req: tx.req, via: tx.via, way: tx.way, result: func(*sipmsg.Response, error) {}}
	tx.mu.Unlock()
	branch, _, _ := strings.Cut(tx.key, " ")
	c.key = clientKey(branch, string(sip.CANCEL))
	c.raw = sipmsg.RenderSame(c.req, sip.CANCEL, c.via, sipmsg.First(c.req, "To"), h)
	c.start()
}

// asked is where the request went.
func (tx *clientTx) asked() siptransport.Origin {
	tx.mu.Lock()
	way := tx.way
	tx.mu.Unlock()
	return siptransport.OriginOf(way)
}

// start registers the transaction and sends its request.
func (tx *clientTx) start() {
	tx.mu.Lock()
	tx.g.transactions.addClient(tx)
	tx.timeout = time.AfterFunc(transactionTimeout, func() { tx.fail(nil, errTimeout) })
	send := tx.enter()
	tx.mu.Unlock()
	send()
}

// enter takes up the way; the lock is held. What it returns sends the request, and is to be called without the lock.
func (tx *clientTx) enter() func() {
	way, raw := tx.way, tx.raw
	failed := func(err error) { tx.fail(way, err) }
	tx.release = way.Hold(func(err error) { tx.lost(way, err) })
	if !way.Reliable() {
		tx.interval = t1
		tx.retry = time.AfterFunc(t1, tx.resend)
	}
	return func() { way.Send(raw, tx.wanted, failed) }
}

// wanted is asked by the connection before it writes the request.
func (tx *clientTx) wanted() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.taken = true
	return tx.state != txTerminated
}

// resend is timer A or E.
func (tx *clientTx) resend() {
	tx.mu.Lock()
	if tx.state != txCalling && (tx.invite || tx.state != txProceeding) {
		tx.mu.Unlock()
		return
	}
	tx.interval *= 2
	if !tx.invite && (tx.interval > t2 || tx.state == txProceeding) {
		tx.interval = t2
	}
	tx.retry.Reset(tx.interval)
	way, raw := tx.way, tx.raw
	tx.mu.Unlock()
	way.Send(raw, nil, func(err error) { tx.fail(way, err) })
}

// lost is told when the connection breaks. A peer that has answered already may still send its final response on another one
// (RFC 3261 18.2.2); one that has not will not.
func (tx *clientTx) lost(way siptransport.Flow, err error) {
	tx.mu.Lock()
	answered := tx.answered
	tx.mu.Unlock()
	if !answered {
		tx.fail(way, err)
	}
}

// fail ends a transaction without final response. way is what failed, nil when it is not a way; one that has been left for
// another does not matter.
func (tx *clientTx) fail(way siptransport.Flow, err error) {
	tx.mu.Lock()
	if tx.state != txCalling && tx.state != txProceeding || way != nil && way != tx.way {
		tx.mu.Unlock()
		return
	}
	if tx.fallback != nil && way != nil && !tx.answered {
		release, again := tx.release, tx.fallback
		tx.fallback = nil
		if again(siptransport.UDP) == nil {
			send := tx.enter()
			tx.mu.Unlock()
			release()
			send()
			return
		}
	}
	if !tx.answered && !tx.way.Reliable() {
		tx.g.Failed(tx.way.Remote())
	}
	tx.end()
	tx.result(nil, err)
	tx.mu.Unlock()
}

// abort ends the transaction without telling anybody; a request that still waits for its connection is not sent.
func (tx *clientTx) abort() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.end()
}

// withdraw ends the transaction when its request still waits for its connection, and reports whether it did. It is not sent then.
func (tx *clientTx) withdraw() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.taken || !tx.way.Reliable() {
		return false
	}
	tx.end()
	return true
}

// receive is called in the read loop.
func (tx *clientTx) receive(res *sipmsg.Response) {
	tx.mu.Lock()
	var ack []byte
	refused := false
	switch {
	case tx.state == txTerminated:
	case res.StatusCode < 200:
		ack = tx.provisional(res)
	case !tx.invite:
		if tx.state == txCalling || tx.state == txProceeding {
			tx.state, tx.answered = txCompleted, true
			tx.quiet()
			tx.lingerFor(t4)
			tx.result(res, nil)
		}
	case res.StatusCode < 300:
		if tx.state == txCalling || tx.state == txProceeding {
			tx.state, tx.answered, tx.raw = txAccepted, true, nil
			tx.quiet()
			tx.linger = time.AfterFunc(transactionTimeout, tx.abort)
		}
		if tx.state == txAccepted {
			tx.result(res, nil) // also a retransmission, or the answer of another fork: the leg acknowledges each
		}
	case tx.state == txCalling || tx.state == txProceeding:
		tx.state, tx.answered = txCompleted, true
		tx.quiet()
		tx.acked = sipmsg.RenderSame(tx.req, sip.ACK, tx.via, res.ToText, nil) // 17.1.1.3
		ack, refused = tx.acked, true
	case tx.state == txCompleted:
		ack = tx.acked
	}
	tx.mu.Unlock()
	if ack != nil {
		tx.way.Send(ack, nil, nil)
		tx.mu.Lock()
		if tx.state == txCompleted && tx.linger == nil {
			tx.lingerFor(lingerD)
		}
		tx.mu.Unlock()
	}
	if refused {
		tx.result(res, nil) // after the ACK has left: an INVITE that follows must not overtake it
	}
}

func (tx *clientTx) provisional(res *sipmsg.Response) []byte {
	if tx.state != txCalling && tx.state != txProceeding {
		return nil
	}
	tx.state, tx.answered = txProceeding, true
	if tx.invite {
		tx.quiet() // how long a phone may ring is the leg's matter (timer C)
	}
	tx.result(res, nil)
	return nil
}

// quiet stops retransmission and time-out.
func (tx *clientTx) quiet() {
	if tx.retry != nil {
		tx.retry.Stop()
	}
	tx.timeout.Stop()
}

// lingerFor keeps the transaction to absorb retransmissions; over a reliable transport there are none.
func (tx *clientTx) lingerFor(d time.Duration) {
	if tx.way.Reliable() {
		tx.end()
		return
	}
	tx.linger = time.AfterFunc(d, tx.abort)
}

// end removes the transaction; the lock is held.
func (tx *clientTx) end() {
	if tx.state == txTerminated {
		return
	}
	tx.state = txTerminated
	tx.quiet()
	if tx.linger != nil {
		tx.linger.Stop()
	}
	tx.g.transactions.dropClient(tx)
	tx.release()
}

// errTimeout: no final response within 64*T1.
var errTimeout = errors.New("no response")
