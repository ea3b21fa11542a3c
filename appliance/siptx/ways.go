package siptx

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// ways are those on which a request may go when the first has failed before anything came back.
type ways struct {
	put    func(transport siptransport.Transport, branch string) error // makes flow and raw; the lock is held, or nobody else has the transaction yet
	large  bool                                                        // it goes by TCP for its size alone, and UDP is left (18.1.1)
	second secondState
}

// secondState is how far it has come with a second connection.
type secondState uint8

const (
	secondUnused secondState = iota
	secondWaits              // it will be opened
	secondTaken
)

// redialAfter is how long a peer has that takes no connection: a PBX that starts again, a firewall on its way to another line.
const redialAfter = T2

// another finds another way after an error, and returns what goes on there, to be called without the lock; nil: there is none, and the error stands.
//
// A request in a dialog goes on a second connection to the same peer once (RFC 3261 18.4, RFC 3263 4.3): Teams ends connections that it takes for
// idle, and a BYE or a hold that crosses such an end has nobody else to go to. The call would stay up for one party. Timer F does not begin anew. A
// request that has left may have arrived, so the second one has a branch of its own. A connection that could not be opened is tried again a little later,
// which is its second one. Who begins a call has other destinations.
func (tx *Client) another(err error) (send func()) {
	release := tx.release
	switch {
	case tx.large:
		if tx.large = false; tx.put(siptransport.UDP, tx.branch()) != nil {
			return nil
		}
	case tx.second != secondUnused || !tx.mayGoAgain() || siptransport.IsDeclined(err):
		return nil
	case siptransport.IsUnopened(err):
		tx.second = secondWaits
		tx.retry = time.AfterFunc(redialAfter, func() { tx.redial(err) })
		return func() {}
	default:
		if tx.onSecond() != nil {
			return nil
		}
	}
	next := tx.enter()
	return func() { release(); next() }
}

// mayGoAgain reports whether a second connection may be opened for the request: nobody listens at the far end of a phone's connection. A CANCEL
// goes where its INVITE goes.
func (tx *Client) mayGoAgain() bool {
	inDialog := sipmsg.ParseNameAddr(sipmsg.First(tx.Request.Headers(), "To")).Param("tag") != ""
	return tx.put != nil && inDialog && tx.phone == nil && tx.flow.Reliable() && tx.table.gate.Dials() && (!tx.taken || harmlessTwice(tx.Request.Method))
}

// harmlessTwice reports whether a peer that gets a request in two transactions does what it asks only once, or the same again: a digit would be pressed
// twice, and a transfer begin twice.
func harmlessTwice(m sip.RequestMethod) bool {
	return m != sip.INFO && m != sip.REFER && m != sip.MESSAGE
}

// onSecond puts the request on another connection. The lock is held.
func (tx *Client) onSecond() error {
	tx.second = secondTaken
	branch := tx.branch()
	if tx.taken {
		branch = sipmsg.NewBranch()
	}
	if err := tx.put(tx.flow.Transport(), branch); err != nil {
		return err
	}
	tx.table.rename(tx, clientKey(branch, string(tx.Request.Method)))
	return nil
}

// redial sends the request on a second connection after the first could not be opened.
func (tx *Client) redial(err error) {
	tx.mu.Lock()
	if tx.state != txCalling {
		tx.mu.Unlock()
		return
	}
	release := tx.release
	if tx.onSecond() != nil {
		tx.end()
		tx.result(nil, err)
		tx.mu.Unlock()
		return
	}
	next := tx.enter()
	tx.mu.Unlock()
	release()
	next()
}
