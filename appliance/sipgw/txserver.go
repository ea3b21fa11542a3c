package sipgw

import (
	"sync"
	"time"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// serverTx is a server transaction (RFC 3261 17.2, RFC 6026) until its final response; a 2xx to an INVITE is the leg's to repeat until its
// ACK. What is kept after that is in lingering.
type serverTx struct {
	g      *gateway
	key    string
	merge  string // what a merged request has in common with it (8.2.2.2)
	req    *sipmsg.Request
	from   siptransport.Arrival
	back   siptransport.Back
	invite bool
	toTag  string // of every response but 100

	mu       sync.Mutex
	state    txState
	last     []byte
	code     int                 // of the final response
	onCancel func(reason string) // an INVITE's leg; called in the read loop
	linger   *time.Timer         // how long the ACK of a 2xx is waited for
	release  func()
}

// open registers the transaction.
func (tx *serverTx) open() {
	tx.back = tx.g.Back(tx.from, tx.req)
	tx.release = tx.from.Flow.Hold(nil)
	tx.g.transactions.addServer(tx)
}

// respond sends a response of the leg and reports whether the state allowed it: a final response is sent once, except that a
// leg repeats its 2xx.
func (tx *serverTx) respond(code int, m []byte) bool {
	tx.mu.Lock()
	switch {
	case tx.state == txAccepted && code/100 == 2:
	case tx.state != txCalling:
		tx.mu.Unlock()
		return false
	case code < 200:
		tx.last = m
	case tx.invite && code < 300:
		tx.state, tx.code, tx.last = txAccepted, code, nil
		tx.linger = time.AfterFunc(transactionTimeout, tx.end)
	default:
		tx.state, tx.code, tx.last, tx.onCancel = txTerminated, code, nil, nil
		tx.mu.Unlock()
		if !tx.invite && tx.from.Flow.Reliable() {
			tx.back.Send(m)
			tx.g.transactions.dropServer(tx)
			tx.release()
			return true
		}
		tx.g.transactions.finish(tx, m, tx.invite)
		tx.back.Send(m)
		return true
	}
	tx.mu.Unlock()
	tx.back.Send(m)
	return true
}

// refused reports whether the request got a 3xx to 6xx.
func (tx *serverTx) refused() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.code >= 300
}

// again is a retransmitted request.
func (tx *serverTx) again() {
	tx.mu.Lock()
	m := tx.last
	tx.mu.Unlock()
	if m != nil {
		tx.back.Send(m)
	}
}

// cancelled is a CANCEL for this INVITE, in the read loop.
func (tx *serverTx) cancelled(reason string) {
	tx.mu.Lock()
	f := tx.onCancel
	if tx.state != txCalling {
		f = nil // too late: a final response has left (9.2)
	}
	tx.mu.Unlock()
	if f != nil {
		f(reason)
	}
}

// settle is the end of a 2xx to an INVITE: its ACK came, or nobody waits for it any more. Over UDP the INVITE may still come again.
func (tx *serverTx) settle() {
	if !tx.over() {
		return
	}
	if tx.from.Flow.Reliable() {
		tx.g.transactions.dropServer(tx)
		tx.release()
	} else {
		tx.g.transactions.finish(tx, nil, false)
	}
}

func (tx *serverTx) end() {
	if tx.over() {
		tx.g.transactions.dropServer(tx)
		tx.release()
	}
}

// over ends the transaction, once.
func (tx *serverTx) over() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.state == txTerminated {
		return false
	}
	tx.state, tx.onCancel = txTerminated, nil
	if tx.linger != nil {
		tx.linger.Stop()
	}
	return true
}
