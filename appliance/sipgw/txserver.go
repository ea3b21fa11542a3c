package sipgw

import (
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// serverTx is a server transaction (RFC 3261 17.2, RFC 6026). The responses are the leg's; this retransmits what has to be.
type serverTx struct {
	g      *gateway
	key    string
	merge  string // what a merged request has in common with it (8.2.2.2)
	req    *sip.Request
	from   arrival
	invite bool
	toTag  string // of every response but 100

	mu       sync.Mutex
	state    txState
	last     []byte
	code     int                 // of the final response
	onCancel func(reason string) // an INVITE's leg; called in the read loop
	onGone   func()              // no ACK came for a 3xx to 6xx; may be nil
	interval time.Duration
	retry    *time.Timer
	linger   *time.Timer
	release  func()
}

// open registers the transaction.
func (tx *serverTx) open() {
	tx.release = tx.from.way.hold(nil)
	tx.g.addServer(tx)
}

// respond sends a response of the leg and reports whether the state allowed it: a final response is sent once, except that a
// leg repeats its 2xx.
func (tx *serverTx) respond(code int, m []byte) bool {
	tx.mu.Lock()
	switch {
	case tx.state == accepted && code/100 == 2:
	case tx.state != calling:
		tx.mu.Unlock()
		return false
	case code < 200:
		tx.last = m
	case tx.invite && code < 300:
		tx.state, tx.last = accepted, nil
		tx.linger = time.AfterFunc(transactionTimeout, tx.end)
	case tx.invite:
		tx.state, tx.last, tx.interval = completed, m, t1
		tx.linger = time.AfterFunc(transactionTimeout, tx.unacknowledged)
		if !tx.from.way.reliable() {
			tx.retry = time.AfterFunc(t1, tx.resend)
		}
	default:
		tx.state, tx.last = completed, m
		if tx.from.way.reliable() {
			defer tx.end()
		} else {
			tx.linger = time.AfterFunc(transactionTimeout, tx.end)
		}
	}
	if code >= 200 {
		tx.code = code
	}
	tx.mu.Unlock()
	tx.g.reply(tx.from, tx.req, m)
	return true
}

// refused reports whether the request got a 3xx to 6xx.
func (tx *serverTx) refused() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.code >= 300
}

// resend is timer G: the final response to an INVITE until its ACK.
func (tx *serverTx) resend() {
	tx.mu.Lock()
	if tx.state != completed {
		tx.mu.Unlock()
		return
	}
	tx.interval = min(2*tx.interval, t2)
	tx.retry.Reset(tx.interval)
	m := tx.last
	tx.mu.Unlock()
	tx.g.reply(tx.from, tx.req, m)
}

// again is a retransmitted request.
func (tx *serverTx) again() {
	tx.mu.Lock()
	m := tx.last
	tx.mu.Unlock()
	if m != nil {
		tx.g.reply(tx.from, tx.req, m)
	}
}

// acknowledge is the ACK of a 3xx to 6xx.
func (tx *serverTx) acknowledge() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.state != completed || !tx.invite {
		return
	}
	tx.state, tx.last = confirmed, nil
	if tx.retry != nil {
		tx.retry.Stop()
	}
	tx.linger.Stop()
	wait := t4
	if tx.from.way.reliable() {
		wait = 0
	}
	tx.linger = time.AfterFunc(wait, tx.end)
}

func (tx *serverTx) unacknowledged() {
	tx.end()
	if tx.onGone != nil {
		tx.onGone()
	}
}

// cancelled is a CANCEL for this INVITE, in the read loop.
func (tx *serverTx) cancelled(reason string) {
	tx.mu.Lock()
	f := tx.onCancel
	if tx.state != calling {
		f = nil // too late: a final response has left (9.2)
	}
	tx.mu.Unlock()
	if f != nil {
		f(reason)
	}
}

func (tx *serverTx) end() {
	tx.mu.Lock()
	if tx.state == terminated {
		tx.mu.Unlock()
		return
	}
	tx.state = terminated
	for _, t := range []*time.Timer{tx.retry, tx.linger} {
		if t != nil {
			t.Stop()
		}
	}
	tx.mu.Unlock()
	tx.g.dropServer(tx)
	tx.release()
}
