package siptx

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// Server is a server transaction (RFC 3261 17.2, RFC 6026) until its final response; a 2xx to an INVITE is the leg's to repeat until its
// ACK. What is kept after that is in lingering.
type Server struct {
	table  *Table
	Key    string
	merge  string // what a merged request has in common with it (8.2.2.2)
	Req    *sipmsg.Request
	From   siptransport.Arrival
	back   siptransport.Back
	Invite bool
	ToTag  string // of every response but 100

	mu       sync.Mutex
	state    txState
	last     []byte
	code     int                 // of the final response
	onCancel func(reason string) // an INVITE's leg; called in the read loop
	linger   *time.Timer         // how long the ACK of a 2xx is waited for
	release  func()
}

// Key is what a request has in common with its retransmissions, its ACK and its CANCEL (RFC 3261 17.2.3).
func Key(req *sipmsg.Request, method string) string {
	sentBy := strings.ToLower(req.Via.Host) + " " + strconv.Itoa(int(req.Via.Port))
	if branch := req.Via.Branch; req.Via.Cookie() && len(branch) > len(sip.RFC3261BranchMagicCookie) {
		return method + " " + branch + " " + sentBy
	}
	// RFC 2543: the ACK has the tag of the response in To, so To cannot be part of it.
	number := ""
	if req.SeqMethod != "" {
		number = strconv.FormatUint(uint64(req.Seq), 10)
	}
	return method + " 2543 " + req.CallID + " " + req.FromTag + " " + number + " " + sentBy + " " + req.Via.Branch
}

// NewServer returns the transaction of a request with its Key. It is not in the table before Open.
func (t *Table) NewServer(key string, req *sipmsg.Request, from siptransport.Arrival) *Server {
	return &Server{table: t, Key: key, Req: req, From: from, Invite: req.Method == sip.INVITE, ToTag: sipmsg.Token(10)}
}

// Merged tells who sent a copy of the request on another way before (RFC 3261 8.2.2.2). The copies of this one are recognised from Open on.
func (tx *Server) Merged() (first siptransport.Origin, ok bool) {
	tx.merge = tx.Req.MergeKey()
	tx.table.mu.Lock()
	defer tx.table.mu.Unlock()
	first, ok = tx.table.merged[tx.merge]
	return first, ok
}

// Replaced finds the request that this one is a copy of, if it came by a connection that another box had and waits for its final response. Its
// sender has lost that connection, and sends the request anew.
func (tx *Server) Replaced() *Server {
	tx.table.mu.Lock()
	defer tx.table.mu.Unlock()
	for _, first := range tx.table.servers {
		if first.merge == tx.merge && first.From.Lost() {
			return first
		}
	}
	return nil
}

// OnCancel has f called when a CANCEL comes for this INVITE before its final response, in the read loop.
func (tx *Server) OnCancel(f func(reason string)) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.onCancel = f
}

// Open registers the transaction.
func (tx *Server) Open() {
	tx.back = tx.table.gate.Back(tx.From, tx.Req)
	tx.release = tx.From.Flow.Hold(nil)
	tx.table.addServer(tx)
}

// Respond sends a response of the leg and reports whether the state allowed it: a final response is sent once, except that a
// leg repeats its 2xx.
func (tx *Server) Respond(code int, m []byte) bool {
	tx.mu.Lock()
	again := false
	switch {
	case tx.state == txAccepted && code/100 == 2:
		again = true
	case tx.state != txCalling:
		tx.mu.Unlock()
		return false
	case code < 200:
		again = bytes.Equal(tx.last, m) // RFC 3262 3
		tx.last = m
	case tx.Invite && code < 300:
		tx.state, tx.code, tx.last = txAccepted, code, nil
		tx.linger = time.AfterFunc(Timeout, tx.end)
	default:
		tx.state, tx.code, tx.last, tx.onCancel = txTerminated, code, nil, nil
		tx.mu.Unlock()
		if !tx.Invite && tx.From.Flow.Reliable() {
			tx.back.Send(m)
			tx.table.dropServer(tx)
			tx.release()
			return true
		}
		tx.table.finish(tx, m, tx.Invite)
		tx.back.Send(m)
		return true
	}
	tx.mu.Unlock()
	if again {
		tx.back.Resend(m)
	} else {
		tx.back.Send(m)
	}
	return true
}

// Refused reports whether the request got a 3xx to 6xx.
func (tx *Server) Refused() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.code >= 300
}

// Again is a retransmitted request.
func (tx *Server) Again() {
	tx.mu.Lock()
	m := tx.last
	tx.mu.Unlock()
	if m != nil {
		tx.back.Resend(m)
	}
}

// Cancelled is a CANCEL for this INVITE, in the read loop.
func (tx *Server) Cancelled(reason string) {
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

// Finish is the end of a 2xx to an INVITE: its ACK came, or its time has run out. Over UDP the INVITE may still come again.
func (tx *Server) Finish() {
	if !tx.over() {
		return
	}
	if tx.From.Flow.Reliable() {
		tx.table.dropServer(tx)
		tx.release()
	} else {
		tx.table.finish(tx, nil, false)
	}
}

func (tx *Server) end() {
	if tx.over() {
		tx.table.dropServer(tx)
		tx.release()
	}
}

// over ends the transaction, once.
func (tx *Server) over() bool {
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
