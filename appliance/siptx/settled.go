package siptx

import (
	"net/netip"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// Settled is what is left of an INVITE of ours after its ACK: that ACK, for a final response that comes again (RFC 3261 13.2.2.4 and
// 17.1.1.3). The request and the leg are let go of. Of requests other than INVITE nothing is left: a response without a transaction is
// dropped, as a repeated one would be.
type Settled struct {
	at      place
	text    string              // tag, then the ACK
	tag     int                 // its length
	refused bool                // a 3xx to 6xx, whatever its tag
	asked   siptransport.Origin // where the INVITE went
	to      siptransport.Endpoint
	fork    func(*Settled, *sipmsg.Response) // told of a 2xx with another tag, in the read loop; nil: nobody
	forks   int                              // told of; the lock of the transactions guards it
}

// MaxForks are the dialogs of one INVITE that are kept or ended: each costs memory and requests of ours.
const MaxForks = 32

func (s *Settled) place() *place    { return &s.at }
func (s *Settled) quiet()           {}
func (s *Settled) released() func() { return nil }
func (s *Settled) octets() int      { return len(s.at.key) + len(s.text) + lingeringItself }

// ACK is the ACK as it was sent.
func (s *Settled) ACK() []byte { return []byte(s.text[s.tag:]) }

// To is where the ACK went.
func (s *Settled) To() siptransport.Endpoint { return s.to }

// Asked is where the INVITE went. Its ACK may go elsewhere: the route set and the Contact of the 2xx say where.
func (s *Settled) Asked() siptransport.Origin { return s.asked }

// Settle ends the transaction of an INVITE whose 2xx with this tag got an ACK. What comes again gets the ACK again, and fork is told of
// a 2xx with another tag; it must not block. False: the transaction is in another state and goes on.
func (tx *Client) Settle(tag string, ack []byte, to siptransport.Endpoint, fork func(*Settled, *sipmsg.Response)) bool {
	tx.mu.Lock()
	accepted := tx.state == txAccepted
	tx.mu.Unlock()
	if !accepted {
		return false
	}
	tx.table.settle(tx.key, &Settled{text: tag + string(ack), tag: len(tag), asked: tx.Asked(), to: to, fork: fork})
	tx.Abort()
	return true
}

// settleRefused ends the transaction of an INVITE that was refused, after its ACK. Over a reliable transport nothing comes again.
func (tx *Client) settleRefused(ack []byte) {
	if !tx.flow.Reliable() {
		to := siptransport.Endpoint{Transport: tx.flow.Transport(), Addrs: []netip.AddrPort{tx.flow.Remote()}, Phone: tx.phone}
		tx.table.settle(tx.key, &Settled{text: string(ack), refused: true, asked: tx.Asked(), to: to})
	}
	tx.Abort()
}

// SettleFork keeps the ACK of a 2xx of another fork. An empty one only says that the fork is known.
func (t *Table) SettleFork(of *Settled, tag string, ack []byte, to siptransport.Endpoint) {
	t.settle(forkKey(of.at.key, tag), &Settled{text: tag + string(ack), tag: len(tag), asked: of.asked, to: to})
}

func forkKey(key, tag string) string { return key + " " + tag }

func (t *Table) settle(key string, s *Settled) {
	t.mu.Lock()
	gone := t.linger(&t.settled, s, key, s.to.Addrs[0].Addr())
	t.mu.Unlock()
	end(gone)
}

// Settled finds what is left of the INVITE that a response belongs to; nil: nothing.
func (t *Table) Settled(res *sipmsg.Response) *Settled {
	key := clientKey(res.Via.Branch, string(res.SeqMethod))
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.settledBy(key)
	if s != nil && !s.refused && s.text[:s.tag] != res.ToTag {
		if f := t.settledBy(forkKey(key, res.ToTag)); f != nil {
			return f
		}
	}
	return s
}

// settledBy finds one by its key. The lock is held.
func (t *Table) settledBy(key string) *Settled {
	if p := t.settled.byKey[key]; p != nil {
		return p.self.(*Settled)
	}
	return nil
}

// Receive is called in the read loop, with a response to the INVITE.
func (t *Table) Receive(s *Settled, res *sipmsg.Response) {
	switch {
	case res.StatusCode < 200 || res.StatusCode >= 300 != s.refused:
	case s.refused || s.text[:s.tag] == res.ToTag:
		if len(s.text) > s.tag {
			t.resend(s, res)
		}
	case s.fork != nil && t.anotherFork(s):
		s.fork(s, res)
	}
}

// anotherFork counts a fork, and reports whether there is room for it.
func (t *Table) anotherFork(s *Settled) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.forks++
	return s.forks <= MaxForks
}

func (t *Table) resend(s *Settled, res *sipmsg.Response) {
	if flow, err := t.gate.Flow(s.to); err == nil {
		t.gate.AcknowledgeAgain(res.Source.Addr(), flow, s.ACK())
	}
}
